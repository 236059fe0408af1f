"""Sample data for the embedded database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection

from toc_sync import installation
from toc_sync.sandbox import Behaviour
from toc_sync.tables import teams, projects


def present(conn: Connection) -> bool:
    return installation.get_marker(conn, installation.SAMPLES) is not None


def seed(conn: Connection, *, now: datetime, plan: Callable[..., None]) -> None:
    conn.execute(teams.insert(), [{"title": "A"}, {"title": "B"}])
    conn.execute(projects.insert(), [{"name": "P"}])
    installation.set_marker(conn, installation.SAMPLES, "yes")
