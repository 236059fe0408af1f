"""The words people read about legal deadlines and about a month's close. Pure text."""

from __future__ import annotations

from datetime import date

from toc_sync.views import InvoiceOrder, InvoiceRow
from toc_sync.views_legal import DeadlineState, DueCounts, DueFilter, Finding, MonthClose, MonthLine, Sums
from toc_sync.wording import amounts, invoices

DUE_NAMES = {
    DueFilter.OVERDUE: "Overdue",
    DueFilter.TODAY: "Today",
    DueFilter.SOON: "Next working day",
    DueFilter.WEEK: "Within 7 days",
}

DEADLINE_COLORS = {
    DeadlineState.OVERDUE: "red",
    DeadlineState.DUE_TODAY: "orange",
    DeadlineState.DUE_SOON: "yellow",
    DeadlineState.LATER: "gray",
    DeadlineState.NONE: "gray",
}

DEADLINE_ICONS = {
    DeadlineState.OVERDUE: "alarm",
    DeadlineState.DUE_TODAY: "alarm",
    DeadlineState.DUE_SOON: "schedule",
    DeadlineState.LATER: "event",
    DeadlineState.NONE: "event",
}

ORDER_NAMES = {InvoiceOrder.NEWEST: "Newest first", InvoiceOrder.DEADLINE: "Legal deadline first"}

FINDING_NAMES = {
    Finding.TO_BE_ISSUED: "Issued in billing",
    Finding.CREDIT_NOTE: "Synced, but cancelled in billing",
    Finding.WARNING: "With a warning",
    Finding.NO_NUMBER: "Synced without a document number",
}

LINE_NAMES = {
    MonthLine.ISSUED: "Issued here",
    MonthLine.THERE: "In TOC Online",
    MonthLine.IN_DOUBT: "In doubt",
    MonthLine.WAITING: "Waiting or being sent",
    MonthLine.FAILED: "Failed",
    MonthLine.NEVER_SENT: "Never sent",
    MonthLine.WARNING: "With a warning",
    MonthLine.CREDIT_NOTE: "Cancelled, void or deleted after it was synced",
    MonthLine.NO_NUMBER: "Without a document number",
}

LINE_ADVICE = {
    MonthLine.IN_DOUBT: "They may or may not be in TOC Online: look each one up there, then resolve it.",
    MonthLine.WAITING: "They go out by themselves. Look again later.",
    MonthLine.FAILED: "They are certainly not in TOC Online. Correct what the error names, then retry.",
    MonthLine.NEVER_SENT: "Nobody has sent them from here. Send them with Sync.",
    MonthLine.WARNING: "Read the warning: there may be two documents for one invoice.",
    MonthLine.CREDIT_NOTE: "TOC Online still has the document: it needs a credit note there.",
    MonthLine.NO_NUMBER: "TOC Online has them, but the answer named no number. Look it up and note it.",
}

RULE = (
    "The law asks for an invoice by the 5th working day after its date, and for its communication by the 5th of the"
    " following month. The accountant has the last word."
)

_SOON = 10
"""Working days up to which they are counted in words; after that the day says more."""


def deadline_day(day: date) -> str:
    """Returns a deadline with its weekday, for example Fri 27 Nov 2026."""
    return f"{day:%a} {day.day} {day:%b} {day.year}"


def time_left(row: InvoiceRow, today: date) -> str:
    """Says how much time is left until an invoice's deadline: "2 working days left", "today", "3 days overdue"."""
    if row.deadline is None or row.deadline_state is DeadlineState.NONE:
        return ""
    if row.deadline_state is DeadlineState.OVERDUE:
        return f"{_days((today - row.deadline).days)} overdue"
    if row.deadline_state is DeadlineState.DUE_TODAY:
        return "today"
    if row.working_days_left > _SOON:
        return f"until {deadline_day(row.deadline)}"
    return f"{row.working_days_left} working day{'' if row.working_days_left == 1 else 's'} left"


def deadline_line(row: InvoiceRow, communication: date | None, today: date) -> str:
    """Says until when an invoice must be issued and communicated; "" where no deadline runs."""
    left = time_left(row, today)
    if not left or row.deadline is None or communication is None:
        return ""
    beside = "" if left.startswith("until") else f" ({left})"
    by = f"{communication.day} {communication:%b %Y}"
    return f"Legal deadline: {deadline_day(row.deadline)}{beside}; communication to the tax authority by {by}."


def due_parts(counts: DueCounts) -> str:
    """Says what the legal clock asks for, as a part of a sentence; "" where nothing is due.

    For example "3 are past the legal deadline, the legal deadline of 2 is today and of 1 is tomorrow".
    """
    overdue, today, soon = counts.overdue.count, counts.today.count, counts.soon.count
    is_tomorrow = (counts.next_working_day - counts.read_on).days == 1
    when_soon = "tomorrow" if is_tomorrow else f"on {counts.next_working_day:%A}"
    past = f"{overdue:,} {'is' if overdue == 1 else 'are'} past the legal deadline" if overdue else ""
    near = [f"of {count:,} is {when}" for count, when in ((today, "today"), (soon, when_soon)) if count]
    return ", ".join(filter(None, (past, f"the legal deadline {' and '.join(near)}" if near else "")))


def never_sent_part(counts: DueCounts) -> str:
    """Says how many were never sent and are past their deadline, as a sentence; "" where none is."""
    count = counts.never_sent.count
    if not count:
        return ""
    were = "was" if count == 1 else "were"
    return (
        f"{invoices(count)} past the legal deadline {were} never sent from here, {amounts(counts.never_sent.totals)}."
    )


def month_name(month: date) -> str:
    """Returns a month, for example November 2026."""
    return f"{month:%B} {month.year}"


def month_answer(close: MonthClose) -> str:
    """Answers "is this month complete?" in one sentence."""
    name = month_name(close.month)
    if close.is_complete:
        issued = close.lines[MonthLine.ISSUED]
        if not issued.count:
            return f"{name} is complete: nothing was issued here."
        return f"{name} is complete: {_all(issued.count)} in TOC Online, {amounts(issued.totals)}."
    what = [f"{close.missing:,} missing" if close.missing else ""]
    differ = len(close.differences)
    what.append(f"{differ:,} with another total in TOC Online" if differ else "")
    return f"{name} is not complete yet: {', '.join(filter(None, what)) or 'the counts differ'}."


def line_sums(sums: Sums) -> str:
    """Returns a line's amounts: subtotal, VAT and total."""
    return f"{amounts(sums.subtotals)} and {amounts(sums.vat)} VAT, together {amounts(sums.totals)}"


def compared(close: MonthClose) -> str:
    """Says of how many invoices the totals could be compared."""
    there = close.lines[MonthLine.THERE].count
    return (
        f"The answers of {close.compared:,} of the {invoices(there)} in TOC Online name a total;"
        f" {len(close.differences):,} of these totals {'differs' if len(close.differences) == 1 else 'differ'} from ours."
    )


def _all(count: int) -> str:
    return "the only invoice is" if count == 1 else f"all {invoices(count)} are"


def _days(count: int) -> str:
    return f"{count:,} day{'' if count == 1 else 's'}"
