"""The worker: its seats, and how it behaves beside others that are slow, frozen or gone."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import event, select

from tests.core import Desk
from tests.live_app import wait_until
from toc_sync.model import Status
from toc_sync.tables import sync_records
from toc_sync.worker import POLL_S, Worker


@pytest.fixture
def worker(desk: Desk) -> Iterator[Worker]:
    running = Worker(desk.sender, threads=2, on_change=lambda: None)
    running.start()
    yield running
    desk.function.release()
    running.stop()


def test_a_seat_that_becomes_free_takes_the_next_invoice_without_waiting_for_the_next_look(
    desk: Desk, worker: Worker
) -> None:
    desk.function.hold()
    invoice_ids = [desk.create() for _ in range(6)]
    worker.wake()
    desk.function.wait_for(count=2)
    assert worker.in_flight() == 2
    desk.function.release()
    wait_until(lambda: all(desk.record(invoice_id)["status"] == Status.SYNCED for invoice_id in invoice_ids))
    assert desk.function.counts() == dict.fromkeys(invoice_ids, 1)


def test_it_comes_to_rest_while_a_frozen_neighbour_holds_the_only_due_invoice(postgres_desk: Desk) -> None:
    invoice_id = postgres_desk.create()
    asked: list[float] = []

    def note(_conn: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "SKIP LOCKED" in statement and "RECURSIVE" in statement:  # a claim, not a rescue
            asked.append(time.monotonic())

    worker = Worker(postgres_desk.sender, threads=2, on_change=lambda: None)
    with postgres_desk.engine.connect() as neighbour:
        neighbour.execute(select(sync_records).where(sync_records.c.invoice_id == invoice_id).with_for_update())
        event.listen(postgres_desk.engine, "before_cursor_execute", note)
        worker.start()
        wait_until(lambda: len(asked) >= 4)
        neighbour.rollback()
    wait_until(lambda: postgres_desk.record(invoice_id)["status"] == Status.SYNCED)
    worker.stop()
    assert asked[3] - asked[0] > POLL_S, "it asks again when it looks at the queue, not as fast as it can"


def test_with_no_threads_it_sends_nothing_but_keeps_records_true(desk: Desk) -> None:
    invoice_id, elsewhere = desk.create(), desk.elsewhere()
    worker = Worker(desk.sender, threads=0, on_change=lambda: None)
    worker.start()
    wait_until(lambda: desk.state(elsewhere).status is Status.NOT_SYNCED and desk.count(sync_records) == 2)
    worker.stop()
    assert desk.record(invoice_id)["status"] == Status.QUEUED
    assert desk.function.requests == []
