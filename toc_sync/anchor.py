"""The ledger's time on SQLite: counted by the machine's uptime from an anchor, so that nobody can make it jump. Pure.

Leases, waits and "send again" are measured by it. It differs from the clock on the wall where somebody set that one:

- set back, or ahead of it after a start: the ledger's time goes on, a tenth slower, until the wall has caught up. A
  wait may last a tenth longer, none is shorter.
- set forward: the ledger's time goes on as if nothing had happened, and nothing is sent. When that has stood for longer
  than anything is protected, the ledger's time is the wall's again: what it makes older than it is, is old enough.
- the machine was started anew: the wall is believed, but never an instant before the newest that the ledger has seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from toc_sync.model import ClockReading

TOLERANCE_S = 15.0
"""So far the two may be apart without anybody being concerned: small corrections of the system's clock are usual."""

HELD_S = 900.0
"""So long nothing is sent after the wall was set forward; longer than any protection but a lease, see `follow`."""

FARTHEST_S = 366 * 86_400.0
"""A clock that was set forward by more is believed only after a new start of the machine: somebody mistyped."""

_SLOWER_BY = 0.1


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """At `uptime_s` of this start of the machine it was `time`, which was `excess_s` seconds ahead of the wall."""

    boot: str
    uptime_s: float
    time: datetime
    excess_s: float = 0.0
    held_since_s: float | None = None
    """The uptime at which the wall was found set forward, while nothing is sent for that."""

    def time_at(self, uptime_s: float) -> datetime:
        """Returns the ledger's time; it never goes back as the uptime grows."""
        passed_s = uptime_s - self.uptime_s
        return self.time + timedelta(seconds=passed_s - self._lost_s(passed_s))

    def ahead_s(self, reading: ClockReading) -> float:
        """Returns by how many seconds the ledger's time is ahead of the wall; below 0: behind it."""
        return (self.time_at(reading.uptime_s) - reading.wall).total_seconds()

    def expected_ahead_s(self, reading: ClockReading) -> float:
        """Returns by how many seconds it would be ahead of a wall that nobody has set since."""
        return self.excess_s - self._lost_s(reading.uptime_s - self.uptime_s)

    @property
    def held_since(self) -> datetime | None:
        """Since when nothing is sent because the wall was set forward, in the ledger's time."""
        return None if self.held_since_s is None else self.time_at(self.held_since_s)

    def counts_for(self, reading: ClockReading) -> bool:
        """Tells whether this anchor was set since the machine's last start."""
        return self.boot == reading.boot and self.uptime_s <= reading.uptime_s

    def _lost_s(self, passed_s: float) -> float:
        return max(0.0, min(self.excess_s, passed_s * _SLOWER_BY))


def begin(reading: ClockReading, newest: datetime | None) -> Anchor:
    """Returns the anchor for a new start of the machine; `newest` is the newest instant that the ledger has seen."""
    time = max(reading.wall, newest or reading.wall)
    return _at(reading, time)


def follow(anchor: Anchor, reading: ClockReading, *, in_flight: bool) -> Anchor:
    """Returns the anchor after a look at the wall: the same one, unless somebody set that.

    `in_flight`: some request has left and is not settled; its lease may be longer than what nothing is sent for.
    """
    target = anchor.time_at(reading.uptime_s)
    ahead_s = anchor.ahead_s(reading)
    if abs(ahead_s - anchor.expected_ahead_s(reading)) <= TOLERANCE_S:
        return replace(anchor, held_since_s=None) if anchor.held_since_s is not None else anchor
    if ahead_s >= -TOLERANCE_S:
        return _at(reading, target)
    if anchor.held_since_s is None:
        return replace(_at(reading, target), excess_s=0.0, held_since_s=reading.uptime_s)
    has_stood = reading.uptime_s - anchor.held_since_s >= HELD_S and not in_flight
    return _at(reading, reading.wall) if has_stood and -ahead_s <= FARTHEST_S else anchor


def to_values(anchor: Anchor) -> dict[str, object]:
    """Returns an anchor as what JSON can hold."""
    return {
        "boot": anchor.boot,
        "uptime_s": anchor.uptime_s,
        "time": anchor.time.isoformat(),
        "excess_s": anchor.excess_s,
        "held_since_s": anchor.held_since_s,
    }


def from_values(values: dict[str, object]) -> Anchor:
    """Returns the anchor that `to_values` wrote. Raises KeyError, TypeError or ValueError where somebody else did."""
    held_since = values["held_since_s"]
    return Anchor(
        boot=str(values["boot"]),
        uptime_s=float(str(values["uptime_s"])),
        time=datetime.fromisoformat(str(values["time"])).astimezone(UTC),
        excess_s=float(str(values["excess_s"])),
        held_since_s=None if held_since is None else float(str(held_since)),
    )


def _at(reading: ClockReading, time: datetime) -> Anchor:
    excess_s = max(0.0, (time - reading.wall).total_seconds())
    return Anchor(boot=reading.boot, uptime_s=reading.uptime_s, time=time, excess_s=excess_s)
