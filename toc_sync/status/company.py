"""Who else is at work on an invoice: people who have it open, and the running batch it is part of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from toc_sync.tables import batch_items, batches, onlookers
from toc_sync.views_activity import Company, HeldBy, Onlooker

GONE_AFTER = timedelta(seconds=45)
"""How long nothing is heard of somebody who looks at an invoice until they count as gone."""


def read_company(conn: Connection, invoice_id: int, *, now: datetime) -> Company:
    """Returns who has this invoice open, and the running batch it is part of."""
    found = read_onlookers(conn, [invoice_id], now=now)
    return Company(onlookers=found, batch=_holding_batch(conn, invoice_id), read_at=now)


def read_onlookers(conn: Connection, invoice_ids: Sequence[int], *, now: datetime) -> tuple[Onlooker, ...]:
    """Returns everybody who has one of these invoices open, those who came first before others."""
    query = select(onlookers.c.session, onlookers.c.invoice_id, onlookers.c.actor, onlookers.c.since_at).where(
        onlookers.c.invoice_id.in_(invoice_ids), onlookers.c.last_seen_at > now - GONE_AFTER
    )
    rows = conn.execute(query.order_by(onlookers.c.since_at, onlookers.c.session)).mappings()
    return tuple(Onlooker(**row) for row in rows)


def _holding_batch(conn: Connection, invoice_id: int) -> HeldBy | None:
    query = (
        select(batches.c.id.label("batch_id"), batches.c.actor, batch_items.c.state)
        .join(batch_items, batch_items.c.batch_id == batches.c.id)
        .where(
            batch_items.c.invoice_id == invoice_id, batches.c.finished_at.is_(None), batches.c.cancelled_at.is_(None)
        )
        .order_by(batches.c.id.desc())
        .limit(1)
    )
    row = conn.execute(query).mappings().one_or_none()
    return HeldBy(**row) if row else None
