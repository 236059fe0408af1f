"""A PostgreSQL database that many tests use one after the other: emptying it takes a tenth of creating one.

A test that changed its shape (a trigger, a column, a setting) leaves it behind: the next one gets a new database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
from sqlalchemy import URL, make_url

_SHAPE: LiteralString = """
    SELECT md5(concat(
        (SELECT string_agg(c.relname || a.attname || a.attnotnull || a.atthasdef, ',' ORDER BY a.attrelid, a.attnum)
           FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname IN ('public', 'toc_sync') AND NOT a.attisdropped AND a.attnum > 0),
        (SELECT string_agg(oid::text, ',' ORDER BY oid) FROM pg_trigger),
        (SELECT max(oid) FROM pg_proc), (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_constraint),
        (SELECT string_agg(setconfig::text, ',') FROM pg_db_role_setting),
        (SELECT string_agg(c.relacl::text, ',' ORDER BY c.oid) FROM pg_class c)
    ))
"""
_OTHERS: LiteralString = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_TABLES: LiteralString = """
    SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables
     WHERE schemaname IN ('public', 'toc_sync') AND tablename <> 'alembic_version'
"""
_RESTART: LiteralString = """
    SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, 1, false) FROM pg_sequences
     WHERE schemaname IN ('public', 'toc_sync')
"""


class ReusedDatabase:
    """One database at a time; `create` opens a fresh copy of the prepared one, `refill` writes what such a copy holds."""

    def __init__(self, create: Callable[[], Any], refill: Callable[[str], None]) -> None:
        self._create = create
        self._refill = refill
        self._current: Any = None
        self._url = ""
        self._shape = ""

    @contextmanager
    def borrow(self) -> Iterator[str]:
        """Gives the address of a database in its first shape and with its first rows."""
        if self._current is None:
            self._current = self._create()
            self._url = self._current.__enter__()
            self._shape = self._ask(_SHAPE)[0][0]
        elif self._ask(_SHAPE)[0][0] != self._shape:
            self.end()
            with self.borrow() as url:
                yield url
            return
        else:
            self._empty()
        yield self._url

    def end(self) -> None:
        """Drops the database, if there is one."""
        if self._current is not None:
            self._current.__exit__(None, None, None)
            self._current = None

    def _empty(self) -> None:
        with self._connected() as conn:
            conn.execute(_OTHERS)
            tables = [name for (name,) in conn.execute(_TABLES)]
            conn.execute("".join(f"DELETE FROM {table};" for table in tables))  # type: ignore[arg-type]  # our names
            conn.execute(_RESTART)
        self._refill(self._url)

    def _ask(self, query: LiteralString) -> list[Any]:
        with self._connected() as conn:
            return conn.execute(query).fetchall()

    def _connected(self) -> psycopg.Connection[Any]:
        address: URL = make_url(self._url).set(drivername="postgresql")
        return psycopg.connect(address.render_as_string(hide_password=False), autocommit=True)
