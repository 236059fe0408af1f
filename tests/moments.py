"""The hard days: moments at which the calendar or the clock has surprised programs, and the way to name one more."""

from __future__ import annotations

from datetime import datetime, timedelta

from toc_sync import clock
from toc_sync.model import ZONE

_LATER_OF_TWO = 1
"""The second of the two hours that have the same name when the clocks go back."""

HARD_DAYS = {
    "the year's last half minute": datetime(2026, 12, 31, 23, 59, 30, tzinfo=ZONE),
    "2 January": datetime(2027, 1, 2, 12, tzinfo=ZONE),
    "Good Friday": datetime(2027, 3, 26, 12, tzinfo=ZONE),
    "before the clocks go forward": datetime(2027, 3, 28, 0, 30, tzinfo=ZONE),
    "after the clocks went forward": datetime(2027, 3, 28, 2, 30, tzinfo=ZONE),
    "the 5th on a Sunday": datetime(2027, 9, 5, 12, tzinfo=ZONE),
    "the doubled hour, first time": datetime(2027, 10, 31, 1, 30, tzinfo=ZONE),
    "the doubled hour, second time": datetime(2027, 10, 31, 1, 30, tzinfo=ZONE, fold=_LATER_OF_TWO),
    "the day before a leap day": datetime(2028, 2, 28, 12, tzinfo=ZONE),
    "a leap day": datetime(2028, 2, 29, 12, tzinfo=ZONE),
    "a Saturday before a Monday holiday": datetime(2028, 4, 29, 12, tzinfo=ZONE),
    "1 May, a Monday": datetime(2028, 5, 1, 12, tzinfo=ZONE),
    "a summer's night, in UTC still the day before": datetime(2028, 7, 15, 0, 30, tzinfo=ZONE),
    "25 April 2030": datetime(2030, 4, 25, 12, tzinfo=ZONE),
}
"""By name, in Lisbon's time."""

AHEAD = timedelta(days=35)


def all_moments() -> dict[str, datetime]:
    """Returns the hard days, and a moment that is always ahead: what rots in a month is seen today."""
    return HARD_DAYS | {f"in {AHEAD.days} days": clock.now() + AHEAD}


def moment_of(text: str) -> datetime:
    """Reads a moment such as 2028-02-29T12:00, in Lisbon's time where it names no zone. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=ZONE)
