"""Presence: which programs that send are alive, so that pages can say whether anything is sending."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from toc_sync.database import is_postgresql
from toc_sync.tables import sync_workers as workers


def announce(conn: Connection, *, name: str, threads: int, now: datetime) -> None:
    """Says that this worker is alive."""
    insert = postgresql.insert(workers) if is_postgresql(conn) else sqlite.insert(workers)
    seen = insert.values(name=name, threads=threads, started_at=now, last_seen_at=now)
    conn.execute(seen.on_conflict_do_update(index_elements=["name"], set_={"last_seen_at": now, "threads": threads}))


def withdraw(conn: Connection, *, name: str) -> None:
    """Says that this worker has stopped."""
    conn.execute(workers.delete().where(workers.c.name == name))
