"""Batches: many invoices that one person asked to send, asked for one after the other, and put back when cancelled.

The database decides about each invoice at the moment it is asked for, by the checks of a single Retry. Only so many are
asked for ahead of the sending: what is created meanwhile need not wait for a long batch, and cancelling it is quick.
Locks come in the order batch, item, record.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, and_, exists, func, literal, or_, select

from toc_sync import billing, policy, wording, wording_batches
from toc_sync.model import Refusal, Result, Status
from toc_sync.outbox.actions import log_action
from toc_sync.outbox.records import update_record
from toc_sync.outbox.requests import request_send
from toc_sync.outbox.teaching import known_refusals
from toc_sync.tables import batch_items as items
from toc_sync.tables import batches
from toc_sync.tables import sync_records as records
from toc_sync.views_batches import BatchKind, BatchResult, ItemState

ASKED_AHEAD = 200
"""How many invoices of a batch wait in the queue at once."""

PUT_BACK = (
    "status", "error_kind", "error", "refusal", "http_status", "not_before", "trigger", "requested_by", "queued_at",
    "undelivered_tries", "doubt_retries", "open_doubt", "doubt_since", "error_group", "batch_id", "rests_on",
)  # fmt: skip
"""The columns of a record that asking changes; the invoice's facts stay as they are."""

_INSTANTS = ("not_before", "queued_at", "doubt_since")


def start_batch(
    conn: Connection,
    chosen: Select[Any],
    *,
    kind: BatchKind,
    description: str,
    actor: str,
    reason: str | None,
    now: datetime,
) -> tuple[int, int]:
    """Writes down a batch and its invoices and returns its id and how many they are.

    `chosen` selects position, invoice id and number of tries, in this order. Nothing is sent yet.
    """
    values = {"kind": kind, "description": description, "actor": actor, "reason": reason, "created_at": now, "total": 0}
    batch_id: int = conn.execute(batches.insert().values(values).returning(batches.c.id)).scalar_one()
    found = chosen.subquery()
    position, invoice_id, attempts = found.c
    rows = select(
        literal(batch_id).label("batch_id"),
        position,
        invoice_id,
        literal(ItemState.WAITING.value).label("state"),
        attempts,
    )
    columns = [items.c.batch_id, items.c.position, items.c.invoice_id, items.c.state, items.c.seen_attempts]
    conn.execute(items.insert().from_select(columns, rows))
    counted = select(func.count()).select_from(items).where(items.c.batch_id == batch_id)
    total: int = conn.execute(counted).scalar_one()
    conn.execute(batches.update().where(batches.c.id == batch_id).values(total=total))
    _log(conn, batch_id, actor, "batch", reason, f"{description}: {wording.invoices(total)}", now)
    return batch_id, total


def any_open_batch(conn: Connection) -> bool:
    """Tells whether a batch still goes on; asked before anything is locked for it."""
    return conn.execute(select(batches.c.id).where(batches.c.finished_at.is_(None)).limit(1)).first() is not None


def advance(
    conn: Connection, *, now: datetime, idempotent: bool, refusals: Sequence[Refusal] = (), at_most: int = 20
) -> int:
    """Asks for the next invoices of each open batch and returns how many it went through; 0 when none has its turn.

    What others are about to change is left for the next time, so that several machines share a batch and wait for
    nobody. A batch of which nothing is left to await is closed.
    """
    _finish(conn, now)
    known_refusals(conn, refusals, for_share=True)  # a withdrawal waits, and finds what was asked for here
    open_batches = select(batches.c.id, batches.c.actor).where(batches.c.finished_at.is_(None)).order_by(batches.c.id)
    gone_through = 0
    for batch_id, actor in conn.execute(open_batches).all():
        picked = _pick(conn, batch_id, min(at_most, _room(conn, batch_id, now)))
        for item in picked:
            _ask(conn, item, actor, now, refusals, idempotent=idempotent)
        gone_through += len(picked)
    return gone_through


def cancel_batch(conn: Connection, batch_id: int, *, actor: str, now: datetime) -> BatchResult:
    """Stops a batch: what was not asked for is not sent, what was and is not claimed yet is put back as it was.

    What is on the wire ends normally, and is not tried again by itself where it does not arrive.
    """
    query = select(batches).where(batches.c.id == batch_id).with_for_update()
    batch = conn.execute(query).mappings().one_or_none()
    if batch is None:
        return BatchResult(done=False, message=wording_batches.unknown_batch(batch_id))
    if batch["finished_at"] or batch["cancelled_at"]:
        return BatchResult(done=False, message=wording_batches.is_over(batch_id))
    changed = {"state": ItemState.CANCELLED, "message": wording_batches.CANCELLED_ITEM}
    of_batch = items.c.batch_id == batch_id
    conn.execute(items.update().where(of_batch, items.c.state == ItemState.WAITING).values(changed))
    for item in _not_claimed(conn, batch_id):
        _put_back(conn, item["invoice_id"], item["before"], now)
        conn.execute(items.update().where(of_batch, items.c.position == item["position"]).values(changed))
    _hold_what_is_sent(conn, batch_id)
    conn.execute(batches.update().where(batches.c.id == batch_id).values(cancelled_at=now, cancelled_by=actor))
    _finish(conn, now)
    cancelled = select(func.count()).select_from(items).where(of_batch, items.c.state == ItemState.CANCELLED)
    message = wording_batches.cancelled(batch_id, conn.execute(cancelled).scalar_one())
    _log(conn, batch_id, actor, "cancel_batch", None, message, now)
    return BatchResult(done=True, message=message)


