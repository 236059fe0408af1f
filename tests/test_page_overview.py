"""The Overview page without a browser: its sentence, its counts, its chart, and what stands behind them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.parts.overview_charts import attempts_per_hour
from tests.core import ISSUED, REJECTED, TIMED_OUT, UNDELIVERED
from tests.office import environment_of, open_office
from toc_sync import outbox, runtime, status, wording
from toc_sync.database import current_time, reading, writing
from toc_sync.model import Outcome, Status
from toc_sync.sandbox import Behaviour
from toc_sync.tables import sync_attempts, sync_workers
from toc_sync.views import HourCount, Overview, StatusSum

FRAME = Path(__file__).parent.parent / "pages" / "_frame.py"
NOW = datetime(2026, 11, 22, 20, 15, tzinfo=UTC)
TUESDAY = datetime(2026, 11, 17, 9, 14, tzinfo=UTC)


def sums(euros: str = "10.00", **counts: int) -> dict[Status, StatusSum]:
    return {
        Status(name): StatusSum(status=Status(name), count=count, amounts={"EUR": Decimal(euros)})
        for name, count in counts.items()
    }


def overview(**changes) -> Overview:
    values = {
        "sums": {},
        "old_doubts": StatusSum(status=Status.IN_DOUBT, count=0, amounts={}),
        "waiting": 0,
        "oldest_waiting_s": None,
        "hours": (),
        "last_failures": (),
        "workers": (),
        "oldest_attention_at": None,
        "read_at": NOW,
    }
    return Overview(**values | changes)


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
    assert wording.is_everything_there(found, oldest_at, NOW) == sentence
    assert wording.besides(found) == rest


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


def test_attempts_are_counted_per_hour_and_outcome_for_a_day(desk):
    for verdict in (ISSUED, ISSUED, REJECTED, TIMED_OUT, UNDELIVERED):
        desk.settle(desk.claim(desk.create()), verdict)
    long_ago = desk.create()
    desk.settle(desk.claim(long_ago), ISSUED)
    at = datetime(2026, 11, 22, 13, 59, 59, 900_000, tzinfo=UTC)
    desk.execute(sync_attempts.update().values(started_at=at))
    before = sync_attempts.c.invoice_id == long_ago
    desk.execute(sync_attempts.update().where(before).values(started_at=at - timedelta(hours=24)))
    found = {(each.hour, each.outcome): each.count for each in read(desk, at).hours}
    hour = at.replace(minute=0, second=0, microsecond=0)
    assert found == {
        (hour, Outcome.SYNCED): 2,
        (hour, Outcome.FAILED): 1,
        (hour, Outcome.IN_DOUBT): 1,
        (hour, Outcome.UNDELIVERED): 1,
    }


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
    assert found.waiting == 2
    assert 600 <= found.oldest_waiting_s < 660


# The chart ------------------------------------------------------------------------------------------------------------


def bars(of: Overview) -> dict[str, int]:
    """Returns the attempts per hour of the axis, hours without any included."""
    data = attempts_per_hour(of).data
    return data.groupby("hour", sort=False)["attempts"].sum().to_dict()


def test_the_chart_has_a_place_for_every_hour_of_the_day_in_lisbon():
    count = HourCount(hour=datetime(2026, 7, 1, 8, tzinfo=UTC), outcome=Outcome.FAILED, count=3)
    drawn = bars(overview(hours=(count,), read_at=datetime(2026, 7, 1, 10, 30, tzinfo=UTC)))
    assert len(drawn) == 24
    assert [hour[11:16] for hour in drawn][:: len(drawn) - 1] == ["12:00", "11:00"]
    assert {hour[11:16]: attempts for hour, attempts in drawn.items() if attempts} == {"09:00": 3}


def test_the_hour_that_comes_twice_in_autumn_is_drawn_twice():
    twice = [datetime(2026, 10, 25, hour, tzinfo=UTC) for hour in (0, 1)]
    counts = tuple(HourCount(hour=hour, outcome=Outcome.SYNCED, count=1) for hour in twice)
    drawn = bars(overview(hours=counts, read_at=datetime(2026, 10, 25, 12, tzinfo=UTC)))
    assert len(drawn) == 24
    assert [hour[11:16] for hour, attempts in drawn.items() if attempts] == ["01:00", "01:00"]


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


def visit() -> AppTest:
    at = AppTest.from_file(str(FRAME), default_timeout=20).run()
    assert not at.exception
    return at


def words(at: AppTest) -> str:
    kinds = (at.markdown, at.caption, at.subheader, at.error, at.warning)
    return "\n".join(element.value for kind in kinds for element in kind).replace("\\", "")


def links(at: AppTest) -> dict[str, str]:
    return {link.proto.label: link.proto.query_string for link in at.get("page_link")}


def test_without_invoices_the_page_leads_to_the_first_one(office):
    at = visit()
    assert "No invoices yet." in words(at)
    assert list(links(at)) == ["Create the first invoice"]
    assert not at.metric


def test_the_counts_tell_money_and_age_and_lead_to_their_invoices(office):
    office.sent("A 1")
    office.sent("A 2", Behaviour.REFUSE_TAX_NUMBER)
    office.sent("A 3", Behaviour.ISSUE_THEN_CUT)
    waiting = office.invoice("A 4")
    office.age(waiting, queued_at=datetime.now(UTC) - timedelta(minutes=10))
    at = visit()
    assert "2 invoices need attention, €246.00, " in words(at)
    assert "1 is on its way and 1 is in TOC Online." in words(at)
    assert {metric.label: (metric.value, metric.delta.replace("\\", "")) for metric in at.metric} == {
        "Synced": ("1", "€123.00"),
        "Needs attention": ("2", "€246.00"),
        "In doubt": ("1", "€123.00"),
        "On its way": ("1", "oldest waits 10 min"),
        "Not synced": ("0", "€0.00"),
    }
    queries = [link.proto.query_string for link in at.get("page_link") if link.proto.label == "Show invoices"]
    assert queries == [
        "status=Synced",
        "status=Failed&status=In+doubt",
        "status=In+doubt",
        "status=Waiting&status=Sending",
        "status=Not+synced",
    ]


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
    now = datetime.now(UTC)
    with writing(office.runtime.engine) as conn:
        conn.execute(sync_workers.insert().values(name="w", threads=4, started_at=now, last_seen_at=now))
    runtime.current().changed()
    at = visit()
    assert "Nothing is sending" not in words(at)
    assert list(at.dataframe[0].value["host"]) == ["w"]


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
