"""Who looks at which invoice right now: said anew every few seconds, forgotten by itself. No sync state."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, case
from sqlalchemy.dialects import postgresql, sqlite

from toc_sync.database import is_postgresql
from toc_sync.tables import onlookers

FORGOTTEN_AFTER = timedelta(minutes=5)
"""Long after somebody counts as gone."""


def look(conn: Connection, *, session: str, invoice_id: int, actor: str, now: datetime) -> None:
    """Says that this browser session has this invoice open, and forgets who was not heard of for long."""
    conn.execute(onlookers.delete().where(onlookers.c.last_seen_at < now - FORGOTTEN_AFTER))
    insert = postgresql.insert(onlookers) if is_postgresql(conn) else sqlite.insert(onlookers)
    seen = insert.values(session=session, invoice_id=invoice_id, actor=actor, since_at=now, last_seen_at=now)
    since_at = case((onlookers.c.invoice_id == invoice_id, onlookers.c.since_at), else_=now)
    changed = {"invoice_id": invoice_id, "actor": actor, "since_at": since_at, "last_seen_at": now}
    conn.execute(seen.on_conflict_do_update(index_elements=["session"], set_=changed))


def look_away(conn: Connection, *, session: str) -> None:
    """Says that this browser session has closed the invoice."""
    conn.execute(onlookers.delete().where(onlookers.c.session == session))
