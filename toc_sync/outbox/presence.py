"""Presence: which programs that send are alive, so that pages can say whether anything is sending.

It also elects the one that searches through everything: of those heard of lately, the one that has been there longest.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from toc_sync.database import is_postgresql
from toc_sync.tables import gate
from toc_sync.tables import sync_workers as workers

SILENT_AFTER = timedelta(seconds=15)
"""Who has missed about three announcements is not waited for."""

FORGOTTEN_AFTER = timedelta(days=1)


def announce(
    conn: Connection,
    *,
    name: str,
    host: str,
    version: str,
    threads: int,
    now: datetime,
    keeper: str | None = None,
    obstacle: str | None = None,
) -> bool:
    """Says that this worker is alive; tells whether none that is alive has been there longer.

    Programs before 1.1.0, which name no version, cannot search and do not count. Workers long gone are forgotten, unless
    it is asked just now who was alive. `keeper` names its witness, `obstacle` is why it sends nothing.
    """
    insert = postgresql.insert(workers) if is_postgresql(conn) else sqlite.insert(workers)
    said = {"host": host, "version": version, "threads": threads, "last_seen_at": now}
    said |= {"keeper": keeper, "obstacle": obstacle}
    seen = insert.values(name=name, started_at=now, **said)
    conn.execute(seen.on_conflict_do_update(index_elements=["name"], set_=said))
    asked = select(gate.c.cut_at).limit(1).scalar_subquery()
    conn.execute(workers.delete().where(workers.c.last_seen_at < now - FORGOTTEN_AFTER, asked.is_(None)))
    alive = select(workers.c.name).where(workers.c.last_seen_at > now - SILENT_AFTER, workers.c.version.is_not(None))
    eldest: str = conn.execute(alive.order_by(workers.c.started_at, workers.c.name).limit(1)).scalar_one()
    return eldest == name


def withdraw(conn: Connection, *, name: str) -> None:
    """Says that this worker has stopped."""
    conn.execute(workers.delete().where(workers.c.name == name))
