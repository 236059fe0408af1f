"""A PostgreSQL database that many tests use one after the other: emptying it takes a tenth of creating one.

A test that changed its shape (a trigger, a column, a setting) leaves it behind: the next one gets a new database.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any, LiteralString

import psycopg
from sqlalchemy import make_url

_SHAPE: LiteralString = """
    SELECT md5(concat(
        (SELECT string_agg(c.relname || a.attname || a.atttypid || a.attnotnull || a.atthasdef, ',' ORDER BY a.attrelid, a.attnum)
           FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname IN ('public', 'toc_sync') AND NOT a.attisdropped AND a.attnum > 0),
        (SELECT string_agg(oid::text, ',' ORDER BY oid) FROM pg_trigger),
        (SELECT string_agg(version_num, ',') FROM toc_sync.alembic_version),
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
    """One database at a time; `create` opens a fresh copy of the migrated one, `first_rows` writes what that one holds."""

    def __init__(self, create: Callable[[], AbstractContextManager[str]], first_rows: LiteralString) -> None:
        self._create = create
        self._first_rows = first_rows
        self._current = ExitStack()
        self._conn: psycopg.Connection[Any] | None = None
        self._url = ""
        self._shape = ""

    def borrow(self) -> str:
        """Returns the address of a database in its first shape and with its first rows."""
        if not self._is_as_it_was():
            self._begin()
        assert self._conn
        tables = [name for (name,) in self._conn.execute(_TABLES)]
        self._conn.execute("".join(f"DELETE FROM {table};" for table in tables) + self._first_rows)  # type: ignore[arg-type]  # our names
        self._conn.execute(_RESTART)
        return self._url

    def end(self) -> None:
        """Drops the database, if there is one."""
        self._current.close()
        self._conn = None

    def _is_as_it_was(self) -> bool:
        """Tells whether the database still has its shape, once nobody else is connected any more."""
        if self._conn is None:
            return False
        try:
            self._conn.execute(_OTHERS)
            return self._ask_shape() == self._shape
        except psycopg.Error:  # a test stopped the server, or took the schema away
            return False

    def _begin(self) -> None:
        self.end()
        self._url = self._current.enter_context(self._create())
        address = make_url(self._url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._conn = self._current.enter_context(psycopg.connect(address, autocommit=True))
        self._shape = self._ask_shape()

    def _ask_shape(self) -> str:
        assert self._conn
        ((shape,),) = self._conn.execute(_SHAPE)
        return str(shape)
