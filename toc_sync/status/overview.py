"""Where every invoice stands now: is everything in TOC Online, what waits, what failed last, is anything sending."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from toc_sync.model import NEEDS_ATTENTION, ON_ITS_WAY, Status
from toc_sync.status.counting import count_matching
from toc_sync.status.invoices import SHOWN, as_row, count_invoices, count_old_doubts
from toc_sync.tables import sync_records as records
from toc_sync.tables import sync_workers as workers
from toc_sync.views import InvoiceFilter, WorkerRow
from toc_sync.views_health import Overview

ALIVE_FOR = timedelta(seconds=30)
"""A worker says that it is alive every few seconds; after this long without a word it counts as gone."""


def read_overview(conn: Connection, *, now: datetime, failures: int = 10) -> Overview:
    """Returns where every invoice stands: sums, what needs a person, the backlog and the last failures."""
    oldest = conn.execute(select(func.min(records.c.queued_at)).where(records.c.status.in_(ON_ITS_WAY))).scalar_one()
    attention = select(func.min(func.coalesce(records.c.last_attempt_at, records.c.created_at)))
    failed = select(*SHOWN).where(records.c.status.in_(NEEDS_ATTENTION))
    return Overview(
        sums=count_invoices(conn, InvoiceFilter(), now=now),
        old_doubts=count_old_doubts(conn, InvoiceFilter(), now=now),
        needs_attention=count_matching(conn, InvoiceFilter(statuses=NEEDS_ATTENTION), now=now),
        in_doubt=count_matching(conn, InvoiceFilter(statuses=(Status.IN_DOUBT,)), now=now),
        doubts_that_last=count_matching(conn, InvoiceFilter(old_doubts=True), now=now),
        on_its_way=count_matching(conn, InvoiceFilter(statuses=ON_ITS_WAY), now=now),
        never_sent=count_matching(conn, InvoiceFilter(statuses=(Status.NOT_SYNCED,)), now=now),
        at_risk=count_matching(conn, InvoiceFilter(at_risk=True), now=now),
        oldest_waiting_s=max(0.0, (now - oldest).total_seconds()) if oldest else None,
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
            obstacle=row["obstacle"],
        )
        for row in rows
    )


def _release(version: str | None) -> tuple[int, ...]:
    """Returns a version in the form that can be compared; an unknown one is older than all."""
    return tuple(int(part) for part in (version or "").split(".") if part.isdecimal())
