"""What others do while an invoice is on its way, or between two looks: nothing is sent over it, and nothing by itself.

Each case is one way in which two documents came about, or could have.
"""

from __future__ import annotations

from threading import Thread
from typing import Any

import pytest

from tests.core import LONG_AGO, LOST, REFUSALS, REJECTED, TIMED_OUT, UNDELIVERED, Desk, ago
from tests.test_teaching import SAID, in_doubt, queue_again, teach, unknown, withdraw
from toc_sync import batching, outbox, sync
from toc_sync.database import queueing_time, writing
from toc_sync.model import Confirmed, ErrorKind, Status
from toc_sync.verbs.batches import BatchVerbs
from toc_sync.verbs.gate import GateVerbs
from toc_sync.views_batches import Selection

FETCH = {"success": False, "error": "Failed to fetch"}
IDLE = {"success": False, "error": 'TOC sync failed: 504 {"code":"IDLE_TIMEOUT","message":"Idle"}'}
DOUBTS = [
    pytest.param(FETCH, id="failed to fetch"),
    pytest.param(IDLE, id="a time-out"),
    pytest.param([1, 2], id="garbage"),
    pytest.param({"success": False, "status": "in_doubt", "in_doubt": True, "error": "?"}, id="our own words"),
]
NO_DOUBTS = [
    pytest.param(None, id="emptied"),
    pytest.param({"success": False, "error": 'TOC sync failed: 500 {"error":"O NIF português \'1\' não é válido!"}'}, id="refused"),
]  # fmt: skip


def failed(desk: Desk) -> int:
    invoice_id = desk.create()
    desk.settle(desk.claim(invoice_id), REJECTED)
    return invoice_id


def on_the_wire(desk: Desk, invoice_id: int) -> Thread:
    """Sends an invoice for real and returns while the function has not answered yet."""
    before = desk.function.count(invoice_id)
    desk.function.hold(invoice_id)
    thread = Thread(target=desk.send, args=(invoice_id,))
    thread.start()
    desk.function.wait_for(invoice_id, count=before + 1)
    return thread


def answered(desk: Desk, invoice_id: int, thread: Thread) -> str:
    desk.function.release(invoice_id)
    thread.join(10)
    return str(desk.record(invoice_id)["status"])


# The other application's newest word ----------------------------------------------------------------------------------


@pytest.mark.parametrize("words", DOUBTS)
@pytest.mark.parametrize("given", [failed, Desk.adopted])
def test_a_doubt_that_others_wrote_since_our_last_look_refuses_sync_and_retry(
    desk: Desk, given: Any, words: Any
) -> None:
    invoice_id = given(desk)
    desk.change_invoice(invoice_id, api_response=words)
    result = desk.retry(invoice_id)
    assert (result.done, result.status) == (False, Status.IN_DOUBT)
    assert not desk.send(invoice_id)
    assert desk.observe() == []


@pytest.mark.parametrize("words", DOUBTS)
@pytest.mark.parametrize("given", [failed, Desk.adopted])
def test_a_doubt_that_others_wrote_after_the_request_stops_the_claim(desk: Desk, given: Any, words: Any) -> None:
    invoice_id = given(desk)
    assert desk.retry(invoice_id).done
    desk.change_invoice(invoice_id, api_response=words)
    desk.send(invoice_id)
    assert (desk.function.count(invoice_id), desk.record(invoice_id)["status"]) == (0, Status.IN_DOUBT)


@pytest.mark.parametrize("words", NO_DOUBTS)
def test_what_others_wrote_that_leaves_nothing_open_hinders_no_retry(desk: Desk, words: Any) -> None:
    invoice_id = failed(desk)
    desk.change_invoice(invoice_id, api_response=words)
    assert desk.retry(invoice_id).done
    desk.change_invoice(invoice_id, api_response=words)
    assert desk.send(invoice_id)
    assert desk.record(invoice_id)["status"] == Status.SYNCED


