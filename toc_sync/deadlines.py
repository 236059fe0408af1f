"""The legal clock: until which day an invoice must be issued, and until which it must be communicated.

The rule: "Issue by the 5th working day after the tax point; communicate to the tax authority by the 5th of the following
month" (Portugal; the accountant has the last word). The tax point is taken to be the invoice's date, and working days
are Monday to Friday without the national public holidays. Pure: the day is an argument, the holidays are the library's.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache

from toc_sync.views_legal import DeadlineState

ISSUE_WITHIN = 5
"""Working days after the invoice's date."""

COMMUNICATE_BY = 5
"""Day of the following month."""

MOST_COUNTED = 30
"""How many working days are counted at most: what is due later than that is in no hurry."""

_SATURDAY = 5
_ONE_DAY = timedelta(days=1)


def issue_deadline(invoice_date: date) -> date:
    """Returns the last day on which an invoice of this date may be issued: the fifth working day after it."""
    return working_days_after(invoice_date, ISSUE_WITHIN)


def communication_deadline(invoice_date: date) -> date:
    """Returns the last day on which an invoice of this date may be communicated to the tax authority."""
    year, month = divmod(invoice_date.year * 12 + invoice_date.month, 12)
    return date(year, month + 1, COMMUNICATE_BY) if year <= date.max.year else date.max


def working_days_after(day: date, count: int) -> date:
    """Returns the `count`th working day after `day`, or the calendar's last day where it ends before that."""
    while count > 0 and day < date.max:
        day += _ONE_DAY
        count -= is_working_day(day)
    return day


def working_days_left(day: date, deadline: date) -> int:
    """Returns how many working days come after `day` until the deadline, itself included; at most `MOST_COUNTED`."""
    left = 0
    while day < deadline and left < MOST_COUNTED:
        day += _ONE_DAY
        left += is_working_day(day)
    return left


def state_of(deadline: date | None, today: date) -> DeadlineState:
    """Returns how near a deadline is."""
    if deadline is None:
        return DeadlineState.NONE
    if deadline <= today:
        return DeadlineState.DUE_TODAY if deadline == today else DeadlineState.OVERDUE
    is_soon = deadline <= working_days_after(today, 1)
    return DeadlineState.DUE_SOON if is_soon else DeadlineState.LATER


def is_working_day(day: date) -> bool:
    """Tells whether people work on this day everywhere in Portugal; local holidays do not count."""
    return day.weekday() < _SATURDAY and day not in public_holidays(day.year)


@cache
def public_holidays(year: int) -> frozenset[date]:
    """Returns Portugal's national public holidays of a year. The first call of a process takes most of a second."""
    # The library loads all its countries at once: no program shall wait for that while it starts.
    from holidays import country_holidays  # noqa: PLC0415

    return frozenset(country_holidays("PT", years=year))


def load_calendar() -> None:
    """Loads the library ahead of time, so that no transaction and no page has to wait for it."""
    public_holidays(date.min.year)
