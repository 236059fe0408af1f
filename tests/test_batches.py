"""Acting on many: what a batch foretells, takes in, asks for, puts back and says, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tests.core import (
    ISSUED,
    ISSUER,
    LONG_AGO,
    OTHER_PAYER,
    PAYER,
    REJECTED,
    TIMED_OUT,
    UNDELIVERED,
    Desk,
    ago,
    at_once,
    run_all,
)
from tests.live_app import wait_until
from toc_sync import outbox, status, wording_batches
from toc_sync.database import current_time, queueing_time, reading, writing
from toc_sync.model import ErrorKind, Result, Status
from toc_sync.outbox.batches import ASKED_AHEAD, PUT_BACK
from toc_sync.tables import batch_items, batches, gate_log, sync_actions, sync_records, sync_workers
from toc_sync.verbs.batches import BatchVerbs
from toc_sync.views import InvoiceFilter
from toc_sync.views_batches import BatchPreview, BatchView, ItemState, Outage, Pace, Selection
from toc_sync.views_legal import DueFilter, Finding
from toc_sync.worker import Worker

FAILED = Selection.matching(InvoiceFilter(statuses=(Status.FAILED,)))
EVERYTHING = Selection.matching(InvoiceFilter())
ACCEPTED = {"body": {"success": True, "toc_data": {"document_no": "FT 2026/9"}}}


def verbs(desk: Desk) -> BatchVerbs:
    return BatchVerbs(desk.engine, lambda: None, idempotent=desk.sender.rules.idempotent)


def preview(desk: Desk, selection: Selection, **rules: Any) -> BatchPreview:
    with reading(desk.engine) as conn:
        return status.preview_batch(conn, selection, now=current_time(conn), **rules)


def start(desk: Desk, selection: Selection = FAILED, *, actor: str = "ana") -> int:
    batch_id = verbs(desk).start(selection, actor=actor).batch_id
    assert batch_id is not None
    return batch_id


def view(desk: Desk, batch_id: int) -> BatchView:
    with reading(desk.engine) as conn:
        found = status.read_batch(conn, batch_id, now=current_time(conn))
    assert found
    return found


def advance(desk: Desk, *, at_most: int = 20) -> int:
    with writing(desk.engine) as conn:
        return outbox.advance(conn, now=queueing_time(conn), idempotent=False, at_most=at_most)


def items_of(desk: Desk, batch_id: int) -> list[dict[str, Any]]:
    query = select(batch_items).where(batch_items.c.batch_id == batch_id).order_by(batch_items.c.position)
    with reading(desk.engine) as conn:
        return [dict(row) for row in conn.execute(query).mappings()]


def ids_of(desk: Desk, batch_id: int) -> list[int]:
    return [item["invoice_id"] for item in items_of(desk, batch_id)]


def failed(desk: Desk, **changes: Any) -> int:
    """An invoice that was refused."""
    invoice_id = desk.create(**changes)
    desk.settle(desk.claim(invoice_id), REJECTED)
    return invoice_id


def doubtful(desk: Desk) -> int:
    invoice_id = desk.create()
    desk.settle(desk.claim(invoice_id), TIMED_OUT)
    return invoice_id


def waiting_for_later(desk: Desk) -> int:
    """An invoice that never arrived and is repeated by itself later."""
    invoice_id = desk.create()
    desk.settle(desk.claim(invoice_id), UNDELIVERED)
    return invoice_id


def synced(desk: Desk, **changes: Any) -> int:
    invoice_id = desk.create(**changes)
    desk.settle(desk.claim(invoice_id), ISSUED)
    return invoice_id


# What is foretold -----------------------------------------------------------------------------------------------------


def test_the_preview_says_what_would_be_sent_and_why_the_rest_is_not(desk):
    failed(desk)
    failed(desk, currency_code="USD", header_subtotal=Decimal("10.00"), header_vat=0, header_total=Decimal("10.00"))
    waiting_for_later(desk)
    doubts = [doubtful(desk) for _ in range(4)]
    synced(desk)
    desk.adopted(created_at=ago(desk, 60))
    cancelled = failed(desk)
    desk.change_record(cancelled, invoice_status="cancelled")
    desk.create()
    found = preview(desk, EVERYTHING)
    assert (found.matching, found.count, found.in_doubt) == (11, 3, 4)
    assert found.amounts == {"EUR": Decimal("246.00"), "USD": Decimal("10.00")}
    assert found.vat == {"EUR": Decimal("46.00"), "USD": Decimal("0.00")}
    assert {why.split(".")[0].split(" from ")[0]: count for why, count in _reasons(found).items()} == {
        "It may already be in TOC Online": 4,
        "It is already in TOC Online": 1,
        "The other application may still be sending it": 1,
        "The invoice was cancelled in billing, so it is not sent": 1,
        "It is already on its way": 1,
    }
    in_doubt = next(refused for refused in found.refused if refused.count == 4)
    assert in_doubt.names == tuple(desk.record(invoice_id)["invoice_number"] for invoice_id in doubts[:3])


def _reasons(found: BatchPreview) -> dict[str, int]:
    return {refused.why: refused.count for refused in found.refused}


def test_doubts_are_sent_too_where_the_function_refuses_a_second_issue(desk):
    doubtful(desk)
    assert preview(desk, EVERYTHING).count == 0
    found = preview(desk, EVERYTHING, idempotent=True)
    assert (found.count, found.in_doubt, found.refused) == (1, 0, ())


def test_the_order_is_by_date_and_dates_before_a_known_document_are_counted(desk):
    late = failed(desk, invoice_date="2026-11-20")
    early = failed(desk, invoice_date="2026-11-02")
    other = failed(desk, invoice_date="2026-11-01", issuer_team_id=OTHER_PAYER)
    synced(desk, invoice_date="2026-11-10")
    found = preview(desk, FAILED)
    assert (found.dated_before, found.first_date, found.last_date) == (1, date(2026, 11, 1), date(2026, 11, 20))
    assert ids_of(desk, start(desk)) == [other, early, late]


@pytest.mark.parametrize(
    ("threads", "per_issuer", "seconds"),
    [
        pytest.param(4, 0, 3.0, id="two issuers, four threads"),
        pytest.param(4, 1, 6.0, id="one at a time for each issuer"),
        pytest.param(0, 0, None, id="nobody is alive"),
    ],
)
def test_the_expected_time_follows_from_threads_and_answers(desk, threads, per_issuer, seconds):
    for issuer in (ISSUER, ISSUER, ISSUER, OTHER_PAYER):
        invoice_id = desk.create(issuer_team_id=issuer)
        desk.settle(desk.claim(invoice_id), REJECTED, outbox.Evidence(duration_ms=3_000))
    seen = {"started_at": desk.now(), "last_seen_at": desk.now()}
    desk.execute(sync_workers.insert().values(name="alive", threads=threads, **seen))
    desk.execute(sync_workers.insert().values(name="gone", threads=9, started_at=LONG_AGO, last_seen_at=LONG_AGO))
    assert preview(desk, FAILED, per_issuer=per_issuer).duration_s == seconds


def test_while_the_sending_is_stopped_nobody_knows_how_long_it_takes(desk):
    failed(desk)
    desk.execute(sync_workers.insert().values(name="w", threads=2, started_at=desk.now(), last_seen_at=desk.now()))
    assert "with 2 threads" in wording_batches.expected(*_expectation(desk))
    with writing(desk.engine) as conn:
        outbox.pause(conn, actor="ana", reason="maintenance", now=current_time(conn))
    assert wording_batches.expected(*_expectation(desk)) == "Sending is stopped at present: they wait until it goes on."


def _expectation(desk: Desk) -> tuple[float | None, Pace]:
    found = preview(desk, FAILED)
    return found.duration_s, found.pace


def test_recovering_finds_what_was_created_or_failed_in_the_window_and_nothing_else(desk):
    begin, end = ago(desk, 7200), ago(desk, 3600)
    within, before = begin + timedelta(minutes=5), begin - timedelta(days=3)

    def moved(invoice_id: int, *, created: datetime, tried: datetime | None) -> int:
        desk.change_record(invoice_id, invoice_created_at=created, last_attempt_at=tried)
        return invoice_id

    wanted = {
        moved(failed(desk), created=before, tried=within),
        moved(failed(desk), created=within, tried=desk.now()),
        moved(waiting_for_later(desk), created=before, tried=within),
        moved(desk.adopted(), created=within, tried=None),
    }
    moved(failed(desk), created=before, tried=desk.now())
    moved(desk.adopted(), created=before, tried=None)
    moved(synced(desk), created=within, tried=within)
    moved(doubtful(desk), created=within, tried=within)
    window = Selection.created_or_failed(begin, end)
    found = preview(desk, window)
    assert (found.matching, found.count, found.in_doubt) == (5, 4, 1)
    assert set(ids_of(desk, start(desk, window))) == wanted


def test_an_interval_that_ends_before_it_begins_starts_nothing(desk):
    failed(desk)
    refused = verbs(desk).start(Selection.created_or_failed(desk.now(), LONG_AGO), actor="ana")
    assert (refused.batch_id, desk.count(batches)) == (None, 0)


def test_where_nothing_may_be_sent_no_batch_is_started(desk):
    doubtful(desk)
    refused = verbs(desk).start(EVERYTHING, actor="ana")
    assert refused.batch_id is None
    assert "None of these" in refused.message
    assert desk.count(batches) == 0


def test_what_waits_in_one_batch_is_refused_in_the_next(desk):
    failed(desk)
    batch_id = start(desk, actor="ana")
    found = preview(desk, FAILED)
    assert _reasons(found) == {f"It is already in batch {batch_id} by ana.": 1}
    assert found.count == 0
    verbs(desk).cancel(batch_id, actor="rui")
    assert preview(desk, FAILED).count == 1


FILTERS = st.builds(
    InvoiceFilter,
    statuses=st.lists(st.sampled_from(list(Status)), max_size=3, unique=True).map(tuple),
    error_kinds=st.lists(st.sampled_from(list(ErrorKind)), max_size=2, unique=True).map(tuple),
    payer_team_id=st.sampled_from([None, PAYER, OTHER_PAYER]),
    since=st.sampled_from([None, date(2026, 11, 10)]),
    until=st.sampled_from([None, date(2026, 11, 15)]),
    text=st.sampled_from(["", "camara", "A-"]),
    smallest=st.sampled_from([None, Decimal("123.00"), Decimal(200)]),
    old_doubts=st.booleans(),
    due=st.sampled_from([None, *DueFilter]),
    finding=st.sampled_from([None, None, *Finding]),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=FILTERS)
def test_the_list_the_preview_and_the_batch_agree_for_every_filter(mixed_desk, wanted):
    desk = mixed_desk
    with reading(desk.engine) as conn:
        now = current_time(conn)
        rows = list(status.export_invoices(conn, wanted, now=now))
        total = status.list_invoices(conn, wanted, page=1, now=now).total
        found = status.preview_batch(conn, Selection.matching(wanted), now=now)
        chosen = conn.execute(status.select_sendable(Selection.matching(wanted), now=now, idempotent=False)).all()
    assert found.matching == total == len(rows)
    sent = [row for row in rows if row.can_retry]
    assert found.count == len(chosen) == len(sent)
    assert {each.invoice_id for each in chosen} == {row.invoice_id for row in sent}
    assert [each.position for each in chosen] == list(range(1, len(chosen) + 1))
    assert sum(found.amounts.values()) == sum(row.total_amount for row in sent)
    assert sum(refused.count for refused in found.refused) == total - len(sent)


@pytest.fixture
def mixed_desk(desk: Desk) -> Desk:
    """A desk with three invoices of every kind."""
    makers = {
        "failed": failed,
        "doubt": doubtful,
        "later": waiting_for_later,
        "synced": synced,
        "new": lambda desk: desk.adopted(created_at=ago(desk, 60)),
        "old": lambda desk: desk.adopted(payer_team_id=OTHER_PAYER),
        "queued": lambda desk: desk.create(),
    }
    desk.change_record(failed(desk), invoice_status="void")
    for make in makers.values():
        for number in range(3):
            invoice_id = make(desk)
            desk.change_record(invoice_id, invoice_date=date(2026, 11, 8 + 4 * number))
    return desk


# Asking for them ------------------------------------------------------------------------------------------------------


def test_a_batch_queues_everything_it_took_in_and_says_who_asked(desk):
    ids = [failed(desk) for _ in range(3)]
    batch_id = start(desk)
    assert {desk.record(each)["status"] for each in ids} == {Status.FAILED}, "starting alone changes no record"
    assert advance(desk) == 3
    for each in ids:
        record = desk.record(each)
        asked = (record["status"], record["trigger"], record["requested_by"], record["batch_id"])
        assert asked == (Status.QUEUED, "retry", "ana", batch_id)
        assert desk.actions(each)[-1]["batch_id"] == batch_id
    assert {item["state"] for item in items_of(desk, batch_id)} == {ItemState.ASKED}
    assert advance(desk) == 0


def test_the_start_is_logged_once_with_its_reason(desk):
    failed(desk)
    verbs(desk).start(FAILED, actor="ana", reason=" the series was communicated \n")
    with reading(desk.engine) as conn:
        (action,) = conn.execute(select(sync_actions).where(sync_actions.c.action == "batch")).mappings()
    assert (action["actor"], action["reason"], action["done"]) == ("ana", "the series was communicated", True)
    assert action["result"] == "Failed: 1 invoice"


def _sync_elsewhere(desk: Desk, invoice_id: int) -> None:
    desk.change_invoice(invoice_id, api_response={"success": True, "toc_data": {"document_no": "FT 2026/77"}})


def _try_again_by_hand(desk: Desk, invoice_id: int) -> None:
    desk.retry(invoice_id, actor="rui")
    desk.settle(desk.claim(invoice_id), REJECTED)


@pytest.mark.parametrize(
    ("meanwhile", "sentence", "after"),
    [
        pytest.param(_sync_elsewhere, "already in TOC Online", Status.SYNCED, id="synced by the other application"),
        pytest.param(
            lambda desk, each: desk.change_invoice(each, status="cancelled"), "cancelled", Status.FAILED, id="cancelled"
        ),
        pytest.param(lambda desk, each: desk.delete_invoice(each), "deleted", Status.FAILED, id="deleted"),
        pytest.param(_try_again_by_hand, "tried again in the meantime", Status.FAILED, id="tried by a person"),
        pytest.param(lambda desk, each: desk.retry(each), "already on its way", Status.QUEUED, id="just queued"),
    ],
)
def test_what_changed_since_the_start_is_refused_one_by_one(desk, meanwhile, sentence, after):
    changed, other = failed(desk), failed(desk)
    batch_id = start(desk)
    meanwhile(desk, changed)
    advance(desk)
    item = next(item for item in items_of(desk, batch_id) if item["invoice_id"] == changed)
    assert item["state"] == ItemState.REFUSED
    assert sentence in item["message"]
    assert desk.record(changed)["status"] == after
    assert desk.record(other)["status"] == Status.QUEUED
    assert view(desk, batch_id).refused == 1


def test_only_so_many_are_asked_for_ahead_of_the_sending(sqlite_desk):
    desk = sqlite_desk
    for _ in range(ASKED_AHEAD + 5):
        failed(desk)
    batch_id = start(desk)
    while advance(desk, at_most=50):
        pass
    assert view(desk, batch_id).asked == {Status.QUEUED: ASKED_AHEAD}
    for _ in range(3):
        desk.settle(desk.claim(), REJECTED)
    assert advance(desk, at_most=50) == 3


def test_two_machines_share_a_batch_and_ask_for_each_invoice_once(desk):
    ids = [failed(desk) for _ in range(30)]
    batch_id = start(desk)

    def go_through(_: int) -> None:
        while advance(desk, at_most=3):
            pass

    at_once(4, go_through)
    wait_until(lambda: advance(desk) == 0)
    assert view(desk, batch_id).asked == {Status.QUEUED: 30}
    assert all(len([each for each in desk.actions(one) if each["batch_id"]]) == 1 for one in ids)


def test_a_frozen_neighbour_holds_up_one_invoice_only(postgres_desk):
    desk = postgres_desk
    ids = [failed(desk) for _ in range(3)]
    batch_id = start(desk)
    with desk.engine.connect() as neighbour:
        neighbour.execute(select(sync_records).where(sync_records.c.invoice_id == ids[0]).with_for_update())
        assert advance(desk) == 2
        assert view(desk, batch_id).waiting == 1
        neighbour.rollback()
    assert advance(desk) == 1


# Cancelling -----------------------------------------------------------------------------------------------------------


def test_cancelling_puts_back_what_was_not_sent_exactly_as_it_was(desk):
    refused, later, unsent = failed(desk), waiting_for_later(desk), desk.adopted()
    ids = (refused, later, unsent, failed(desk))
    before = {each: desk.record(each) for each in ids}
    batch_id = start(desk, EVERYTHING)
    assert advance(desk, at_most=3) == 3
    cancelled = verbs(desk).cancel(batch_id, actor="rui")
    assert cancelled.done
    assert "4 invoices not sent" in cancelled.message
    for each in ids:
        assert _told(desk.record(each)) == _told(before[each])
    assert view(desk, batch_id).cancelled == 4
    assert view(desk, batch_id).finished_at
    assert view(desk, batch_id).cancelled_by == "rui"


def _told(record: Any) -> dict[str, Any]:
    return {name: record[name] for name in (*PUT_BACK, "search_text", "attempt_count", "last_attempt_at")}


def test_a_doubt_that_is_put_back_is_as_old_as_it_was(desk):
    doubt = doubtful(desk)
    desk.change_record(doubt, doubt_since=LONG_AGO)
    before = desk.record(doubt)
    idempotent = BatchVerbs(desk.engine, lambda: None, idempotent=True)
    batch_id = idempotent.start(EVERYTHING, actor="ana").batch_id
    assert idempotent.advance() == 1
    assert desk.record(doubt)["open_doubt"] == ErrorKind.TIMEOUT
    assert batch_id
    idempotent.cancel(batch_id, actor="ana")
    assert _told(desk.record(doubt)) == _told(before)


def test_what_is_on_the_wire_ends_normally_and_closes_the_cancelled_batch(desk):
    on_the_wire, waiting = failed(desk, invoice_date="2026-11-01"), failed(desk, invoice_date="2026-11-02")
    batch_id = start(desk)
    advance(desk)
    claimed = desk.claim(on_the_wire)
    verbs(desk).cancel(batch_id, actor="ana")
    assert desk.record(waiting)["status"] == Status.FAILED
    assert view(desk, batch_id).finished_at is None
    desk.settle(claimed, ISSUED)
    advance(desk)
    found = view(desk, batch_id)
    assert found.finished_at
    assert (found.asked, found.cancelled) == ({Status.SYNCED: 1}, 1)


@pytest.mark.parametrize("again", [pytest.param(True, id="twice"), pytest.param(False, id="one that never was")])
def test_what_is_over_cannot_be_cancelled(desk, again):
    failed(desk)
    batch_id = start(desk)
    if again:
        verbs(desk).cancel(batch_id, actor="ana")
    answer = verbs(desk).cancel(batch_id if again else batch_id + 1, actor="rui")
    assert not answer.done
    assert ("over already" if again else "does not exist") in answer.message


def test_what_a_person_asked_for_after_its_try_is_not_taken_back(desk):
    invoice_id, _other = failed(desk), failed(desk)
    batch_id = start(desk)
    advance(desk, at_most=1)
    desk.settle(desk.claim(invoice_id), REJECTED)
    desk.retry(invoice_id, actor="rui")
    verbs(desk).cancel(batch_id, actor="ana")
    record = desk.record(invoice_id)
    assert (record["status"], record["requested_by"]) == (Status.QUEUED, "rui")


def test_what_was_tried_and_never_arrived_keeps_its_next_try(desk):
    invoice_id = failed(desk)
    batch_id = start(desk)
    advance(desk)
    desk.settle(desk.claim(invoice_id), UNDELIVERED)
    verbs(desk).cancel(batch_id, actor="ana")
    assert desk.record(invoice_id)["status"] == Status.QUEUED
    found = view(desk, batch_id)
    assert (found.cancelled, found.is_running) == (0, False), "a cancelled batch does not wait for it"


def test_cancelling_while_others_ask_and_claim_leaves_nothing_half_done(desk):
    ids = [failed(desk) for _ in range(24)]
    batch_id = start(desk)
    claims = []

    def ask() -> None:
        for _ in range(6):
            advance(desk, at_most=4)

    def claim() -> None:
        claims.extend(claimed for _ in range(8) if (claimed := desk.try_claim()))

    run_all([ask, ask, claim, lambda: verbs(desk).cancel(batch_id, actor="rui") and None])
    for claimed in claims:
        desk.settle(claimed, ISSUED)
    advance(desk)
    states = {item["invoice_id"]: item["state"] for item in items_of(desk, batch_id)}
    sent = {claimed.invoice_id for claimed in claims}
    for each in ids:
        expected = Status.SYNCED if each in sent else Status.FAILED
        assert desk.record(each)["status"] == expected
        assert states[each] == (ItemState.ASKED if each in sent else ItemState.CANCELLED)
    assert view(desk, batch_id).finished_at


def test_a_person_and_another_application_act_at_the_moment_a_batch_does(desk):
    ids = [failed(desk) for _ in range(12)]
    batch_id = start(desk)
    answers: list[Result] = []
    run_all(
        [
            lambda: [advance(desk, at_most=2) for _ in range(8)] and None,
            lambda: answers.extend(desk.retry(each, actor="rui") for each in ids[:4]),
            lambda: [_sync_elsewhere(desk, each) for each in ids[8:]] and None,
        ]
    )
    advance(desk)
    states = {item["invoice_id"]: item["state"] for item in items_of(desk, batch_id)}
    for each, answer in zip(ids[:4], answers, strict=True):
        assert desk.record(each)["status"] == Status.QUEUED
        assert answer.done != (states[each] == ItemState.ASKED), "exactly one of them asked for it"
    for each in ids[8:]:
        if states[each] == ItemState.REFUSED:
            assert desk.record(each)["status"] == Status.SYNCED
        else:
            assert desk.try_claim(each).status is Status.SYNCED, "it is found again before it is sent"


# How it goes ----------------------------------------------------------------------------------------------------------


def test_a_batch_is_over_when_the_last_answer_is_in(desk):
    ids = [failed(desk) for _ in range(4)]
    batch_id = start(desk)
    advance(desk)
    for each, verdict in zip(ids, (ISSUED, REJECTED, TIMED_OUT, UNDELIVERED), strict=True):
        assert view(desk, batch_id).is_running
        desk.settle(desk.claim(each), verdict)
    advance(desk)
    assert view(desk, batch_id).is_running, "one still waits for its next try"
    desk.retry(ids[3])
    desk.settle(desk.claim(ids[3]), ISSUED)
    advance(desk)
    found = view(desk, batch_id)
    assert not found.is_running
    assert found.asked == {Status.SYNCED: 2, Status.FAILED: 1, Status.IN_DOUBT: 1}
    assert (found.left, found.share) == (0, 1.0)
    assert found.amounts == {"EUR": Decimal("492.00")}


def test_the_results_are_listed_per_invoice_in_the_order_they_were_asked_for(desk):
    second, first = failed(desk, invoice_date="2026-11-02"), failed(desk, invoice_date="2026-11-01")
    batch_id = start(desk)
    _sync_elsewhere(desk, second)
    advance(desk)
    desk.settle(desk.claim(first), REJECTED)
    with reading(desk.engine) as conn:
        listed = status.list_items(conn, batch_id)
        assert listed == tuple(status.export_items(conn, batch_id))
        assert status.list_items(conn, batch_id, page=2) == ()
    assert [(item.invoice_id, item.state, item.status) for item in listed] == [
        (first, ItemState.ASKED, Status.FAILED),
        (second, ItemState.REFUSED, Status.SYNCED),
    ]
    assert listed[0].error == "Wrong tax number."
    assert listed[1].message == "It is already in TOC Online. Nothing was sent."


def test_the_list_can_be_filtered_by_batch(desk):
    ids, _other = [failed(desk), failed(desk)], None
    batch_id = start(desk)
    failed(desk)
    page = desk.page(batch_id=batch_id)
    assert {row.invoice_id for row in page.rows} == set(ids)
    assert page.total == page.sums[Status.FAILED].count == 2


def test_running_batches_and_the_newest_result_are_shown_for_a_while(desk):
    failed(desk)
    over = start(desk)
    verbs(desk).cancel(over, actor="ana")
    running = start(desk)
    with reading(desk.engine) as conn:
        now = current_time(conn)
        shown = [batch.batch_id for batch in status.current_batches(conn, now=now)]
        later = [batch.batch_id for batch in status.current_batches(conn, now=now + timedelta(hours=2))]
        newest = [batch.batch_id for batch in status.list_batches(conn, now=now)]
    assert (shown, later, newest) == ([over, running], [running], [running, over])


def test_the_newest_recent_outage_is_known(desk):
    begin, end = ago(desk, 7200), ago(desk, 3600)
    old = {"cause": "outage", "closed_at": LONG_AGO, "opened_at": LONG_AGO, "closed_by": "automatic"}
    desk.execute(gate_log.insert().values(old))
    with reading(desk.engine) as conn:
        assert status.read_outage(conn, now=current_time(conn)) is None
    desk.execute(gate_log.insert().values(old | {"closed_at": begin, "opened_at": end}))
    desk.execute(gate_log.insert().values(old | {"cause": "person", "closed_at": end, "opened_at": None}))
    with reading(desk.engine) as conn:
        assert status.read_outage(conn, now=current_time(conn)) == Outage(since=begin, until=end)


@contextmanager
def working(desk: Desk, *, machines: int) -> Iterator[None]:
    running = [Worker(desk.sender, threads=2, on_change=lambda: None) for _ in range(machines)]
    for worker in running:
        worker.start()
    try:
        yield
    finally:
        desk.function.release()
        for worker in running:
            worker.stop()


def test_workers_carry_a_batch_through_and_send_each_invoice_once(desk):
    ids = [failed(desk) for _ in range(25)]
    there = synced(desk)
    desk.function.answer(None, ACCEPTED)
    batch_id = start(desk, EVERYTHING)
    with working(desk, machines=2):
        wait_until(lambda: not view(desk, batch_id).is_running)
    assert view(desk, batch_id).asked == {Status.SYNCED: 25}
    assert desk.function.counts() == dict.fromkeys(ids, 1)
    assert len(desk.attempts(there)) == 1


def test_cancelling_stops_within_one_answer(desk):
    for _ in range(20):
        failed(desk)
    desk.function.hold()
    batch_id = start(desk)
    with working(desk, machines=1):
        desk.function.wait_for(count=2)
        verbs(desk).cancel(batch_id, actor="ana")
        desk.function.release()
        wait_until(lambda: not view(desk, batch_id).is_running)
    assert sum(desk.function.counts().values()) == 2
    assert view(desk, batch_id).cancelled == 18
