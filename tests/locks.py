"""Somebody who stands still with everything locked: a forgotten psql on PostgreSQL, another process on SQLite."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import Engine

from toc_sync.tables import OUR_SCHEMA, billing
from toc_sync.tables.ledger import ours

ANSWERED_WITHIN_S = 5.0
FORGOTTEN = "forgotten psql"


@contextmanager
def all_locked(engine: Engine, *tables: str) -> Iterator[None]:
    """Holds every row of ours and of the billing tables locked (or of `tables`), on SQLite its one write lock."""
    if engine.dialect.name == "sqlite":
        assert engine.url.database
        other = sqlite3.connect(engine.url.database, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")
            other.close()
        return
    with psycopg.connect(address_of(engine), application_name=FORGOTTEN) as holder:
        for table in tables or every_table():
            holder.execute(f"SELECT * FROM {table} FOR UPDATE")  # type: ignore[arg-type]  # the names are ours
        yield
        holder.rollback()


def every_table() -> list[str]:
    """Returns the names of our tables and of the billing tables."""
    return [f"{OUR_SCHEMA}.{table.name}" for table in ours.tables.values()] + list(billing.tables)


def address_of(engine: Engine) -> str:
    """Returns the address that psycopg itself understands."""
    return engine.url.set(drivername="postgresql").render_as_string(hide_password=False)


def in_time(act: Callable[[], object]) -> object:
    """Returns what a verb answered, or the error it raised, which must come within five seconds."""
    began = time.monotonic()
    try:
        answered = act()
    except Exception as error:  # noqa: BLE001  # whatever it is, the caller looks at it
        answered = error
    took_s = time.monotonic() - began
    assert took_s < ANSWERED_WITHIN_S, f"answered after {took_s:.1f} s: {answered!r}"
    return answered
