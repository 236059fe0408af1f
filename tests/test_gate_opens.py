"""After an outage the gate opens by itself, whatever waits: an invoice finds out, or a question that issues nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.core import LONG_AGO, REFUSALS, REJECTED, TIMED_OUT, UNDELIVERED, Desk, ago
from tests.live_app import wait_until
from tests.test_outbox_gate import close, gate_of, make_probe_due
from toc_sync import resolving, worker
from toc_sync.asking import Asking
from toc_sync.model import GateState, Status
from toc_sync.tables import gate as gate_table
from toc_sync.worker import Worker

BAD_GATEWAY = {"status": 502, "body": "<html>Bad gateway</html>"}
THERE = {"status": 405, "body": {"error": "Method not allowed"}}


def nothing(desk: Desk) -> None:
    """Nothing waits at all."""


def refused(desk: Desk) -> int:
    invoice_id = desk.create()
    desk.settle(desk.claim(invoice_id), REJECTED)
    return invoice_id


def doubt(desk: Desk) -> int:
    invoice_id = desk.create()
    desk.settle(desk.claim(invoice_id), TIMED_OUT)
    desk.change_record(invoice_id, last_attempt_at=LONG_AGO)
    return invoice_id


def retried(desk: Desk, invoice_id: int) -> None:
    assert desk.retry(invoice_id).done


def sent_again(desk: Desk, invoice_id: int) -> None:
    assert resolving.resolve_send_again(desk.engine, invoice_id, REFUSALS, actor="ana", reason="not there").done


def retried_although_in_doubt(desk: Desk, invoice_id: int) -> None:
    assert desk.with_idempotent_function().retry(invoice_id).done


WAITING = [
    pytest.param(None, None, id="nothing"),
    pytest.param(refused, retried, id="a retry of what was refused"),
    pytest.param(doubt, sent_again, id="what a person looked up"),
    pytest.param(doubt, retried_although_in_doubt, id="a doubt's retry"),
    pytest.param(lambda desk: desk.adopted(), retried, id="an old invoice"),
]


def wait_behind(desk: Desk, given: Any, ask: Any) -> int | None:
    invoice_id: int | None = given(desk) if given else None
    close(desk)
    if invoice_id:
        ask(desk, invoice_id)
    return invoice_id


@pytest.fixture
def running(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    monkeypatch.setattr(worker, "ASK_EVERY_S", 0.2)
    found = Worker(desk.sender, threads=2, on_change=lambda: None)
    yield found
    found.stop()


@pytest.mark.parametrize(("given", "ask"), WAITING)
def test_the_gate_opens_by_itself_once_the_function_is_back_whatever_waits(
    desk: Desk, running: Worker, given: Any, ask: Any
) -> None:
    invoice_id = wait_behind(desk, given, ask)
    sent_before = desk.function.count(invoice_id) if invoice_id else 0
    desk.execute(gate_table.update().values(probe_wait_s=300, probe_at=ago(desk, -300)))
    desk.function.answer(None, BAD_GATEWAY)
    running.start()
    wait_until(lambda: desk.function.counts()[None] >= 2)  # it asked, and was told that it is away
    assert gate_of(desk).state is GateState.CLOSED
    desk.function.answer(None, {"status": 200, "body": {"success": True, "document_no": "FT 1/1"}})
    wait_until(lambda: gate_of(desk).is_open)
    new = desk.create()
    running.wake()
    wait_until(lambda: desk.record(new)["status"] == Status.SYNCED)
    if invoice_id:
        expected = 0 if ask is retried_although_in_doubt else 1
        wait_until(lambda: desk.record(invoice_id)["status"] in (Status.SYNCED, Status.IN_DOUBT))
        assert desk.function.count(invoice_id) - sent_before == expected


@pytest.mark.parametrize(("given", "ask"), WAITING[1:3])
def test_what_a_person_asked_for_may_find_out_where_nothing_better_waits(desk: Desk, given: Any, ask: Any) -> None:
    invoice_id = wait_behind(desk, given, ask)
    make_probe_due(desk)
    assert desk.claim().invoice_id == invoice_id


def test_what_certainly_never_arrived_goes_before_what_a_person_asked_for_before_what_was_looked_up(desk: Desk) -> None:
    asked, looked_up, unreached = refused(desk), doubt(desk), desk.create()
    desk.settle(desk.claim(unreached), UNDELIVERED)
    close(desk)
    retried(desk, asked)
    sent_again(desk, looked_up)
    order = []
    for _ in range(3):
        make_probe_due(desk)
        claimed = desk.claim()
        order.append(claimed.invoice_id)
        desk.settle(claimed, TIMED_OUT)
    assert order == [unreached, asked, looked_up]


def test_a_probe_that_does_not_arrive_goes_back_in_line(desk: Desk) -> None:
    invoice_id = wait_behind(desk, refused, retried)
    make_probe_due(desk)
    desk.settle(desk.claim(), UNDELIVERED)
    assert desk.record(invoice_id or 0)["status"] == Status.QUEUED


def test_a_function_that_answers_all_the_time_opens_nothing_before_a_probe_is_due(desk: Desk) -> None:
    close(desk)
    assert not Asking(desk.sender).step()
    assert not gate_of(desk).is_open
    make_probe_due(desk)
    assert Asking(desk.sender).step()
    assert gate_of(desk).is_open


def test_while_something_is_in_flight_a_question_opens_nothing(desk: Desk) -> None:
    desk.claim(desk.create())
    close(desk)
    make_probe_due(desk)
    Asking(desk.sender).step()
    assert not gate_of(desk).is_open


@pytest.mark.parametrize(
    ("answer", "is_there"),
    [
        pytest.param(THERE, True, id="it takes no GET"),
        pytest.param({"status": 400, "body": {"error": "invoice_id is missing"}}, True, id="it misses the invoice"),
        pytest.param(BAD_GATEWAY, False, id="a gateway's page"),
        pytest.param({"transport": "close"}, False, id="no answer"),
        pytest.param({"transport": "refused"}, False, id="nobody listens"),
        pytest.param({"status": 504, "body": {"code": "IDLE_TIMEOUT"}}, False, id="a time-out"),
        pytest.param({"status": 503, "body": {"code": "BOOT_ERROR", "message": "Function failed to start"}}, False, id="it does not start"),
        pytest.param({"status": 404, "body": {"code": "NOT_FOUND", "message": "Requested function was not found"}}, False, id="it is gone"),
        pytest.param({"status": 401, "body": {"code": "UNAUTHORIZED_INVALID_JWT", "message": "Invalid JWT"}}, False, id="it refuses the key"),
    ],
)  # fmt: skip
def test_what_counts_as_being_there(sqlite_desk: Desk, answer: Any, is_there: bool) -> None:
    close(sqlite_desk)
    make_probe_due(sqlite_desk)
    sqlite_desk.function.answer(None, answer)
    assert Asking(sqlite_desk.sender).step() is is_there
    assert gate_of(sqlite_desk).is_open is is_there


def test_a_pause_is_not_opened_by_a_question(desk: Desk) -> None:
    close(desk)
    desk.execute(gate_table.update().values(state="paused", cause="person"))
    asking = Asking(replace(desk.sender))
    assert not asking.step()
    assert (gate_of(desk).state, desk.function.requests) == (GateState.PAUSED, [])
