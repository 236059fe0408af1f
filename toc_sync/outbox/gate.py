"""The gate: whether invoices may leave, shared by all machines through one row, and the log of its closings.

It decides about sending only: no record and no attempt changes here. Its row is locked in transactions of its own, so
that a machine that freezes while it holds the lock stops nobody else's bookkeeping; a pause that does not get the lock
is wished for beside it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, and_, or_, select, true

from toc_sync import ledger_time, wording_gate
from toc_sync.database import is_postgresql
from toc_sync.gating import DOWN_AFTER, Answer, Gate, next_cause, next_probe
from toc_sync.model import ErrorKind, GateCause, GateState, Outcome, Status
from toc_sync.outbox import wishes
from toc_sync.outbox.actions import log_action
from toc_sync.outbox.place import columns, found_place, known_place
from toc_sync.outbox.wishes import Wish
from toc_sync.recognition import Movement, differing, movement
from toc_sync.tables import gate as gate_table
from toc_sync.tables import gate_log, gate_wishes, markers
from toc_sync.tables import sync_attempts as attempts
from toc_sync.tables import sync_records as records

THE_GATE = "the gate"
"""Who closed or opened where no person did."""

_LOOKED_AT = 10 * DOWN_AFTER


def read_gate(conn: Connection) -> Gate:
    """Returns the gate as it is now, with what else keeps invoices here: another database, or a clock that was set."""
    return gate_in(conn, conn.execute(_QUERIES[is_postgresql(conn)]).mappings().one())


def mind_gate(conn: Connection, *, now: datetime) -> Gate:
    """Closes or opens the gate as the answers since its last change demand, and returns it as it is then."""
    gate = _lock_gate(conn, now)
    cause = next_cause(gate, _answers_since(conn, gate.since))
    if cause is gate.cause:
        return gate
    if cause is None:
        return _open(conn, gate, by=THE_GATE, now=now)
    reason = wording_gate.GATE_REASONS[cause]
    probe: dict[str, Any] | None = None
    if cause is GateCause.OUTAGE:
        probe_at, wait_s = next_probe(gate, now=now)
        probe = {"probe_at": probe_at, "probe_wait_s": wait_s}
    return _close(conn, gate, GateState.CLOSED, cause, by=THE_GATE, reason=reason, now=now, probe=probe)


def win_probe(conn: Connection, *, now: datetime) -> Gate | None:
    """Takes the one probe that is due, for this transaction; None where another sender has it or it is not due."""
    due = (gate_table.c.state == GateState.CLOSED) & (gate_table.c.probe_at <= now)
    query = select(gate_table, *columns(is_postgresql(conn))).where(due).with_for_update(skip_locked=True)
    row = conn.execute(query).mappings().one_or_none()
    if row is None:
        return None
    gate = _as_gate(conn, row)
    probe_at, wait_s = next_probe(gate, now=now)
    conn.execute(gate_table.update().values(probe_at=probe_at, probe_wait_s=wait_s))
    return gate


def pause(conn: Connection, *, actor: str, reason: str, now: datetime) -> str | None:
    """Stops the sending until somebody resumes it; returns why not, if it is paused already."""
    gate = _lock_gate(conn, now)
    if gate.state is GateState.PAUSED:
        return wording_gate.already_paused(gate.changed_by, gate.since)
    _close(conn, gate, GateState.PAUSED, GateCause.PERSON, by=actor, reason=reason, now=now)
    _log(conn, actor, "pause", reason, wording_gate.PAUSED_NOW, now)
    return None


def wish_pause(conn: Connection, *, actor: str, reason: str, now: datetime) -> None:
    """Stops the sending on PostgreSQL without any lock; for when `pause` did not get the gate's."""
    wishes.write_row(conn, Wish(at=now, actor=actor, reason=reason))


def pause_for_changed_database(conn: Connection, *, reason: str, now: datetime) -> None:
    """Stops the sending because this is a copy of the database, or an older state of it, until a person has looked."""
    gate = _lock_gate(conn, now)
    if gate.cause is not GateCause.DATABASE:
        _close(conn, gate, GateState.PAUSED, GateCause.DATABASE, by=THE_GATE, reason=reason, now=now)
        # What was asked for until this instant is suspect, however long the restored gate has been closed.
        _write(conn, {"since": now})


