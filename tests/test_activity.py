"""What happened, as one list: attempts and people's actions, filtered and paged; and who else is there."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.core import ISSUED, REJECTED, TIMED_OUT, Desk, ago
from toc_sync import outbox
from toc_sync.database import current_time, writing
from toc_sync.model import Outcome, TocSyncError
from toc_sync.outbox import Evidence
from toc_sync.reads_activity import ActivityReads
from toc_sync.status import activity
from toc_sync.tables import batch_items, batches, onlookers, sync_actions, sync_attempts
from toc_sync.verbs.onlookers import OnlookerVerbs
from toc_sync.views_activity import ActivityFilter, ActivityRow, Source


@pytest.fixture
def reads(desk: Desk) -> ActivityReads:
    return ActivityReads(desk.engine)


@pytest.fixture
def told(desk: Desk) -> dict[str, int]:
    """Three invoices: one refused and retried by Rui, one synced, one in doubt; and a pause by Eva."""
    ids = {name: desk.create(invoice_number=name, actor="ana") for name in ("refused", "synced", "doubt")}
    for name, verdict in (("refused", REJECTED), ("synced", ISSUED), ("doubt", TIMED_OUT)):
        desk.settle(desk.claim(ids[name]), verdict)
    desk.retry(ids["refused"], actor="Rui")
    with writing(desk.engine) as conn:
        outbox.pause(conn, actor="Eva", reason="Maintenance.", now=current_time(conn))
    return ids


def lines(rows: tuple[ActivityRow, ...]) -> list[tuple[str, str | None]]:
    return [(row.outcome or row.action or "open", row.invoice_number) for row in rows]


def test_attempts_and_actions_stand_in_one_list_newest_first(desk, reads, told):
    page = reads.page(ActivityFilter())
    assert lines(page.rows) == [
        ("pause", None),
        ("retry", "refused"),
        ("in_doubt", "doubt"),
        ("synced", "synced"),
        ("failed", "refused"),
    ]
    assert page.total == 5
    retry, failed = page.rows[1], page.rows[4]
    assert (retry.who, retry.done, retry.source) == ("Rui", True, Source.PERSON)
    assert (failed.who, failed.attempt, failed.http_status, failed.duration_ms) == ("ana", 1, 400, 12)
    assert failed.result == "Wrong tax number."
    assert failed.request_id == desk.attempts(told["refused"])[0]["request_id"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param({"who": "rui"}, ["retry"], id="person, in any case"),
        pytest.param({"who": "r%"}, [], id="no wildcards"),
        pytest.param({"who": "  "}, ["pause", "retry", "in_doubt", "synced", "failed"], id="blanks"),
        pytest.param({"invoice": "refused"}, ["retry", "failed"], id="number"),
        pytest.param({"invoice": "9" * 30}, [], id="no id, and too long for one"),
        pytest.param({"invoice": "²"}, [], id="a digit that is none"),
        pytest.param({"invoice": "x\x00"}, [], id="with what no database takes"),
        pytest.param({"source": Source.PERSON}, ["pause", "retry"], id="only people"),
        pytest.param({"source": Source.ATTEMPT}, ["in_doubt", "synced", "failed"], id="only attempts"),
        pytest.param({"outcomes": (Outcome.SYNCED,)}, ["synced"], id="outcome"),
        pytest.param({"actions": ("pause",)}, ["pause"], id="action"),
        pytest.param({"outcomes": (Outcome.FAILED,), "actions": ("retry",)}, ["retry", "failed"], id="both"),
        pytest.param({"outcomes": (Outcome.FAILED,), "source": Source.PERSON}, [], id="what cannot be"),
    ],
)
def test_only_what_matches_is_listed_and_counted(reads, told, wanted, expected):
    page = reads.page(ActivityFilter(**wanted))
    assert [line for line, _ in lines(page.rows)] == expected
    assert page.total == len(expected)
    assert lines(tuple(reads.export(ActivityFilter(**wanted)))) == lines(page.rows)


def test_an_invoice_is_found_by_its_id_too(reads, told):
    page = reads.page(ActivityFilter(invoice=str(told["doubt"])))
    assert lines(page.rows) == [("in_doubt", "doubt")]


def test_the_time_range_holds_its_first_instant_and_not_its_last(desk, reads, told):
    at = ago(desk, 3600)
    desk.execute(sync_attempts.update().where(sync_attempts.c.invoice_id == told["synced"]).values(started_at=at))
    second = timedelta(seconds=1)
    assert reads.page(ActivityFilter(since=at, until=at + second)).total == 1
    assert reads.page(ActivityFilter(since=at - second, until=at)).total == 0


def test_pages_follow_each_other_and_one_beyond_the_last_is_the_last(desk, reads, told, monkeypatch):
    monkeypatch.setattr(activity, "PAGE_SIZE", 2)
    pages = [lines(reads.page(ActivityFilter(), number).rows) for number in (1, 2, 3, 9)]
    assert pages[0] + pages[1] + pages[2] == lines(tuple(reads.export(ActivityFilter())))
    assert pages[3] == pages[2]


def test_actions_of_the_same_instant_keep_their_order_from_page_to_page(desk, reads, monkeypatch):
    monkeypatch.setattr(activity, "PAGE_SIZE", 3)
    now = desk.now()
    values = {"at": now, "actor": "ana", "action": "retry", "done": True, "result": "x"}
    desk.execute(sync_actions.insert().values([values | {"invoice_id": number} for number in range(1, 8)]))
    ids = [row.invoice_id for number in (1, 2, 3) for row in reads.page(ActivityFilter(), number).rows]
    assert ids == [7, 6, 5, 4, 3, 2, 1]


def test_an_attempt_of_a_deleted_invoice_is_still_told(desk, reads, told):
    desk.delete_invoice(told["synced"])
    assert reads.page(ActivityFilter(invoice=str(told["synced"]))).total == 1


def test_a_download_ends_at_its_limit(reads, told, monkeypatch):
    monkeypatch.setattr(activity, "EXPORTED_AT_MOST", 2)
    assert len(list(reads.export(ActivityFilter()))) == 2


def test_the_evidence_of_an_attempt_names_what_the_platform_calls_it(desk, reads):
    invoice_id = desk.create()
    headers = {"cf-ray": "8a", "sb-request-id": "b-1", "content-type": "text/html"}
    desk.settle(desk.claim(invoice_id), TIMED_OUT, Evidence(headers=headers, body="<b>x</b>", duration_ms=5))
    evidence = reads.evidence(desk.attempts(invoice_id)[0]["id"])
    assert evidence.platform_ids == {"sb-request-id": "b-1", "cf-ray": "8a"}
    assert (evidence.body, evidence.worker, evidence.row.invoice_id) == ("<b>x</b>", "test", invoice_id)


@pytest.mark.parametrize("attempt_id", ["4242", "x", "", "-1", "²", "9" * 40])
def test_an_attempt_that_does_not_exist_is_one_sentence(reads, told, attempt_id):
    with pytest.raises(TocSyncError, match="There is no such attempt"):
        reads.evidence(attempt_id)


# Who else is there ---------------------------------------------------------------------------------------------------


@pytest.fixture
def verbs(desk: Desk) -> OnlookerVerbs:
    return OnlookerVerbs(desk.engine)


def test_who_has_an_invoice_open_is_known_until_they_close_it(reads, verbs):
    verbs.look("one", 7, actor="ana")
    verbs.look("two", 7, actor="rui")
    verbs.look("three", 8, actor="eva")
    assert [who.session for who in reads.company(7).onlookers] == ["one", "two"]
    assert {who.invoice_id for who in reads.onlookers([7, 8, 9])} == {7, 8}
    verbs.look_away("one")
    verbs.look_away("one")
    assert [who.session for who in reads.company(7).onlookers] == ["two"]


def test_looking_on_keeps_since_when_and_opening_another_invoice_begins_anew(desk, reads, verbs):
    verbs.look("one", 7, actor="ana")
    earlier = ago(desk, 30)
    desk.execute(onlookers.update().values(since_at=earlier, last_seen_at=earlier))
    verbs.look("one", 7, actor="ana")
    assert reads.company(7).onlookers[0].since_at == earlier
    verbs.look("one", 8, actor="ana")
    assert reads.company(7).onlookers == ()
    assert reads.company(8).onlookers[0].since_at > earlier


def test_who_is_not_heard_of_is_gone_and_later_forgotten(desk, reads, verbs):
    verbs.look("one", 7, actor="ana")
    desk.execute(onlookers.update().values(last_seen_at=ago(desk, 46)))
    assert reads.company(7).onlookers == ()
    verbs.look("two", 7, actor="rui")
    assert desk.count(onlookers) == 2
    desk.execute(onlookers.update().values(last_seen_at=ago(desk, 301)))
    verbs.look("three", 9, actor="eva")
    assert desk.count(onlookers) == 1


@pytest.mark.parametrize(
    ("ended", "held"),
    [
        pytest.param({}, True, id="running"),
        pytest.param({"finished_at": "now"}, False, id="finished"),
        pytest.param({"cancelled_at": "now"}, False, id="cancelled"),
    ],
)
def test_a_running_batch_that_holds_the_invoice_is_named(desk, reads, ended, held):
    now = desk.now()
    batch = {"id": 12, "kind": "retry", "description": "All failed", "actor": "ana", "created_at": now, "total": 1}
    desk.execute(batches.insert().values(batch | dict.fromkeys(ended, now)))
    item = {"batch_id": 12, "position": 1, "invoice_id": 7, "state": "waiting", "seen_attempts": 1}
    desk.execute(batch_items.insert().values(item))
    found = reads.company(7).batch
    assert ((found.batch_id, found.actor, found.state) if found else None) == ((12, "ana", "waiting") if held else None)
    assert reads.company(8).batch is None
