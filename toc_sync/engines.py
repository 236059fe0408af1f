"""Engines: how a connection to either database is opened, tried after a rest, and what it may keep; nothing is asked."""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock, Semaphore
from typing import Any

import psycopg
from sqlalchemy import Connection, Dialect, Engine, create_engine, event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

from toc_sync.bounded import CONNECT_TIMEOUT_S, OF_THE_LINE, PING_S, BoundedConnection, limit_session
from toc_sync.patience import PROGRAM, Patience
from toc_sync.tables import OUR_SCHEMA

BUSY_TIMEOUT_MS = 10_000
TRUSTED_FOR_S = 1.0
"""How long a connection that was given back is taken to be alive without asking."""

WRITERS_AT_ONCE = 2
"""How many threads of one process write to PostgreSQL at once: more only wait for each other inside the interpreter."""

PATIENCE_S = 0.02
"""How long a thread waits for its turn there before it writes without: the others may be waiting for the network."""

PREPARED_AFTER = 3
"""How often a statement is planned anew on a connection before its plan is kept."""

_IS_DIRECT = "is_direct"
_LOST_STATEMENT = (psycopg.errors.FeatureNotSupported, psycopg.errors.InvalidSqlStatementName)


@dataclass(frozen=True, kw_only=True)
class Turns:
    """How the threads of one process take turns at writing; `needed`: who gets none within `wait_s` seconds cannot write."""

    seats: Lock | Semaphore
    wait_s: float
    needed: bool


def open_engine(url: str, *, pool_size: int = 5) -> Engine:
    """Returns an engine for `url` (PostgreSQL through psycopg 3, or SQLite); nothing is connected yet."""
    return (
        _open_sqlite(url, pool_size)
        if make_url(url).get_backend_name() == "sqlite"
        else _open_postgresql(url, pool_size)
    )


def turns_of(engine: Engine) -> Turns:
    """Returns how writers take turns on an engine of this module."""
    turns: Turns = engine.get_execution_options()["toc_turns"]
    return turns


def _open_postgresql(url: str, pool_size: int) -> Engine:
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=10,
        pool_timeout=CONNECT_TIMEOUT_S,
        json_serializer=_dumps,
        json_deserializer=tolerant_loads,
        connect_args={
            "prepare_threshold": None,  # see keep_statements
            "application_name": "toc_sync",
            **OF_THE_LINE,
        },
    )
    event.listen(engine, "do_connect", _connect_bounded)
    event.listen(engine, "connect", _note_directness)
    event.listen(engine, "checkin", _note_rest)
    event.listen(engine, "checkout", partial(_ping_after_rest, engine.dialect))
    event.listen(engine, "handle_error", _replace_forgetful)
    return engine.execution_options(toc_turns=Turns(seats=Semaphore(WRITERS_AT_ONCE), wait_s=PATIENCE_S, needed=False))


def _connect_bounded(
    _dialect: Dialect, _record: ConnectionPoolEntry, args: list[Any], parameters: dict[str, Any]
) -> BoundedConnection:
    return BoundedConnection.connect(*args, **parameters)


def _note_directness(connection: psycopg.Connection, record: ConnectionPoolEntry) -> None:
    """Notes whether the server itself is at the other end: a pooler gives each client a process number it made up."""
    told = connection.info.backend_pid
    found = connection.execute("SELECT pg_backend_pid()").fetchone()
    connection.rollback()
    record.info[_IS_DIRECT] = found == (told,)
    if record.info[_IS_DIRECT]:
        limit_session(connection)


def is_direct(conn: Connection) -> bool:
    """Tells whether the server itself is at the other end, so that what is set for the session stays."""
    return bool(conn.info.get(_IS_DIRECT))


def be_patient(conn: Connection, patience: Patience, until: float | None) -> None:
    """Says how long the answers of the next transaction are waited for; `until` on the monotonic clock, or None."""
    driver = conn.connection.driver_connection
    if isinstance(driver, BoundedConnection):
        driver.be_patient(patience, until)


def keep_statements(conn: Connection, keeps: bool) -> None:
    """Lets PostgreSQL keep the plans of statements that repeat on this connection, or has them planned anew.

    A transaction pooler hands each transaction another connection, on which nothing was prepared: never through one.
    """
    if is_direct(conn):
        driver = conn.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        driver.prepare_threshold = PREPARED_AFTER if keeps else None


def _replace_forgetful(context: ExceptionContext) -> None:
    """Opens all connections anew when a kept statement does not fit any more: somebody changed a table's columns."""
    if isinstance(context.original_exception, _LOST_STATEMENT):
        context.is_disconnect = True


def _note_rest(_connection: object, record: ConnectionPoolEntry) -> None:
    record.info["rests_since"] = time.monotonic()


def _ping_after_rest(dialect: Dialect, connection: Any, record: ConnectionPoolEntry, _fairy: object) -> None:
    """Replaces a connection that broke while it rested; asking each time would cost a round trip per transaction."""
    connection.be_patient(PROGRAM, None)  # whatever the last one was
    if time.monotonic() - record.info.get("rests_since", math.inf) < TRUSTED_FOR_S:
        return
    try:
        connection.be_patient(PROGRAM, time.monotonic() + PING_S)
        dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error as error:
        raise InvalidatePoolError from error
    connection.be_patient(PROGRAM, None)


def _open_sqlite(url: str, pool_size: int) -> Engine:
    file = make_url(url).database
    if file and file != ":memory:":
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=20,
        pool_timeout=CONNECT_TIMEOUT_S,
        json_serializer=_dumps,
        json_deserializer=tolerant_loads,
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    turns = Turns(seats=Lock(), wait_s=BUSY_TIMEOUT_MS / 1000, needed=True)
    return engine.execution_options(schema_translate_map={OUR_SCHEMA: None}, toc_turns=turns)


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
    options = conn.get_execution_options()
    if (wait_s := options.get("toc_busy_s")) is not None:
        driver = conn.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.execute(f"PRAGMA busy_timeout={min(BUSY_TIMEOUT_MS, int(1000 * wait_s))}")
    conn.exec_driver_sql("BEGIN IMMEDIATE" if options.get("toc_write") else "BEGIN")


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
