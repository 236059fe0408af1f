"""The ledger's time on SQLite, where one machine has the whole file: its anchor is a marker in the file itself.

All processes of the machine read the same one, within the transaction that asks, so that they agree to the microsecond;
whoever writes anyway and finds that somebody set the clock moves it. The rules are in `anchor`.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from datetime import datetime
from functools import lru_cache

from sqlalchemy import Connection, func, literal, select

from toc_sync import clock
from toc_sync.anchor import Anchor, begin, follow, from_values, to_values
from toc_sync.model import ClockReading, Status
from toc_sync.tables import sync_actions, sync_attempts, sync_records, sync_workers

MARKER = "ledger_time"

_READ = f"SELECT value FROM markers WHERE name = '{MARKER}'"  # noqa: S608  # a constant
_WRITE = "INSERT INTO markers (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
_STAMPS = (sync_records.c.updated_at, sync_actions.c.at, sync_workers.c.last_seen_at, sync_attempts.c.finished_at)
_IN_FLIGHT = select(literal(1)).where(sync_records.c.status == Status.SYNCING).limit(1)

log = logging.getLogger("toc_sync")


def ledger_time(conn: Connection) -> datetime:
    """Returns the ledger's time, and moves its anchor where it must and this transaction may write."""
    known = read_anchor(conn)
    reading = clock.read()  # after the anchor: another process may just have moved that
    anchor = _up_to_date(conn, known, reading)
    if anchor is not known and conn.get_execution_options().get("toc_write"):
        conn.exec_driver_sql(_WRITE, (MARKER, json.dumps(to_values(anchor))))
        _tell(known, anchor, reading)
    return anchor.time_at(reading.uptime_s)


def read_anchor(conn: Connection) -> Anchor | None:
    """Returns the anchor, or None where none was ever set."""
    driver = conn.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    try:
        # Each transaction asks: the driver answers in a tenth of the time.
        found = driver.execute(_READ).fetchone()
    except sqlite3.Error:
        found = conn.exec_driver_sql(_READ).one_or_none()  # fails in the words that all others understand
    return parse_anchor(found[0]) if found else None


def ahead_s(conn: Connection) -> float:
    """Returns by how many seconds the ledger's time is ahead of this machine's clock; below 0: behind it."""
    anchor, reading = read_anchor(conn), clock.read()
    return _up_to_date(conn, anchor, reading).ahead_s(reading)


@lru_cache(maxsize=16)
def parse_anchor(value: str | None) -> Anchor | None:
    """Returns the anchor that a marker holds; None where there is none, or where it is not ours."""
    if value is None:
        return None
    try:
        return from_values(json.loads(value))
    except (ValueError, TypeError, KeyError):
        return None


def _up_to_date(conn: Connection, known: Anchor | None, reading: ClockReading) -> Anchor:
    if known is None or not known.counts_for(reading):
        return begin(reading, _newest(conn))
    in_flight = known.held_since_s is not None and conn.execute(_IN_FLIGHT).first() is not None
    return follow(known, reading, in_flight=in_flight)


def _newest(conn: Connection) -> datetime | None:
    """Returns the newest instant that the ledger has seen; asked once after each start of the machine."""
    found = [conn.execute(select(func.max(stamp))).scalar_one() for stamp in _STAMPS]
    return max((instant for instant in found if instant), default=None)


def _tell(known: Anchor | None, anchor: Anchor, reading: ClockReading) -> None:
    if known is None:
        return
    state = "held" if anchor.held_since_s is not None else "taken-over" if not anchor.excess_s else "slower"
    log.warning("clock-set state=%s ledger-ahead-s=%.0f", state, anchor.ahead_s(reading))
