"""The gate as pages show it: what waits while it is not open, and how the invoices fared that had to wait."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import Connection, func, or_, select

from toc_sync.gating import Gate
from toc_sync.model import GateCause, GateState, Status
from toc_sync.outbox import read_gate
from toc_sync.status.overview import read_presence
from toc_sync.status.standstill import read_standstill
from toc_sync.tables import gate_log
from toc_sync.tables import sync_records as records
from toc_sync.views import GateView, Reopening, Sending
from toc_sync.wording_gate import GATE_REASONS

REMEMBERED_FOR = timedelta(hours=24)
"""How long pages tell how the last outage ended."""


def read_sending(conn: Connection, *, now: datetime) -> Sending:
    """Returns whether anything is sending, and what stands still although it should."""
    workers = read_presence(conn, now=now)
    alive = any(worker.alive for worker in workers)
    standstill = read_standstill(conn, gate=read_gate(conn), alive=alive, now=now)
    return Sending(workers=workers, gate=read_gate_view(conn, now=now), standstill=standstill, read_at=now)


def read_gate_view(conn: Connection, *, now: datetime) -> GateView:
    """Returns the gate, and how many invoices wait meanwhile and what they are worth."""
    gate = read_gate(conn)
    waiting, amounts = (0, {}) if gate.is_open else _waiting(conn)
    state, cause, reason = _as_shown(gate)
    return GateView(
        state=state,
        since=gate.shown_since,
        cause=cause,
        changed_by=gate.changed_by,
        reason=reason,
        probe_at=gate.probe_at,
        waiting=waiting,
        amounts=amounts,
        reopening=_reopening(conn, gate, now) if gate.is_open else None,
    )


def _as_shown(gate: Gate) -> tuple[GateState, GateCause | None, str | None]:
    if gate.database_changed:
        # Every sender finds the database changed before anything leaves, so that it is as good as paused.
        return GateState.PAUSED, GateCause.DATABASE, gate.why_unrecognised
    if gate.clock_set_at and gate.state is GateState.OPEN:
        return GateState.CLOSED, GateCause.CLOCK, GATE_REASONS[GateCause.CLOCK]
    return gate.state, gate.cause, gate.reason


def _waiting(conn: Connection) -> tuple[int, dict[str, Decimal]]:
    queued = records.c.status == Status.QUEUED
    query = select(records.c.currency_code, func.count(), func.sum(records.c.total_amount)).where(queued)
    found = conn.execute(query.group_by(records.c.currency_code)).all()
    return sum(row[1] for row in found), {row[0]: row[2] for row in found}


def _reopening(conn: Connection, gate: Gate, now: datetime) -> Reopening | None:
    if gate.log_id is None or now - gate.since > REMEMBERED_FOR:
        return None
    entry = conn.execute(select(gate_log).where(gate_log.c.id == gate.log_id)).mappings().one()
    waits_still = (records.c.status == Status.QUEUED) & (records.c.queued_at <= gate.since)
    waited = or_(records.c.gate_log_id == gate.log_id, waits_still)
    counted = select(records.c.status, func.count()).where(waited).group_by(records.c.status)
    statuses = Counter({Status(status): count for status, count in conn.execute(counted)})
    if not statuses:
        return None
    return Reopening(
        cause=GateCause(entry["cause"]),
        closed_at=entry["closed_at"],
        opened_at=gate.since,
        opened_by=entry["opened_by"],
        waited=statuses.total(),
        statuses=statuses,
    )