@pytest.mark.parametrize("verdict", [REJECTED, UNDELIVERED])
def test_a_doubt_that_others_wrote_while_we_were_refused_stays_a_doubt(desk: Desk, verdict: Any) -> None:
    invoice_id = desk.create()
    claimed = desk.claim(invoice_id)
    desk.change_invoice(invoice_id, api_response=FETCH)
    desk.settle(claimed, verdict)
    assert desk.record(invoice_id)["status"] == Status.IN_DOUBT
    assert desk.api_response(invoice_id) == FETCH
    assert not desk.retry(invoice_id).done


def test_send_again_waits_until_the_other_applications_last_try_is_over(desk: Desk) -> None:
    invoice_id = desk.create()
    desk.settle(desk.claim(invoice_id), TIMED_OUT)
    desk.change_record(invoice_id, last_attempt_at=LONG_AGO)
    desk.change_invoice(invoice_id, api_response=FETCH | {"failed_at": ago(desk, 60).isoformat()})
    with writing(desk.engine) as conn:
        invoice = sync._existing(conn, invoice_id)
        told = {"actor": "ana", "reason": "not there", "now": queueing_time(conn), "refusals": REFUSALS}
        assert not outbox.resolve_send_again(conn, invoice, invoice_id, **told).done


def test_in_a_batch_such_a_doubt_is_refused_too(desk: Desk) -> None:
    invoice_id = failed(desk)
    verbs = BatchVerbs(desk.engine, lambda: None, idempotent=False, refusals=REFUSALS)
    verbs.start(Selection.named((invoice_id,)), actor="ana")
    desk.change_invoice(invoice_id, api_response=FETCH)
    verbs.advance()
    assert desk.record(invoice_id)["status"] == Status.IN_DOUBT


def test_a_doubts_retry_that_waits_goes_back_to_in_doubt_where_the_function_is_no_longer_idempotent(desk: Desk) -> None:
    invoice_id = desk.create()
    desk.settle(desk.claim(invoice_id), TIMED_OUT)
    assert desk.with_idempotent_function().retry(invoice_id).done
    assert desk.send(invoice_id)
    record = desk.record(invoice_id)
    assert (record["status"], record["error_kind"]) == (Status.IN_DOUBT, ErrorKind.TIMEOUT)
    assert (desk.function.count(invoice_id), desk.attempts(invoice_id)[1:]) == (0, [])


@pytest.mark.parametrize("verdict", [REJECTED, UNDELIVERED, LOST])
def test_a_doubts_retry_that_was_under_way_then_settles_nothing(desk: Desk, verdict: Any) -> None:
    invoice_id = desk.create()
    desk.settle(desk.claim(invoice_id), TIMED_OUT)
    idempotent = desk.with_idempotent_function()
    assert idempotent.retry(invoice_id).done
    desk.settle(idempotent.claim(invoice_id), verdict)
    assert desk.record(invoice_id)["status"] == Status.IN_DOUBT


# What is taken back while it is on its way ----------------------------------------------------------------------------


def retried_as_taught(desk: Desk) -> int:
    invoice_id = in_doubt(desk)
    assert teach(desk, invoice_id).done
    assert desk.retry(invoice_id).done
    return invoice_id


@pytest.mark.parametrize(
    ("answer", "stands"),
    [
        pytest.param({"status": 503, "body": {"code": "BOOT_ERROR", "message": "Function failed to start"}}, "in_doubt", id="undelivered"),
        pytest.param({"status": 500, "body": {"error": "O NIF português '1' não é válido!"}}, "in_doubt", id="refused"),
        pytest.param({"status": 401, "body": {"code": "UNAUTHORIZED_INVALID_JWT", "message": "Invalid JWT"}}, "in_doubt", id="turned away"),
        pytest.param(unknown(), "in_doubt", id="the same answer"),
        pytest.param({"transport": "close"}, "in_doubt", id="lost"),
        pytest.param({"status": 200, "body": {"success": True, "document_no": "FT 1/1"}}, "synced", id="issued"),
    ],
)  # fmt: skip
def test_a_meaning_that_is_withdrawn_while_its_retry_is_on_the_wire(desk: Desk, answer: Any, stands: str) -> None:
    invoice_id = retried_as_taught(desk)
    desk.function.answer(invoice_id, answer, times=1)
    thread = on_the_wire(desk, invoice_id)
    assert withdraw(desk).done
    assert answered(desk, invoice_id, thread) == stands
    assert not desk.send(invoice_id), "nothing follows by itself"
    assert not desk.retry(invoice_id).done
    assert desk.function.count(invoice_id) == 2