def resume(conn: Connection, *, actor: str, reason: str | None, now: datetime) -> str | None:
    """Lets invoices leave again; returns why not: they may already, or first somebody must say what this database is."""
    gate = _lock_gate(conn, now)
    if gate.is_open:
        return wording_gate.ALREADY_OPEN
    if gate.clock_set_at and gate.state is GateState.OPEN and not gate.database_changed:
        return wording_gate.CLOCK_WAS_SET
    if gate.is_unrecognised:
        return f"{gate.why_unrecognised} {wording_gate.WAY_ON}"
    _open(conn, gate, by=actor, now=now)
    wishes.forget(conn)
    _log(conn, actor, "resume", reason, wording_gate.RESUMED_NOW, now)
    return None


def open_after_check(conn: Connection, *, actor: str, now: datetime) -> bool:
    """Opens a gate that closed by itself, because a check found the function in order; a pause stays."""
    gate = _lock_gate(conn, now)
    if gate.state is not GateState.CLOSED or gate.database_changed:
        return False
    _open(conn, gate, by=actor, now=now)
    return True


def look_after_outage(conn: Connection, *, came_back: bool, now: datetime) -> bool:
    """Acts on the function's being there during an outage; tells whether something may leave now.

    Where an invoice waits that may find out, it does, at once if the function `came_back`; where none does, or only
    what must not be the first, the gate opens. Not before a probe would be due: a function that answers may still hang.
    """
    gate = _lock_gate(conn, now)
    if gate.state is not GateState.CLOSED or gate.cause is not GateCause.OUTAGE or gate.database_changed:
        return False
    if came_back:
        gate = _write(conn, {"probe_at": now})
    if gate.probe_at is None or gate.probe_at > now:
        return False
    finds_out = or_(
        records.c.status == Status.SYNCING, and_(records.c.status == Status.QUEUED, records.c.open_doubt.is_(None))
    )
    if conn.execute(select(records.c.invoice_id).where(finds_out).limit(1)).first() is None:
        _open(conn, gate, by=THE_GATE, now=now)
    return True


def recognised_again(conn: Connection, *, actor: str, stays_paused_for: str | None, now: datetime) -> None:
    """Ends the pause for a database that was not recognised: invoices may leave, or wait for an ordinary Resume."""
    gate = _lock_gate(conn, now)
    if gate.cause is not GateCause.DATABASE:
        return
    if stays_paused_for is None:
        _open(conn, gate, by=actor, now=now)
    else:
        _close(conn, gate, GateState.PAUSED, GateCause.PERSON, by=actor, reason=stays_paused_for, now=now)


def waited_for(record: RowMapping, gate: Gate) -> dict[str, Any]:
    """Returns the columns that say in which closing of the gate a record had to wait, for one that is claimed now."""
    queued_at = record["queued_at"]
    waited = not gate.is_open or (queued_at is not None and queued_at <= gate.since)
    return {"gate_log_id": gate.log_id} if gate.log_id is not None and waited else {}


def _close(
    conn: Connection,
    gate: Gate,
    state: GateState,
    cause: GateCause,
    *,
    by: str,
    reason: str | None,
    now: datetime,
    probe: dict[str, Any] | None = None,
) -> Gate:
    log_id = gate.log_id
    if gate.state is GateState.OPEN:
        entry = {"cause": cause, "closed_at": now, "closed_by": by, "reason": reason}
        log_id = conn.execute(gate_log.insert().values(entry).returning(gate_log.c.id)).scalar_one()
    else:
        conn.execute(gate_log.update().where(gate_log.c.id == log_id).values(cause=cause, reason=reason))
    # Closed for another reason, it is still closed since it was.
    since = now if gate.state is GateState.OPEN else gate.since
    values = {"state": state, "cause": cause, "since": since, "changed_by": by, "reason": reason, "log_id": log_id}
    return _write(conn, values | (probe or {"probe_at": None, "probe_wait_s": None}))


def _open(conn: Connection, gate: Gate, *, by: str, now: datetime) -> Gate:
    conn.execute(gate_log.update().where(gate_log.c.id == gate.log_id).values(opened_at=now, opened_by=by))
    empty: dict[str, Any] = dict.fromkeys(("cause", "reason", "probe_at", "probe_wait_s"))
    return _write(conn, empty | {"state": GateState.OPEN, "since": now, "changed_by": by})


