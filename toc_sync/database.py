"""Engines, transactions and the clock: how a connection is opened, never what is asked through it."""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, TextClause, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, InterfaceError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from toc_sync.model import DatabaseUnavailable
from toc_sync.tables import OUR_SCHEMA

BUSY_TIMEOUT_MS = 10_000
CONNECT_TIMEOUT_S = 10
TRUSTED_FOR_S = 1.0
"""How long a connection that was given back is taken to be alive without asking."""

_NO_ANSWER = "The database does not answer. Try again in a moment."

QUEUED_SIGNAL = "toc_sync_queued"

_NOW = (
    "SELECT clock_timestamp(), CASE WHEN current_setting('synchronous_commit') IN ('off', 'local')"
    " THEN set_config('synchronous_commit', 'on', true) END"
)
_CLOCK = text(_NOW)
_CLOCK_AND_SIGNAL = text(f"{_NOW}, pg_notify('{QUEUED_SIGNAL}', '')")


def open_engine(url: str, *, pool_size: int = 5) -> Engine:
    """Returns an engine for `url` (PostgreSQL through psycopg 3, or SQLite); nothing is connected yet."""
    return (
        _open_sqlite(url, pool_size)
        if make_url(url).get_backend_name() == "sqlite"
        else _open_postgresql(url, pool_size)
    )


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Opens a transaction that only reads. Raises DatabaseUnavailable when the database does not answer."""
    with _one_sentence(), _connect(engine) as conn:
        yield conn


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Opens one transaction and commits it at the end, or rolls it back on any error.

    SQLite takes its one write lock at the start, so that what is read in between cannot change under us.
    """
    with (
        _one_sentence(),
        _connect(engine).execution_options(toc_write=True) as conn,
        _alone(engine),
        conn.begin(),
    ):
        yield conn


def current_time(conn: Connection) -> datetime:
    """Returns the database's clock, so that machines whose own clocks differ agree; SQLite's machine is this one.

    The same round trip makes this transaction's commit durable where the server's default would let it be lost.
    """
    return _read_clock(conn, _CLOCK)


def queueing_time(conn: Connection) -> datetime:
    """Returns the database's clock, and tells all listening workers when this transaction commits: it queues something."""
    return _read_clock(conn, _CLOCK_AND_SIGNAL)


def is_postgresql(conn: Connection) -> bool:
    """Tells whether this connection speaks to PostgreSQL."""
    return conn.dialect.name == "postgresql"


def _read_clock(conn: Connection, query: TextClause) -> datetime:
    if not is_postgresql(conn):
        return datetime.now(UTC)
    now: datetime = conn.execute(query).one()[0]
    return now.astimezone(UTC)


def _connect(engine: Engine) -> Connection:
    try:
        return engine.connect()
    except DBAPIError as error:
        # Whatever its class: drivers report a wrong option of the address as a mistake of the program.
        raise DatabaseUnavailable(_NO_ANSWER) from error


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Lets the threads of one process write to SQLite one after the other: its own waiting sleeps up to 100 ms."""
    turn: Lock | None = engine.get_execution_options().get("toc_turn")
    if turn is None:
        yield
        return
    if not turn.acquire(timeout=BUSY_TIMEOUT_MS / 1000):
        raise DatabaseUnavailable(_NO_ANSWER)
    try:
        yield
    finally:
        turn.release()


@contextmanager
def _one_sentence() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise DatabaseUnavailable(_NO_ANSWER) from error


def _open_postgresql(url: str, pool_size: int) -> Engine:
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=10,
        pool_timeout=CONNECT_TIMEOUT_S,
        json_serializer=_dumps,
        json_deserializer=tolerant_loads,
        connect_args={
            # A transaction pooler hands each transaction another connection: prepared statements would be lost.
            "prepare_threshold": None,
            "connect_timeout": CONNECT_TIMEOUT_S,
            "application_name": "toc_sync",
        },
    )
    event.listen(engine, "checkin", _note_rest)
    event.listen(engine, "checkout", partial(_ping_after_rest, engine.dialect))
    return engine


def _note_rest(_connection: object, record: ConnectionPoolEntry) -> None:
    record.info["rests_since"] = time.monotonic()


def _ping_after_rest(dialect: Dialect, connection: Any, record: ConnectionPoolEntry, _fairy: object) -> None:
    """Replaces a connection that broke while it rested; asking each time would cost a round trip per transaction."""
    if time.monotonic() - record.info.get("rests_since", math.inf) < TRUSTED_FOR_S:
        return
    try:
        dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error as error:
        raise InvalidatePoolError from error


def _open_sqlite(url: str, pool_size: int) -> Engine:
    file = make_url(url).database
    if file and file != ":memory:":
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url, pool_size=pool_size, max_overflow=20, json_serializer=_dumps, json_deserializer=tolerant_loads
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine.execution_options(schema_translate_map={OUR_SCHEMA: None}, toc_turn=Lock())


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions begin in _begin_sqlite, not inside the driver
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    _use_wal(connection)
    # FULL: a claim that a power cut can undo is an invoice sent twice.
    connection.execute("PRAGMA synchronous=FULL")
    connection.create_function("md5", 1, _md5, deterministic=True)


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switches the file to WAL; SQLite refuses that at once, whatever the busy timeout, while another process does it."""
    until = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


def _begin_sqlite(conn: Connection) -> None:
    conn.exec_driver_sql("BEGIN IMMEDIATE" if conn.get_execution_options().get("toc_write") else "BEGIN")


def _md5(value: str | bytes | None) -> str | None:
    if value is None:
        return None
    raw = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
    return hashlib.md5(raw, usedforsecurity=False).hexdigest()


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def tolerant_loads(raw: str | bytes) -> Any:
    """Returns the JSON value in `raw`, or the text itself where it is none: a foreign value must not break a read."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return raw if isinstance(raw, str) else raw.decode("utf-8", "replace")