def test_a_meaning_that_is_withdrawn_between_the_claim_and_the_rescue_leaves_a_doubt_that_a_late_answer_does_not_end(
    desk: Desk,
) -> None:
    invoice_id = retried_as_taught(desk)
    claimed = desk.claim(invoice_id)
    withdraw(desk)
    desk.change_record(invoice_id, lease_until=LONG_AGO)
    desk.rescue()
    for late in (UNDELIVERED, REJECTED):
        desk.settle(claimed, late)
        assert desk.record(invoice_id)["status"] == Status.IN_DOUBT


def test_after_a_withdrawal_a_refusal_of_the_retry_says_nothing_about_the_first_try(desk: Desk) -> None:
    invoice_id = retried_as_taught(desk)
    desk.settle(desk.claim(invoice_id), REJECTED)
    assert desk.record(invoice_id)["status"] == Status.FAILED
    withdraw(desk)
    assert desk.record(invoice_id)["status"] == Status.IN_DOUBT


def test_what_the_other_application_was_answered_is_remembered_when_its_retry_did_not_arrive(desk: Desk) -> None:
    said = f'TOC sync failed: 500 {{"error":"{unknown(7)["body"]["error"]}"}}'
    invoice_id = desk.adopted(api_response={"success": False, "error": said})
    teach(desk, invoice_id)
    assert desk.retry(invoice_id).done
    desk.settle(desk.claim(invoice_id), UNDELIVERED)
    withdraw(desk)
    assert desk.record(invoice_id)["status"] == Status.IN_DOUBT


def test_what_waits_is_stopped_by_the_withdrawal_itself_and_what_failed_is_refused_before_its_turn(desk: Desk) -> None:
    """As if the program had died, or another process were faster, between the withdrawal and what follows for the rest."""
    resting = in_doubt(desk)
    waiting = retried_as_taught(desk)
    with writing(desk.engine) as conn:
        refusal = outbox.taught_once(conn, SAID.name)
        assert refusal
        outbox.withdraw_refusal(conn, SAID.name, actor="rui", reason="r", now=desk.now())
        assert outbox.stop_taught(conn, refusal, REFUSALS, actor="rui", now=desk.now()) >= 1
    assert desk.record(waiting)["status"] == Status.IN_DOUBT
    assert not desk.retry(resting).done
    assert not desk.send()
    assert [desk.function.count(each) for each in (waiting, resting)] == [1, 1]


def test_who_looked_an_invoice_up_does_not_rest_on_what_was_taught(desk: Desk) -> None:
    invoice_id = in_doubt(desk)
    queue_again(desk, invoice_id)
    teach(desk, in_doubt(desk))
    withdraw(desk)
    assert desk.record(invoice_id)["status"] == Status.QUEUED


def test_after_a_withdrawal_no_doubt_is_retried_by_itself(desk: Desk) -> None:
    invoice_id = in_doubt(desk)
    teach(desk, invoice_id)
    withdraw(desk)
    desk.change_record(invoice_id, last_attempt_at=LONG_AGO)
    with writing(desk.engine) as conn:
        assert outbox.retry_doubts(conn, now=queueing_time(conn)) == []


def test_what_was_on_the_wire_when_the_past_was_distrusted_ends_in_doubt(desk: Desk) -> None:
    invoice_id = desk.create()
    claimed = desk.claim(invoice_id)
    assert GateVerbs(desk.engine, lambda: None).distrust(since=ago(desk, 3_600), actor="ana").done
    desk.settle(claimed, UNDELIVERED)
    assert desk.record(invoice_id)["status"] == Status.IN_DOUBT


