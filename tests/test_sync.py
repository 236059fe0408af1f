"""The story of one attempt: nothing is sent on an uncertain claim, and every answer is written down in the end."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests.broken_wire import BrokenWire
from tests.core import ISSUED, REJECTED, Desk, open_desk
from tests.live_app import wait_until
from toc_sync import engines, sync
from toc_sync.clock import uptime
from toc_sync.engines import open_engine
from toc_sync.model import Claim, DatabaseUnavailable, Status, UnknownInvoice
from toc_sync.tables import issued_client_invoices, sync_attempts

SECRET_IN_A_BODY = "3f2c9a5e-1111-4222-8333-abcdefabcdef"


@pytest.fixture
def wire(postgres_desk: Desk) -> Iterator[BrokenWire]:
    """A wire to the database of `postgres_desk`."""
    with BrokenWire(postgres_desk.engine.url.render_as_string(hide_password=False)) as broken:
        yield broken


@pytest.fixture
def wired(postgres_desk: Desk, wire: BrokenWire) -> Iterator[Desk]:
    """The same desk, connected through `wire`."""
    engine = open_engine(wire.url)
    yield open_desk(engine, postgres_desk.function)
    engine.dispose()


def patient(seconds: float) -> bool:
    threading.Event().wait(min(seconds, 0.05))
    return True


# The claim ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answered",
    [pytest.param(False, id="the commit was lost"), pytest.param(True, id="the commit was done, its answer lost")],
)
def test_an_uncertain_claim_sends_nothing_and_leaves_no_doubt(wired: Desk, wire: BrokenWire, answered: bool) -> None:
    invoice_id = wired.create()
    wire.cut_at(b"COMMIT", answered=answered)
    with pytest.raises(DatabaseUnavailable):
        wired.send()
    assert wire.cut.is_set()
    assert wired.function.requests == []
    record = wired.record(invoice_id)
    assert (record["status"], record["error_kind"]) == (Status.QUEUED, "unreachable")
    (attempt,) = wired.attempts(invoice_id)
    assert (attempt["outcome"], attempt["error"]) == ("undelivered", "The database did not confirm the claim.")
    wired.retry(invoice_id)
    assert wired.send()
    assert wired.function.count(invoice_id) == 1
    assert wired.record(invoice_id)["status"] == Status.SYNCED


def test_an_uncertain_claim_that_somebody_else_has_taken_meanwhile_is_left_to_them(
    postgres_desk: Desk, wired: Desk, wire: BrokenWire
) -> None:
    invoice_id = wired.create()
    wire.cut_at(b"COMMIT", answered=False)

    @event.listens_for(wired.engine, "handle_error", once=True)
    def take_it(_: object) -> None:
        # The server needs a moment to notice that the wire is cut and to let go of the record.
        wait_until(lambda: isinstance(postgres_desk.try_claim(invoice_id), Claim))

    with pytest.raises(DatabaseUnavailable):
        wired.send()
    assert postgres_desk.record(invoice_id)["status"] == Status.SYNCING
    outcomes = [attempt["outcome"] for attempt in postgres_desk.attempts(invoice_id)]
    assert outcomes == [None, "undelivered"]


def test_a_thread_that_was_frozen_after_its_claim_does_not_send(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    invoice_id = desk.create()
    monkeypatch.setattr(sync, "uptime", lambda: uptime() - sync.SEND_WITHIN_S - 0.1)
    assert desk.send()
    assert desk.function.requests == []
    record = desk.record(invoice_id)
    assert (record["status"], desk.attempts(invoice_id)[0]["outcome"]) == (Status.QUEUED, "undelivered")


def test_no_transaction_is_open_while_the_network_is_used(desk: Desk) -> None:
    invoice_id = desk.create()
    desk.function.hold(invoice_id)
    sending = threading.Thread(target=desk.send)
    sending.start()
    desk.function.wait_for(invoice_id)
    assert desk.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    assert desk.record(invoice_id)["status"] == Status.SYNCING
    assert desk.create() != invoice_id, "others can write"
    desk.function.release()
    sending.join()
    assert desk.record(invoice_id)["status"] == Status.SYNCED


# Writing the outcome --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answered",
    [pytest.param(False, id="the commit was lost"), pytest.param(True, id="the commit was done, its answer lost")],
)
def test_an_outcome_is_written_again_when_the_connection_broke(wired: Desk, wire: BrokenWire, answered: bool) -> None:
    invoice_id = wired.create()
    wire.cut_at(b"COMMIT", answered=answered, skip=1)
    assert wired.send(pause=patient)
    assert wire.cut.is_set()
    assert wired.record(invoice_id)["status"] == Status.SYNCED
    assert [attempt["outcome"] for attempt in wired.attempts(invoice_id)] == ["synced"]
    assert wired.function.count(invoice_id) == 1


def test_an_outcome_waits_for_a_writer_that_holds_the_database(
    sqlite_desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_MS", 20)
    invoice_id = sqlite_desk.create()
    sqlite_desk.function.hold(invoice_id)
    waited = threading.Event()

    def pause(seconds: float) -> bool:
        waited.set()
        return patient(seconds)

    sending = threading.Thread(target=lambda: sqlite_desk.send(pause=pause))
    sending.start()
    sqlite_desk.function.wait_for(invoice_id)
    with caplog.at_level(logging.WARNING, "toc_sync"):
        other = sqlite3.connect(str(sqlite_desk.engine.url.database), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        sqlite_desk.function.release()
        assert waited.wait(10)
        other.execute("ROLLBACK")
        other.close()
        sending.join()
    assert sqlite_desk.record(invoice_id)["status"] == Status.SYNCED
    assert sqlite_desk.function.count(invoice_id) == 1
    assert "outcome-not-written" in caplog.text
    assert "FT 2026/1" in caplog.text, "should this program end now, the log still tells"


def test_a_script_gives_up_in_the_end_and_leaves_the_attempt_to_the_rescue(wired: Desk, wire: BrokenWire) -> None:
    invoice_id = wired.create()
    wire.cut_at(b"COMMIT", answered=False, skip=1)
    wire.cut_at(b"COMMIT", answered=False)
    tries: list[float] = []

    def pause(seconds: float) -> bool:
        tries.append(seconds)
        return len(tries) < 2

    with pytest.raises(DatabaseUnavailable):
        wired.send(pause=pause)
    assert tries == list(sync.PAUSES_S[:2])
    assert wired.record(invoice_id)["status"] == Status.SYNCING
    assert wired.attempts(invoice_id)[0]["finished_at"] is None


def test_a_creation_whose_commit_was_not_confirmed_can_be_repeated_with_its_token(
    wired: Desk, wire: BrokenWire
) -> None:
    wire.cut_at(b"COMMIT", answered=True)
    with pytest.raises(DatabaseUnavailable):
        wired.create(token="once", invoice_number="A-1")
    invoice_id = wired.create(token="once", invoice_number="A-1")
    assert wired.count(issued_client_invoices) == 1
    assert wired.record(invoice_id)["status"] == Status.QUEUED


# Sending now ----------------------------------------------------------------------------------------------------------


def test_sending_now_waits_for_the_outcome(desk: Desk) -> None:
    invoice_id = desk.elsewhere()
    result = sync.send_now(desk.sender, invoice_id, actor="rui")
    assert (result.done, result.status) == (True, Status.SYNCED)
    assert result.message == "TOC Online has this invoice."
    assert desk.function.count(invoice_id) == 1
    (attempt,) = desk.attempts(invoice_id)
    assert (attempt["trigger"], attempt["requested_by"]) == ("sync", "rui")


def test_sending_now_sends_what_is_queued_already(desk: Desk) -> None:
    invoice_id = desk.create()
    assert sync.send_now(desk.sender, invoice_id, actor="rui").status == Status.SYNCED
    assert desk.function.count(invoice_id) == 1


def test_sending_now_refuses_what_may_not_be_sent(desk: Desk) -> None:
    invoice_id = desk.create()
    desk.settle(desk.claim(), ISSUED)
    result = sync.send_now(desk.sender, invoice_id, actor="rui")
    assert (result.done, result.message) == (False, "It is already in TOC Online. Nothing was sent.")
    assert desk.function.requests == []
    with pytest.raises(UnknownInvoice):
        sync.send_now(desk.sender, 4711, actor="rui")


def test_sending_now_waits_for_a_worker_that_was_faster(desk: Desk) -> None:
    invoice_id = desk.create()
    desk.settle(desk.claim(), REJECTED)
    taken = []

    @event.listens_for(desk.engine, "checkin", once=True)
    def be_faster(*_: object) -> None:
        taken.append(desk.claim(invoice_id))

    def pause(_: float) -> bool:
        desk.settle(taken.pop(), ISSUED)
        return True

    result = sync.send_now(replace(desk.sender, pause=pause), invoice_id, actor="rui")
    assert (result.done, result.status) == (True, Status.SYNCED)
    assert desk.function.requests == []


# Logs -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "level", "words"),
    [
        pytest.param(
            {"status": 200, "body": {"toc_data": {"document_no": "FT 9", "address": SECRET_IN_A_BODY}}},
            "INFO",
            ("outcome=synced", "kind=-", "status=synced", "http=200", "document='FT 9'", "error=None"),
            id="synced",
        ),
        pytest.param(
            {"status": 400, "body": {"error": "O NIF português '1' não é válido!", "request_id": SECRET_IN_A_BODY}},
            "WARNING",
            ("outcome=failed", "kind=rejected", "status=failed", "http=400", "não é válido"),
            id="failed",
        ),
        pytest.param(
            {"transport": "close"}, "WARNING", ("outcome=in_doubt", "kind=lost", "status=in_doubt", "http=-"), id="lost"
        ),
    ],
)
def test_an_attempt_is_one_line_in_the_log_without_the_key_and_the_body(
    sqlite_desk: Desk, caplog: pytest.LogCaptureFixture, answer: dict[str, object], level: str, words: tuple[str, ...]
) -> None:
    invoice_id = sqlite_desk.create()
    sqlite_desk.function.answer(invoice_id, answer)
    with caplog.at_level(logging.DEBUG, "toc_sync"):
        sqlite_desk.send()
    (line,) = [record for record in caplog.records if record.name == "toc_sync"]
    message = line.getMessage()
    assert line.levelname == level
    assert message.startswith(f"attempt invoice={invoice_id} number=1 trigger=created ")
    assert [word for word in words if word not in message] == []
    assert "\n" not in message
    assert SECRET_IN_A_BODY not in caplog.text
    assert "key-of-the-function" not in caplog.text


def test_what_was_not_stored_anywhere_is_not_claimed_twice(desk: Desk) -> None:
    """A claim whose transaction was rolled back leaves nothing behind."""
    invoice_id = desk.create()
    failing: list[str] = []

    def fail(_: object, __: object, statement: str, *___: object) -> None:
        if statement.startswith("INSERT INTO") and "sync_attempts" in statement:
            failing.append(statement)
            raise RuntimeError("disk on fire")

    with_fault(desk.engine, fail)
    with pytest.raises(RuntimeError):
        desk.send()
    event.remove(desk.engine, "before_cursor_execute", fail)
    assert failing
    assert desk.count(sync_attempts) == 0
    assert desk.record(invoice_id)["status"] == Status.QUEUED
    assert desk.function.requests == []


def with_fault(engine: Engine, fault: object) -> None:
    event.listen(engine, "before_cursor_execute", fault)  # type: ignore[arg-type]
