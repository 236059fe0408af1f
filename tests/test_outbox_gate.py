"""The gate in the database: it closes and opens by what was answered, and by people, for all machines at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

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
from toc_sync import outbox, resolving, status, sync
from toc_sync.classify import classify
from toc_sync.database import current_time, reading, writing
from toc_sync.gating import Gate
from toc_sync.model import ErrorKind, GateCause, GateState, NoReply, Status, Unsent, Verdict
from toc_sync.tables import gate as gate_table
from toc_sync.tables import gate_log, sync_actions
from toc_sync.verbs.gate import GateVerbs
from toc_sync.views import Sending
from toc_sync.worker import Worker

DOWN = {"transport": "close"}
BAD_GATEWAY = {"status": 502, "body": "<html>Bad gateway</html>"}
INVALID_KEY = {"status": 401, "body": {"code": "UNAUTHORIZED_INVALID_JWT", "message": "Invalid JWT"}}


def gate_of(desk: Desk) -> Gate:
    with reading(desk.engine) as conn:
        return outbox.read_gate(conn)


def sending(desk: Desk) -> Sending:
    with reading(desk.engine) as conn:
        return status.read_sending(conn, now=current_time(conn))


def verbs(desk: Desk) -> GateVerbs:
    return GateVerbs(desk.engine, lambda: None)


def log_of(desk: Desk) -> list[Any]:
    with reading(desk.engine) as conn:
        return list(conn.execute(select(gate_log).order_by(gate_log.c.id)).mappings())


def end(desk: Desk, verdict: Verdict) -> int:
    """Sends one new invoice, which ends like this, and lets the gate look at it."""
    invoice_id = desk.create()
    desk.settle(desk.claim(invoice_id), verdict)
    sync.mind_gate(desk.engine)
    return invoice_id


def close(desk: Desk) -> None:
    while gate_of(desk).is_open:
        end(desk, TIMED_OUT)


def make_probe_due(desk: Desk) -> None:
    desk.execute(gate_table.update().values(probe_at=ago(desk, 1)))


def test_it_is_open_at_first(desk: Desk) -> None:
    assert gate_of(desk).is_open
    assert sending(desk).gate.is_open


def test_after_five_answers_that_mean_down_nothing_more_is_sent(desk: Desk) -> None:
    desk.function.answer(None, BAD_GATEWAY)
    invoice_ids = [desk.create() for _ in range(7)]
    while desk.send():
        pass
    assert len(desk.function.requests) == 5
    assert [desk.record(each)["status"] for each in invoice_ids] == [Status.IN_DOUBT] * 5 + [Status.QUEUED] * 2
    gate = gate_of(desk)
    assert (gate.state, gate.cause) == (GateState.CLOSED, GateCause.OUTAGE)
    assert gate.probe_at is not None
    assert timedelta(seconds=29) < gate.probe_at - gate.since <= timedelta(seconds=30)


def test_a_good_answer_in_between_starts_the_count_anew(desk: Desk) -> None:
    for verdict in [TIMED_OUT] * 4 + [REJECTED] + [LOST] * 4:
        end(desk, verdict)
    assert gate_of(desk).is_open
    end(desk, UNDELIVERED)
    assert gate_of(desk).cause is GateCause.OUTAGE


def test_what_the_rescue_closes_is_no_answer(desk: Desk) -> None:
    for _ in range(6):
        desk.lose(desk.create())
    sync.mind_gate(desk.engine)
    assert gate_of(desk).is_open


def test_what_this_program_held_back_is_no_answer(desk: Desk) -> None:
    held_back = NoReply(why=Unsent.HELD_BACK, error="stood still", duration_ms=9)
    for _ in range(6):
        desk.settle(desk.claim(desk.create()), classify(held_back, ()), sync.evidence_of(held_back))
    sync.mind_gate(desk.engine)
    assert gate_of(desk).is_open


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(INVALID_KEY, id="with its code"),
        pytest.param(
            {"status": 401, "body": {"code": 401, "message": "Invalid Token or Protected Header formatting"}},
            id="of the older kind",
        ),
    ],
)
def test_one_refused_key_closes_it_at_once_and_no_probe_is_made(desk: Desk, answer: Any) -> None:
    desk.function.answer(None, answer)
    first, second = desk.create(), desk.create()
    assert desk.send()
    make_probe_due(desk)
    assert not desk.send()
    assert (desk.record(first)["status"], desk.record(second)["status"]) == (Status.FAILED, Status.QUEUED)
    assert gate_of(desk).cause is GateCause.CONFIGURATION


def test_the_probe_is_the_oldest_waiting_invoice_that_certainly_never_arrived(desk: Desk) -> None:
    retried = desk.create(invoice_date="2026-11-20")
    desk.settle(desk.claim(retried), REJECTED)
    again = desk.create(invoice_date="2026-11-20")
    desk.settle(desk.claim(again), TIMED_OUT)
    desk.change_record(again, last_attempt_at=LONG_AGO)
    unreached = desk.create(invoice_date="2026-11-21")
    desk.settle(desk.claim(unreached), UNDELIVERED)
    close(desk)
    desk.retry(retried)
    resolving.resolve_send_again(desk.engine, again, REFUSALS, actor="ana", reason="not there")
    desk.create(invoice_date="2026-11-22")
    assert desk.try_claim() is None, "it is not time yet"
    make_probe_due(desk)
    claimed = desk.claim()
    assert (claimed.invoice_id, claimed.is_probe) == (unreached, True)


def test_only_one_sender_wins_the_probe(desk: Desk) -> None:
    for _ in range(8):
        desk.create()
    for invoice_id in range(1, 6):
        desk.settle(desk.claim(invoice_id), UNDELIVERED)
    sync.mind_gate(desk.engine)
    make_probe_due(desk)
    claims = [claimed for claimed in at_once(6, lambda _: desk.try_claim()) if claimed]
    assert len(claims) == 1


def test_no_second_probe_leaves_while_the_first_is_not_answered(desk: Desk) -> None:
    close(desk)
    desk.create(), desk.create()
    make_probe_due(desk)
    desk.claim()
    make_probe_due(desk)
    assert desk.try_claim() is None


def test_a_probe_that_does_not_arrive_uses_up_no_try_and_the_next_one_comes_later(desk: Desk) -> None:
    close(desk)
    invoice_id = desk.create()
    desk.function.answer(None, {"transport": "refused"})
    for expected_s in (60, 120):
        make_probe_due(desk)
        assert desk.send()
        gate = gate_of(desk)
        assert (gate.state, gate.probe_wait_s) == (GateState.CLOSED, expected_s)
    record = desk.record(invoice_id)
    assert (record["status"], record["undelivered_tries"], record["attempt_count"]) == (Status.QUEUED, 0, 2)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"status": 200, "body": {"success": True, "document_no": "FT 1/1"}}, id="success"),
        pytest.param({"status": 500, "body": {"error": "O NIF português '1' não é válido!"}}, id="refusal"),
        pytest.param({"status": 500, "body": {"error": "nobody knows"}}, id="an unknown error of the function"),
    ],
)
def test_the_first_good_answer_opens_it(desk: Desk, answer: Any) -> None:
    close(desk)
    desk.create(), desk.create()
    make_probe_due(desk)
    desk.function.answer(None, answer, times=1)
    assert desk.send()
    assert gate_of(desk).is_open
    assert desk.send(), "the others follow"


def test_a_good_answer_that_was_under_way_when_it_closed_opens_it(desk: Desk) -> None:
    under_way = desk.claim(desk.create())
    close(desk)
    desk.settle(under_way, ISSUED)
    sync.mind_gate(desk.engine)
    assert gate_of(desk).is_open


def test_answers_from_before_the_opening_do_not_close_it_again(desk: Desk) -> None:
    close(desk)
    assert verbs(desk).resume(actor="ana").done
    end(desk, TIMED_OUT)
    assert gate_of(desk).is_open


def test_when_it_opens_it_tells_how_those_fared_that_had_to_wait(desk: Desk) -> None:
    close(desk)
    waiting = [desk.create() for _ in range(3)]
    view = sending(desk).gate
    assert (view.waiting, view.amounts["EUR"]) == (3, sum(desk.record(each)["total_amount"] for each in waiting))
    make_probe_due(desk)
    assert desk.send()
    later = desk.create()
    while desk.send():
        pass
    reopening = sending(desk).gate.reopening
    assert reopening is not None
    assert (reopening.waited, dict(reopening.statuses)) == (3, {Status.SYNCED: 3})
    assert reopening.opened_by == "the gate"
    assert desk.record(later)["gate_log_id"] is None


def test_the_proof_counts_doubts_failures_and_what_still_waits(desk: Desk) -> None:
    close(desk)
    for _ in range(4):
        desk.create()
    verbs(desk).resume(actor="ana")
    for verdict in (ISSUED, TIMED_OUT, REJECTED):
        desk.settle(desk.claim(), verdict)
    reopening = sending(desk).gate.reopening
    assert reopening is not None
    expected = {Status.SYNCED: 1, Status.IN_DOUBT: 1, Status.FAILED: 1, Status.QUEUED: 1}
    assert dict(reopening.statuses) == expected


def test_a_pause_stops_everything_until_somebody_resumes(desk: Desk) -> None:
    invoice_id = desk.create()
    assert verbs(desk).pause(actor="ana", reason="TOC Online is being maintained").done
    assert not desk.send()
    gate = sending(desk).gate
    assert (gate.state, gate.changed_by, gate.reason) == (
        GateState.PAUSED,
        "ana",
        "TOC Online is being maintained",
    )
    assert verbs(desk).resume(actor="rui", reason="done").done
    assert desk.send()
    assert desk.record(invoice_id)["status"] == Status.SYNCED
    with reading(desk.engine) as conn:
        logged = conn.execute(select(sync_actions.c.actor, sync_actions.c.action, sync_actions.c.reason)).all()
    assert logged[-2:] == [("ana", "pause", "TOC Online is being maintained"), ("rui", "resume", "done")]
    (entry,) = log_of(desk)
    assert (entry["cause"], entry["closed_by"], entry["opened_by"]) == (GateCause.PERSON, "ana", "rui")


def test_what_is_on_its_way_when_somebody_pauses_is_still_written_down(desk: Desk) -> None:
    claimed = desk.claim(desk.create())
    verbs(desk).pause(actor="ana", reason="stop")
    desk.settle(claimed, ISSUED)
    sync.mind_gate(desk.engine)
    assert desk.record(claimed.invoice_id)["status"] == Status.SYNCED
    assert gate_of(desk).state is GateState.PAUSED


def test_pausing_needs_a_reason(desk: Desk) -> None:
    result = verbs(desk).pause(actor="ana", reason=" \n ")
    assert (result.done, gate_of(desk).is_open) == (False, True)


def test_pausing_and_resuming_twice_say_so(desk: Desk) -> None:
    assert not verbs(desk).resume(actor="ana").done
    verbs(desk).pause(actor="ana", reason="one")
    second = verbs(desk).pause(actor="rui", reason="two")
    assert (second.done, "by ana" in second.message) == (False, True)


def test_pausing_a_closed_gate_keeps_since_when_nothing_is_sent(desk: Desk) -> None:
    close(desk)
    since = gate_of(desk).since
    verbs(desk).pause(actor="ana", reason="look first")
    make_probe_due(desk)
    desk.create()
    assert desk.try_claim() is None
    assert (gate_of(desk).state, gate_of(desk).since) == (GateState.PAUSED, since)
    assert len(log_of(desk)) == 1


def test_asking_to_send_while_it_is_not_open_queues_and_says_that_it_waits(desk: Desk) -> None:
    invoice_id = desk.adopted()
    verbs(desk).pause(actor="ana", reason="maintenance")
    assert "Sending is paused" in desk.retry(invoice_id).message
    result = sync.send_now(desk.sender, invoice_id, actor="ana")
    assert desk.function.requests == []
    assert (result.status, desk.record(invoice_id)["status"]) == (Status.QUEUED, Status.QUEUED)


def test_sending_now_says_that_it_waits(desk: Desk) -> None:
    invoice_id = desk.adopted()
    verbs(desk).pause(actor="ana", reason="maintenance")
    result = sync.send_now(desk.sender, invoice_id, actor="ana")
    assert "It goes out when sending goes on." in result.message


@pytest.fixture
def worker(desk: Desk) -> Iterator[Worker]:
    running = Worker(desk.sender, threads=3, on_change=lambda: None)
    running.start()
    yield running
    running.stop()


def test_a_worker_rides_out_an_outage_by_itself(desk: Desk, worker: Worker) -> None:
    desk.function.answer(None, BAD_GATEWAY)
    invoice_ids = [desk.create() for _ in range(20)]
    worker.wake()
    wait_until(lambda: gate_of(desk).state is GateState.CLOSED and worker.in_flight() == 0)
    before = len(desk.function.requests)
    assert before <= 5 + 2, "what was under way, and no more"
    desk.function.answer(None, {"status": 200, "body": {"success": True}})
    make_probe_due(desk)
    wait_until(lambda: sum(desk.record(each)["status"] == Status.SYNCED for each in invoice_ids) == 20 - before)
    assert gate_of(desk).is_open
    doubts = [each for each in invoice_ids if desk.record(each)["error_kind"] == ErrorKind.SERVER_ERROR]
    assert len(doubts) == before


def test_a_lost_look_at_the_gate_is_made_up_for_by_the_upkeep(desk: Desk) -> None:
    under_way = desk.claim(desk.create())
    close(desk)
    desk.settle(under_way, ISSUED)
    worker = Worker(desk.sender, threads=0, on_change=lambda: None)
    worker.start()
    wait_until(lambda: gate_of(desk).is_open)
    worker.stop()


def test_another_database_than_before_pauses_everything_until_somebody_has_looked(postgres_desk: Desk) -> None:
    desk = postgres_desk
    desk.execute(gate_table.update().values(database_identity="7123456789/00000001"))
    invoice_id = desk.create()
    with reading(desk.engine) as conn:
        assert outbox.count_due(conn, turns=outbox.Turns(), now=current_time(conn), at_most=4) == 1, (
            "a claim must see it"
        )
    assert sending(desk).gate.cause is GateCause.DATABASE
    assert not desk.send()
    gate = gate_of(desk)
    assert (gate.state, gate.cause) == (GateState.PAUSED, GateCause.DATABASE)
    refused = verbs(desk).resume(actor="ana")
    assert not refused.done
    assert "accept-copy" in refused.message
    assert verbs(desk).accept_copy(actor="ana", moved=True).done
    assert desk.send()
    assert desk.record(invoice_id)["status"] == Status.SYNCED


def test_a_database_that_is_noticed_to_be_another_while_closed_suspects_what_was_asked_for_until_then(
    postgres_desk: Desk,
) -> None:
    """The restored gate may have been closed long before the backup was made: its instant is no limit."""
    desk = postgres_desk
    close(desk)
    desk.execute(gate_table.update().values(database_identity="7123456789/00000001", since=ago(desk, 3600)))
    waiting = desk.create()
    assert desk.try_claim() is None
    assert gate_of(desk).cause is GateCause.DATABASE
    assert verbs(desk).suspects()[Status.QUEUED] == 1
    assert verbs(desk).distrust(since=ago(desk, 7200), actor="ana").done
    assert desk.record(waiting)["status"] == Status.IN_DOUBT


def test_a_check_does_not_open_the_gate_of_a_database_that_is_another(postgres_desk: Desk) -> None:
    desk = postgres_desk
    close(desk)
    desk.execute(gate_table.update().values(database_identity="7123456789/00000001"))
    with writing(desk.engine) as conn:
        assert not outbox.open_after_check(conn, actor="ana", now=current_time(conn))
    assert gate_of(desk).state is GateState.CLOSED