def _write(conn: Connection, values: dict[str, Any]) -> Gate:
    conn.execute(gate_table.update().values(values))
    return read_gate(conn)


def _lock_gate(conn: Connection, now: datetime) -> Gate:
    """Locks the gate and returns it; whoever does writes a wish down first that was made beside it."""
    conn.execute(select(gate_table.c.id).with_for_update())
    row = conn.execute(_QUERIES[is_postgresql(conn)]).mappings().one()
    gate, wish = _as_gate(conn, row), wishes.wish_of(conn, row)
    if wish is None:
        return gate
    is_written = gate.state is GateState.PAUSED
    if not is_written:
        gate = _close(conn, gate, GateState.PAUSED, GateCause.PERSON, by=wish.actor, reason=wish.reason, now=wish.at)
        _log(conn, wish.actor, "pause", wish.reason, wording_gate.PAUSED_NOW, now)
    # A file goes at once, a commit may fail: it stays until the row is known to say so.
    if is_written or is_postgresql(conn):
        wishes.forget(conn)
    return replace(gate, is_wished=False)


def _with_wish(gate: Gate, wish: Wish | None) -> Gate:
    if wish is None:
        return gate
    if gate.state is GateState.PAUSED:
        return replace(gate, is_wished=True)
    return replace(
        gate,
        state=GateState.PAUSED,
        since=wish.at,
        cause=GateCause.PERSON,
        changed_by=wish.actor,
        reason=wish.reason,
        probe_at=None,
        probe_wait_s=None,
        is_wished=True,
    )


def _answers_since(conn: Connection, since: datetime) -> list[Answer]:
    """Returns the newest answers first; what the rescue closed for want of an answer is none."""
    query = (
        select(attempts.c.outcome, attempts.c.error_kind, attempts.c.http_status)
        .where(attempts.c.finished_at > since, attempts.c.duration_ms.is_not(None))
        .order_by(attempts.c.finished_at.desc())
        .limit(_LOOKED_AT)
    )
    return [
        Answer(outcome=Outcome(outcome), error_kind=ErrorKind(kind) if kind else None, http_status=http_status)
        for outcome, kind, http_status in conn.execute(query)
    ]


_ANCHOR = select(markers.c.value).where(markers.c.name == ledger_time.MARKER).scalar_subquery()


def gate_query(is_on_postgresql: bool, *more: ColumnElement[Any]) -> Select[Any]:
    """Selects the gate's row, where the database lies, the first wish to pause, the clock's anchor, and `more`."""
    if not is_on_postgresql:
        return select(gate_table, *columns(is_on_postgresql), _ANCHOR.label("ledger_time"), *more)
    wished = (
        gate_wishes.c.at.label("wished_at"),
        gate_wishes.c.actor.label("wished_by"),
        gate_wishes.c.reason.label("wished_because"),
    )
    query = select(gate_table, *columns(is_on_postgresql), *wished, *more)
    return query.select_from(gate_table.outerjoin(gate_wishes, true())).order_by(gate_wishes.c.id).limit(1)


# Written once: writing a statement anew takes as long as running it.
_QUERIES = {is_on_postgresql: gate_query(is_on_postgresql) for is_on_postgresql in (True, False)}


def gate_in(conn: Connection, row: RowMapping) -> Gate:
    """Returns the gate from what such a query selects."""
    return _with_wish(_as_gate(conn, row), wishes.wish_of(conn, row))


def _as_gate(conn: Connection, row: RowMapping) -> Gate:
    known, found = known_place(row) or {}, found_place(conn, row)
    moved = movement(known, found)
    anchor = ledger_time.parse_anchor(row.get("ledger_time"))
    return Gate(
        state=GateState(row["state"]),
        since=row["since"],
        cause=GateCause(row["cause"]) if row["cause"] else None,
        changed_by=row["changed_by"],
        reason=row["reason"],
        probe_at=row["probe_at"],
        probe_wait_s=row["probe_wait_s"],
        log_id=row["log_id"],
        database_changed=moved is not Movement.NONE,
        why_changed=wording_gate.moved(moved, differing(known, found), known, found),
        clock_set_at=anchor.held_since if anchor else None,
    )


def _log(conn: Connection, actor: str, action: str, reason: str | None, result: str, now: datetime) -> None:
    log_action(conn, actor=actor, action=action, invoice_id=None, reason=reason, done=True, result=result, now=now)
