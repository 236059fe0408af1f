"""The legal clock: working days in Portugal, deadlines, and the words for them."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from toc_sync import deadlines, wording_legal
from toc_sync.model import Status
from toc_sync.views import InvoiceRow
from toc_sync.views_legal import DeadlineState, DueCounts, Sums


def day(text: str) -> date:
    return date.fromisoformat(text)


@pytest.mark.parametrize(
    ("invoice_date", "deadline"),
    [
        pytest.param("2026-11-09", "2026-11-16", id="a plain Monday: the Monday after"),
        pytest.param("2026-11-13", "2026-11-20", id="a Friday"),
        pytest.param("2026-11-14", "2026-11-20", id="a Saturday counts from Monday on"),
        pytest.param("2026-11-15", "2026-11-20", id="a Sunday too"),
        pytest.param("2026-03-30", "2026-04-07", id="Good Friday is none"),
        pytest.param("2024-03-28", "2024-04-05", id="Good Friday, and Easter Monday is one"),
        pytest.param("2026-06-01", "2026-06-09", id="Corpus Christi, which moves with Easter"),
        pytest.param("2026-11-24", "2026-12-02", id="1 December"),
        pytest.param("2026-12-01", "2026-12-09", id="on 1 December, and 8 December"),
        pytest.param("2014-11-24", "2014-12-01", id="1 December was abolished in 2014"),
        pytest.param("2026-12-28", "2027-01-05", id="across the new year"),
        pytest.param("2026-12-24", "2027-01-04", id="Christmas and the new year"),
        pytest.param("2024-02-26", "2024-03-04", id="29 February in a leap year"),
        pytest.param("2023-02-24", "2023-03-03", id="no 29 February in another"),
        pytest.param("2026-06-11", "2026-06-18", id="Lisbon's own holiday is no national one"),
        pytest.param("9999-12-30", "9999-12-31", id="the calendar ends"),
        pytest.param("0001-01-01", "0001-01-08", id="the calendar begins"),
    ],
)
def test_an_invoice_must_be_issued_by_the_fifth_working_day_after_its_date(invoice_date, deadline):
    assert deadlines.issue_deadline(day(invoice_date)) == day(deadline)


@pytest.mark.parametrize(
    ("invoice_date", "deadline"),
    [
        pytest.param("2026-11-01", "2026-12-05", id="the first of a month"),
        pytest.param("2026-11-30", "2026-12-05", id="its last"),
        pytest.param("2026-12-31", "2027-01-05", id="the year ends"),
        pytest.param("2024-01-31", "2024-02-05", id="before a short month"),
        pytest.param("9999-12-01", "9999-12-31", id="the calendar ends"),
    ],
)
def test_it_must_be_communicated_by_the_fifth_of_the_next_month(invoice_date, deadline):
    assert deadlines.communication_deadline(day(invoice_date)) == day(deadline)


@pytest.mark.parametrize(
    ("today", "left", "state"),
    [
        pytest.param("2026-11-27", 3, DeadlineState.LATER, id="a Friday, with a holiday between"),
        pytest.param("2026-11-30", 2, DeadlineState.LATER, id="Monday"),
        pytest.param("2026-12-01", 2, DeadlineState.LATER, id="on the holiday: two working days remain"),
        pytest.param("2026-12-02", 1, DeadlineState.DUE_SOON, id="the working day before"),
        pytest.param("2026-12-03", 0, DeadlineState.DUE_TODAY, id="the day itself"),
        pytest.param("2026-12-04", 0, DeadlineState.OVERDUE, id="the day after"),
    ],
)
def test_time_left_is_counted_in_working_days(today, left, state):
    deadline = day("2026-12-03")
    assert deadlines.working_days_left(day(today), deadline) == left
    assert deadlines.state_of(deadline, day(today)) is state


def test_a_deadline_on_monday_is_near_from_friday_on():
    monday = day("2026-11-23")
    states = [deadlines.state_of(monday, monday - timedelta(days=days)) for days in (4, 3, 2, 1, 0)]
    assert states == [DeadlineState.LATER, *[DeadlineState.DUE_SOON] * 3, DeadlineState.DUE_TODAY]


def test_what_is_due_very_late_is_not_counted_to_the_end():
    assert deadlines.working_days_left(day("2026-11-23"), date.max) == deadlines.MOST_COUNTED


@pytest.mark.processes
def test_starting_loads_no_calendar():
    code = "import sys, toc_sync.runtime; assert not {'holidays', 'xlsxwriter'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# Words ----------------------------------------------------------------------------------------------------------------

TODAY = day("2026-11-23")


def row(deadline: str | None, status: Status = Status.FAILED) -> InvoiceRow:
    due = day(deadline) if deadline else None
    unknown = dict.fromkeys(InvoiceRow.__dataclass_fields__)
    known = {
        "invoice_id": 1,
        "status": status,
        "deadline": due,
        "deadline_state": deadlines.state_of(due, TODAY),
        "working_days_left": deadlines.working_days_left(TODAY, due) if due else 0,
    }
    return InvoiceRow(**unknown | known)


@pytest.mark.parametrize(
    ("deadline", "words"),
    [
        pytest.param(None, "", id="no date"),
        pytest.param("2026-11-20", "3 days overdue", id="overdue, in days of the calendar"),
        pytest.param("2026-11-22", "1 day overdue", id="since yesterday"),
        pytest.param("2026-11-23", "today", id="today"),
        pytest.param("2026-11-24", "1 working day left", id="tomorrow"),
        pytest.param("2026-12-02", "6 working days left", id="with a holiday between"),
        pytest.param("2027-01-29", "until Fri 29 Jan 2027", id="far away: the day itself"),
    ],
)
def test_time_left_in_words(deadline, words):
    assert wording_legal.time_left(row(deadline), TODAY) == words


def test_the_line_of_the_drawer():
    line = wording_legal.deadline_line(row("2026-11-27"), day("2026-12-05"), TODAY)
    assert line == (
        "Legal deadline: Fri 27 Nov 2026 (4 working days left); communication to the tax authority by 5 Dec 2026."
    )
    assert wording_legal.deadline_line(row(None), None, TODAY) == ""


def counts(overdue: int = 0, never_sent: int = 0, today: int = 0, soon: int = 0, next_day: str = "2026-11-24"):
    def sums(count: int) -> Sums:
        return Sums(count=count, totals={"EUR": Decimal(count)})

    return DueCounts(
        overdue=sums(overdue),
        never_sent=sums(never_sent),
        today=sums(today),
        soon=sums(soon),
        read_on=TODAY,
        next_working_day=day(next_day),
    )


@pytest.mark.parametrize(
    ("found", "words"),
    [
        pytest.param(counts(), "", id="nothing"),
        pytest.param(counts(never_sent=9), "", id="what nobody asked for has a sentence of its own"),
        pytest.param(counts(overdue=1), "1 is past the legal deadline", id="one overdue"),
        pytest.param(counts(soon=2), "the legal deadline of 2 is tomorrow", id="two tomorrow"),
        pytest.param(counts(soon=2, next_day="2026-11-26"), "the legal deadline of 2 is on Thursday", id="on Thursday"),
        pytest.param(
            counts(overdue=1_200, today=2, soon=1),
            "1,200 are past the legal deadline, the legal deadline of 2 is today and of 1 is tomorrow",
            id="all of it",
        ),
    ],
)
def test_what_the_legal_clock_adds_to_a_sentence(found, words):
    assert wording_legal.due_parts(found) == words


def test_what_was_never_sent_is_told_apart():
    assert wording_legal.never_sent_part(counts(overdue=3)) == ""
    assert wording_legal.never_sent_part(counts(never_sent=1)) == (
        "1 invoice past the legal deadline was never sent from here, €1.00."
    )


def test_the_day_is_lisbons():
    from toc_sync.wording import day_of

    assert day_of(datetime(2026, 7, 1, 23, 30, tzinfo=UTC)) == day("2026-07-02")
    assert day_of(datetime(2026, 11, 23, 23, 30, tzinfo=UTC)) == TODAY
