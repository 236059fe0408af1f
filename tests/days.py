"""Days and months for tests that hold on any day: counted from today in Lisbon, by the clock that a test may move."""

from __future__ import annotations

from datetime import date, timedelta

from toc_sync import clock


def day(offset: int = 0) -> date:
    """Returns the day that is so many days from today."""
    return clock.today() + timedelta(days=offset)


def month(offset: int = 0) -> date:
    """Returns the first day of the month that is so many months from this one."""
    months = clock.today().year * 12 + clock.today().month - 1 + offset
    return date(months // 12, months % 12 + 1, 1)


def written(of: date) -> str:
    """Returns a day as the program writes it for people: 3 Nov 2026."""
    return f"{of.day} {of:%b %Y}"
