"""Wake-ups between processes: PostgreSQL tells every listening worker when a transaction that queued something commits.

A signal is only a hint to look: workers look at the queue every second anyway. SQLite has no signals, and a transaction
pooler loses them; both are noticed by trying.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from toc_sync.database import QUEUED_SIGNAL, queueing_time, writing
from toc_sync.model import DatabaseUnavailable

HEARD_WITHIN_S = 1.0


class NotHeard(Exception):
    """Signals do not get through on this connection (a transaction pooler)."""


def listen(engine: Engine, on_signal: Callable[[], None], *, goes_on: Callable[[], bool]) -> None:
    """Calls `on_signal` at every signal for as long as `goes_on` says.

    Raises NotHeard where signals do not get through, and DatabaseUnavailable when the connection is lost.
    """
    with _listening(engine) as conn:
        if not _hears(conn, engine):
            raise NotHeard
        on_signal()  # for what was queued while nobody listened
        while goes_on():
            for _signal in conn.notifies(timeout=HEARD_WITHIN_S):
                on_signal()


def get_through(engine: Engine) -> bool:
    """Tells whether signals reach other connections to this database. Raises DatabaseUnavailable."""
    with _listening(engine) as conn:
        return _hears(conn, engine)


@contextmanager
def _listening(engine: Engine) -> Iterator[psycopg.Connection]:
    # A connection of its own for good: one of the pool would be handed on with the subscription still in it.
    try:
        pooled = engine.raw_connection()
        conn = pooled.driver_connection
        pooled.detach()
        assert isinstance(conn, psycopg.Connection)
        with conn:
            conn.autocommit = True
            conn.execute(f"LISTEN {QUEUED_SIGNAL}".encode())
            yield conn
    except (DBAPIError, psycopg.Error) as error:
        raise DatabaseUnavailable("The connection that listens for new invoices was lost.") from error


def _hears(conn: psycopg.Connection, engine: Engine) -> bool:
    """Sends a signal through another connection: through the same one, a pooler might let it pass by chance."""
    with writing(engine) as other:
        queueing_time(other)
    return any(True for _signal in conn.notifies(timeout=HEARD_WITHIN_S, stop_after=1))
