"""The ways out of doubt beyond one by one: many at once, back from a declaration, once by itself; and doubts that age."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.core import (
    ISSUED,
    LONG_AGO,
    LOST,
    REFUSALS,
    REJECTED,
    TIMED_OUT,
    UNDELIVERED,
    Desk,
    ago,
    at_once,
)
from tests.live_app import wait_until
from toc_sync import outbox, policy, resolving, status, wording, wording_doubt
from toc_sync.database import reading, writing
from toc_sync.model import Claim, ErrorKind, Result, Status, Trigger, UnknownInvoice, Verdict
from toc_sync.tables import sync_records
from toc_sync.views import InvoiceFilter, SendAgainPreview
from toc_sync.views_health import Overview
from toc_sync.worker import Worker

SUCCESS = {"success": True, "synced_at": "2026-01-05T10:00:00.000Z", "toc_data": {"document_no": "FT 2026/7"}}


def in_doubt(desk: Desk, verdict: Verdict = TIMED_OUT, *, tried_s: float = 700, **changes: Any) -> int:
    """An invoice in doubt whose request left `tried_s` seconds ago."""
    invoice_id = desk.create(**changes)
    desk.settle(desk.claim(invoice_id), verdict)
    desk.change_record(invoice_id, last_attempt_at=ago(desk, tried_s))
    return invoice_id


def failed(desk: Desk) -> int:
    invoice_id = desk.create()
    desk.settle(desk.claim(invoice_id), REJECTED)
    return invoice_id


def synced(desk: Desk) -> int:
    invoice_id = desk.create()
    desk.settle(desk.claim(invoice_id), ISSUED)
    return invoice_id


def resolve_many(desk: Desk, ids: Iterable[int], *, actor: str = "rui") -> tuple[Result, ...]:
    return resolving.resolve_many_send_again(desk.engine, ids, REFUSALS, actor=actor, reason="none is there")


def preview(desk: Desk, ids: Sequence[int]) -> SendAgainPreview:
    with reading(desk.engine) as conn:
        return status.preview_send_again(conn, ids, REFUSALS, now=desk.now())


# Many at once ---------------------------------------------------------------------------------------------------------


def test_many_doubts_are_sent_again_with_one_reason_each_logged_for_itself(desk: Desk) -> None:
    ids = [in_doubt(desk) for _ in range(3)]
    results = resolve_many(desk, [*reversed(ids), ids[0]])
    assert [(result.invoice_id, result.done, result.status) for result in results] == [
        (invoice_id, True, Status.QUEUED) for invoice_id in ids
    ]
    while desk.send():
        pass
    assert desk.function.counts() == dict.fromkeys(ids, 1)
    for invoice_id in ids:
        (action,) = desk.actions(invoice_id)
        assert (action["actor"], action["action"], action["reason"]) == ("rui", "send_again", "none is there")
        assert desk.attempts(invoice_id)[-1]["trigger"] == Trigger.SEND_AGAIN


def test_the_preview_foretells_what_is_sent_again_and_why_the_rest_is_refused(desk: Desk) -> None:
    euros, dollars = in_doubt(desk), in_doubt(desk, currency_code="USD")
    failures = [failed(desk) for _ in range(4)]
    fresh, cancelled, found = in_doubt(desk, tried_s=60), in_doubt(desk), in_doubt(desk)
    desk.change_invoice(cancelled, status="cancelled")
    desk.change_invoice(found, api_response=SUCCESS)
    ids = [euros, dollars, *failures, fresh, cancelled, found, 4711]
    foretold = preview(desk, [*ids, euros])
    assert (foretold.invoice_ids, len(foretold.lines)) == ((euros, dollars), len(ids))
    assert foretold.amounts == {"EUR": Decimal("123.00"), "USD": Decimal("123.00")}
    until = desk.record(fresh)["last_attempt_at"] + policy.SEND_AGAIN_AFTER
    refused = {line.invoice_id: line.why_not for line in foretold.lines if line.why_not}
    assert refused == dict.fromkeys(failures, "It is not in doubt any more: failed.") | {
        fresh: wording.refused_still_working(until),
        cancelled: "The invoice was cancelled in billing, so it is not sent.",
        found: "It is already in TOC Online. Nothing was sent.",
        4711: "Invoice 4711 does not exist.",
    }
    results = resolve_many(desk, ids)
    assert [result.invoice_id for result in results if result.done] == [euros, dollars]
    assert {result.message for result in results if not result.done} == set(refused.values())
    assert desk.record(found)["status"] == Status.SYNCED


def test_the_preview_says_by_what_an_invoice_is_found(desk: Desk) -> None:
    invoice_id = in_doubt(desk)
    record = desk.record(invoice_id)
    (line,) = preview(desk, [invoice_id]).lines
    assert (line.name, line.payer, line.invoice_date, line.total_amount, line.currency_code) == tuple(
        record[name] for name in ("invoice_number", "payer", "invoice_date", "total_amount", "currency_code")
    )


def test_a_part_of_the_preview_is_about_that_part_only(desk: Desk) -> None:
    one, other, refused = in_doubt(desk), in_doubt(desk), failed(desk)
    part = preview(desk, [one, other, refused]).only([other, refused])
    assert (part.invoice_ids, part.amounts) == ((other,), {"EUR": Decimal("123.00")})


def test_the_preview_writes_nothing(desk: Desk) -> None:
    known, unseen = in_doubt(desk), desk.elsewhere(api_response={"success": False, "error": "Failed to fetch"})
    before = desk.record(known)
    assert preview(desk, [known, unseen]).invoice_ids == (known, unseen)
    assert desk.record(known) == before
    assert desk.count(sync_records) == 1
    assert [result.done for result in resolve_many(desk, [known, unseen])] == [True, True]


def test_two_people_resolve_the_same_doubts_and_each_is_sent_once(desk: Desk) -> None:
    ids = [in_doubt(desk) for _ in range(5)]
    both = at_once(2, lambda number: resolve_many(desk, ids if number else ids[::-1], actor=f"person {number}"))
    assert sorted(result.invoice_id for results in both for result in results if result.done) == ids
    while desk.send():
        pass
    assert desk.function.counts() == dict.fromkeys(ids, 1)


# Back from a declaration ----------------------------------------------------------------------------------------------


def declare(desk: Desk, invoice_id: int, document_no: str = "FT 2026/40") -> None:
    assert resolving.resolve_as_synced(
        desk.engine, invoice_id, document_no, REFUSALS, actor="ana", reason="found it"
    ).done


def declared(desk: Desk) -> int:
    invoice_id = in_doubt(desk)
    declare(desk, invoice_id)
    return invoice_id


def reopen(desk: Desk, invoice_id: int) -> Result:
    return resolving.reopen(desk.engine, invoice_id, REFUSALS, actor="rui", reason="another customer")


def test_what_a_person_declared_can_be_in_doubt_again(desk: Desk) -> None:
    invoice_id = declared(desk)
    found = desk.detail(invoice_id)
    assert found is not None
    assert found.can_reopen
    before = desk.now()
    result = reopen(desk, invoice_id)
    assert (result.done, result.status) == (True, Status.IN_DOUBT)
    record = desk.record(invoice_id)
    assert (record["status"], record["error_kind"]) == (Status.IN_DOUBT, ErrorKind.TIMEOUT)
    assert record["error"] == "Reopened by rui: another customer"
    cleared = ("synced_at", "document_no", "success_value", "declared_by")
    assert {record[name] for name in cleared} == {None}
    assert record["doubt_since"] >= before
    value = desk.api_response(invoice_id)
    assert (value["success"], value["status"], value["in_doubt"], value["attempt"]) == (False, "in_doubt", True, 1)
    assert value["error"] == f"{wording.IN_DOUBT_NOTE} Reopened by rui: another customer"
    action = desk.actions(invoice_id)[-1]
    assert (action["actor"], action["action"], action["reason"]) == ("rui", "reopen", "another customer")
    assert [row.invoice_id for row in desk.page(text="2026/40").rows] == []


def test_what_was_reopened_stays_in_doubt_until_somebody_resolves_it_again(desk: Desk) -> None:
    invoice_id = declared(desk)
    assert reopen(desk, invoice_id).done
    desk.change_invoice(invoice_id, notes="a change for the sweep to see", total_amount=Decimal("124.00"))
    desk.observe()
    desk.sweep()
    assert desk.record(invoice_id)["status"] == Status.IN_DOUBT
    assert desk.try_claim() is None
    declare(desk, invoice_id, "FT 2026/41")
    assert desk.record(invoice_id)["document_no"] == "FT 2026/41"


def synced_by_others(desk: Desk) -> int:
    return desk.adopted(api_response=SUCCESS)


def declared_and_then_answered(desk: Desk) -> int:
    """Declared while lost; the answer came late, and says that it is there."""
    claimed = desk.lose(desk.create())
    declare(desk, claimed.invoice_id, "FT 2026/1")
    desk.settle(claimed, ISSUED)
    return claimed.invoice_id


def declared_and_then_written_by_others(desk: Desk) -> int:
    invoice_id = declared(desk)
    desk.change_invoice(invoice_id, api_response=SUCCESS)
    return invoice_id


@pytest.mark.parametrize(
    ("given", "says"),
    [
        pytest.param(synced, wording_doubt.ANSWERED, id="answered"),
        pytest.param(synced_by_others, wording_doubt.ANSWERED, id="synced by others"),
        pytest.param(declared_and_then_answered, wording_doubt.ANSWERED, id="declared, answered late"),
        pytest.param(
            declared_and_then_written_by_others, wording_doubt.ANSWERED, id="declared, then written by others"
        ),
        pytest.param(failed, "It is not recorded as synced: failed.", id="failed"),
        pytest.param(in_doubt, "It is not recorded as synced: in doubt.", id="in doubt"),
    ],
)
def test_nothing_but_a_persons_word_can_be_taken_back(desk: Desk, given: Any, says: str) -> None:
    invoice_id = given(desk)
    before, value = desk.record(invoice_id), desk.api_response(invoice_id)
    found = desk.detail(invoice_id)
    assert found is not None
    assert not found.can_reopen
    result = reopen(desk, invoice_id)
    assert (result.done, result.message) == (False, says)
    assert (desk.record(invoice_id), desk.api_response(invoice_id)) == (before, value)
    assert desk.actions(invoice_id)[-1]["result"] == says


def test_a_declaration_of_an_invoice_that_only_others_sent_is_reopened_as_an_unclear_error(desk: Desk) -> None:
    invoice_id = desk.adopted(api_response={"success": False, "error": "Failed to fetch"})
    declare(desk, invoice_id)
    assert reopen(desk, invoice_id).done
    assert desk.record(invoice_id)["error_kind"] == ErrorKind.SERVER_ERROR


def test_a_late_answer_still_settles_what_was_reopened(desk: Desk) -> None:
    claimed = desk.lose(desk.create())
    declare(desk, claimed.invoice_id, "FT 2026/9")
    assert reopen(desk, claimed.invoice_id).done
    desk.settle(claimed, ISSUED)
    record = desk.record(claimed.invoice_id)
    assert (record["status"], record["document_no"], record["warning"]) == (Status.SYNCED, "FT 2026/1", None)


def test_a_deleted_invoice_that_was_declared_can_be_reopened_too(desk: Desk) -> None:
    invoice_id = declared(desk)
    desk.delete_invoice(invoice_id)
    assert reopen(desk, invoice_id).done
    desk.sweep()
    assert desk.record(invoice_id)["status"] == Status.IN_DOUBT


def test_where_billing_refuses_to_store_the_doubt_the_declaration_stays(postgres_desk: Desk) -> None:
    desk = postgres_desk
    invoice_id = declared(desk)
    before = desk.record(invoice_id)
    with writing(desk.engine) as conn:
        conn.exec_driver_sql(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;"
            "CREATE TRIGGER t BEFORE UPDATE ON issued_client_invoices FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    result = reopen(desk, invoice_id)
    assert (result.done, result.message) == (False, wording_doubt.NOT_REOPENED_IN_BILLING)
    assert desk.record(invoice_id) == before


def test_reopening_what_does_not_exist_is_one_sentence(desk: Desk) -> None:
    with pytest.raises(UnknownInvoice, match="Invoice 4711 does not exist"):
        reopen(desk, 4711)


# Once by itself -------------------------------------------------------------------------------------------------------


def retry_doubts(desk: Desk, *, later_s: float = 0, at_most: int = 100) -> list[int]:
    with writing(desk.engine) as conn:
        return outbox.retry_doubts(conn, now=desk.now() + timedelta(seconds=later_s), at_most=at_most)


def retried_at(desk: Desk, invoice_id: int, *, idempotent: bool = True) -> datetime | None:
    with reading(desk.engine) as conn:
        found = status.read_detail(
            conn, invoice_id, REFUSALS, turns=desk.sender.rules.turns, now=desk.now(), idempotent=idempotent
        )
    assert found is not None
    return found.retried_at


def test_a_doubt_is_retried_by_itself_ten_minutes_after_its_request_left(desk: Desk) -> None:
    invoice_id = in_doubt(desk, tried_s=0)
    left_at = desk.record(invoice_id)["last_attempt_at"]
    assert retried_at(desk, invoice_id) == left_at + timedelta(minutes=10)
    assert retried_at(desk, invoice_id, idempotent=False) is None
    assert retry_doubts(desk, later_s=590) == []
    assert retry_doubts(desk, later_s=610) == [invoice_id]
    record = desk.record(invoice_id)
    assert (record["status"], record["trigger"], record["doubt_retries"]) == (Status.QUEUED, Trigger.AUTOMATIC, 1)
    assert (record["open_doubt"], record["requested_by"]) == (ErrorKind.TIMEOUT, "ana")
    assert desk.actions(invoice_id) == []


def test_a_second_doubt_stays_until_a_person_asks(desk: Desk) -> None:
    desk = desk.with_idempotent_function()
    invoice_id = in_doubt(desk)
    assert retry_doubts(desk) == [invoice_id]
    desk.settle(desk.claim(invoice_id), LOST)
    assert retried_at(desk, invoice_id) is None
    assert retry_doubts(desk, later_s=86_400) == []
    assert desk.retry(invoice_id).done
    assert desk.record(invoice_id)["doubt_retries"] == 0
    desk.settle(desk.claim(invoice_id), TIMED_OUT)
    assert retry_doubts(desk, later_s=700) == [invoice_id]


@pytest.mark.parametrize(
    ("verdict", "stands"),
    [
        pytest.param(ISSUED, Status.SYNCED, id="it is there"),
        pytest.param(REJECTED, Status.FAILED, id="the function refused it"),
        pytest.param(UNDELIVERED, Status.QUEUED, id="it never arrived, and waits"),
    ],
)
def test_what_the_automatic_retry_comes_to_is_what_any_retry_comes_to(
    desk: Desk, verdict: Verdict, stands: str
) -> None:
    desk = desk.with_idempotent_function()
    invoice_id = in_doubt(desk)
    retry_doubts(desk)
    desk.settle(desk.claim(invoice_id), verdict)
    record = desk.record(invoice_id)
    assert record["status"] == stands
    assert record["open_doubt"] == (ErrorKind.TIMEOUT if stands == Status.QUEUED else None)


def adopted_in_doubt(desk: Desk) -> int:
    return desk.adopted(api_response={"success": False, "error": "Failed to fetch"})


def cancelled_in_doubt(desk: Desk) -> int:
    invoice_id = in_doubt(desk)
    desk.change_invoice(invoice_id, status="cancelled")
    return invoice_id


def reopened(desk: Desk) -> int:
    invoice_id = declared(desk)
    assert reopen(desk, invoice_id).done
    return invoice_id


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(adopted_in_doubt, id="only others sent it"),
        pytest.param(cancelled_in_doubt, id="cancelled, not seen yet"),
        pytest.param(failed, id="failed"),
        pytest.param(reopened, id="reopened: a person wants to look first"),
    ],
)
def test_nothing_else_is_retried_by_itself(desk: Desk, given: Any) -> None:
    invoice_id = given(desk)
    assert retry_doubts(desk, later_s=86_400) == []
    assert retried_at(desk, invoice_id) is None
    assert not isinstance(desk.try_claim(), Claim)


def test_while_nothing_may_leave_doubts_stay_where_people_see_them(desk: Desk) -> None:
    invoice_id = in_doubt(desk)
    with writing(desk.engine) as conn:
        outbox.pause(conn, actor="ana", reason="maintenance", now=desk.now())
    assert (retry_doubts(desk), retried_at(desk, invoice_id)) == ([], None)
    with writing(desk.engine) as conn:
        outbox.resume(conn, actor="ana", reason=None, now=desk.now())
    assert retry_doubts(desk) == [invoice_id]


def test_a_doubt_that_turns_out_to_be_there_is_not_retried(desk: Desk) -> None:
    invoice_id = in_doubt(desk)
    desk.change_invoice(invoice_id, api_response=SUCCESS)
    retry_doubts(desk)
    record = desk.record(invoice_id)
    assert (record["status"], record["document_no"]) == (Status.SYNCED, "FT 2026/7")


def test_many_doubts_are_retried_a_few_at_a_time(desk: Desk) -> None:
    ids = [in_doubt(desk) for _ in range(3)]
    assert [retry_doubts(desk, at_most=2) for _ in range(3)] == [ids[:2], ids[2:], []]


def test_the_proof_holds_while_a_doubt_is_retried_that_was_last_undelivered(desk: Desk) -> None:
    desk = desk.with_idempotent_function()
    invoice_id = in_doubt(desk)
    retry_doubts(desk)
    desk.settle(desk.claim(invoice_id), UNDELIVERED, waits_s=())
    desk.change_record(invoice_id, doubt_retries=0, last_attempt_at=ago(desk, 700))
    assert retry_doubts(desk) == [invoice_id]
    with reading(desk.engine) as conn:
        assert [proof.sentence for proof in status.prove(conn, now=desk.now()) if proof.invoice_ids] == []


@pytest.mark.parametrize("idempotent", [True, False])
def test_the_worker_retries_a_doubt_only_where_the_function_refuses_a_second_issue(
    desk: Desk, idempotent: bool
) -> None:
    invoice_id, fresh = in_doubt(desk), desk.create()
    rules = replace(desk.sender.rules, idempotent=idempotent)
    worker = Worker(replace(desk.sender, rules=rules), threads=1, on_change=lambda: None)
    worker.start()
    try:
        wait_until(lambda: desk.record(fresh)["status"] == Status.SYNCED)
        if idempotent:
            wait_until(lambda: desk.record(invoice_id)["status"] == Status.SYNCED)
            assert desk.attempts(invoice_id)[-1]["trigger"] == Trigger.AUTOMATIC
        else:
            newer = desk.elsewhere()  # adopted in a later round of the same upkeep
            wait_until(lambda: desk.page(text=desk.invoice(newer)["invoice_number"]).rows)
    finally:
        worker.stop()
    assert desk.function.count(invoice_id) == (1 if idempotent else 0)


# Doubts that age ------------------------------------------------------------------------------------------------------


def overview(desk: Desk) -> Overview:
    with reading(desk.engine) as conn:
        return status.read_overview(conn, now=desk.now())


def test_doubts_older_than_a_quarter_of_an_hour_are_counted_apart(desk: Desk) -> None:
    old, older, fresh, resolved = in_doubt(desk), in_doubt(desk, currency_code="USD"), in_doubt(desk), in_doubt(desk)
    unnoted = in_doubt(desk, tried_s=3_600)
    for invoice_id, seconds in ((old, 901), (older, 7_200), (fresh, 890), (resolved, 901)):
        desk.change_record(invoice_id, doubt_since=ago(desk, seconds))
    desk.change_record(unnoted, doubt_since=None)  # as a program of the version before leaves it
    declare(desk, resolved)
    counted = overview(desk).old_doubts
    assert (counted.status, counted.count) == (Status.IN_DOUBT, 3)
    assert counted.amounts == {"EUR": Decimal("246.00"), "USD": Decimal("123.00")}
    page = desk.page(old_doubts=True)
    assert ({row.invoice_id for row in page.rows}, page.total) == ({old, older, unnoted}, 3)
    assert (page.old_doubts, page.sums[Status.IN_DOUBT].count) == (counted, 4)
    assert desk.page(old_doubts=True, statuses=(Status.FAILED,)).total == 0
    assert desk.page(statuses=(Status.IN_DOUBT,)).old_doubts == counted
    assert desk.page(text="zzz").old_doubts.count == 0
    with reading(desk.engine) as conn:
        exported = list(status.export_invoices(conn, InvoiceFilter(old_doubts=True), now=desk.now()))
    assert {row.invoice_id for row in exported} == {old, older, unnoted}


def test_a_row_says_since_when_it_has_been_in_doubt_and_a_new_doubt_begins_anew(desk: Desk) -> None:
    desk = desk.with_idempotent_function()
    invoice_id = in_doubt(desk)
    began = desk.row(invoice_id).doubt_since
    assert began is not None
    desk.change_record(invoice_id, doubt_since=LONG_AGO)
    assert desk.row(invoice_id).doubt_since == LONG_AGO
    assert retry_doubts(desk) == [invoice_id]
    assert desk.row(invoice_id).doubt_since is None
    desk.settle(desk.claim(invoice_id), LOST)
    again = desk.row(invoice_id).doubt_since
    assert again is not None
    assert again >= began
    assert overview(desk).old_doubts.count == 0


def test_the_words_about_old_doubts_name_the_limit_that_counts() -> None:
    assert f"for more than {policy.OLD_DOUBT // timedelta(minutes=1)} minutes" == wording.FOR_LONG
