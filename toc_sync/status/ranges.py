"""Which instants and days a range covers. Pure: `now` is an argument, days are Lisbon's."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta

from toc_sync.views_health import MOST_DAYS, Range, RangeAsked, RangeKind, Slot
from toc_sync.wording import ZONE

HOURS = 24
HOURLY_UP_TO_DAYS = 2
_DAYS = {RangeKind.WEEK: 7, RangeKind.FOUR_WEEKS: 30}
_HOUR, _ONE_DAY = timedelta(hours=1), timedelta(days=1)


def range_of(asked: RangeAsked, now: datetime) -> Range:
    """Returns what a range covers: whole hours up to two days, else whole days.

    "24h" is the current hour and the 23 before it; "7d" and "30d" end with today.
    """
    if asked.kind is RangeKind.DAY:
        end = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) + _HOUR
        return _hourly(end - HOURS * _HOUR, end)
    first, last = _days(asked, now.astimezone(ZONE).date())
    if (last - first).days < HOURLY_UP_TO_DAYS:
        return _hourly(midnight(first), midnight(last + _ONE_DAY))
    slots = tuple(
        Slot(start_at=midnight(day), end_at=midnight(day + _ONE_DAY))
        for day in (first + number * _ONE_DAY for number in range((last - first).days + 1))
    )
    return _range(slots, hourly=False)


def midnight(day: date) -> datetime:
    """Returns the instant at which a day begins in Lisbon."""
    return datetime.combine(day, time(), ZONE).astimezone(UTC)


def _days(asked: RangeAsked, today: date) -> tuple[date, date]:
    if asked.kind in _DAYS:
        return today - (_DAYS[asked.kind] - 1) * _ONE_DAY, today
    if asked.kind is RangeKind.MONTH:
        month = asked.first or today
        return month.replace(day=1), month.replace(day=monthrange(month.year, month.month)[1])
    first, last = sorted((asked.first or asked.last or today, asked.last or today))
    return max(first, last - (MOST_DAYS - 1) * _ONE_DAY), last


def _hourly(start: datetime, end: datetime) -> Range:
    hours = range(round((end - start) / _HOUR))
    return _range(
        tuple(Slot(start_at=start + hour * _HOUR, end_at=start + (hour + 1) * _HOUR) for hour in hours), hourly=True
    )


def _range(slots: tuple[Slot, ...], *, hourly: bool) -> Range:
    start, end = slots[0].start_at, slots[-1].end_at
    return Range(
        start_at=start,
        end_at=end,
        first_day=start.astimezone(ZONE).date(),
        last_day=(end - _HOUR).astimezone(ZONE).date(),
        hourly=hourly,
        slots=slots,
    )
