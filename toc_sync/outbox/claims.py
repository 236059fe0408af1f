"""Claims: choosing the next invoice that is due and opening its attempt, so that exactly one sender has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, Integer, RowMapping, Select, bindparam, exists, func, or_, select

from toc_sync import billing, policy, wording, wording_doubt
from toc_sync.gating import Gate, may_probe
from toc_sync.model import Claim, GateCause, GateState, Invoice, Outcome, Refusal, Status, Trigger
from toc_sync.outbox.gate import pause_for_changed_database, read_gate, waited_for, win_probe
from toc_sync.outbox.news import is_newer, taken_over
from toc_sync.outbox.originals import UNRECOGNISED, look
from toc_sync.outbox.records import DELETED, OF_SENDERS, copies_of, ended_values, lock_record, update_locked
from toc_sync.outbox.teaching import known_refusals
from toc_sync.outbox.turns import Turns, has_its_turn, is_not_of, take_place
from toc_sync.tables import sync_attempts as attempts
from toc_sync.tables import sync_records as records
from toc_sync.witness import Watch
from toc_sync.wording_gate import GATE_REASONS

_OPENED = attempts.insert()


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """A due invoice that turned out not to need sending; its record says why."""

    invoice_id: int
    status: Status


def claim(
    conn: Connection,
    *,
    worker: str,
    lease_s: float,
    refusals: Sequence[Refusal],
    turns: Turns,
    now: datetime,
    invoice_id: int | None = None,
    idempotent: bool = False,
    watch: Watch | None = None,
) -> Claim | Dropped | str | None:
    """Claims the oldest due invoice whose turn it is (or the one named, if so) and opens its attempt; else None.

    Nothing passes a gate that is not open, but for the one probe when it is due. The invoice is read again first: it may
    have been sent, cancelled or deleted by the other application meanwhile. A doubt is retried only where the function
    refuses a second issue (`idempotent`). UNRECOGNISED where the `watch` has to examine this database first. Raises
    Unwitnessed.
    """
    found = look(conn, watch) if watch else None
    gate = found.gate if found else read_gate(conn)
    if watch and found and gate.state is not GateState.PAUSED and not found.is_verified(watch):
        return UNRECOGNISED
    if gate.database_changed:
        pause_for_changed_database(conn, reason=gate.why_changed or GATE_REASONS[GateCause.DATABASE], now=now)
        return None
    if gate.is_open:
        record = _choose(conn, turns, invoice_id, now)
    else:
        record = _choose_probe(conn, gate, now) if invoice_id is None else None
    if record is None:
        return None
    invoice, fingerprint = billing.read_to_send(conn, record["invoice_id"])
    if dropped := _drop(conn, record, invoice, refusals, now, idempotent=idempotent):
        return dropped
    assert invoice is not None  # _drop drops what is gone
    # `api_fingerprint`: the settlement must notice what others write from now on.
    as_sent = copies_of(invoice) | {"sent_fingerprint": fingerprint, "api_fingerprint": invoice.api_fingerprint}
    attempt_id, claimed = _open_attempt(conn, record, as_sent, gate, worker=worker, lease_s=lease_s, now=now)
    return replace(claimed, mark=found.mark(attempt_id, claimed.request_id)) if found else claimed


def count_due(conn: Connection, *, turns: Turns, now: datetime, at_most: int) -> int:
    """Returns how many invoices have their turn now, counting no further than `at_most`.

    Never 0 while one could be claimed; an issuer that is not full may be counted with more than it has room for.
    """
    gate = read_gate(conn)
    if gate.is_open:
        return conn.execute(_count(turns), {"now": now, "at_most": at_most}).scalar_one()
    is_probe_due = may_probe(gate, now=now) and any(conn.execute(query).first() for query in _PROBES)
    return int(is_probe_due or (gate.database_changed and gate.state is not GateState.PAUSED))


def _choose_probe(conn: Connection, gate: Gate, now: datetime) -> RowMapping | None:
    """Locks and returns the record that finds out whether the function works again, if it is time for one."""
    if not may_probe(gate, now=now):
        return None
    found = (conn.execute(query.with_for_update(skip_locked=True)).mappings().one_or_none() for query in _PROBES)
    record = next((each for each in found if each is not None), None)
    return record if record is not None and win_probe(conn, now=now) else None


def _choose(conn: Connection, turns: Turns, invoice_id: int | None, now: datetime) -> RowMapping | None:
    """Locks and returns the record that goes next; one that somebody else is claiming is passed over."""
    query = _next_in_line(turns)
    if invoice_id is not None:
        query = query.where(records.c.invoice_id == invoice_id)
    passed_over: list[int | None] = []
    while True:
        wanted = query.where(is_not_of(passed_over)) if passed_over else query
        record = conn.execute(wanted, {"now": now}).mappings().one_or_none()
        if record is None or take_place(conn, record["issuer_team_id"], turns):
            return record
        passed_over.append(record["issuer_team_id"])


@cache  # writing them anew takes longer than running them
def _next_in_line(turns: Turns) -> Select[Any]:
    return _in_line(turns, select(*OF_SENDERS)).limit(1).with_for_update(skip_locked=True)


@cache
def _count(turns: Turns) -> Select[int]:
    # In order too, or PostgreSQL looks for the few in the whole table.
    due = _in_line(turns, select(records.c.invoice_id)).limit(bindparam("at_most", type_=Integer))
    return select(func.count()).select_from(due.subquery())


def _waiting(*conditions: ColumnElement[bool]) -> Select[Any]:
    """Selects the oldest waiting invoice, due or not, that may find out; none while something is in flight.

    Never one with an open doubt: nobody asked for it, or it must go back to in doubt.
    """
    in_flight = records.alias("in_flight")
    return (
        select(records)
        .where(records.c.status == Status.QUEUED, records.c.open_doubt.is_(None), *conditions)
        .where(~exists().where(in_flight.c.status == Status.SYNCING))
        .order_by(records.c.invoice_date, records.c.invoice_id)
        .limit(1)
    )


def _never_arrived() -> ColumnElement[bool]:
    certain = attempts.alias("certain")
    undelivered = exists().where(
        certain.c.invoice_id == records.c.invoice_id,
        certain.c.number == records.c.attempt_count,
        certain.c.outcome == Outcome.UNDELIVERED,
    )
    return or_(records.c.attempt_count == 0, undelivered)


_LOOKED_UP = records.c.trigger == Trigger.SEND_AGAIN
_PROBES = (_waiting(~_LOOKED_UP, _never_arrived()), _waiting(~_LOOKED_UP), _waiting())
"""Best one that certainly never arrived; else one that a person asked for; last one that a person looked up."""


def _in_line(turns: Turns, what: Select[Any]) -> Select[Any]:
    return what.where(has_its_turn(turns)).order_by(records.c.invoice_date, records.c.invoice_id)


def _drop(
    conn: Connection,
    record: RowMapping,
    invoice: Invoice | None,
    refusals: Sequence[Refusal],
    now: datetime,
    *,
    idempotent: bool,
) -> Dropped | None:
    invoice_id = record["invoice_id"]
    if invoice and (news := _news(conn, record, invoice, refusals, now)):
        values = news
    elif record["open_doubt"] and not (idempotent and invoice and policy.is_sendable(invoice.status)):
        values = ended_values() | {"status": Status.IN_DOUBT, "error_kind": record["open_doubt"], "open_doubt": None}
        values["error"] = _why_not_retried(invoice)
    elif invoice is None:
        values = ended_values() | {"status": Status.NOT_NEEDED, "error": wording.not_needed(None)}
    elif policy.is_sendable(invoice.status):
        return None
    else:
        values = ended_values() | {"status": Status.NOT_SYNCED, "error": wording.refused_invoice_status(invoice.status)}
    seen = {"invoice_status": DELETED}
    if invoice:
        seen = copies_of(invoice) | {"api_fingerprint": invoice.api_fingerprint}
    update_locked(conn, record, values | seen, now=now)
    return Dropped(invoice_id=invoice_id, status=values["status"])


def _news(
    conn: Connection, record: RowMapping, invoice: Invoice, refusals: Sequence[Refusal], now: datetime
) -> dict[str, Any]:
    """Returns what a record that waits takes over from its invoice instead of being sent."""
    if not is_newer(record, invoice):
        return taken_over(record, invoice, (), now=now)
    whole = lock_record(conn, invoice.invoice_id) or record
    news = taken_over(whole, invoice, known_refusals(conn, refusals), now=now)
    return news if "status" in news else {}


def _why_not_retried(invoice: Invoice | None) -> str:
    if invoice and policy.is_sendable(invoice.status):
        return wording_doubt.NOT_RETRIED
    return wording.not_sent(invoice.status if invoice else None)


def _open_attempt(
    conn: Connection,
    record: RowMapping,
    as_sent: dict[str, Any],
    gate: Gate,
    *,
    worker: str,
    lease_s: float,
    now: datetime,
) -> tuple[int, Claim]:
    claimed = Claim(
        invoice_id=record["invoice_id"],
        number=record["attempt_count"] + 1,
        request_id=str(uuid4()),
        trigger=Trigger(record["trigger"]),
        requested_by=record["requested_by"],
        lease_until=now + timedelta(seconds=lease_s),
        started_at=now,
        worker=worker,
        is_probe=not gate.is_open,
    )
    open_attempt = {
        "invoice_id": claimed.invoice_id,
        "number": claimed.number,
        "trigger": claimed.trigger,
        "requested_by": claimed.requested_by,
        "started_at": now,
        "request_id": claimed.request_id,
        "worker": worker,
    }
    opened = conn.execute(_OPENED, open_attempt).inserted_primary_key
    assert opened is not None
    claim_values = {
        "status": Status.SYNCING,
        "attempt_count": claimed.number,
        "lease_until": claimed.lease_until,
        "claimed_by": worker,
        "claim_id": claimed.request_id,
        "last_attempt_at": now,
        "not_before": None,
    } | waited_for(record, gate)
    update_locked(conn, record, as_sent | claim_values, now=now)
    return opened[0], claimed
