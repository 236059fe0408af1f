"""Transactions and the clock: how one begins, ends and fails, never what is asked in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, TextClause, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from toc_sync import clock
from toc_sync.engines import keep_statements, turns_of
from toc_sync.model import DatabaseUnavailable

_NO_ANSWER = "The database does not answer. Try again in a moment."

QUEUED_SIGNAL = "toc_sync_queued"

_NOW = (
    "SELECT clock_timestamp(), CASE WHEN current_setting('synchronous_commit') IN ('off', 'local')"
    " THEN set_config('synchronous_commit', 'on', true) END"
)
_CLOCK = text(_NOW)
_CLOCK_AND_SIGNAL = text(f"{_NOW}, pg_notify('{QUEUED_SIGNAL}', '')")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Opens a transaction that only reads. Raises DatabaseUnavailable when the database does not answer."""
    # Begun and committed: a rollback would make the driver forget the statements that writers keep on this connection.
    with _one_sentence(), _connect(engine) as conn, conn.begin():
        keep_statements(conn, False)
        yield conn


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Opens one transaction and commits it at the end, or rolls it back on any error.

    SQLite takes its one write lock at the start, so that what is read in between cannot change under us.
    """
    with (
        _one_sentence(),
        _connect(engine).execution_options(toc_write=True) as conn,
        _in_turn(engine),
        conn.begin(),
    ):
        keep_statements(conn, True)
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
        return clock.now()
    now: datetime = conn.execute(query).one()[0]
    return now.astimezone(UTC) + clock.moved()


def _connect(engine: Engine) -> Connection:
    try:
        return engine.connect()
    except DBAPIError as error:
        # Whatever its class: drivers report a wrong option of the address as a mistake of the program.
        raise DatabaseUnavailable(_NO_ANSWER) from error


@contextmanager
def _in_turn(engine: Engine) -> Iterator[None]:
    """Lets a process's threads write one after the other: SQLite's own waiting sleeps up to 100 ms, Python's crowds."""
    turns = turns_of(engine)
    has_seat = turns.seats.acquire(timeout=turns.wait_s)
    if turns.needed and not has_seat:
        raise DatabaseUnavailable(_NO_ANSWER)
    try:
        yield
    finally:
        if has_seat:
            turns.seats.release()


@contextmanager
def _one_sentence() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise DatabaseUnavailable(_NO_ANSWER) from error
