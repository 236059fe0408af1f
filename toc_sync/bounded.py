"""Connections to PostgreSQL that wait for nothing for ever: not for an answer, nor the server for them.

A network that goes silent tells neither side. The client gives up by itself, whatever holds the line open; the server
takes back what a client that is gone had locked. Asks nothing of our tables.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg

from toc_sync.patience import PROGRAM, Patience

CONNECT_TIMEOUT_S = 4
PING_S = 2.0

OF_THE_LINE = {
    "connect_timeout": CONNECT_TIMEOUT_S,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""Given to libpq, which keeps them to itself: a pooler that refuses options of the session never hears of them."""

_OF_THE_SESSION = {
    "lock_timeout": f"{PROGRAM.lock_s:.0f}000",
    "idle_in_transaction_session_timeout": f"{PROGRAM.idle_s:.0f}000",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
# What an administrator set shorter stays; what this server does not know is left out.
_SET_FOR_SESSION = """
    SELECT set_config(s.name, wanted.value, false)
      FROM pg_settings s JOIN unnest(%s::text[], %s::text[]) AS wanted (name, value) ON wanted.name = s.name
     WHERE s.setting::bigint = 0 OR s.setting::bigint > wanted.value::bigint
"""

T = TypeVar("T")


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that closes itself when an answer does not come in time; that is an OperationalError."""

    answer_s: float = PROGRAM.answer_s
    until: float | None = None
    """When the whole transaction must have ended, on the monotonic clock."""

    def be_patient(self, patience: Patience, until: float | None) -> None:
        """Says how long the next answers are waited for."""
        self.answer_s, self.until = patience.answer_s, until

    def wait(self, gen: Generator[Any, Any, T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Waits as psycopg does, but no longer than is allowed; who names a time-out himself minds it himself."""
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        began, allowed_s = time.monotonic(), self._allowed_s()
        try:
            return super().wait(gen, interval, allowed_s)
        except psycopg.OperationalError:
            if time.monotonic() - began >= allowed_s:
                # An answer that came later would be taken for the next statement's.
                self.pgconn.finish()
            raise

    def _allowed_s(self) -> float:
        return self.answer_s if self.until is None else max(0.1, min(self.answer_s, self.until - time.monotonic()))


def limit_session(connection: psycopg.Connection[Any]) -> None:
    """Limits a connection to the server itself for good; behind a pooler each transaction must do so for itself."""
    connection.execute(_SET_FOR_SESSION, [list(_OF_THE_SESSION), list(_OF_THE_SESSION.values())])
    connection.commit()
