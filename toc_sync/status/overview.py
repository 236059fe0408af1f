"""The overview: is everything in TOC Online, what waits, what failed last, and is anything sending."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Text, cast, func, select

from toc_sync.database import is_postgresql
from toc_sync.model import NEEDS_ATTENTION, ON_ITS_WAY, Outcome
from toc_sync.status.invoices import SHOWN, as_row, count_invoices, count_old_doubts
from toc_sync.tables import sync_attempts as attempts
from toc_sync.tables import sync_records as records
from toc_sync.tables import sync_workers as workers
from toc_sync.views import HourCount, InvoiceFilter, Overview, WorkerRow

ALIVE_FOR = timedelta(seconds=30)
"""A worker says that it is alive every few seconds; after this long without a word it counts as gone."""


def read_overview(conn: Connection, *, now: datetime, hours: int = 24, failures: int = 10) -> Overview:
    """Returns the health of the sync: sums, backlog, the last `hours` hours of attempts and the last failures."""
    sums = count_invoices(conn, InvoiceFilter(), now=now)
    waiting, oldest = conn.execute(
        select(func.count(), func.min(records.c.queued_at)).where(records.c.status.in_(ON_ITS_WAY))
    ).one()
    attention = select(func.min(func.coalesce(records.c.last_attempt_at, records.c.created_at)))
    failed = select(*SHOWN).where(records.c.status.in_(NEEDS_ATTENTION))
    return Overview(
        sums=sums,
        old_doubts=count_old_doubts(conn, InvoiceFilter(), now=now),
        waiting=waiting,
        oldest_waiting_s=max(0.0, (now - oldest).total_seconds()) if oldest else None,
        hours=_hours(conn, now, hours),
        last_failures=tuple(
            as_row(row, now=now)
            for row in conn.execute(failed.order_by(records.c.last_attempt_at.desc()).limit(failures)).mappings()
        ),
        workers=read_presence(conn, now=now),
        oldest_attention_at=conn.execute(attention.where(records.c.status.in_(NEEDS_ATTENTION))).scalar_one(),
        read_at=now,
    )


def read_presence(conn: Connection, *, now: datetime) -> tuple[WorkerRow, ...]:
    """Returns the programs that send, the most recently heard of first."""
    rows = conn.execute(select(workers).order_by(workers.c.last_seen_at.desc()).limit(50)).mappings().all()
    alive = {row["name"] for row in rows if row["threads"] > 0 and now - row["last_seen_at"] < ALIVE_FOR}
    newest = max((_release(row["version"]) for row in rows if row["name"] in alive), default=())
    return tuple(
        WorkerRow(
            name=row["name"],
            host=row["host"],
            version=row["version"],
            threads=row["threads"],
            started_at=row["started_at"],
            last_seen_at=row["last_seen_at"],
            alive=row["name"] in alive,
            outdated=row["name"] in alive and _release(row["version"]) < newest,
        )
        for row in rows
    )


def _release(version: str | None) -> tuple[int, ...]:
    """Returns a version in the form that can be compared; an unknown one is older than all."""
    return tuple(int(part) for part in (version or "").split(".") if part.isdecimal())


def _hours(conn: Connection, now: datetime, hours: int) -> tuple[HourCount, ...]:
    first = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours - 1)
    hour: ColumnElement[str] = func.substr(cast(attempts.c.started_at, Text), 1, 13)
    if is_postgresql(conn):
        hour = func.to_char(func.timezone("UTC", attempts.c.started_at), "YYYY-MM-DD HH24")
    counted = (
        select(hour.label("hour"), attempts.c.outcome)
        .where(attempts.c.started_at >= first, attempts.c.outcome.is_not(None))
        .subquery()
    )
    query = select(counted.c.hour, counted.c.outcome, func.count()).group_by(counted.c.hour, counted.c.outcome)
    return tuple(
        HourCount(hour=datetime.strptime(f"{text}+0000", "%Y-%m-%d %H%z"), outcome=Outcome(outcome), count=count)
        for text, outcome, count in conn.execute(query.order_by(counted.c.hour))
    )
