"""Wishes to pause: how the sending is stopped on all machines while somebody else holds the gate's row locked.

On PostgreSQL a wish is a row of its own, which nobody can have locked before it is there; on SQLite, whose one write
lock is held then, a small file beside the database. Claims look for one where they read the gate; whoever locks the
gate next writes it down there.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, RowMapping

from toc_sync.database import is_postgresql
from toc_sync.tables import gate_wishes

FILE_SUFFIX = ".pause"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Who wants the sending to stop, since when, and why."""

    at: datetime
    actor: str
    reason: str | None


def write_row(conn: Connection, wish: Wish) -> None:
    """Wishes for a pause on PostgreSQL: from the commit on no claim passes, whatever is locked."""
    conn.execute(gate_wishes.insert().values(at=wish.at, actor=wish.actor, reason=wish.reason))


def write_file(engine: Engine, wish: Wish) -> None:
    """Wishes for a pause on SQLite. Raises OSError where no file can be kept beside the database."""
    path = _file_of(engine)
    if path is None:
        raise FileNotFoundError("the database is in no file")
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with draft.open("w", encoding="utf-8") as file:
        json.dump({"at": wish.at.isoformat(), "actor": wish.actor, "reason": wish.reason}, file, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def wish_of(conn: Connection, row: RowMapping) -> Wish | None:
    """Returns the wish that came with the gate's row, or stands in the file beside the database."""
    if not is_postgresql(conn):
        return _read_file(conn.engine)
    if row["wished_at"] is None:
        return None
    return Wish(at=row["wished_at"], actor=row["wished_by"], reason=row["wished_because"])


def forget(conn: Connection) -> None:
    """Takes all wishes away that are known here: the gate's row says so itself now, or somebody resumed."""
    if is_postgresql(conn):
        conn.execute(gate_wishes.delete())
    elif path := _file_of(conn.engine):
        path.unlink(missing_ok=True)


def _read_file(engine: Engine) -> Wish | None:
    path = _file_of(engine)
    if path is None or not path.exists():
        return None
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return Wish(at=datetime.fromisoformat(said["at"]), actor=str(said["actor"]), reason=said["reason"])
    except FileNotFoundError:  # somebody resumed in this moment
        return None
    except (OSError, ValueError, KeyError, TypeError):
        # Whatever stands in it, somebody wanted nothing to be sent.
        return Wish(at=datetime.fromtimestamp(path.stat().st_mtime, UTC), actor="somebody", reason=None)


def _file_of(engine: Engine) -> Path | None:
    name = engine.url.database
    return Path(name + FILE_SUFFIX) if name and name != ":memory:" else None
