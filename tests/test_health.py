"""The overview's figures on both databases: ranges, slots, percentiles, and that each number equals the list behind it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from tests.core import ISSUED, REJECTED, TIMED_OUT, UNDELIVERED, Desk
from toc_sync import status, wording_overview
from toc_sync.database import reading
from toc_sync.model import NEEDS_ATTENTION, ON_ITS_WAY, Outcome, Status
from toc_sync.status.health import nearest_rank
from toc_sync.status.ranges import range_of
from toc_sync.tables import sync_attempts, sync_records
from toc_sync.views import Attempted, InvoiceFilter
from toc_sync.views_health import MOST_DAYS, Counted, Health, Overview, RangeAsked, RangeKind, Slot
from toc_sync.views_legal import ASKED_FOR, DueFilter, Sums

NOW = datetime(2026, 11, 22, 20, 15, tzinfo=UTC)
AUTUMN, SPRING = date(2026, 10, 25), date(2026, 3, 29)
"""The days with 25 and 23 hours."""


# Ranges ---------------------------------------------------------------------------------------------------------------


def custom(first: date | None, last: date | None) -> RangeAsked:
    return RangeAsked(kind=RangeKind.CUSTOM, first=first, last=last)


@pytest.mark.parametrize(
    ("asked", "first_day", "last_day", "slots"),
    [
        pytest.param(RangeAsked(), date(2026, 11, 21), date(2026, 11, 22), 24, id="the last 24 hours"),
        pytest.param(RangeAsked(kind=RangeKind.WEEK), date(2026, 11, 16), date(2026, 11, 22), 7, id="seven days"),
        pytest.param(RangeAsked(kind=RangeKind.FOUR_WEEKS), date(2026, 10, 24), date(2026, 11, 22), 30, id="30 days"),
        pytest.param(RangeAsked(kind=RangeKind.MONTH), date(2026, 11, 1), date(2026, 11, 30), 30, id="this month"),
        pytest.param(
            RangeAsked(kind=RangeKind.MONTH, first=date(2028, 2, 10)),
            date(2028, 2, 1),
            date(2028, 2, 29),
            29,
            id="a month",
        ),
        pytest.param(custom(AUTUMN, AUTUMN), AUTUMN, AUTUMN, 25, id="a long day, by the hour"),
        pytest.param(custom(SPRING, SPRING), SPRING, SPRING, 23, id="a short day, by the hour"),
        pytest.param(
            custom(date(2026, 11, 1), date(2026, 11, 2)), date(2026, 11, 1), date(2026, 11, 2), 48, id="two days"
        ),
        pytest.param(
            custom(date(2026, 11, 3), date(2026, 11, 1)), date(2026, 11, 1), date(2026, 11, 3), 3, id="backwards"
        ),
        pytest.param(custom(None, None), date(2026, 11, 22), date(2026, 11, 22), 24, id="no days: today"),
        pytest.param(custom(date(2026, 11, 20), None), date(2026, 11, 20), date(2026, 11, 22), 3, id="until today"),
        pytest.param(
            custom(date(2020, 1, 1), date(2026, 11, 22)),
            date(2025, 11, 22),
            date(2026, 11, 22),
            MOST_DAYS,
            id="too long",
        ),
    ],
)
def test_a_range_covers_whole_hours_or_whole_days_without_gaps(
    asked: RangeAsked, first_day: date, last_day: date, slots: int
) -> None:
    covers = range_of(asked, NOW)
    assert (covers.first_day, covers.last_day, len(covers.slots)) == (first_day, last_day, slots)
    assert (covers.start_at, covers.end_at) == (covers.slots[0].start_at, covers.slots[-1].end_at)
    assert all(before.end_at == after.start_at for before, after in pairwise(covers.slots))
    assert covers.hourly == (slots > 7 and (last_day - first_day).days < 2)


@pytest.mark.parametrize(
    ("values", "half", "most"),
    [
        pytest.param([7], 7, 7, id="one"),
        pytest.param([1, 2], 1, 2, id="two"),
        pytest.param([1, 2, 3], 2, 3, id="three"),
        pytest.param(list(range(1, 101)), 50, 95, id="a hundred"),
        pytest.param([5] * 99 + [900], 5, 5, id="an outlier"),
    ],
)
def test_a_percentile_is_a_value_that_occurred(values: list[int], half: int, most: int) -> None:
    assert (nearest_rank(Counter(values), 50), nearest_rank(Counter(values), 95)) == (half, most)


# What happened --------------------------------------------------------------------------------------------------------


def health(desk: Desk, asked: RangeAsked | None = None, now: datetime = NOW) -> Health:
    with reading(desk.engine) as conn:
        return status.read_health(conn, asked or RangeAsked(), now=now)


def overview(desk: Desk) -> Overview:
    with reading(desk.engine) as conn:
        return status.read_overview(conn, now=NOW)


def move(desk: Desk, invoice_id: int, at: datetime, **values: Any) -> None:
    """Moves an invoice's attempts to an instant."""
    mine = sync_attempts.c.invoice_id == invoice_id
    desk.execute(sync_attempts.update().where(mine).values(started_at=at, **values))


