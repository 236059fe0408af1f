"""What a monitoring system reads: how attempts ended and how long they took, the backlog, the doubts, who is alive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Connection, case, cast, func, select

from toc_sync.alerting import OLD_DOUBT
from toc_sync.model import ON_ITS_WAY, GateState, Status
from toc_sync.status.gate import read_gate_view
from toc_sync.status.situation import count_workers
from toc_sync.tables import sync_attempts as attempts
from toc_sync.tables import sync_records as records

ANSWER_BOUNDS_S = (0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160)
"""The upper bounds of the answer times that are counted together; what took longer lies behind the last one."""

_BOUND = case(
    *((attempts.c.duration_ms <= bound_s * 1000, number) for number, bound_s in enumerate(ANSWER_BOUNDS_S)),
    (attempts.c.duration_ms.is_not(None), len(ANSWER_BOUNDS_S)),
    else_=None,
)


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Attempts that ended in the same way and took about as long (`bound`: the number of the bound; None: no answer)."""

    outcome: str
    error_kind: str
    bound: int | None
    count: int
    duration_ms: int


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What is so now."""

    backlog: int
    oldest_waiting_s: float
    in_doubt: int
    in_doubt_old: int
    gate: GateState
    workers_alive: int
    threads: int


def count_finished(conn: Connection, *, after: datetime | None, until: datetime) -> tuple[Tally, ...]:
    """Counts the attempts that ended in an interval (`after` excluded, `until` included; None: since ever)."""
    within = (attempts.c.finished_at <= until) & attempts.c.outcome.is_not(None)
    if after is not None:
        within &= attempts.c.finished_at > after
    kind = func.coalesce(attempts.c.error_kind, "")
    took_ms = cast(func.coalesce(func.sum(attempts.c.duration_ms), 0), BigInteger)
    query = select(attempts.c.outcome, kind, _BOUND, func.count(), took_ms).where(within)
    return tuple(
        Tally(outcome=outcome, error_kind=kind, bound=bound, count=count, duration_ms=duration_ms)
        for outcome, kind, bound, count, duration_ms in conn.execute(query.group_by(attempts.c.outcome, kind, _BOUND))
    )


def read_measures(conn: Connection, *, now: datetime) -> Measures:
    """Returns what is so now, in a few counts over our own indexes."""
    statuses = _count_unsettled(conn)
    old = (records.c.status == Status.IN_DOUBT) & (records.c.doubt_since <= now - OLD_DOUBT)
    oldest = conn.execute(select(func.min(records.c.queued_at)).where(records.c.status.in_(ON_ITS_WAY))).scalar_one()
    alive, threads = count_workers(conn, now=now)
    return Measures(
        backlog=sum(statuses.get(status, 0) for status in ON_ITS_WAY),
        oldest_waiting_s=max(0.0, (now - oldest).total_seconds()) if oldest else 0.0,
        in_doubt=statuses.get(Status.IN_DOUBT, 0),
        in_doubt_old=conn.execute(select(func.count()).where(old)).scalar_one(),
        gate=read_gate_view(conn, now=now).state,
        workers_alive=alive,
        threads=threads,
    )


def _count_unsettled(conn: Connection) -> Mapping[str, int]:
    wanted = records.c.status.in_((*ON_ITS_WAY, Status.IN_DOUBT))
    query = select(records.c.status, func.count()).where(wanted).group_by(records.c.status)
    return {row[0]: row[1] for row in conn.execute(query)}
