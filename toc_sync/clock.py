"""The clock: the one room that asks this machine what time it is; every other room is told, or asks here.

It knows the process's machine only. Where machines compare (leases, waits, locks), the database's clock counts: see
`database.current_time`. Imports the standard library and the model.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

from toc_sync.model import ZONE, ClockReading

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

_UPTIME = Path("/proc/uptime")
_NO_UPTIME_S = 20 * 366 * 86_400
"""No machine has been up for so long."""

_moved = timedelta(0)
_wrong_by = timedelta(0)
_off_s = 0.0


def now() -> datetime:
    """Returns this instant as an aware UTC datetime, as this machine knows it."""
    return datetime.now(UTC) + _moved + _wrong_by


def today() -> date:
    """Returns the day in Lisbon, where the law applies."""
    return now().astimezone(ZONE).date()


def uptime() -> float:
    """Returns seconds since some fixed moment; time in which the machine was suspended counts where it can."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    told_s = time.monotonic() if clock is None else time.clock_gettime(clock)
    return told_s if told_s < _NO_UPTIME_S else told_s - _faked_s(told_s)


def _faked_s(told_s: float) -> float:
    """Returns how far off an uptime is in whose place a library answers with a faked time of day (libfaketime does).

    The kernel's own count is too coarse to order what happens: it only tells that the faked one has jumped.
    """
    global _off_s  # noqa: PLW0603  one clock for all threads of a process
    counted_s = float(_UPTIME.read_text().split()[0])
    if abs(told_s - _off_s - counted_s) > 1:
        _off_s = told_s - counted_s
    return _off_s


def read() -> ClockReading:
    """Returns what all clocks of this machine say, whatever a test has moved."""
    return ClockReading(boot=_boot(), uptime_s=uptime(), wall=datetime.now(UTC) + _wrong_by)


@cache
def _boot() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def earliest(local: datetime) -> datetime:
    """Returns when the clocks in Lisbon first show a time: autumn has an hour twice."""
    return min(_shown(local))


def latest(local: datetime) -> datetime:
    """Returns when the clocks in Lisbon last show a time."""
    return max(_shown(local))


def _shown(local: datetime) -> list[datetime]:
    return [local.replace(tzinfo=ZONE, fold=fold).astimezone(UTC) for fold in (0, 1)]


def moved() -> timedelta:
    """Returns by how much a test has moved all time in this process: whoever asks another clock must add it."""
    return _moved


@contextmanager
def shifted(by: timedelta) -> Iterator[None]:
    """For tests: moves this process's time, its databases' included, and lets it go on from there; shifts add up."""
    global _moved  # noqa: PLW0603  one time for all threads of a process
    _moved += by
    try:
        yield
    finally:
        _moved -= by


@contextmanager
def set_to(instant: datetime) -> Iterator[None]:
    """For tests: lets time go on from `instant`, the databases' too."""
    with shifted(instant - now()):
        yield


@contextmanager
def set_wrong(by: timedelta) -> Iterator[None]:
    """For tests: sets this machine's clock wrong by so much; no time passes, and no other machine's clock moves."""
    global _wrong_by  # noqa: PLW0603  one clock for all threads of a process
    _wrong_by += by
    try:
        yield
    finally:
        _wrong_by -= by