def test_attempts_are_counted_by_slot_and_outcome(desk: Desk) -> None:
    for verdict in (ISSUED, ISSUED, REJECTED, TIMED_OUT, UNDELIVERED):
        desk.settle(desk.claim(desk.create()), verdict)
    long_ago, first = desk.create(), desk.create()
    for invoice_id in (long_ago, first):
        desk.settle(desk.claim(invoice_id), ISSUED)
    at = datetime(2026, 11, 22, 13, 59, 59, 900_000, tzinfo=UTC)
    desk.execute(sync_attempts.update().values(started_at=at))
    move(desk, long_ago, datetime(2026, 11, 21, 13, 59, 59, 999_999, tzinfo=UTC))
    move(desk, first, datetime(2026, 11, 21, 14, tzinfo=UTC))
    found = health(desk, now=at)
    hour, oldest = found.covers.slots[-1], found.covers.slots[0]
    assert {(each.slot, each.outcome): each.attempts for each in found.attempts} == {
        (oldest, Outcome.SYNCED): 1,
        (hour, Outcome.SYNCED): 2,
        (hour, Outcome.FAILED): 1,
        (hour, Outcome.IN_DOUBT): 1,
        (hour, Outcome.UNDELIVERED): 1,
    }
    assert found.per_slot(Outcome.SYNCED)[:: len(found.covers.slots) - 1] == (1, 2)
    assert found.attempts_of(*Outcome) == 6


@pytest.mark.parametrize("day", [pytest.param(AUTUMN, id="25 hours"), pytest.param(SPRING, id="23 hours")])
def test_days_are_lisbons_also_when_the_clock_is_moved(desk: Desk, day: date) -> None:
    asked = custom(day - timedelta(days=2), day + timedelta(days=2))
    slots = range_of(asked, NOW).slots
    edges = [at for slot in slots for at in (slot.start_at, slot.end_at - timedelta(microseconds=1))]
    for at in edges:
        invoice_id = desk.create()
        desk.settle(desk.claim(invoice_id), ISSUED)
        move(desk, invoice_id, at)
    assert [(each.slot, each.attempts) for each in health(desk, asked).attempts] == [(slot, 2) for slot in slots]


def test_answer_times_leave_out_what_never_arrived(desk: Desk) -> None:
    for verdict, duration_ms in (
        (ISSUED, 400),
        (REJECTED, 1_260),
        (TIMED_OUT, 9_000),
        (UNDELIVERED, 60_000),
        (ISSUED, None),
    ):
        invoice_id = desk.create()
        desk.settle(desk.claim(invoice_id), verdict)
        move(desk, invoice_id, NOW, duration_ms=duration_ms)
    answers = health(desk).answers
    assert answers.whole is not None
    assert (answers.whole.half_s, answers.whole.most_s, answers.whole.count) == (1.3, 9.0, 3)
    (only,) = answers.by_slot
    assert (only.slot, only.half_s, only.count) == (range_of(RangeAsked(), NOW).slots[-1], 1.3, 3)


def test_the_way_to_synced_begins_when_the_invoice_was_created(desk: Desk) -> None:
    for seconds in (2, 90, 200_000):
        invoice_id = desk.create()
        desk.settle(desk.claim(invoice_id), ISSUED)
        desk.change_record(invoice_id, synced_at=NOW, invoice_created_at=NOW - timedelta(seconds=seconds))
    unknown = desk.create()
    desk.settle(desk.claim(unknown), ISSUED)
    desk.change_record(unknown, synced_at=NOW, invoice_created_at=None, created_at=NOW + timedelta(seconds=5))
    whole = health(desk).to_synced.whole
    assert whole is not None
    assert (whole.half_s, whole.most_s, whole.count) == (2.0, 200_000.0, 4)


