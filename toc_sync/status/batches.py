"""Batches as people see them: how each goes, what came of each invoice, and when the last outage was."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, func, or_, select

from toc_sync.model import GateCause, Status
from toc_sync.status.selecting import read_pace
from toc_sync.tables import batch_items as items
from toc_sync.tables import batches, gate_log
from toc_sync.tables import sync_records as records
from toc_sync.views import PAGE_SIZE
from toc_sync.views_batches import BatchItem, BatchKind, BatchView, ItemState, Outage, Pace

LISTED_AT_MOST = 50
SHOWN_FOR = timedelta(hours=1)
"""How long pages tell what came of a batch that is over."""

REMEMBERED_FOR = timedelta(days=7)
"""How long the newest outage is offered to recover from."""


def read_batch(conn: Connection, batch_id: int, *, now: datetime) -> BatchView | None:
    """Returns a batch as it stands, or None when it does not exist."""
    return next(iter(_views(conn, select(batches).where(batches.c.id == batch_id), now)), None)


def list_batches(conn: Connection, *, now: datetime) -> tuple[BatchView, ...]:
    """Returns the newest batches, the newest first."""
    return _views(conn, select(batches).order_by(batches.c.id.desc()).limit(LISTED_AT_MOST), now)


def current_batches(conn: Connection, *, now: datetime) -> tuple[BatchView, ...]:
    """Returns the batches that are running, and the newest one that ended a short while ago."""
    ended = select(func.max(batches.c.id)).where(batches.c.finished_at > now - SHOWN_FOR).scalar_subquery()
    shown = or_(batches.c.finished_at.is_(None), batches.c.id == ended)
    return _views(conn, select(batches).where(shown).order_by(batches.c.id).limit(LISTED_AT_MOST), now)


def list_items(conn: Connection, batch_id: int, *, page: int = 1) -> tuple[BatchItem, ...]:
    """Returns page `page` (from 1) of what came of a batch's invoices, in the order in which they are asked for."""
    query = _items(batch_id).offset((max(1, page) - 1) * PAGE_SIZE).limit(PAGE_SIZE)
    return tuple(_item(row) for row in conn.execute(query).mappings())


def export_items(conn: Connection, batch_id: int) -> Iterator[BatchItem]:
    """Yields what came of each invoice of a batch."""
    for row in conn.execute(_items(batch_id)).mappings():
        yield _item(row)


def read_outage(conn: Connection, *, now: datetime) -> Outage | None:
    """Returns the newest time in which the function did not work, if it is recent."""
    recent = (gate_log.c.cause == GateCause.OUTAGE, gate_log.c.closed_at > now - REMEMBERED_FOR)
    query = select(gate_log.c.closed_at, gate_log.c.opened_at).where(*recent).order_by(gate_log.c.id.desc()).limit(1)
    found = conn.execute(query).one_or_none()
    return Outage(since=found.closed_at, until=found.opened_at) if found else None


def _views(conn: Connection, query: Select[Any], now: datetime) -> tuple[BatchView, ...]:
    found = conn.execute(query).mappings().all()
    pace = read_pace(conn, now=now) if any(batch["finished_at"] is None for batch in found) else None
    return tuple(_view(conn, batch, pace) for batch in found)


def _view(conn: Connection, batch: RowMapping, pace: Pace | None) -> BatchView:
    keys = (items.c.state, records.c.status, records.c.currency_code)
    counted = (
        select(*keys, func.count().label("count"), func.sum(records.c.total_amount).label("total"))
        .join(records, records.c.invoice_id == items.c.invoice_id)
        .where(items.c.batch_id == batch["id"])
        .group_by(*keys)
    )
    states: Counter[str] = Counter()
    asked: Counter[Status] = Counter()
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    for row in conn.execute(counted).mappings():
        states[row["state"]] += row["count"]
        amounts[row["currency_code"]] += row["total"]
        if row["state"] == ItemState.ASKED:
            asked[Status(row["status"])] += row["count"]
    left = states[ItemState.WAITING] + asked[Status.QUEUED] + asked[Status.SYNCING]
    return BatchView(
        batch_id=batch["id"],
        kind=BatchKind(batch["kind"]),
        **{name: batch[name] for name in ("description", "actor", "reason", "created_at", "finished_at", "total")},
        cancelled_at=batch["cancelled_at"],
        cancelled_by=batch["cancelled_by"],
        waiting=states[ItemState.WAITING],
        refused=states[ItemState.REFUSED],
        cancelled=states[ItemState.CANCELLED],
        asked=dict(asked),
        amounts=dict(amounts),
        remaining_s=pace.seconds_for(left) if pace else None,
    )


def _items(batch_id: int) -> Select[Any]:
    shown = (records.c.invoice_number, records.c.status, records.c.error, records.c.document_no)
    worth = (records.c.total_amount, records.c.currency_code)
    return (
        select(items.c.position, items.c.invoice_id, items.c.state, items.c.message, *shown, *worth)
        .join(records, records.c.invoice_id == items.c.invoice_id)
        .where(items.c.batch_id == batch_id)
        .order_by(items.c.position)
    )


def _item(row: RowMapping) -> BatchItem:
    return BatchItem(**{**row, "state": ItemState(row["state"]), "status": Status(row["status"])})
