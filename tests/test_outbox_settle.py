"""Settling: what an outcome changes, answers that come late, and evidence that nothing keeps from being saved."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import text

from tests.core import (
    ISSUED,
    LONG_AGO,
    LOST,
    REJECTED,
    TIMED_OUT,
    UNDELIVERED,
    Desk,
    ago,
    seen_elsewhere,
)
from toc_sync import outbox, wording
from toc_sync.database import writing
from toc_sync.model import ErrorKind, Outcome, Status, Trigger, Verdict
from toc_sync.tables import sync_attempts, sync_records

WRITTEN_BY_THE_FUNCTION = {
    "success": True,
    "synced_at": "2026-11-20T10:15:30.123Z",
    "toc_data": {"document_no": "FT 2026/9", "id": 9},
}
SYNCED_WITHOUT_NUMBER = Verdict(outcome=Outcome.SYNCED, http_status=200)


def sent_again(desk: Desk, invoice_id: int) -> None:
    """A person looked the invoice up, did not find it, and sent it again."""
    desk.change_record(invoice_id, last_attempt_at=LONG_AGO)
    with writing(desk.engine) as conn:
        invoice = outbox_invoice(desk, invoice_id)
        result = outbox.resolve_send_again(
            conn, invoice, invoice_id, actor="ana", reason="looked it up, not there", now=ago(desk, 0)
        )
    assert result.done, result.message


def outbox_invoice(desk: Desk, invoice_id: int) -> Any:
    from toc_sync import billing
    from toc_sync.database import reading

    with reading(desk.engine) as conn:
        return billing.read_invoice(conn, invoice_id)


# Late answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        pytest.param(ISSUED, Status.SYNCED, id="it was issued"),
        pytest.param(REJECTED, Status.FAILED, id="it was refused"),
        pytest.param(UNDELIVERED, Status.QUEUED, id="it never arrived"),
        pytest.param(TIMED_OUT, Status.IN_DOUBT, id="it is unclear in another way"),
    ],
)
def test_a_late_answer_decides_what_was_closed_as_lost(desk: Desk, verdict: Verdict, status: Status) -> None:
    invoice_id = desk.create()
    claimed = desk.lose(invoice_id)
    assert desk.record(invoice_id)["error_kind"] == ErrorKind.LOST
    settled = desk.settle(claimed, verdict)
    (attempt,) = desk.attempts(invoice_id)
    record = desk.record(invoice_id)
    assert (settled.changed, settled.status, record["status"]) == (True, status, status)
    assert (attempt["outcome"], attempt["error_kind"]) == (verdict.outcome, verdict.error_kind)
    assert seen_elsewhere(desk.api_response(invoice_id))[0] == ("synced" if status is Status.SYNCED else "failed")
    assert record["warning"] is None


def test_an_attempt_is_closed_once(desk: Desk) -> None:
    invoice_id = desk.create()
    claimed = desk.claim()
    desk.settle(claimed, REJECTED)
    before = (desk.attempts(invoice_id), desk.record(invoice_id), desk.api_response(invoice_id))
    for verdict in (ISSUED, TIMED_OUT, LOST, UNDELIVERED):
        assert not desk.settle(claimed, verdict).changed
    assert (desk.attempts(invoice_id), desk.record(invoice_id), desk.api_response(invoice_id)) == before


def test_a_second_lost_changes_nothing_in_what_is_lost(desk: Desk) -> None:
    invoice_id = desk.create()
    claimed = desk.lose(invoice_id)
    before = desk.attempts(invoice_id)
    assert not desk.settle(claimed, LOST).changed
    assert desk.attempts(invoice_id) == before


def test_a_late_success_cancels_a_resend_that_is_only_queued(desk: Desk) -> None:
    invoice_id = desk.create()
    claimed = desk.lose(invoice_id)
    sent_again(desk, invoice_id)
    assert desk.record(invoice_id)["status"] == Status.QUEUED
    settled = desk.settle(claimed, ISSUED)
    assert (settled.status, settled.warning) == (Status.SYNCED, None)
    assert not desk.send()
    assert desk.function.requests == []


@pytest.mark.parametrize(
    ("resend", "warned"),
    [
        pytest.param(ISSUED, False, id="the resend names the same document"),
        pytest.param(Verdict(outcome=Outcome.SYNCED, document_no="FT 2026/2"), True, id="the resend issued another"),
        pytest.param(SYNCED_WITHOUT_NUMBER, True, id="the resend names none"),
        pytest.param(TIMED_OUT, True, id="the resend is in doubt"),
        pytest.param(LOST, True, id="the resend is lost"),
        pytest.param(REJECTED, False, id="the resend was refused: one document"),
        pytest.param(UNDELIVERED, False, id="the resend never arrived: one document"),
    ],
)
def test_a_late_success_beside_a_resend_under_way_ends_as_synced_and_warns_of_two_documents(
    desk: Desk, resend: Verdict, warned: bool
) -> None:
    invoice_id = desk.create()
    first = desk.lose(invoice_id)
    sent_again(desk, invoice_id)
    second = desk.claim(invoice_id)
    late = desk.settle(first, ISSUED)
    assert late.status == Status.SYNCING
    assert str(late.warning).startswith("Possible duplicate")
    assert desk.row(invoice_id).warning == late.warning
    assert seen_elsewhere(desk.api_response(invoice_id))[0] == "synced"

    desk.settle(second, resend)
    record = desk.record(invoice_id)
    assert record["status"] == Status.SYNCED
    assert bool(record["warning"]) is warned
    assert desk.api_response(invoice_id)["toc_data"] == {"document_no": "FT 2026/1"}
    assert [attempt["outcome"] for attempt in desk.attempts(invoice_id)] == ["synced", resend.outcome]
    assert desk.try_claim() is None


@pytest.mark.parametrize(
    ("first", "second", "warned"),
    [
        pytest.param("FT 2026/1", "FT 2026/1", False, id="the same document"),
        pytest.param("FT 2026/1", "FT 2026/2", True, id="two documents"),
        pytest.param(None, "FT 2026/2", True, id="the late one names none"),
        pytest.param("FT 2026/1", None, True, id="the recorded one names none"),
        pytest.param(None, None, True, id="neither names one"),
    ],
)
def test_a_late_success_of_an_earlier_attempt_warns_when_the_resend_is_synced_already(
    desk: Desk, first: str | None, second: str | None, warned: bool
) -> None:
    invoice_id = desk.create()
    claimed = desk.lose(invoice_id)
    sent_again(desk, invoice_id)
    desk.settle(desk.claim(invoice_id), Verdict(outcome=Outcome.SYNCED, document_no=second))
    before = desk.api_response(invoice_id)
    settled = desk.settle(claimed, Verdict(outcome=Outcome.SYNCED, document_no=first))
    record = desk.record(invoice_id)
    assert (record["status"], record["document_no"]) == (Status.SYNCED, second)
    assert bool(record["warning"]) is bool(settled.warning) is warned
    assert desk.api_response(invoice_id) == before
    assert desk.attempts(invoice_id)[0]["document_no"] == first


@pytest.mark.parametrize("verdict", [REJECTED, UNDELIVERED, TIMED_OUT], ids=lambda verdict: str(verdict.outcome))
def test_a_late_answer_that_is_no_success_leaves_a_persons_decision_alone(desk: Desk, verdict: Verdict) -> None:
    queued, declared = desk.create(), desk.create()
    late = [desk.lose(queued), desk.lose(declared)]
    sent_again(desk, queued)
    with writing(desk.engine) as conn:
        invoice = outbox_invoice(desk, declared)
        outbox.resolve_as_synced(conn, invoice, declared, "FT 7", actor="ana", reason="seen", now=ago(desk, 0))
    before = [(desk.record(number), desk.api_response(number)) for number in (queued, declared)]
    for claimed in late:
        assert not desk.settle(claimed, verdict).changed
    after = [(desk.record(number), desk.api_response(number)) for number in (queued, declared)]
    for (record, value), (record_before, value_before) in zip(after, before, strict=True):
        assert value == value_before
        assert {**record, "updated_at": None} == {**record_before, "updated_at": None}
    assert [desk.attempts(number)[0]["outcome"] for number in (queued, declared)] == [verdict.outcome] * 2


def test_a_late_success_confirms_or_contradicts_what_a_person_declared(desk: Desk) -> None:
    warnings = []
    for declared_number in ("FT 2026/1", "FT 2026/8"):
        invoice_id = desk.create()
        claimed = desk.lose(invoice_id)
        with writing(desk.engine) as conn:
            invoice = outbox_invoice(desk, invoice_id)
            outbox.resolve_as_synced(
                conn, invoice, invoice_id, declared_number, actor="ana", reason="seen", now=ago(desk, 0)
            )
        desk.settle(claimed, ISSUED)
        record = desk.record(invoice_id)
        assert (record["status"], record["document_no"]) == (Status.SYNCED, declared_number)
        warnings.append(record["warning"])
        desk.change_record(invoice_id, document_no=None)
    assert warnings[0] is None
    assert warnings[1].startswith("Possible duplicate")


# What stands in api_response already ----------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", [REJECTED, UNDELIVERED, TIMED_OUT, LOST], ids=lambda found: str(found.error_kind))
def test_a_success_that_the_function_wrote_outweighs_our_lost_answer(desk: Desk, verdict: Verdict) -> None:
    invoice_id = desk.create()
    claimed = desk.claim()
    desk.change_invoice(invoice_id, api_response=WRITTEN_BY_THE_FUNCTION)
    desk.settle(claimed, verdict)
    record = desk.record(invoice_id)
    assert (record["status"], record["document_no"], record["error"]) == (Status.SYNCED, "FT 2026/9", None)
    assert record["synced_at"].isoformat() == "2026-11-20T10:15:30.123000+00:00"
    assert desk.api_response(invoice_id) == WRITTEN_BY_THE_FUNCTION
    assert desk.attempts(invoice_id)[0]["outcome"] == verdict.outcome


def test_a_success_that_is_there_keeps_its_toc_data(desk: Desk) -> None:
    invoice_id = desk.create()
    claimed = desk.claim()
    desk.change_invoice(invoice_id, api_response=WRITTEN_BY_THE_FUNCTION)
    desk.settle(claimed, Verdict(outcome=Outcome.SYNCED, document_no="FT 2026/9", toc_data={"other": 1}))
    assert desk.api_response(invoice_id)["toc_data"] == WRITTEN_BY_THE_FUNCTION["toc_data"]
    assert desk.record(invoice_id)["warning"] is None


@pytest.mark.parametrize("verdict", [REJECTED, UNDELIVERED], ids=["refused", "undelivered"])
def test_a_vague_success_that_was_written_meanwhile_stays_and_leaves_the_invoice_in_doubt(
    verdict: Verdict, desk: Desk
) -> None:
    invoice_id = desk.create()
    claimed = desk.claim(invoice_id)
    vague = {"success": True, "toc_data": {"status": "pending"}}
    desk.change_invoice(invoice_id, api_response=vague)
    desk.settle(claimed, verdict)
    assert desk.record(invoice_id)["status"] == "in_doubt"
    assert desk.api_response(invoice_id) == vague
    assert not desk.retry(invoice_id).done


def test_an_answer_with_another_number_than_api_response_warns_of_two_documents(desk: Desk) -> None:
    invoice_id = desk.create()
    claimed = desk.claim()
    desk.change_invoice(invoice_id, api_response=WRITTEN_BY_THE_FUNCTION)
    settled = desk.settle(claimed, ISSUED)
    assert settled.status == Status.SYNCED
    assert "FT 2026/9" in str(settled.warning)
    assert "FT 2026/1" in str(settled.warning)


# Rows that are gone ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "status", "warned"),
    [
        pytest.param(ISSUED, Status.SYNCED, True, id="issued: an orphan"),
        pytest.param(TIMED_OUT, Status.IN_DOUBT, True, id="in doubt: perhaps an orphan"),
        pytest.param(REJECTED, Status.NOT_NEEDED, False, id="refused"),
        pytest.param(UNDELIVERED, Status.NOT_NEEDED, False, id="never arrived"),
    ],
)
def test_an_invoice_deleted_meanwhile_still_gets_its_attempt_recorded(
    desk: Desk, verdict: Verdict, status: Status, warned: bool
) -> None:
    invoice_id = desk.create()
    claimed = desk.claim()
    desk.delete_invoice(invoice_id)
    settled = desk.settle(claimed, verdict)
    record = desk.record(invoice_id)
    assert (settled.status, record["status"], record["invoice_status"]) == (status, status, "deleted")
    assert bool(record["warning"]) is warned
    assert desk.attempts(invoice_id)[0]["outcome"] == verdict.outcome
    detail = desk.detail(invoice_id)
    assert detail is not None
    assert detail.row.status == status


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        pytest.param(ISSUED, Status.SYNCED, id="issued"),
        pytest.param(REJECTED, Status.FAILED, id="refused"),
        pytest.param(TIMED_OUT, Status.IN_DOUBT, id="in doubt"),
        pytest.param(UNDELIVERED, Status.QUEUED, id="never arrived"),
    ],
)
def test_an_attempt_that_a_restored_database_forgot_is_written_again(
    desk: Desk, verdict: Verdict, status: Status
) -> None:
    invoice_id = desk.create()
    record = desk.record(invoice_id)
    claimed = desk.claim()
    desk.restore(record)
    desk.settle(claimed, verdict)
    (attempt,) = desk.attempts(invoice_id)
    assert (attempt["request_id"], attempt["number"]) == (claimed.request_id, 1)
    assert attempt["outcome"] == verdict.outcome
    assert (desk.record(invoice_id)["status"], desk.record(invoice_id)["attempt_count"]) == (status, 1)


def test_a_forgotten_attempt_whose_number_was_given_away_gets_the_next_one(desk: Desk) -> None:
    invoice_id = desk.create()
    record = desk.record(invoice_id)
    forgotten = desk.claim()
    desk.restore(record)
    second = desk.claim()
    assert second.number == forgotten.number == 1

    late = desk.settle(forgotten, ISSUED)
    assert str(late.warning).startswith("Possible duplicate")
    assert [(found["number"], found["outcome"]) for found in desk.attempts(invoice_id)] == [(1, None), (2, "synced")]
    desk.settle(second, Verdict(outcome=Outcome.SYNCED, document_no="FT 2026/2"))
    after = desk.record(invoice_id)
    assert (after["status"], after["attempt_count"]) == (Status.SYNCED, 2)
    assert after["warning"].startswith("Possible duplicate")


def test_numbers_go_on_after_evidence_that_decided_nothing(desk: Desk) -> None:
    invoice_id = desk.create()
    record = desk.record(invoice_id)
    forgotten = desk.claim()
    desk.restore(record)
    desk.settle(desk.claim(), TIMED_OUT)
    assert not desk.settle(forgotten, REJECTED).changed
    assert desk.record(invoice_id)["status"] == Status.IN_DOUBT, "a doubt about another request stays"
    sent_again(desk, invoice_id)
    assert desk.claim().number == 3


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        pytest.param(ISSUED, Status.SYNCED, id="issued"),
        pytest.param(REJECTED, Status.FAILED, id="refused"),
        pytest.param(TIMED_OUT, Status.IN_DOUBT, id="in doubt"),
    ],
)
def test_a_record_that_a_restored_database_forgot_is_written_again(
    desk: Desk, verdict: Verdict, status: Status
) -> None:
    invoice_id = desk.create()
    claimed = desk.claim()
    desk.execute(sync_attempts.delete())
    desk.execute(sync_records.delete())
    assert desk.settle(claimed, verdict).status == status
    record = desk.record(invoice_id)
    assert (record["status"], record["attempt_count"]) == (status, 1)
    assert seen_elsewhere(desk.api_response(invoice_id))[0] == ("synced" if status is Status.SYNCED else "failed")


def test_an_answer_for_an_invoice_of_which_nothing_is_left_is_kept_as_evidence(desk: Desk) -> None:
    invoice_id = desk.create()
    claimed = desk.claim()
    desk.execute(sync_attempts.delete())
    desk.execute(sync_records.delete())
    desk.delete_invoice(invoice_id)
    settled = desk.settle(claimed, ISSUED)
    assert (settled.status, settled.warning) == (None, wording.ORPHAN_ATTEMPT)
    assert desk.attempts(invoice_id)[0]["document_no"] == "FT 2026/1"


# Waiting --------------------------------------------------------------------------------------------------------------


def test_what_waits_again_keeps_since_when_it_has_been_waiting(desk: Desk) -> None:
    invoice_id = desk.create(actor="rui")
    desk.change_record(invoice_id, queued_at=LONG_AGO)
    for tries in (1, 2):
        settled = desk.settle(desk.claim(invoice_id), UNDELIVERED)
        record = desk.record(invoice_id)
        assert (record["queued_at"], record["not_before"]) == (LONG_AGO, settled.not_before)
        assert (record["trigger"], record["requested_by"]) == (Trigger.AUTOMATIC, "rui")
        assert (record["undelivered_tries"], record["error"]) == (tries, UNDELIVERED.error)
        desk.change_record(invoice_id, not_before=LONG_AGO)
    desk.settle(desk.claim(invoice_id), ISSUED)
    record = desk.record(invoice_id)
    assert (record["queued_at"], record["not_before"], record["error"], record["error_kind"]) == (None,) * 4


# Rescue ---------------------------------------------------------------------------------------------------------------


def test_a_lease_that_ran_out_closes_the_attempt_as_lost_and_leaves_the_invoice_in_doubt(desk: Desk) -> None:
    stopped, alive = desk.create(), desk.create()
    for invoice_id in (stopped, alive):
        desk.claim(invoice_id)
    desk.change_record(stopped, lease_until=LONG_AGO)
    (settled,) = desk.rescue()
    assert (settled.invoice_id, settled.status) == (stopped, Status.IN_DOUBT)
    (attempt,) = desk.attempts(stopped)
    assert (attempt["outcome"], attempt["error_kind"], attempt["error"]) == ("in_doubt", "lost", wording.ATTEMPT_LOST)
    assert desk.record(alive)["status"] == Status.SYNCING
    assert desk.api_response(stopped)["in_doubt"] is True
    assert desk.row(stopped).can_resolve
    assert desk.rescue() == []
    assert desk.try_claim() is None


def test_a_rescue_finds_what_the_function_wrote_meanwhile(desk: Desk) -> None:
    invoice_id = desk.create()
    desk.claim()
    desk.change_invoice(invoice_id, api_response=WRITTEN_BY_THE_FUNCTION)
    desk.change_record(invoice_id, lease_until=LONG_AGO)
    assert [settled.status for settled in desk.rescue()] == [Status.SYNCED]


def test_a_rescue_ends_a_lease_even_if_its_attempt_is_gone(desk: Desk) -> None:
    invoice_id = desk.create()
    desk.claim()
    desk.execute(sync_attempts.delete())
    desk.change_record(invoice_id, lease_until=LONG_AGO)
    desk.rescue()
    assert desk.record(invoice_id)["status"] == Status.IN_DOUBT
    assert [attempt["error_kind"] for attempt in desk.attempts(invoice_id)] == ["lost"]


# Evidence -------------------------------------------------------------------------------------------------------------

ODD_BODIES = [
    pytest.param(
        b'{"success": true, "toc_data": {"document_no": "FT 1", "a\\u0000b": "c\\u0000d"}}', id="U+0000 escaped"
    ),
    pytest.param(b'{"success": true, "toc_data": {"document_no": "FT 1", "x": "\x00"}}', id="U+0000 raw"),
    pytest.param(b'{"success": true, "toc_data": {"document_no": "FT 1", "x": "\\ud800"}}', id="a lone surrogate"),
    pytest.param(b'{"success": true, "toc_data": {"document_no": "FT 1", "x": NaN, "y": -Infinity}}', id="NaN"),
    pytest.param(b'{"success": true, "toc_data": {"document_no": "FT 1", "x": 1e999}}', id="a number too large"),
    pytest.param(
        b'{"success": true, "toc_data": {"document_no": "FT 1", "x": ' + b"9" * 5000 + b"}}", id="long digits"
    ),
    pytest.param(b'{"success": true, "toc_data": {"document_no": "FT 1", "x": "\xff\xfe"}}', id="no UTF-8"),
    pytest.param(b"\x00\xff\xed\xa0\x80" * 40_000, id="200 kB of bytes that are nothing"),
    pytest.param("é".encode() * 60_000, id="120 kB of text"),
    pytest.param(b'{"a":' * 30_000 + b"1" + b"}" * 30_000, id="deeper than is sane"),
    pytest.param(json.dumps({"success": False, "error": "x\u0000\ud800"}).encode(), id="U+0000 in an error"),
]


@pytest.mark.parametrize("body", ODD_BODIES)
def test_no_answer_is_so_odd_that_it_cannot_be_saved(desk: Desk, body: bytes) -> None:
    invoice_id = desk.create()
    desk.function.answer(invoice_id, {"status": 200, "body": body, "headers": {"sb-request-id": "a\x7fb"}})
    assert desk.send()
    (attempt,) = desk.attempts(invoice_id)
    assert attempt["finished_at"] is not None
    assert len(attempt["response_body"].encode()) <= 64 * 1024
    assert "\x00" not in attempt["response_body"]
    is_issued = desk.attempts(invoice_id)[0]["document_no"] == "FT 1"
    assert is_issued is (b"FT 1" in body and b"\x00" not in body), "a raw U+0000 makes it no JSON"
    assert desk.record(invoice_id)["status"] == (Status.SYNCED if is_issued else Status.IN_DOUBT)
    assert seen_elsewhere(desk.api_response(invoice_id))[0] == ("synced" if is_issued else "failed")
    assert desk.row(invoice_id).status == desk.state(invoice_id).status
    assert desk.detail(invoice_id) is not None


def test_a_body_of_ten_megabytes_is_read_to_the_cap_and_stored_to_64_kib(desk: Desk) -> None:
    invoice_id = desk.create()
    desk.function.answer(invoice_id, {"status": 200, "body": b'{"success": true, "pad": "' + b"x" * 10_000_000 + b'"}'})
    desk.send()
    (attempt,) = desk.attempts(invoice_id)
    assert len(attempt["response_body"]) == 64 * 1024
    assert (attempt["outcome"], attempt["error_kind"]) == ("in_doubt", "unreadable")


REFUSING = {
    "at once": "CREATE TRIGGER refuse BEFORE UPDATE",
    "at the commit": "CREATE CONSTRAINT TRIGGER refuse AFTER UPDATE",
}


def refuse_changes(desk: Desk, when: str) -> None:
    """Lets the billing application's database refuse every change of an invoice."""
    deferred = "DEFERRABLE INITIALLY DEFERRED" if when == "at the commit" else ""
    desk.execute(
        text(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'This period is closed.'; END $$"
        )
    )
    desk.execute(text(f"{REFUSING[when]} ON issued_client_invoices {deferred} FOR EACH ROW EXECUTE FUNCTION refuse()"))


@pytest.mark.parametrize("when", REFUSING)
def test_a_trigger_of_billing_that_refuses_our_answer_does_not_keep_us_from_recording_it(
    postgres_desk: Desk, when: str
) -> None:
    desk = postgres_desk
    invoice_id = desk.create()
    refuse_changes(desk, when)
    assert desk.send()
    record = desk.record(invoice_id)
    assert (record["status"], record["document_no"]) == (Status.SYNCED, "FT 2026/1")
    assert record["warning"] == wording.NOT_STORED_IN_BILLING
    assert desk.attempts(invoice_id)[0]["outcome"] == "synced"
    assert desk.api_response(invoice_id) is None
    assert not desk.row(invoice_id).can_retry


@pytest.mark.parametrize("when", REFUSING)
def test_such_a_trigger_does_not_keep_the_rescue_from_ending_what_is_lost(postgres_desk: Desk, when: str) -> None:
    desk = postgres_desk
    invoice_ids = [desk.create(), desk.create()]
    refuse_changes(desk, when)
    for invoice_id in invoice_ids:
        desk.lose(invoice_id)
    assert {desk.record(invoice_id)["status"] for invoice_id in invoice_ids} == {Status.IN_DOUBT}