def test_without_attempts_there_is_nothing_to_tell(desk: Desk) -> None:
    found = health(desk)
    assert (found.attempts, found.answers.whole, found.to_synced.by_slot) == ((), None, ())
    assert (found.there.count, found.missing.count, found.unsuccessful.count) == (0, 0, 0)


def test_vat_is_at_risk_of_what_failed_is_in_doubt_or_waits_too_long(desk: Desk) -> None:
    today = date(2026, 11, 22)
    late, in_time, failed, doubtful, synced = (desk.create() for _ in range(5))
    for invoice_id, verdict in ((failed, REJECTED), (doubtful, TIMED_OUT), (synced, ISSUED)):
        desk.settle(desk.claim(invoice_id), verdict)
    for invoice_id, day in ((late, today - timedelta(days=1)), (in_time, today), (synced, date(2026, 1, 1))):
        desk.change_record(invoice_id, issue_deadline=day)
    with reading(desk.engine) as conn:
        page = status.list_invoices(conn, InvoiceFilter(at_risk=True), page=1, now=NOW)
    assert {row.invoice_id for row in page.rows} == {late, failed, doubtful}
    assert (overview(desk).at_risk.count, overview(desk).at_risk.vat) == (3, {"EUR": Decimal("69.00")})


# Each number equals the list behind it ------------------------------------------------------------------------------


def invent(desk: Desk, chance: random.Random, invoices: int = 90) -> None:
    """Writes invoices and attempts in any state, of any age, some of them attempts of invoices without a record."""
    records, attempts = [], []
    for invoice_id in range(1, invoices + 1):
        at = NOW - timedelta(seconds=chance.random() ** 3 * 40 * 86_400)
        vat = Decimal(chance.randrange(0, 500_000)).scaleb(-2)
        subtotal = Decimal(chance.randrange(-20_000, 2_000_000)).scaleb(-2)
        records.append(
            {
                "invoice_id": invoice_id,
                "status": chance.choice(list(Status)),
                "created_at": at,
                "updated_at": at,
                "invoice_created_at": chance.choice([None, at]),
                "synced_at": chance.choice([None, at + timedelta(seconds=chance.random() * 9_000)]),
                "queued_at": at,
                "last_attempt_at": at,
                "doubt_since": chance.choice([None, at]),
                "invoice_status": chance.choice(["issued", "paid", "void", None]),
                "invoice_date": chance.choice([None, at.date(), NOW.date()]),
                "issue_deadline": chance.choice([None, NOW.date() + timedelta(days=chance.randrange(-9, 9))]),
                "subtotal_amount": subtotal,
                "vat_amount": vat,
                "total_amount": subtotal + vat,
                "currency_code": chance.choice(["EUR", "EUR", "USD"]),
            }
        )
        for number in range(1, chance.randrange(1, 5)):
            outcome = chance.choice([None, *Outcome]) if number == 1 else chance.choice(list(Outcome))
            began = at + timedelta(seconds=number * chance.random() * 4_000)
            attempts.append(
                {
                    "invoice_id": invoice_id + chance.choice([0, 0, 0, 10_000]),
                    "number": number,
                    "trigger": "created",
                    "requested_by": "ana",
                    "started_at": began,
                    "finished_at": began if outcome else None,
                    "outcome": outcome,
                    "duration_ms": chance.choice([None, chance.randrange(90_000)]),
                    "request_id": "r",
                    "worker": "w",
                }
            )
    desk.execute(sync_records.insert().values(records))
    desk.execute(sync_attempts.insert().values(attempts))


def listed(desk: Desk, wanted: InvoiceFilter) -> Counted:
    """Returns the list's own total, and the sums of what is exported from it."""
    with reading(desk.engine) as conn:
        total = status.list_invoices(conn, wanted, page=1, now=NOW).total
        rows = list(status.export_invoices(conn, wanted, now=NOW))
    assert len(rows) == total
    amounts: Counter[str] = Counter()
    vat: Counter[str] = Counter()
    for row in rows:
        amounts[row.currency_code] += row.total_amount  # type: ignore[assignment]
        vat[row.currency_code] += desk.record(row.invoice_id)["vat_amount"]
    return Counted(wanted=wanted, count=total, amounts=dict(amounts), vat=dict(vat))  # type: ignore[arg-type]


