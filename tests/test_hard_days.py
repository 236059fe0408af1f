"""What the calendar and the clock could spoil, now and on each hard day: deadlines, months, claims, filters, times in words."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from click.testing import CliRunner

from pages.parts.activity_filters import Asked
from tests.core import ISSUED, REJECTED, UNDELIVERED, Desk, ago
from tests.days import day, month
from tests.live_days import environment, results
from tests.moments import HARD_DAYS, all_moments, moment_of
from toc_sync import clock, deadlines, installation, outbox, samples, status, wording, wording_batches
from toc_sync.cli import program
from toc_sync.database import current_time, reading, writing
from toc_sync.engines import open_engine
from toc_sync.model import ZONE, Status
from toc_sync.refusals import shipped_refusals
from toc_sync.views import InvoiceFilter, last_day_of
from toc_sync.views_batches import Selection
from toc_sync.views_health import RangeAsked, RangeKind
from toc_sync.views_legal import DueFilter

PASSED = '<testcase classname="t" name="a"/>'
AUTUMN = [HARD_DAYS["the doubled hour, first time"], HARD_DAYS["the doubled hour, second time"]]


def refused(desk: Desk) -> int:
    invoice_id = desk.create()
    desk.settle(desk.claim(invoice_id), REJECTED)
    return invoice_id


def noon(of: date) -> datetime:
    return datetime(of.year, of.month, of.day, 12, tzinfo=ZONE)


def due(desk: Desk) -> dict[DueFilter, int]:
    """Returns how many invoices each filter of deadlines lists, and proves that the counts say the same."""
    listed = {each: desk.page(due=each).total for each in (DueFilter.OVERDUE, DueFilter.TODAY, DueFilter.SOON)}
    with reading(desk.engine) as conn:
        counts = status.count_due(conn, day())
    assert (counts.overdue.count, counts.today.count, counts.soon.count) == tuple(listed.values())
    return {each: count for each, count in listed.items() if count}


# Now, and on each hard day --------------------------------------------------------------------------------------------


@pytest.mark.hard_days
def test_the_deadline_comes_on_the_fifth_working_day_and_is_over_the_day_after(desk: Desk) -> None:
    invoice_id = refused(desk)
    record = desk.record(invoice_id)
    last = record["issue_deadline"]
    assert record["invoice_date"] == record["created_at"].astimezone(ZONE).date()
    assert last == deadlines.working_days_after(record["invoice_date"], 5)
    assert due(desk) == {}
    with clock.set_to(noon(last)):
        assert due(desk) == {DueFilter.TODAY: 1}
    before = max(each for each in (last - timedelta(days=n) for n in range(1, 9)) if deadlines.is_working_day(each))
    with clock.set_to(noon(before)):
        assert due(desk) == {DueFilter.SOON: 1}
    with clock.set_to(noon(last + timedelta(days=1))):
        assert due(desk) == {DueFilter.OVERDUE: 1}


@pytest.mark.hard_days
def test_a_wait_and_a_lease_last_as_long_as_always(desk: Desk) -> None:
    waiting, lost = desk.create(), desk.create()
    desk.settle(desk.claim(waiting), UNDELIVERED)
    desk.claim(lost)
    assert desk.try_claim(waiting) is None
    assert desk.rescue() == []
    with clock.shifted(timedelta(seconds=45)):
        assert desk.try_claim(waiting) is not None
        assert desk.rescue() == []
    with clock.shifted(timedelta(seconds=110)):
        assert {settled.invoice_id for settled in desk.rescue()} == {waiting, lost}
        assert not desk.page().rows[0].can_retry
    assert desk.state(lost).status is Status.IN_DOUBT


@pytest.mark.hard_days
def test_every_range_counts_what_was_tried_just_now_and_none_has_a_gap(desk: Desk) -> None:
    refused(desk)
    today, now = clock.today(), desk.now()
    asked = [RangeAsked(kind=kind) for kind in RangeKind] + [RangeAsked(kind=RangeKind.CUSTOM, first=today, last=today)]
    for each in asked:
        with reading(desk.engine) as conn:
            health = status.read_health(conn, each, now=now)
        assert sum(count.attempts for count in health.attempts) == 1, each
        assert all(count.slot.start_at <= now < count.slot.end_at for count in health.attempts), each
        assert all(before.end_at == after.start_at for before, after in pairwise(health.covers.slots))


@pytest.mark.hard_days
def test_what_is_asked_since_a_time_is_found_whichever_hour_it_is(desk: Desk) -> None:
    invoice_id = refused(desk)
    made = desk.record(invoice_id)["created_at"].astimezone(ZONE).replace(tzinfo=None, fold=0)
    begin, end = clock.earliest(made.replace(second=0, microsecond=0)), clock.latest(made + timedelta(minutes=1))
    with reading(desk.engine) as conn:
        found = status.preview_batch(conn, Selection.created_or_failed(begin, end), now=current_time(conn))
        nothing = status.preview_batch(conn, Selection.created_or_failed(end, end + timedelta(hours=9)), now=desk.now())
    assert (found.count, nothing.matching) == (1, 0)
    days = Asked(from_day=made.date(), to_day=made.date()).at(clock.now())
    assert days.since <= desk.record(invoice_id)["created_at"] < days.until


@pytest.mark.hard_days
def test_this_month_and_the_one_before_are_two(desk: Desk) -> None:
    this, before = month(), month(-1)
    for invoice_date in (this, last_day_of(this), before, last_day_of(before)):
        desk.settle(desk.claim(desk.create(invoice_date=str(invoice_date))), ISSUED)
    with reading(desk.engine) as conn:
        assert status.list_months(conn) == (this, before)
        closes = [status.read_month(conn, each, now=current_time(conn)) for each in (this, before)]
    assert [(close.is_complete, close.lines["issued"].count) for close in closes] == [(True, 2), (True, 2)]


@pytest.mark.hard_days
def test_samples_can_be_made_and_are_in_order(tmp_path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'samples.db'}")
    with writing(engine) as conn:
        installation.prepare(conn, may_create_billing=True)
        samples.seed(conn, now=current_time(conn), invoices=60)
        now = current_time(conn)
        assert outbox.observe_recent(conn, shipped_refusals(), now=now) == []
        health = status.read_health(conn, RangeAsked(), now=now)
        rows = list(status.export_invoices(conn, InvoiceFilter(), now=now))
        months = status.list_months(conn)
    engine.dispose()
    assert {row.status for row in rows} == set(Status) - {Status.SYNCING}
    assert len({count.slot for count in health.attempts}) >= 12
    assert all(row.invoice_date <= day() for row in rows if row.invoice_date)
    assert months[0] in (month(), month(-1))


@pytest.mark.hard_days
def test_times_in_words_say_which_day_and_which_hour_is_meant(desk: Desk) -> None:
    now = desk.now()
    for hours in range(-24, 25):
        instant = now + timedelta(hours=hours)
        said = wording.day_and_time(instant)
        others = [instant + timedelta(hours=by) for by in (-25, -24, -23, -1, 1, 23, 24, 25)]
        assert said not in map(wording.day_and_time, others), hours
    assert wording.since(ago(desk, 0), desk.now()) == wording.clock_time(ago(desk, 0))
    assert (
        wording.waiting_line(now + timedelta(hours=2), now)
        == f"Retry at {wording.clock_time(now + timedelta(hours=2))}"
    )


# Times in words, and typed --------------------------------------------------------------------------------------------


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("instant", "words"),
    [
        pytest.param("2027-10-31T00:30", "01:30 WEST", id="in the doubled hour, the first time"),
        pytest.param("2027-10-31T01:30", "01:30 WET", id="in the doubled hour, the second time"),
        pytest.param("2027-10-30T23:59", "00:59", id="before it"),
        pytest.param("2027-10-31T02:00", "02:00", id="after it"),
        pytest.param("2027-03-28T00:59", "00:59", id="before the hour that is left out"),
        pytest.param("2027-03-28T01:00", "02:00", id="after it"),
        pytest.param("2027-07-01T23:30", "00:30", id="in summer"),
    ],
)
def test_a_time_of_day_names_its_zone_only_where_the_clock_shows_it_twice(instant, words):
    assert wording.clock_time(at(instant)) == words
    assert wording.day_and_time(at(instant)).endswith(f" 2027, {words}")


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        pytest.param("2027-01-05T09:12", "2027-01-05T10:40", "5 Jan 2027, 09:12–10:40", id="within a day"),
        pytest.param("2027-01-05T23:50", "2027-01-06T00:10", "5 Jan 2027, 23:50–6 Jan 2027, 00:10", id="over midnight"),
        pytest.param(
            "2027-07-01T22:50", "2027-07-01T23:10", "1 Jul 2027, 23:50–2 Jul 2027, 00:10", id="over Lisbon's in summer"
        ),
        pytest.param("2027-07-01T23:50", "2027-07-02T00:10", "2 Jul 2027, 00:50–01:10", id="over UTC's in summer"),
        pytest.param(
            "2026-12-31T23:59", "2027-01-01T00:01", "31 Dec 2026, 23:59–1 Jan 2027, 00:01", id="over the year's end"
        ),
        pytest.param(
            "2027-10-31T00:30", "2027-10-31T01:30", "31 Oct 2027, 01:30 WEST–01:30 WET", id="an hour in no time"
        ),
    ],
)
def test_a_time_that_is_over_names_the_days_as_lisbon_counts_them(start, end, words):
    assert wording.from_to(at(start), at(end)) == words
    assert wording_batches.outage(at(start), at(end)) == f"The outage {words}"


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        pytest.param(1, "Retry at 00:30", id="after midnight"),
        pytest.param(23, "Retry at 22:30", id="within a day"),
        pytest.param(24, "Retry at 1 Jan 2027, 23:30", id="a day later"),
        pytest.param(49, "Retry at 3 Jan 2027, 00:30", id="two days later"),
    ],
)
def test_a_wait_of_days_names_the_day(hours, words):
    now = at("2026-12-31T23:30")
    assert wording.waiting_line(now + timedelta(hours=hours), now) == words


@pytest.mark.parametrize(
    ("typed", "first", "last"),
    [
        pytest.param("2027-10-31T01:30", "2027-10-31T00:30", "2027-10-31T01:30", id="twice in autumn"),
        pytest.param("2027-03-28T01:30", "2027-03-28T00:30", "2027-03-28T01:30", id="never in spring"),
        pytest.param("2027-07-01T01:30", "2027-07-01T00:30", "2027-07-01T00:30", id="in summer"),
        pytest.param("2027-01-01T01:30", "2027-01-01T01:30", "2027-01-01T01:30", id="in winter"),
    ],
)
def test_a_typed_time_means_all_that_it_may_mean(typed, first, last):
    local = datetime.fromisoformat(typed)
    assert (clock.earliest(local), clock.latest(local)) == (at(first), at(last))


@pytest.mark.parametrize("failed_at", AUTUMN, ids=["first", "second"])
def test_the_command_recovers_what_failed_in_either_of_the_two_hours(desk, failed_at, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", desk.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("TOC_FUNCTION_URL", desk.function.url)
    monkeypatch.setenv("TOC_FUNCTION_KEY", "key")
    with clock.set_to(failed_at):
        refused(desk)
    asked = ["retry", "--recover-since", "2027-10-31 01:29", "--recover-until", "2027-10-31 01:32", "--dry-run"]
    with clock.set_to(failed_at + timedelta(hours=6)):
        done = CliRunner().invoke(program, asked)
    assert done.stdout.splitlines()[-1] == "1 invoice would be queued, 0 refused."


# How the days are lived -----------------------------------------------------------------------------------------------


def test_a_moment_is_lisbons_unless_it_names_a_zone():
    assert moment_of("2028-07-15T00:30") == at("2028-07-14T23:30")
    assert moment_of("2028-07-15T00:30+00:00") == at("2028-07-15T00:30")
    assert moment_of("2028-02-29") == at("2028-02-29T00:00")
    with pytest.raises(ValueError, match="month"):
        moment_of("2028-13-01")


def test_the_days_are_what_their_names_say():
    days = {name: moment.astimezone(ZONE) for name, moment in HARD_DAYS.items()}
    assert days["the 5th on a Sunday"].strftime("%d %A") == "05 Sunday"
    saturday = days["a Saturday before a Monday holiday"]
    assert saturday.strftime("%A") == "Saturday"
    assert not deadlines.is_working_day(saturday.date() + timedelta(days=2))
    assert not deadlines.is_working_day(days["Good Friday"].date())
    assert AUTUMN[1].astimezone(UTC) - AUTUMN[0].astimezone(UTC) == timedelta(hours=1)
    night = HARD_DAYS["a summer's night, in UTC still the day before"]
    assert night.astimezone(UTC).date() < night.date()
    assert all_moments()["in 35 days"] > clock.now() + timedelta(days=34)


def test_a_run_is_given_its_time_and_a_postgresql_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setenv("TEST_DATABASE_URL", "postgresql://elsewhere")
    given = environment(clock.now() + timedelta(days=2), tmp_path / "libfaketime.so.1")
    assert "TEST_DATABASE_URL" not in given
    assert 172_790 < int(given["FAKETIME"]) <= 172_800
    assert given["FAKETIME_DONT_FAKE_MONOTONIC"] == "1"


@pytest.mark.parametrize(
    ("report", "ended", "found"),
    [
        pytest.param(None, -15, (0, ("the tests ended before their end, with status -15",)), id="no report"),
        pytest.param("<s/>", 5, (0, ("the run itself, with status 5",)), id="an empty one"),
        pytest.param("<s/>", 0, (0, ("the run itself, with status 0",)), id="an empty one, and all is said to be well"),
        pytest.param(f"<s>{PASSED}</s>", 0, (1, ()), id="passed"),
        pytest.param(f"<s>{PASSED}</s>", 3, (1, ("the run itself, with status 3",)), id="passed, and the run failed"),
        pytest.param('<s><testcase classname="t" name="a"><failure/></testcase></s>', 1, (0, ("t::a",)), id="failed"),
        pytest.param('<s><testcase classname="t" name="a"><error/></testcase></s>', 1, (0, ("t::a",)), id="broken"),
    ],
)
def test_a_run_that_proves_nothing_has_failed(tmp_path, report, ended, found):
    file = tmp_path / "report.xml"
    if report:
        file.write_text(report)
    assert results(file, ended) == found