def _room(conn: Connection, batch_id: int, now: datetime) -> int:
    """Returns how many more of a batch may be asked for now."""
    its_time_has_come = or_(records.c.not_before.is_(None), records.c.not_before <= now)
    ahead = select(func.count()).where(records.c.batch_id == batch_id, records.c.status == Status.QUEUED)
    return max(0, ASKED_AHEAD - conn.execute(ahead.where(its_time_has_come)).scalar_one())


def _pick(conn: Connection, batch_id: int, at_most: int) -> list[RowMapping]:
    """Locks and returns the next waiting items, in the order of their invoices' ids, with what their records say."""
    before = [records.c[name].label(f"before_{name}") for name in PUT_BACK]
    query = (
        select(items.c.batch_id, items.c.position, items.c.invoice_id, items.c.seen_attempts, *before)
        .join(records, records.c.invoice_id == items.c.invoice_id)
        .where(items.c.batch_id == batch_id, items.c.state == ItemState.WAITING)
        .order_by(items.c.position)
        .limit(at_most)
        .with_for_update(skip_locked=True)
    )
    return sorted(conn.execute(query).mappings().all(), key=lambda item: item["invoice_id"]) if at_most else []


def _ask(
    conn: Connection, item: RowMapping, actor: str, now: datetime, refusals: Sequence[Refusal], *, idempotent: bool
) -> None:
    batch_id = item["batch_id"]
    invoice = billing.read_invoice(conn, item["invoice_id"])
    result = Result(done=False, message=wording.not_needed(None), invoice_id=item["invoice_id"])
    if invoice:
        seen = item["seen_attempts"]
        result = request_send(
            conn,
            invoice,
            actor=actor,
            now=now,
            refusals=refusals,
            idempotent=idempotent,
            seen_attempts=seen,
            batch_id=batch_id,
        )
    state = ItemState.ASKED if result.done else ItemState.REFUSED
    values = {"state": state, "message": result.message, "asked_at": now, "before": _before(item)}
    this = and_(items.c.batch_id == batch_id, items.c.position == item["position"])
    conn.execute(items.update().where(this).values(values))


def _before(item: RowMapping) -> dict[str, Any]:
    values = {name: item[f"before_{name}"] for name in PUT_BACK}
    return values | {name: values[name].isoformat() for name in _INSTANTS if values[name]}


def _not_claimed(conn: Connection, batch_id: int) -> list[RowMapping]:
    """Locks and returns the items whose invoices still wait because this batch asked for them, and were not tried."""
    query = (
        select(items.c.position, items.c.invoice_id, items.c.before)
        .join(records, records.c.invoice_id == items.c.invoice_id)
        .where(items.c.batch_id == batch_id, items.c.state == ItemState.ASKED, *_still_asked())
        .order_by(items.c.invoice_id)
    )
    return list(conn.execute(query.with_for_update(of=records)).mappings())


def _hold_what_is_sent(conn: Connection, batch_id: int) -> None:
    on_the_wire = (records.c.batch_id == batch_id, records.c.status == Status.SYNCING)
    conn.execute(records.update().where(*on_the_wire).values(undelivered_tries=policy.NO_MORE_TRIES))


def _still_asked() -> tuple[ColumnElement[bool], ...]:
    return (
        records.c.status == Status.QUEUED,
        records.c.batch_id == items.c.batch_id,
        records.c.attempt_count == items.c.seen_attempts,
    )


def _put_back(conn: Connection, invoice_id: int, before: dict[str, Any], now: datetime) -> None:
    values = before | {name: datetime.fromisoformat(before[name]) for name in _INSTANTS if before[name]}
    doubt_since = values.pop("doubt_since")
    update_record(conn, invoice_id, values, now=now)
    update_record(conn, invoice_id, {"doubt_since": doubt_since}, now=now)  # a doubt is as old as it was


def _finish(conn: Connection, now: datetime) -> None:
    """Closes the batches of which nothing is left to await; what a cancelled one still has in the queue is not its own."""
    waiting = exists().where(items.c.batch_id == batches.c.id, items.c.state == ItemState.WAITING)
    awaited = or_(
        records.c.status == Status.SYNCING,
        and_(records.c.status == Status.QUEUED, batches.c.cancelled_at.is_(None)),
    )
    on_its_way = exists().where(records.c.batch_id == batches.c.id, awaited)
    over = batches.update().where(batches.c.finished_at.is_(None), ~waiting, ~on_its_way)
    conn.execute(over.values(finished_at=now))


def _log(
    conn: Connection, batch_id: int, actor: str, action: str, reason: str | None, result: str, now: datetime
) -> None:
    log_action(
        conn,
        actor=actor,
        action=action,
        invoice_id=None,
        reason=reason,
        done=True,
        result=result,
        now=now,
        batch_id=batch_id,
    )