def numbers(desk: Desk) -> Iterator[Counted]:
    """Yields every number with a sum of which the overview shows the list."""
    found = overview(desk)
    yield from (value for value in vars(found).values() if isinstance(value, Counted))
    with reading(desk.engine) as conn:
        due = status.count_due(conn, NOW.date())
    yield _of(InvoiceFilter(due=DueFilter.TODAY), due.today)
    yield _of(InvoiceFilter(due=DueFilter.OVERDUE, statuses=ASKED_FOR), due.overdue)
    for kind in RangeKind:
        yield from (value for value in vars(health(desk, RangeAsked(kind=kind))).values() if isinstance(value, Counted))


def _of(wanted: InvoiceFilter, sums: Sums) -> Counted:
    return Counted(wanted=wanted, count=sums.count, amounts=sums.totals, vat=sums.vat)


@pytest.mark.parametrize("seed", range(3))
def test_every_number_equals_the_list_behind_it(desk: Desk, seed: int) -> None:
    invent(desk, random.Random(seed))
    counted = list(numbers(desk))
    assert len({each.wanted for each in counted}) >= 12
    for each in counted:
        assert listed(desk, each.wanted) == each
    shown = overview(desk)
    attention = sum(each.count for value, each in shown.sums.items() if value in NEEDS_ATTENTION)
    assert (shown.needs_attention.count, shown.on_its_way.count) == (
        attention,
        sum(each.count for value, each in shown.sums.items() if value in ON_ITS_WAY),
    )


@pytest.mark.parametrize("kind", RangeKind)
def test_every_bar_equals_the_list_behind_it(desk: Desk, kind: RangeKind) -> None:
    invent(desk, random.Random(kind))
    bars = health(desk, RangeAsked(kind=kind)).attempts
    assert bars
    with reading(desk.engine) as conn:
        for each in bars:
            assert status.list_invoices(conn, each.wanted, page=1, now=NOW).total == each.invoices <= each.attempts


# The words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end", "outcomes", "words"),
    [
        pytest.param(
            datetime(2026, 11, 22, 14, tzinfo=UTC),
            datetime(2026, 11, 22, 15, tzinfo=UTC),
            (Outcome.IN_DOUBT,),
            "Attempts of 22 Nov 14:00–15:00 that ended in doubt",
            id="an hour",
        ),
        pytest.param(
            datetime(2026, 7, 1, 23, tzinfo=UTC),
            datetime(2026, 7, 2, 23, tzinfo=UTC),
            (Outcome.FAILED, Outcome.IN_DOUBT, Outcome.UNDELIVERED),
            "Attempts of 2 Jul 2026 that failed, ended in doubt or were not delivered",
            id="a day in summer",
        ),
        pytest.param(
            datetime(2026, 11, 22, 23, tzinfo=UTC),
            datetime(2026, 11, 23, 0, tzinfo=UTC),
            (),
            "Attempts of 22 Nov 23:00–23 Nov 00:00",
            id="the last hour of a day, any end",
        ),
    ],
)
def test_a_list_is_named_by_the_attempts_behind_it(
    start: datetime, end: datetime, outcomes: tuple[Outcome, ...], words: str
) -> None:
    assert wording_overview.attempted(Attempted(since_at=start, until_at=end, outcomes=outcomes)) == words


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [
        pytest.param(10, 10, "100%", id="all"),
        pytest.param(9_999, 10_000, "99.9%", id="never all before it is all"),
        pytest.param(1, 3, "33.3%", id="a third"),
        pytest.param(0, 3, "0%", id="none"),
    ],
)
def test_a_share_is_rounded_down(part: int, whole: int, words: str) -> None:
    assert wording_overview.share(part, whole) == words


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        pytest.param(date(2026, 11, 22), date(2026, 11, 22), "22 Nov 2026", id="a day"),
        pytest.param(date(2026, 11, 1), date(2026, 11, 22), "1–22 Nov 2026", id="within a month"),
        pytest.param(date(2026, 10, 28), date(2026, 11, 3), "28 Oct – 3 Nov 2026", id="two months"),
        pytest.param(date(2026, 12, 30), date(2027, 1, 2), "30 Dec 2026 – 2 Jan 2027", id="two years"),
    ],
)
def test_days_are_named_shortly(first: date, last: date, words: str) -> None:
    assert wording_overview.days(first, last) == words


def test_the_hour_of_a_bar_is_named_in_lisbons_time() -> None:
    slot = Slot(start_at=datetime(2026, 7, 1, 8, tzinfo=UTC), end_at=datetime(2026, 7, 1, 9, tzinfo=UTC))
    assert wording_overview.slot_name(slot) == "1 Jul 09:00–10:00"
