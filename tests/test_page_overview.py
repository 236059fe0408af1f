"""The Overview page without a browser: its sentence, its counts, its chart, and what stands behind them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qs

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.parts import overview_charts
from tests.core import ISSUED, REJECTED, TIMED_OUT
from tests.days import day, month
from tests.office import environment_of, open_office
from toc_sync import clock, outbox, runtime, status, wording, wording_overview
from toc_sync.database import current_time, reading, writing
from toc_sync.model import Outcome, Status
from toc_sync.sandbox import Behaviour
from toc_sync.status.ranges import range_of
from toc_sync.tables import sync_workers
from toc_sync.views import InvoiceFilter, StatusSum
from toc_sync.views_health import AttemptCount, Counted, Health, Overview, Percentiles, RangeAsked, RangeKind, Times

FRAME = Path(__file__).parent.parent / "pages" / "_frame.py"
NOW = datetime(2026, 11, 22, 20, 15, tzinfo=UTC)
TUESDAY = datetime(2026, 11, 17, 9, 14, tzinfo=UTC)


def sums(euros: str = "10.00", **counts: int) -> dict[Status, StatusSum]:
    return {
        Status(name): StatusSum(status=Status(name), count=count, amounts={"EUR": Decimal(euros)})
        for name, count in counts.items()
    }


# The sentence ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "oldest_at", "sentence", "rest"),
    [
        pytest.param({}, None, "No invoices yet.", "", id="nothing"),
        pytest.param(sums(synced=128), None, "All 128 invoices are in TOC Online.", "", id="all there"),
        pytest.param(sums(synced=1), None, "The only invoice is in TOC Online.", "", id="the only one is there"),
        pytest.param(
            sums(synced=1280, not_needed=2),
            None,
            "All 1,280 invoices are in TOC Online.",
            "2 do not need to be there.",
            id="all that must be",
        ),
        pytest.param(
            sums(not_needed=1),
            None,
            "No invoice needs to be in TOC Online.",
            "1 does not need to be there.",
            id="none must be",
        ),
        pytest.param(
            sums(synced=125, queued=2, syncing=1),
            None,
            "3 invoices are on their way to TOC Online.",
            "125 are in TOC Online.",
            id="on their way",
        ),
        pytest.param(sums(queued=1), None, "1 invoice is on its way to TOC Online.", "", id="one on its way"),
        pytest.param(
            sums(not_synced=4, queued=1, synced=9),
            None,
            "4 invoices were never sent to TOC Online, €10.00.",
            "1 is on its way and 9 are in TOC Online.",
            id="never sent",
        ),
        pytest.param(
            sums("6215.60", failed=5, in_doubt=2) | sums(synced=120, not_synced=1, queued=3, not_needed=1),
            TUESDAY,
            "7 invoices need attention, €12,431.20, the oldest since Tuesday 09:14.",
            "1 was never sent, 3 are on their way, 120 are in TOC Online and 1 does not need to be there.",
            id="needs attention",
        ),
        pytest.param(
            sums(in_doubt=1),
            NOW - timedelta(minutes=5),
            "1 invoice needs attention, €10.00, since 20:10.",
            "",
            id="one in doubt",
        ),
    ],
)
def test_one_sentence_says_whether_everything_is_in_toc_online(found, oldest_at, sentence, rest):
    assert wording_overview.is_everything_there(found, oldest_at, NOW) == sentence
    assert wording_overview.besides(found) == rest


@pytest.mark.parametrize(
    ("instant", "words"),
    [
        pytest.param(datetime(2026, 11, 22, 0, 5, tzinfo=UTC), "00:05", id="today"),
        pytest.param(
            datetime(2026, 11, 21, 23, 59, tzinfo=UTC), "yesterday 23:59", id="yesterday, an hour ago or a day"
        ),
        pytest.param(TUESDAY, "Tuesday 09:14", id="this week"),
        pytest.param(datetime(2026, 11, 15, 9, 14, tzinfo=UTC), "15 Nov 2026, 09:14", id="the same weekday a week ago"),
        pytest.param(datetime(2026, 7, 1, 9, 14, tzinfo=UTC), "1 Jul 2026, 10:14", id="in summer time"),
    ],
)
def test_since_when_is_as_short_as_it_is_clear(instant, words):
    assert wording.since(instant, NOW) == words


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        pytest.param(date(2026, 9, 1), date(2026, 9, 30), "Sep 2026", id="a whole month"),
        pytest.param(date(2028, 2, 1), date(2028, 2, 29), "Feb 2028", id="a leap month"),
        pytest.param(date(2026, 9, 1), date(2026, 10, 31), "1 Sep 2026 – 31 Oct 2026", id="two months"),
        pytest.param(date(2026, 9, 1), None, "1 Sep 2026", id="without an end"),
        pytest.param(None, None, "", id="unknown"),
    ],
)
def test_a_billing_period_is_named_shortly(start, end, words):
    assert wording.period(start, end) == words


def test_amounts_in_several_currencies_begin_with_euros():
    assert wording.amounts({"AOA": Decimal(5), "EUR": Decimal("-1234.5")}) == "-€1,234.50 + 5.00 AOA"
    assert wording.amounts({}) == "€0.00"


# What is read, on both databases --------------------------------------------------------------------------------------


def read(desk, now: datetime | None = None) -> Overview:
    with reading(desk.engine) as conn:
        return status.read_overview(conn, now=now or desk.now())


def test_the_last_failures_come_first_and_the_oldest_is_named(desk):
    older, newer, synced = desk.create(), desk.create(), desk.create()
    for invoice_id, verdict in ((older, REJECTED), (newer, TIMED_OUT), (synced, ISSUED)):
        desk.settle(desk.claim(invoice_id), verdict)
    desk.change_record(older, last_attempt_at=TUESDAY)
    found = read(desk)
    assert [row.invoice_id for row in found.last_failures] == [newer, older]
    assert found.oldest_attention_at == TUESDAY


def test_the_backlog_knows_how_long_the_oldest_has_waited(desk):
    assert read(desk).oldest_waiting_s is None
    invoice_id = desk.create()
    desk.create()
    desk.change_record(invoice_id, queued_at=desk.now() - timedelta(minutes=10))
    found = read(desk)
    assert found.on_its_way.count == 2
    assert 600 <= found.oldest_waiting_s < 660


# The chart ------------------------------------------------------------------------------------------------------------


def health(now: datetime, *counts: tuple[datetime, Outcome, int], kind: RangeKind = RangeKind.DAY) -> Health:
    """Returns the health of a range with so many attempts, each of its own invoice, in the slots of these instants."""
    covers = range_of(RangeAsked(kind=kind), now)
    slots = {at: slot for at, _, _ in counts for slot in covers.slots if slot.start_at <= at < slot.end_at}
    none = Counted(wanted=InvoiceFilter())
    return Health(
        covers=covers,
        there=none,
        missing=none,
        unsuccessful=none,
        attempts=tuple(
            AttemptCount(slot=slots[at], outcome=outcome, attempts=count, invoices=count)
            for at, outcome, count in counts
        ),
        answers=Times(whole=None, by_slot=()),
        to_synced=Times(whole=None, by_slot=()),
        read_at=now,
    )


def bars(of: Health) -> dict[str, int]:
    """Returns the attempts per slot of the axis, those without any included."""
    drawn = overview_charts.attempts(of).data
    return drawn.groupby("slot", sort=False)["attempts"].sum().to_dict()


def test_the_chart_has_a_place_for_every_hour_of_the_day_in_lisbon():
    failed = (datetime(2026, 7, 1, 8, tzinfo=UTC), Outcome.FAILED, 3)
    drawn = bars(health(datetime(2026, 7, 1, 10, 30, tzinfo=UTC), failed))
    assert len(drawn) == 24
    assert [hour[11:16] for hour in drawn][:: len(drawn) - 1] == ["12:00", "11:00"]
    assert {hour[11:16]: attempts for hour, attempts in drawn.items() if attempts} == {"09:00": 3}


def test_the_hour_that_comes_twice_in_autumn_is_drawn_twice():
    twice = [(datetime(2026, 10, 25, hour, tzinfo=UTC), Outcome.SYNCED, 1) for hour in (0, 1)]
    drawn = bars(health(datetime(2026, 10, 25, 12, tzinfo=UTC), *twice))
    assert len(drawn) == 24
    assert [hour[11:16] for hour, attempts in drawn.items() if attempts] == ["01:00", "01:00"]


def test_a_long_range_has_a_bar_per_day():
    synced = (datetime(2026, 11, 20, 8, tzinfo=UTC), Outcome.SYNCED, 2)
    drawn = bars(health(NOW, synced, kind=RangeKind.WEEK))
    assert [day[:10] for day in drawn] == [f"2026-11-{day}" for day in range(16, 23)]
    assert {day[:10]: attempts for day, attempts in drawn.items() if attempts} == {"2026-11-20": 2}


@pytest.mark.parametrize(
    ("longest_s", "unit"),
    [
        pytest.param(119, "s", id="seconds"),
        pytest.param(120, "min", id="minutes"),
        pytest.param(7_200, "h", id="hours"),
        pytest.param(172_800, "d", id="days"),
    ],
)
def test_times_are_drawn_in_a_unit_that_suits_them(longest_s, unit):
    of = health(NOW)
    found = Percentiles(slot=of.covers.slots[3], half_s=1.5, most_s=longest_s, count=7)
    drawn = overview_charts.times(of.covers, [found])
    assert f"' {unit}'" in drawn.to_dict()["encoding"]["y"]["axis"]["labelExpr"]
    assert next(iter(drawn.data["took"])) == "1.5 s"


def test_the_chart_uses_the_colours_of_the_statuses():
    assert {wording.OUTCOME_COLORS[Outcome(name)] for name in ("synced", "failed", "in_doubt")} == {
        wording.STATUS_COLORS[Status(name)] for name in ("synced", "failed", "in_doubt")
    }
    assert wording.OUTCOME_COLORS[Outcome.UNDELIVERED] == wording.STATUS_COLORS[Status.QUEUED]


# The page -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def office(tmp_path, monkeypatch):
    for name, value in environment_of(tmp_path).items():
        monkeypatch.setenv(name, value)
    st.cache_data.clear()  # what pages remember of another test's database
    opened = open_office()
    yield opened
    opened.runtime.close()
    runtime.close_current()


def visit(page: str = "", **address: str) -> AppTest:
    at = AppTest.from_file(str(FRAME), default_timeout=20)
    if page:
        at = at.run().switch_page(page)
    for name, value in address.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception
    return at


def words(at: AppTest) -> str:
    kinds = (at.markdown, at.caption, at.header, at.subheader, at.error, at.warning)
    return "\n".join(element.value for kind in kinds for element in kind).replace("\\", "")


def total_of(query: str) -> int:
    """Returns how many invoices the list at this address has."""
    at = visit("invoices.py", **parse_qs(query))
    (shown,) = [caption.value for caption in at.caption if " of " in caption.value and "Tick rows" in caption.value]
    return int(re.search(r"of ([\d,]+) invoice", shown)[1].replace(",", ""))


def links(at: AppTest) -> dict[str, str]:
    return {link.proto.label: link.proto.query_string for link in at.get("page_link")}


def test_without_invoices_the_page_leads_to_the_first_one(office):
    at = visit()
    assert "No invoices yet." in words(at)
    assert list(links(at)) == ["Create the first invoice"]
    assert not at.metric


@pytest.mark.hard_days
def test_the_counts_tell_money_and_age_and_lead_to_their_invoices(office):
    office.sent("A 1")
    office.sent("A 2", Behaviour.REFUSE_TAX_NUMBER)
    office.sent("A 3", Behaviour.ISSUE_THEN_CUT)
    waiting = office.invoice("A 4")
    for invoice_id in office.ids("A 1") + office.ids("A 2") + office.ids("A 3") + [waiting]:
        office.age(invoice_id, issue_deadline=date(2099, 1, 1))
    office.age(waiting, queued_at=clock.now() - timedelta(minutes=10))
    at = visit(range="custom", since=str(day(-1)), until=str(day(1)))
    assert "2 invoices need attention, €246.00, " in words(at)
    assert "1 is on its way and 1 is in TOC Online." in words(at)
    shown = {metric.label: (metric.value.replace("\\", ""), metric.delta.replace("\\", "")) for metric in at.metric}
    assert list(shown)[-2:] == ["Answer time", "Created to synced"]
    assert dict(list(shown.items())[:-2]) == {
        "Needs attention": ("2", "€246.00"),
        "In doubt": ("1", "€123.00"),
        "On its way": ("1", "oldest waits 10 min"),
        "Due today": ("0", "€0.00"),
        "Overdue": ("0", "€0.00"),
        "VAT at risk": ("€46.00", "of €246.00"),
        "Synced": ("25%", "1 of 4"),
        "Success rate": ("33.3%", "1 of 3 attempts"),
    }


def test_every_number_leads_to_a_list_with_that_many_invoices(office):
    for number, answers in enumerate(Behaviour):
        if answers in (Behaviour.ISSUE_FLAT, Behaviour.REFUSE_TAX_NUMBER, Behaviour.ISSUE_THEN_CUT):
            office.sent(f"A {number}", answers)
            office.sent(f"B {number}", answers, p_invoice_date=str(day(-40)))
    doubtful = next(
        row.invoice_id for row in office.runtime.list_invoices(InvoiceFilter(statuses=(Status.IN_DOUBT,))).rows
    )
    office.age(doubtful, doubt_since=clock.now() - timedelta(hours=1))
    late = office.invoice("C 1")
    office.age(late, issue_deadline=date(2026, 1, 1))
    at = visit(range="custom", since=str(day(-45)), until=str(day(1)))
    counted = {label: query for label, query in links(at).items() if re.search(r"\d", label)}
    assert len(counted) >= 9
    assert {label: total_of(query) for label, query in counted.items()} == {
        label: int(re.search(r"\d+", label)[0]) for label in counted
    }
    table = next(table.value for table in at.table if "Invoices" in table.value)
    for cell in table["Invoices"]:
        count, query = re.fullmatch(r"\[(\d+)\]\(/invoices\?(.*)\)", cell).groups()
        assert total_of(query) == int(count)


@pytest.mark.parametrize(
    ("address", "of_what"),
    [
        pytest.param({}, "the last 24 hours", id="none"),
        pytest.param({"range": "7d"}, "", id="a week"),
        pytest.param(
            {"range": "month", "month": "%Y-%m"},
            "%B %Y",
            id="a month",
        ),
        pytest.param(
            {"range": "custom", "since": "2026-10-28", "until": "2026-11-03"}, "28 Oct – 3 Nov 2026", id="days"
        ),
    ],
)
def test_the_range_stands_in_the_address(office, address, of_what):
    office.sent("A 1")
    at = visit(**{name: month().strftime(value) for name, value in address.items()})
    assert f"Below, and all small curves: {month().strftime(of_what)}" in words(at)
    assert not at.toast


def test_a_range_that_does_not_exist_is_left_out_with_a_word(office):
    office.sent("A 1")
    at = visit(range="century")
    assert "the last 24 hours" in words(at)
    assert "range" in at.toast[0].value


def test_the_last_failures_are_listed_as_they_are(office):
    office.sent("*A 2*", Behaviour.REFUSE_TAX_NUMBER)
    at = visit()
    table = next(frame.value for frame in at.dataframe if "error" in frame.value)
    assert table["number"][0].endswith(" *A 2*")
    assert list(table["status"][0]) == ["Failed"]
    assert table["kind"][0] == "Refused"


def test_without_a_worker_the_page_says_that_nothing_is_sending(office):
    office.invoice("A 1")
    assert "Nothing is sending" in words(visit())
    now = clock.now()
    with writing(office.runtime.engine) as conn:
        conn.execute(sync_workers.insert().values(name="w", threads=4, started_at=now, last_seen_at=now))
    runtime.current().changed()
    at = visit()
    assert "Nothing is sending" not in words(at)
    assert list(at.dataframe[0].value["host"]) == ["w"]


# The list behind a bar ------------------------------------------------------------------------------------------------

AN_HOUR = {"attempted_from": "2026-11-22T14:00Z", "attempted_until": "2026-11-22T15:00Z"}


@pytest.mark.parametrize(
    "address",
    [
        pytest.param(AN_HOUR | {"attempt_outcome": "Eaten"}, id="an unknown end"),
        pytest.param(AN_HOUR | {"attempted_from": "noon"}, id="no time"),
        pytest.param(AN_HOUR | {"attempted_from": "2026-11-22T14:00"}, id="a time without a zone"),
        pytest.param(AN_HOUR | {"attempted_until": "9999-12-31T23:59-14:00"}, id="beyond all calendars"),
        pytest.param({"attempt_outcome": "Failed"}, id="an end without a time"),
    ],
)
def test_attempts_that_cannot_be_listed_are_left_out_with_a_word(office, address):
    office.invoice("A 1")
    at = visit("invoices.py", **address)
    assert "It was left out" in at.toast[0].value
    assert not [button for button in at.button if button.key == "drop_attempted"]
    assert "1 to 1 of 1 invoice" in words(at)


def test_the_list_behind_a_bar_says_what_it_lists_until_the_filters_are_cleared(office):
    office.invoice("A 1")
    at = visit("invoices.py", **AN_HOUR, attempt_outcome="In doubt")
    chip = at.button(key="drop_attempted")
    assert chip.label.replace("\\", "").startswith("Attempts of 22 Nov 14:")
    assert "Nothing matches these filters" in words(at)
    at.button(key="clear_filters").click().run()
    assert "1 to 1 of 1 invoice" in words(at)
    assert not at.query_params


# Who sends ------------------------------------------------------------------------------------------------------------


def announce(desk, name: str, *, seconds_ago: float = 0, host: str = "one", version: str = "1.1.0", threads: int = 4):
    with writing(desk.engine) as conn:
        at = current_time(conn) - timedelta(seconds=seconds_ago)
        return outbox.announce(conn, name=name, host=host, version=version, threads=threads, now=at)


def presence(desk):
    with reading(desk.engine) as conn:
        return {row.name: row for row in status.read_sending(conn, now=current_time(conn)).workers}


def test_workers_say_where_they_run_and_which_version_they_are(desk):
    announce(desk, "a", host="one", threads=4)
    announce(desk, "b", host="one", threads=6)
    announce(desk, "c", host="two", threads=2)
    announce(desk, "gone", host="three", seconds_ago=60)
    rows = presence(desk)
    assert [(row.host, row.version, row.alive) for row in rows.values()] == [
        ("two", "1.1.0", True),
        ("one", "1.1.0", True),
        ("one", "1.1.0", True),
        ("three", "1.1.0", False),
    ]
    assert wording.workers_alive(list(rows.values())) == "3 workers alive on 2 machines, 12 threads."


def test_an_older_version_is_marked_only_while_a_newer_one_is_alive(desk):
    announce(desk, "old", version="1.9.0")
    announce(desk, "newer, gone", version="2.0.0", seconds_ago=60)
    now = desk.now()
    desk.execute(sync_workers.insert().values(name="oldest", threads=1, started_at=now, last_seen_at=now))
    assert {name: wording.version(row) for name, row in presence(desk).items()} == {
        "old": "1.9.0",
        "newer, gone": "2.0.0",
        "oldest": "before 1.1.0 (older)",
    }
    announce(desk, "new", version="1.10.0")
    assert wording.version(presence(desk)["old"]) == "1.9.0 (older)"


def test_a_worker_not_heard_of_for_a_day_is_forgotten(desk):
    announce(desk, "yesterday", seconds_ago=86_500)
    announce(desk, "this morning", seconds_ago=40_000)
    announce(desk, "now")
    assert set(presence(desk)) == {"now", "this morning"}


def test_the_worker_that_is_there_longest_searches_until_it_falls_silent(desk):
    assert announce(desk, "first", seconds_ago=60)
    assert announce(desk, "first", seconds_ago=20)
    assert not announce(desk, "second", seconds_ago=10)
    assert announce(desk, "second")
    assert not announce(desk, "third")
    assert announce(desk, "first")


def test_a_program_that_cannot_search_does_not_keep_others_from_it(desk):
    now = desk.now()
    desk.execute(sync_workers.insert().values(name="1.0.0", threads=4, started_at=now, last_seen_at=now))
    assert announce(desk, "new")
