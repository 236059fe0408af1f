"""Transactions and the clock: how one begins, ends and fails, never what is asked in it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, TextClause, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from toc_sync import clock, wording_database
from toc_sync.engines import be_patient, is_direct, keep_statements, turns_of
from toc_sync.holders import find_holder
from toc_sync.ledger_time import ledger_time
from toc_sync.model import CommitUncertain, DatabaseBusy, DatabaseUnavailable
from toc_sync.patience import PROGRAM, READER, Patience
from toc_sync.views_locks import Holder

QUEUED_SIGNAL = "toc_sync_queued"

_PATIENCE = "toc_patience"
"""The option of a connection that says how long its transaction waits."""

_NOW = (
    "SELECT clock_timestamp(), CASE WHEN current_setting('synchronous_commit') IN ('off', 'local')"
    " THEN set_config('synchronous_commit', 'on', true) END"
)
_LIMITS = (
    "set_config('lock_timeout', :lock_ms, true), set_config('idle_in_transaction_session_timeout', :idle_ms, true)"
)
_SIGNAL = f"pg_notify('{QUEUED_SIGNAL}', '')"
_CLOCK, _LIMITED_CLOCK = text(_NOW), text(f"{_NOW}, {_LIMITS}")
_CLOCK_AND_SIGNAL, _LIMITED_CLOCK_AND_SIGNAL = text(f"{_NOW}, {_SIGNAL}"), text(f"{_NOW}, {_LIMITS}, {_SIGNAL}")

_LOCKED_STATE = "55P03"
_REFUSED_COMMITS = ("23", "25", "40", "55")
"""What the server says of a commit that certainly did not happen: constraints, transactions that had ended, conflicts."""


@contextmanager
def reading(engine: Engine, patience: Patience = READER) -> Iterator[Connection]:
    """Opens a transaction that only reads. Raises DatabaseUnavailable when the database does not answer."""
    with _one_sentence(_Stage(no_answer=wording_database.NO_ANSWER)), _connect(engine, patience) as conn, conn.begin():
        # Begun and committed: a rollback would make the driver forget the statements that writers keep on this connection.
        keep_statements(conn, False)
        yield conn


@contextmanager
def writing(engine: Engine, patience: Patience = PROGRAM) -> Iterator[Connection]:
    """Opens one transaction and commits it at the end, or rolls it back on any error.

    SQLite takes its one write lock at the start, so that what is read in between cannot change under us. Raises
    DatabaseBusy where that lock, or one that is needed later, is not free in time; CommitUncertain where nobody can
    know whether the commit happened; else DatabaseUnavailable, and nothing was written.
    """
    stage = _Stage(no_answer=wording_database.NOTHING_CHANGED)
    with (
        _one_sentence(stage),
        _connect(engine, patience, writes=True) as conn,
        _in_turn(engine, conn, patience),
        _naming_who_is_in_the_way(conn, patience),
        conn.begin() as transaction,
    ):
        keep_statements(conn, True)
        yield conn
        stage.commits = True
        transaction.commit()


@contextmanager
def later_step() -> Iterator[None]:
    """Says, where a later one of several transactions fails, that a part is done and that asking again finishes it."""
    try:
        yield
    except DatabaseUnavailable as error:
        raise type(error)(wording_database.in_part(error.why), why=error.why) from error


def current_time(conn: Connection) -> datetime:
    """Returns the database's clock, so that machines whose own clocks differ agree; SQLite's cannot jump.

    The same round trip makes this transaction's commit durable where the server's default would let it be lost, and
    limits how long the transaction waits for locks: ask before anything is locked.
    """
    return _read_clock(conn, _CLOCK, _LIMITED_CLOCK)


def queueing_time(conn: Connection) -> datetime:
    """Returns the database's clock, and tells all listening workers when this transaction commits: it queues something."""
    return _read_clock(conn, _CLOCK_AND_SIGNAL, _LIMITED_CLOCK_AND_SIGNAL)


@contextmanager
def passing_over_locked(conn: Connection) -> Iterator[None]:
    """Takes back what was done within where somebody else holds a lock, and lets the transaction go on."""
    if not is_postgresql(conn):  # its one lock is held already
        yield
        return
    savepoint = conn.begin_nested()
    try:
        yield
    except OperationalError as error:
        if not is_locked(error):
            raise
        savepoint.rollback()
    else:
        savepoint.commit()


