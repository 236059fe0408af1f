"""Standstill: what should have moved and has not, and who may be in the way. What others have locked is read all the same."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, func, or_, select

from toc_sync import clock, wording_database
from toc_sync.database import is_postgresql
from toc_sync.gating import Gate
from toc_sync.holders import find_holder
from toc_sync.model import Status
from toc_sync.outbox import read_gate
from toc_sync.status.overview import read_presence
from toc_sync.tables import sync_attempts as attempts
from toc_sync.tables import sync_records as records
from toc_sync.views import Proof
from toc_sync.views_locks import Standstill

OVERDUE_AFTER = timedelta(seconds=30)
"""How long after its lease a lost attempt must have been noticed; a worker looks every other second."""

STILL_AFTER = timedelta(minutes=5)
"""How long nothing leaves, although something is due, before that is told."""

HELD_FOR = timedelta(minutes=1)
_NAMED = 100


def read_standstill(conn: Connection, *, gate: Gate, alive: bool, now: datetime) -> Standstill:
    """Returns what stands still. Where no program is alive, or sending is stopped, that is reason enough for itself."""
    overdue = _overdue(conn, now) if alive else ()
    due, due_since = _due(conn, now) if alive and gate.is_open else ((), None)
    holder = None
    if is_postgresql(conn):
        opened_by = now - clock.moved() - HELD_FOR
        holder = find_holder(conn, opened_by=opened_by, billing=bool(overdue or due))
    return Standstill(overdue=overdue, due=due, due_since=due_since, holder=holder)


def prove_movement(conn: Connection, *, now: datetime) -> Proof:
    """Returns, as one more invariant, that what is due moves; where it does not, with what is known about why."""
    alive = any(worker.alive for worker in read_presence(conn, now=now))
    found = read_standstill(conn, gate=read_gate(conn), alive=alive, now=now)
    looked_at = select(func.count()).where(records.c.status.in_((Status.QUEUED, Status.SYNCING)))
    sentences = "" if found.is_none else f" {wording_database.standstill(found)}"
    return Proof(
        sentence=f"What is due moves on.{sentences}",
        checked=conn.execute(looked_at).scalar_one(),
        invoice_ids=tuple(sorted({*found.overdue, *found.due})),
    )


def _overdue(conn: Connection, now: datetime) -> tuple[int, ...]:
    over = select(records.c.invoice_id).where(
        records.c.status == Status.SYNCING, records.c.lease_until < now - OVERDUE_AFTER
    )
    return tuple(conn.execute(over.order_by(records.c.invoice_id).limit(_NAMED)).scalars())


def _due(conn: Connection, now: datetime) -> tuple[tuple[int, ...], datetime | None]:
    """Returns the invoices that have been due for long, if none has left meanwhile and none is on its way."""
    left = select(attempts.c.id).where(attempts.c.started_at > now - STILL_AFTER).limit(1)
    on_its_way = select(records.c.invoice_id).where(records.c.status == Status.SYNCING).limit(1)
    if conn.execute(left).first() or conn.execute(on_its_way).first():
        return (), None
    since = func.coalesce(records.c.not_before, records.c.queued_at, records.c.updated_at)
    its_time_has_come = or_(records.c.not_before.is_(None), records.c.not_before < now - STILL_AFTER)
    waits = (records.c.status == Status.QUEUED, its_time_has_come, since < now - STILL_AFTER)
    found = conn.execute(
        select(records.c.invoice_id, since).where(*waits).order_by(since, records.c.invoice_id).limit(_NAMED)
    ).all()
    return tuple(row[0] for row in found), found[0][1] if found else None
