"""The words of the overview: whether everything is in TOC Online, what a range covers, and what happened in it.

Pure text beside `wording`: it decides nothing and formats what it is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from toc_sync.model import NEEDS_ATTENTION, ON_ITS_WAY, Outcome, Status
from toc_sync.views import Attempted, StatusSum
from toc_sync.views_health import Health, Range, RangeAsked, RangeKind, Slot
from toc_sync.wording import FOR_LONG, ZONE, amounts, clock_time, duration, invoices, since, together

AT_RISK = "VAT at risk"
AT_RISK_MEANING = (
    "The VAT of all that failed, is in doubt, or waits past its legal deadline: it may be owed without a document that"
    " declares it. What waits in time is not counted."
)
STANDS_NOW = "Every invoice, as it stands now"

ENDINGS = {
    Outcome.SYNCED: "ended synced",
    Outcome.FAILED: "failed",
    Outcome.IN_DOUBT: "ended in doubt",
    Outcome.UNDELIVERED: "were not delivered",
}

_ONE_DAY = timedelta(days=1)
_SHORTLY_S = 10


def is_everything_there(
    sums: Mapping[Status, StatusSum],
    oldest_at: datetime | None,
    now: datetime,
    *,
    old_doubts: int = 0,
    deadlines: str = "",
    stopped: bool = False,
) -> str:
    """Answers "is everything in TOC Online?" in one sentence: what most needs to be known comes first.

    `oldest_at` is when the oldest invoice that needs attention was last tried; `old_doubts` counts the doubts that have
    lasted too long; `deadlines` is what the legal clock asks for, as a part of a sentence; `stopped` says that nothing
    is sent.
    """
    clock = f"; {deadlines}" if deadlines else ""
    attention, on_its_way = together(sums, NEEDS_ATTENTION), together(sums, ON_ITS_WAY)
    not_synced, synced = together(sums, (Status.NOT_SYNCED,)), together(sums, (Status.SYNCED,))
    if attention.count:
        needs = "needs" if attention.count == 1 else "need"
        oldest = f", {'' if attention.count == 1 else 'the oldest '}since {since(oldest_at, now)}" if oldest_at else ""
        doubts = _among(old_doubts, attention.count)
        return f"{invoices(attention.count)} {needs} attention, {amounts(attention.amounts)}{oldest}{doubts}{clock}."
    if not_synced.count:
        were = "was" if not_synced.count == 1 else "were"
        return f"{invoices(not_synced.count)} {were} never sent to TOC Online, {amounts(not_synced.amounts)}{clock}."
    if on_its_way.count:
        return f"{_where_they_are(on_its_way.count, stopped=stopped)}{clock}."
    if synced.count == 1:
        return "The only invoice is in TOC Online."
    if synced.count:
        return f"All {invoices(synced.count)} are in TOC Online."
    return "No invoice needs to be in TOC Online." if sums else "No invoices yet."


def besides(sums: Mapping[Status, StatusSum]) -> str:
    """Counts what the answer to "is everything in TOC Online?" leaves unsaid; "" when it says all."""
    attention, not_synced = together(sums, NEEDS_ATTENTION).count, together(sums, (Status.NOT_SYNCED,)).count
    on_its_way, synced = together(sums, ON_ITS_WAY).count, together(sums, (Status.SYNCED,)).count
    not_needed = together(sums, (Status.NOT_NEEDED,)).count
    parts = [
        f"{not_synced:,} {'was' if not_synced == 1 else 'were'} never sent" if attention and not_synced else "",
        f"{on_its_way:,} {_are(on_its_way)} on {_their(on_its_way)} way"
        if (attention or not_synced) and on_its_way
        else "",
        f"{synced:,} {_are(synced)} in TOC Online" if (attention or not_synced or on_its_way) and synced else "",
        f"{not_needed:,} {'does' if not_needed == 1 else 'do'} not need to be there" if not_needed else "",
    ]
    said = [part for part in parts if part]
    return ", ".join(said[:-1]) + (" and " if said[1:] else "") + said[-1] + "." if said else ""


def range_name(asked: RangeAsked, covers: Range) -> str:
    """Returns what a range is called within a sentence, for example "the last 24 hours" or "16–22 Nov 2026"."""
    if asked.kind is RangeKind.DAY:
        return "the last 24 hours"
    if asked.kind is RangeKind.MONTH:
        return f"{covers.first_day:%B %Y}"
    return days(covers.first_day, covers.last_day)


def of_the_range(period: str) -> str:
    """Says what the range is about, and what it is not."""
    return f"Below, and all small curves: {period}. The counts above are of every invoice, whatever the range."


def dated_in_range(health: Health) -> str:
    """Says how many of the invoices dated in the range are in TOC Online."""
    there, missing = health.there.count, health.missing.count
    dated = f"dated {days(health.covers.first_day, health.covers.last_day)}"
    if not there + missing:
        return f"No invoice {dated} needs to be in TOC Online."
    if not missing:
        return (
            f"The only invoice {dated} is in TOC Online."
            if there == 1
            else f"All {invoices(there)} {dated} are in TOC Online."
        )
    return f"Of the {invoices(there + missing)} {dated}, {there:,} {_are(there)} in TOC Online."


def days(first: date, last: date) -> str:
    """Returns a period of days: 22 Nov 2026, 1–22 Nov 2026, 28 Oct – 3 Nov 2026, 30 Dec 2026 – 2 Jan 2027."""
    if first == last:
        return f"{last.day} {last:%b %Y}"
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{last.day} {last:%b %Y}"
    year = "" if first.year == last.year else f" {first.year}"
    return f"{first.day} {first:%b}{year} – {last.day} {last:%b %Y}"


def slot_name(slot: Slot) -> str:
    """Returns what a bar stands for, for example 22 Nov 14:00–15:00, or 22 Nov 2026 for a whole day."""
    return time_between(slot.start_at, slot.end_at)


def time_between(start: datetime, end: datetime) -> str:
    """Returns a time from one instant to another: whole days without their hours."""
    first, last = start.astimezone(ZONE), end.astimezone(ZONE)
    if first.hour == first.minute == last.hour == last.minute == 0:
        return days(first.date(), (last - _ONE_DAY).date())
    day = "" if first.date() == last.date() else f"{last.day} {last:%b} "
    return f"{first.day} {first:%b} {clock_time(start)}–{day}{clock_time(end)}"


def attempted(wanted: Attempted) -> str:
    """Names a list by the attempts behind it, for example: Attempts of 22 Nov 14:00–15:00 that ended in doubt."""
    *most, last = [ENDINGS[outcome] for outcome in wanted.outcomes] or [""]
    endings = f"{', '.join(most)} or {last}" if most else last
    return f"Attempts of {time_between(wanted.since_at, wanted.until_at)}{' that ' if endings else ''}{endings}"


def share(part: int, whole: int) -> str:
    """Returns a part in per cent, rounded down: 100% means all."""
    tenths = part * 1_000 // whole
    return f"{tenths // 10}%" if tenths % 10 == 0 else f"{tenths / 10:.1f}%"


def took(seconds: float) -> str:
    """Returns how long something took: 0.4 s, 12 s, 3 min."""
    return f"{seconds:.1f} s" if seconds < _SHORTLY_S else duration(seconds)


def _among(old_doubts: int, attention: int) -> str:
    if not old_doubts:
        return ""
    return f", {'' if attention == 1 else f'{old_doubts:,} of them '}in doubt {FOR_LONG}"


def _where_they_are(count: int, *, stopped: bool) -> str:
    if stopped:
        return f"{invoices(count)} {'waits' if count == 1 else 'wait'} until sending goes on"
    return f"{invoices(count)} {_are(count)} on {_their(count)} way to TOC Online"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _their(count: int) -> str:
    return "its" if count == 1 else "their"