def is_postgresql(conn: Connection) -> bool:
    """Tells whether this connection speaks to PostgreSQL."""
    return conn.dialect.name == "postgresql"


def is_locked(error: DBAPIError) -> bool:
    """Tells whether this error says that somebody else held a lock for too long."""
    state = getattr(error.orig, "sqlstate", None)
    return state == _LOCKED_STATE or (getattr(error.orig, "sqlite_errorname", None) or "").startswith("SQLITE_BUSY")


def _read_clock(conn: Connection, plain: TextClause, limited: TextClause) -> datetime:
    if not is_postgresql(conn):
        return ledger_time(conn) + clock.moved()
    patience: Patience = conn.get_execution_options().get(_PATIENCE, PROGRAM)
    if patience is PROGRAM and is_direct(conn):  # its session is limited to just that
        now: datetime = conn.execute(plain).one()[0]
    else:
        limits = {"lock_ms": f"{patience.lock_s * 1000:.0f}", "idle_ms": f"{patience.idle_s * 1000:.0f}"}
        now = conn.execute(limited, limits).one()[0]
    return now.astimezone(UTC) + clock.moved()


def _connect(engine: Engine, patience: Patience, *, writes: bool = False) -> Connection:
    until = None if patience.in_all_s is None else time.monotonic() + patience.in_all_s
    try:
        conn = engine.connect()
    except DBAPIError as error:
        # Whatever its class: drivers report a wrong option of the address as a mistake of the program.
        no_answer = wording_database.NOTHING_CHANGED if writes else wording_database.NO_ANSWER
        raise DatabaseUnavailable(no_answer, why=wording_database.SILENT) from error
    be_patient(conn, patience, until)
    options = {"toc_write": True, "toc_busy_s": patience.lock_s} if writes else {}
    return conn.execution_options(**options, **{_PATIENCE: patience})


@contextmanager
def _in_turn(engine: Engine, conn: Connection, patience: Patience) -> Iterator[None]:
    """Lets a process's threads write one after the other: SQLite's own waiting sleeps up to 100 ms, Python's crowds."""
    turns = turns_of(engine)
    asked_at = time.monotonic()
    has_seat = turns.seats.acquire(timeout=min(turns.wait_s, patience.lock_s))
    if turns.needed and not has_seat:
        raise _busy(None)
    if turns.needed:  # what is left of the patience is for other processes
        conn.execution_options(toc_busy_s=max(0.0, patience.lock_s - (time.monotonic() - asked_at)))
    try:
        yield
    finally:
        if has_seat:
            turns.seats.release()


@dataclass(kw_only=True)
class _Stage:
    """How far a transaction came, and what is said of it before its commit is asked for."""

    no_answer: str
    commits: bool = False

    def sentence(self, error: Exception) -> DatabaseUnavailable:
        """Returns what is certain after this error."""
        if isinstance(error, DBAPIError) and is_locked(error):
            return _busy(None)
        if self.commits and not _is_refused(error):
            return CommitUncertain(wording_database.UNCERTAIN, why=wording_database.UNCONFIRMED)
        return DatabaseUnavailable(self.no_answer, why=wording_database.SILENT)


def _is_refused(error: Exception) -> bool:
    """Tells whether the database itself said that it did not commit."""
    cause = getattr(error, "orig", None)
    if isinstance(cause, sqlite3.Error):
        return not cause.sqlite_errorname.startswith("SQLITE_IOERR")
    return (getattr(cause, "sqlstate", None) or "").startswith(_REFUSED_COMMITS)


@contextmanager
def _one_sentence(stage: _Stage) -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise stage.sentence(error) from error


@contextmanager
def _naming_who_is_in_the_way(conn: Connection, patience: Patience) -> Iterator[None]:
    """Adds to a person's sentence who holds the lock that did not come; programs only try again."""
    try:
        yield
    except OperationalError as error:
        if not (patience.asks_who and is_locked(error) and is_postgresql(conn)):
            raise
        with conn.begin():
            holder = find_holder(conn, opened_by=current_time(conn) - timedelta(seconds=patience.lock_s))
        raise _busy(holder) from error


def _busy(holder: Holder | None) -> DatabaseBusy:
    return DatabaseBusy(wording_database.locked_unchanged(holder), why=wording_database.locked(holder))