def test_what_was_on_the_wire_when_its_batch_was_cancelled_is_not_tried_again_by_itself(desk: Desk) -> None:
    invoice_id = failed(desk)
    verbs = BatchVerbs(desk.engine, lambda: None, idempotent=False, refusals=REFUSALS)
    batch_id = verbs.start(Selection.named((invoice_id,)), actor="ana").batch_id
    assert batching.advance(desk.engine, REFUSALS, idempotent=False) == 1
    claimed = desk.claim(invoice_id)
    assert batch_id
    assert verbs.cancel(batch_id, actor="rui").done
    desk.settle(claimed, UNDELIVERED)
    assert desk.record(invoice_id)["status"] == Status.FAILED
    assert desk.retry(invoice_id).done, "one click sends it"
    desk.settle(desk.claim(invoice_id), UNDELIVERED)
    assert desk.record(invoice_id)["status"] == Status.QUEUED


def test_a_late_answer_sends_nothing_that_somebody_reopened_to_look_first(desk: Desk) -> None:
    invoice_id = desk.create()
    claimed = desk.lose(invoice_id)
    with writing(desk.engine) as conn:
        told = {"actor": "ana", "reason": "seen", "now": queueing_time(conn)}
        invoice = sync._existing(conn, invoice_id)
        assert outbox.resolve_as_synced(conn, invoice, invoice_id, "FT 1/1", **told).done
        assert outbox.reopen(conn, invoice_id, **told).done
    desk.settle(claimed, UNDELIVERED)
    assert desk.record(invoice_id)["status"] == Status.FAILED
    assert desk.try_claim(invoice_id) is None


def test_what_is_cancelled_in_billing_while_it_is_on_the_wire_is_not_sent_again(desk: Desk) -> None:
    invoice_id = desk.create()
    claimed = desk.claim(invoice_id)
    desk.change_invoice(invoice_id, status="cancelled")
    desk.settle(claimed, UNDELIVERED, jitter=0)
    desk.send(invoice_id)
    assert (desk.function.count(invoice_id), desk.record(invoice_id)["status"]) == (0, Status.NOT_NEEDED)


# The other application may be sending now -----------------------------------------------------------------------------


def test_a_draft_of_last_week_that_was_just_issued_is_locked(desk: Desk) -> None:
    invoice_id = desk.adopted(status="draft")
    desk.change_invoice(invoice_id, status="issued")
    assert "may still be sending" in desk.retry(invoice_id).message, "at the button, before the sweep"
    desk.sweep()
    assert "may still be sending" in (desk.row(invoice_id).why_not or "")
    detail = desk.detail(invoice_id)
    assert detail
    assert not detail.row.can_retry
    desk.change_record(invoice_id, sendable_since=ago(desk, 601))
    assert desk.row(invoice_id).can_retry
    assert desk.retry(invoice_id).done


@pytest.mark.parametrize("changed_s", [60, None, 601])
def test_what_is_new_here_is_locked_by_its_last_change_and_asked_about_without_one(desk: Desk, changed_s: Any) -> None:
    changed_at = ago(desk, changed_s) if changed_s else None
    invoice_id = desk.adopted(updated_at=changed_at)
    rules = desk.sender.rules
    for confirmed in (Confirmed.NOTHING, Confirmed.UNCHANGED):
        if changed_s != 601:
            result = sync.request_send(desk.engine, invoice_id, rules, actor="ana", confirmed=confirmed)
            assert (result.done, result.needs_confirmation) == (False, changed_s is None)
    result = sync.request_send(desk.engine, invoice_id, rules, actor="ana", confirmed=Confirmed.EVERYTHING)
    assert result.done == (changed_s != 60), "asked once more, on purpose; what is locked stays locked"


def test_an_edit_of_an_invoice_that_was_issued_long_ago_locks_nothing(desk: Desk) -> None:
    invoice_id = desk.adopted()
    desk.change_invoice(invoice_id, status="paid", notes="paid", updated_at=ago(desk, 5))
    desk.sweep()
    assert desk.retry(invoice_id).done
