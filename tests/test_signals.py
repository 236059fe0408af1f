"""Wake-ups between processes on PostgreSQL, and what happens where they do not get through."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from tests.broken_wire import BrokenWire
from tests.core import Desk
from tests.live_app import wait_until
from toc_sync import signals, sync
from toc_sync.database import queueing_time, writing
from toc_sync.engines import open_engine
from toc_sync.model import DatabaseUnavailable, Status
from toc_sync.worker import POLL_S, Worker


@pytest.fixture
def other_machine(postgres_desk: Desk) -> Iterator[Engine]:
    """Another process's connections to the same database: it has no worker."""
    engine = open_engine(postgres_desk.engine.url.render_as_string(hide_password=False))
    yield engine
    engine.dispose()


class Ear:
    """Listens in a thread of its own until the end of the test."""

    def __init__(self, engine: Engine) -> None:
        self.heard = 0
        self.ended = threading.Event()
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._listen, args=(engine,), daemon=True)
        self._thread.start()
        wait_until(lambda: self.heard or self.error)

    def _listen(self, engine: Engine) -> None:
        try:
            signals.listen(engine, self._hear, goes_on=lambda: not self.ended.is_set())
        except (signals.NotHeard, DatabaseUnavailable) as error:
            self.error = error

    def _hear(self) -> None:
        self.heard += 1


@pytest.fixture
def ear(postgres_desk: Desk) -> Iterator[Ear]:
    ear = Ear(postgres_desk.engine)
    yield ear
    ear.ended.set()


def test_creating_an_invoice_is_heard_by_a_worker_elsewhere_once_it_is_committed(postgres_desk: Desk, ear: Ear) -> None:
    before = ear.heard
    postgres_desk.create()
    wait_until(lambda: ear.heard > before)


def test_a_retry_is_heard(postgres_desk: Desk, ear: Ear) -> None:
    invoice_id = postgres_desk.elsewhere(created_at=None)
    before = ear.heard
    postgres_desk.retry(invoice_id)
    wait_until(lambda: ear.heard > before)


def test_what_is_rolled_back_is_not_heard(postgres_desk: Desk, ear: Ear) -> None:
    before = ear.heard
    with postgres_desk.engine.connect() as conn:
        queueing_time(conn)
        conn.rollback()
    postgres_desk.create()  # heard after it, if it had been sent
    wait_until(lambda: ear.heard > before)
    assert ear.heard == before + 1


def test_a_lost_connection_is_said_so_that_it_is_opened_anew(postgres_desk: Desk, ear: Ear) -> None:
    with writing(postgres_desk.engine) as conn:
        conn.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"))
    wait_until(lambda: ear.error)
    assert isinstance(ear.error, DatabaseUnavailable)


def test_a_wire_that_swallows_signals_is_recognised(postgres_desk: Desk) -> None:
    with BrokenWire(postgres_desk.engine.url.render_as_string(hide_password=False)) as wire:
        wire.act_as_pooler()
        engine = open_engine(wire.url)
        assert not signals.get_through(engine)
        with pytest.raises(signals.NotHeard):
            signals.listen(engine, lambda: None, goes_on=lambda: True)
        engine.dispose()


def test_signals_get_through_a_plain_connection(postgres_desk: Desk) -> None:
    assert signals.get_through(postgres_desk.engine)


def worker_on(desk: Desk, engine: Engine) -> Worker:
    sender = sync.Sender(
        engine=engine,
        edge=desk.sender.edge,
        rules=desk.sender.rules,
        name="elsewhere",
        pause=lambda _seconds: False,
    )
    return Worker(sender, threads=2, on_change=lambda: None)


def test_a_worker_elsewhere_sends_at_once_what_another_process_queued(
    postgres_desk: Desk, other_machine: Engine
) -> None:
    worker = worker_on(postgres_desk, other_machine)
    worker.start()
    try:
        postgres_desk.create()
        wait_until(lambda: postgres_desk.function.requests)  # it listens by now, or it polled
        wait_until(lambda: worker.in_flight() == 0)
        delays = [_delay_s(postgres_desk) for _ in range(5)]
    finally:
        worker.stop()
    assert sorted(delays)[2] < POLL_S / 2, delays


def _delay_s(desk: Desk) -> float:
    invoice_id = desk.create()
    committed = time.monotonic()
    desk.function.wait_for(invoice_id)
    return time.monotonic() - committed


def test_where_signals_do_not_get_through_the_worker_says_so_and_looks_by_itself(
    postgres_desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    with BrokenWire(postgres_desk.engine.url.render_as_string(hide_password=False)) as wire:
        wire.act_as_pooler()
        engine = open_engine(wire.url)
        worker = worker_on(postgres_desk, engine)
        with caplog.at_level("WARNING", logger="toc_sync"):
            worker.start()
            wait_until(lambda: "signals-not-heard" in caplog.text)
            invoice_id = postgres_desk.create()
            wait_until(lambda: postgres_desk.record(invoice_id)["status"] == Status.SYNCED)
            worker.stop()
        engine.dispose()
