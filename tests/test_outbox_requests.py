"""What people ask for: Retry, Sync, "it is there", "it is not there"; each is checked again and logged with who asked."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest

from tests.core import (
    ISSUED,
    LONG_AGO,
    OTHER_PAYER,
    REFUSALS,
    REJECTED,
    TIMED_OUT,
    UNDELIVERED,
    WRONG_KEY,
    Desk,
    ago,
    at_once,
)
from toc_sync import resolving
from toc_sync.model import Claim, ErrorKind, Result, Status, Trigger, UnknownInvoice, Verdict
from toc_sync.tables import sync_attempts

SUCCESS = {"success": True, "synced_at": "2026-01-05T10:00:00.000Z", "toc_data": {"document_no": "FT 2026/7"}}

PRESS_RETRY = """
import sys
from toc_sync import sync
from toc_sync.engines import open_engine
from toc_sync.refusals import shipped_refusals
rules = sync.Rules(refusals=shipped_refusals(), waits_s=(), lease_s=60.0, idempotent=False)
engine = open_engine(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(sync.request_send(engine, int(sys.argv[2]), rules, actor="p", seen_attempts=1).done, flush=True)
"""


def failed(desk: Desk) -> int:
    invoice_id = desk.create()
    desk.settle(desk.claim(invoice_id), REJECTED)
    return invoice_id


def in_doubt(desk: Desk) -> int:
    invoice_id = desk.create()
    desk.settle(desk.claim(invoice_id), TIMED_OUT)
    return invoice_id


def synced(desk: Desk) -> int:
    invoice_id = desk.create()
    desk.settle(desk.claim(invoice_id), ISSUED)
    return invoice_id


def syncing(desk: Desk) -> int:
    return desk.claim(desk.create()).invoice_id


def waiting(desk: Desk) -> int:
    invoice_id = desk.create()
    desk.settle(desk.claim(invoice_id), UNDELIVERED)
    return invoice_id


def cancelled_after_failing(desk: Desk) -> int:
    invoice_id = failed(desk)
    desk.change_invoice(invoice_id, status="cancelled")
    return invoice_id


def not_needed(desk: Desk) -> int:
    invoice_id = cancelled_after_failing(desk)
    desk.sweep()
    return invoice_id


def created_elsewhere_just_now(desk: Desk) -> int:
    return desk.adopted(created_at=ago(desk, 5))


def draft_elsewhere(desk: Desk) -> int:
    return desk.adopted(status="draft")


def synced_by_others(desk: Desk) -> int:
    return desk.elsewhere(api_response=SUCCESS)


# Retry and Sync -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "says"),
    [
        pytest.param(synced, "It is already in TOC Online. Nothing was sent.", id="synced"),
        pytest.param(syncing, "It is being sent right now. Wait for the answer.", id="syncing"),
        pytest.param(in_doubt, "It may already be in TOC Online. Look it up there, then use Resolve.", id="in doubt"),
        pytest.param(not_needed, "The invoice was cancelled in billing, so it is not sent.", id="not needed"),
        pytest.param(
            cancelled_after_failing, "The invoice was cancelled in billing, so it is not sent.", id="cancelled"
        ),
        pytest.param(draft_elsewhere, "Its status in billing is “draft”. Issue it there first.", id="draft"),
        pytest.param(synced_by_others, "It is already in TOC Online. Nothing was sent.", id="synced by others"),
        pytest.param(Desk.create, "It is already on its way.", id="due already"),
    ],
)
def test_what_may_not_be_sent_is_refused_with_a_sentence_and_nothing_is_sent(desk: Desk, given: Any, says: str) -> None:
    invoice_id = given(desk)
    attempts = len(desk.attempts(invoice_id))
    result = desk.retry(invoice_id, actor="rui")
    assert (result.done, result.message, result.invoice_id) == (False, says, invoice_id)
    (action,) = desk.actions(invoice_id)
    assert (action["actor"], action["done"], action["result"]) == ("rui", False, says)
    assert len(desk.attempts(invoice_id)) == attempts
    if given is not Desk.create:
        assert desk.try_claim() is None


def test_sync_is_locked_while_the_other_application_may_still_be_sending(desk: Desk) -> None:
    invoice_id = created_elsewhere_just_now(desk)
    assert desk.retry(invoice_id).message.startswith("The other application may still be sending it. Sync is possible")
    assert not desk.row(invoice_id).can_retry
    desk.change_record(invoice_id, sendable_since=ago(desk, 601))
    assert desk.retry(invoice_id).done


@pytest.mark.parametrize(
    ("given", "trigger", "says"),
    [
        pytest.param(failed, Trigger.RETRY, "It is on its way to TOC Online.", id="failed"),
        pytest.param(waiting, Trigger.RETRY, "It goes out now instead of later.", id="waiting: now"),
        pytest.param(Desk.adopted, Trigger.SYNC, "It is on its way to TOC Online.", id="never synced"),
        pytest.param(Desk.elsewhere, Trigger.SYNC, "It is on its way to TOC Online.", id="without a record"),
    ],
)
def test_what_may_be_sent_is_sent_and_logged_with_who_asked(desk: Desk, given: Any, trigger: str, says: str) -> None:
    invoice_id = given(desk)
    desk.change_invoice(invoice_id, notes="corrected")
    result = desk.retry(invoice_id, actor="rui")
    assert (result.done, result.message, result.status) == (True, says, Status.QUEUED)
    record = desk.record(invoice_id)
    assert (record["error"], record["not_before"], record["undelivered_tries"]) == (None, None, 0)
    assert desk.send()
    assert desk.function.count(invoice_id) == 1
    attempt = desk.attempts(invoice_id)[-1]
    assert (attempt["trigger"], attempt["requested_by"], attempt["outcome"]) == (trigger, "rui", "synced")
    (action,) = desk.actions(invoice_id)
    assert (action["actor"], action["action"], action["done"]) == ("rui", trigger, True)


def test_a_click_that_saw_an_older_state_is_refused(desk: Desk) -> None:
    invoice_id = failed(desk)
    assert desk.retry(invoice_id, seen_attempts=1).done
    desk.settle(desk.claim(invoice_id), REJECTED)
    result = desk.retry(invoice_id, seen_attempts=1)
    assert (result.done, result.message) == (
        False,
        "It was tried again in the meantime. Look at the new result first.",
    )
    assert desk.retry(invoice_id, seen_attempts=2).done


def test_eight_threads_press_retry_and_one_request_is_sent(desk: Desk) -> None:
    invoice_id = failed(desk)
    results = at_once(8, lambda number: desk.retry(invoice_id, actor=f"person {number}", seen_attempts=1))
    assert [result.done for result in results].count(True) == 1
    assert {result.message for result in results if not result.done} == {"It is already on its way."}
    at_once(4, lambda _: desk.send())
    assert desk.function.count(invoice_id) == 1
    assert len(desk.actions(invoice_id)) == 8


def test_two_people_press_sync_on_an_invoice_without_a_record(desk: Desk) -> None:
    invoice_id = desk.elsewhere()
    results = at_once(4, lambda _: desk.retry(invoice_id))
    assert [result.done for result in results].count(True) == 1
    while desk.send():
        pass
    assert desk.function.count(invoice_id) == 1


@pytest.mark.processes
def test_two_processes_press_retry_and_one_request_is_sent(desk: Desk) -> None:
    invoice_id = failed(desk)
    url = desk.engine.url.render_as_string(hide_password=False)
    people = [
        subprocess.Popen(
            [sys.executable, "-c", PRESS_RETRY, url, str(invoice_id)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for person in people:
        assert person.stdout is not None
        assert person.stdout.readline() == "ready\n"
    said = [person.communicate("now\n", timeout=30)[0].strip() for person in people]
    assert sorted(said) == ["False", "True"]
    while desk.send():
        pass
    assert desk.function.count(invoice_id) == 1


def test_retry_of_an_invoice_that_does_not_exist_is_refused(desk: Desk) -> None:
    with pytest.raises(UnknownInvoice, match="Invoice 4711 does not exist"):
        desk.retry(4711)


def retry_of_a_doubt(desk: Desk) -> int:
    """An invoice in doubt that is queued again because the function itself refuses a second issue."""
    invoice_id = in_doubt(desk)
    assert desk.with_idempotent_function().retry(invoice_id).done
    return invoice_id


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        pytest.param(ISSUED, Status.SYNCED, id="it is there"),
        pytest.param(REJECTED, Status.FAILED, id="the function itself refused it"),
        pytest.param(WRONG_KEY, Status.IN_DOUBT, id="the platform turned the key away"),
        pytest.param(UNDELIVERED, Status.QUEUED, id="it never arrived, and waits"),
        pytest.param(TIMED_OUT, Status.IN_DOUBT, id="no answer again"),
    ],
)
def test_with_an_idempotent_function_a_doubt_may_be_retried_and_only_the_function_settles_it(
    desk: Desk, verdict: Verdict, status: Status
) -> None:
    desk = desk.with_idempotent_function()
    invoice_id = retry_of_a_doubt(desk)
    desk.settle(desk.claim(invoice_id), verdict)
    record = desk.record(invoice_id)
    assert record["status"] == status
    assert bool(record["open_doubt"]) == (status in (Status.QUEUED, Status.IN_DOUBT))
    says_doubt = desk.api_response(invoice_id).get("in_doubt", False)
    assert says_doubt == (status in (Status.IN_DOUBT, Status.QUEUED))


def test_a_doubt_whose_retry_was_never_delivered_is_in_doubt_in_the_end_not_failed(desk: Desk) -> None:
    desk = desk.with_idempotent_function()
    invoice_id = retry_of_a_doubt(desk)
    desk.settle(desk.claim(invoice_id), UNDELIVERED, waits_s=())
    record = desk.record(invoice_id)
    assert (record["status"], record["error_kind"]) == (Status.IN_DOUBT, ErrorKind.TIMEOUT)


def test_a_doubt_that_was_cancelled_before_its_retry_went_out_is_in_doubt_again(desk: Desk) -> None:
    invoice_id = retry_of_a_doubt(desk)
    desk.change_invoice(invoice_id, status="cancelled")
    desk.sweep()
    assert not isinstance(desk.try_claim(invoice_id), Claim)
    record = desk.record(invoice_id)
    assert record["status"] == Status.IN_DOUBT
    assert "still unknown" in record["error"]


# Resolve --------------------------------------------------------------------------------------------------------------


def declare(desk: Desk, invoice_id: int, document_no: str = "FT 2026/40") -> Result:
    return resolving.resolve_as_synced(desk.engine, invoice_id, document_no, REFUSALS, actor="rui", reason="found it")


def send_again(desk: Desk, invoice_id: int) -> Result:
    return resolving.resolve_send_again(
        desk.engine, invoice_id, REFUSALS, actor="rui", reason="looked it up, not there"
    )


def test_it_is_there_makes_a_doubt_synced_and_says_who_declared_it(desk: Desk) -> None:
    invoice_id = in_doubt(desk)
    assert declare(desk, invoice_id).done
    record = desk.record(invoice_id)
    assert (record["status"], record["document_no"], record["declared_by"]) == ("synced", "FT 2026/40", "rui")
    assert record["error"] is None
    value = desk.api_response(invoice_id)
    assert {name: value[name] for name in ("success", "document_no", "declared_by", "reason")} == {
        "success": True,
        "document_no": "FT 2026/40",
        "declared_by": "rui",
        "reason": "found it",
    }
    (action,) = desk.actions(invoice_id)
    assert (action["action"], action["reason"], action["done"]) == ("declare_synced", "found it", True)
    assert [found.invoice_id for found in desk.page(text="2026/40").rows] == [invoice_id]


def test_a_document_number_that_another_invoice_of_the_issuer_has_is_refused(desk: Desk) -> None:
    first, second, other_issuer = in_doubt(desk), in_doubt(desk), in_doubt(desk)
    assert declare(desk, first).done
    result = declare(desk, second, "ft 2026/40")
    assert not result.done
    assert desk.record(first)["invoice_number"] in result.message
    assert desk.record(second)["status"] == Status.IN_DOUBT
    desk.change_record(other_issuer, issuer_team_id=OTHER_PAYER)
    assert declare(desk, other_issuer).done, "numbers restart per issuer"


def test_send_again_is_refused_until_the_platform_can_no_longer_be_working(desk: Desk) -> None:
    invoice_id = in_doubt(desk)
    result = send_again(desk, invoice_id)
    assert result.message.startswith("TOC Online may still be working on it. “Send again” is possible from")
    detail = desk.detail(invoice_id)
    assert detail is not None
    assert not detail.can_send_again
    assert detail.send_again_at == desk.record(invoice_id)["last_attempt_at"] + timedelta(minutes=10)

    desk.change_record(invoice_id, last_attempt_at=ago(desk, 601))
    assert send_again(desk, invoice_id).done
    assert desk.send()
    assert desk.function.count(invoice_id) == 1
    assert desk.attempts(invoice_id)[-1]["trigger"] == Trigger.SEND_AGAIN
    assert [action["done"] for action in desk.actions(invoice_id)] == [False, True]


@pytest.mark.parametrize("resolve", [declare, send_again])
@pytest.mark.parametrize(
    ("given", "says"),
    [
        pytest.param(failed, "It is not in doubt any more: failed.", id="failed"),
        pytest.param(syncing, "It is not in doubt any more: sending.", id="syncing"),
        pytest.param(synced, "It is not in doubt any more: synced.", id="synced"),
        pytest.param(waiting, "It is not in doubt any more: waiting.", id="waiting"),
    ],
)
def test_only_a_doubt_can_be_resolved(desk: Desk, resolve: Any, given: Any, says: str) -> None:
    invoice_id = given(desk)
    before = desk.record(invoice_id)
    result = resolve(desk, invoice_id)
    assert (result.done, result.message) == (False, says)
    assert desk.record(invoice_id) == before


@pytest.mark.parametrize("resolve", [declare, send_again])
def test_a_success_that_came_in_between_is_found_and_nothing_else_happens(desk: Desk, resolve: Any) -> None:
    invoice_id = in_doubt(desk)
    desk.change_record(invoice_id, last_attempt_at=LONG_AGO)
    desk.change_invoice(invoice_id, api_response=SUCCESS)
    result = resolve(desk, invoice_id)
    assert (result.done, result.status) == (False, Status.SYNCED)
    record = desk.record(invoice_id)
    assert (record["status"], record["document_no"], record["declared_by"]) == ("synced", "FT 2026/7", None)
    assert desk.api_response(invoice_id) == SUCCESS
    assert desk.try_claim() is None


def test_two_people_resolve_one_doubt_in_opposite_ways_and_one_of_them_wins(desk: Desk) -> None:
    for _ in range(5):
        invoice_id = in_doubt(desk)
        desk.change_record(invoice_id, last_attempt_at=LONG_AGO)
        ways = (
            lambda number=invoice_id: declare(desk, number, f"FT {number}"),
            lambda number=invoice_id: send_again(desk, number),
        )
        results = at_once(2, lambda number, ways=ways: ways[number]())  # type: ignore[misc]
        assert sorted(result.done for result in results) == [False, True]
        expected = Status.SYNCED if results[0].done else Status.QUEUED
        assert desk.record(invoice_id)["status"] == expected


def test_a_deleted_invoice_in_doubt_can_be_declared_but_not_sent_again(desk: Desk) -> None:
    invoice_id = in_doubt(desk)
    desk.change_record(invoice_id, last_attempt_at=LONG_AGO)
    desk.delete_invoice(invoice_id)
    assert send_again(desk, invoice_id).message == "The invoice was deleted in billing, so it is not sent."
    assert declare(desk, invoice_id).done
    assert desk.record(invoice_id)["status"] == Status.SYNCED
    assert desk.count(sync_attempts) == 1


@pytest.mark.parametrize("name", ["rui\x00\ud800", "'; DROP TABLE teams; --", "<b>rui</b>", "r" * 10_000])
def test_no_name_and_no_reason_is_so_odd_that_it_cannot_be_logged(desk: Desk, name: str) -> None:
    kept = name.replace("\x00", "").replace("\ud800", "")
    invoice_id = desk.create(actor=name)
    desk.settle(desk.claim(), TIMED_OUT)
    desk.retry(invoice_id, actor=name)
    result = resolving.resolve_as_synced(desk.engine, invoice_id, "FT 2026/40", REFUSALS, actor=name, reason=name)
    assert result.done
    assert [action["actor"] for action in desk.actions(invoice_id)] == [kept] * 2
    assert desk.actions(invoice_id)[1]["reason"] == kept
    assert (desk.record(invoice_id)["declared_by"], desk.attempts(invoice_id)[0]["requested_by"]) == (kept, kept)
