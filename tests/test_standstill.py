"""What somebody has locked is not passed over in silence: the rest goes on, and page, /readyz, log and `verify` say so."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from tests.broken_wire import BrokenWire, Unnoticed
from tests.core import LONG_AGO, REFUSALS, Desk, open_desk
from tests.live_app import wait_until
from tests.locks import FORGOTTEN, address_of
from tests.test_monitoring import a_worker
from toc_sync import bounded
from toc_sync.engines import open_engine
from toc_sync.model import Status
from toc_sync.monitoring import find_obstacles
from toc_sync.patience import PROGRAM
from toc_sync.runtime import Runtime
from toc_sync.settings import Settings
from toc_sync.status import standstill
from toc_sync.upkeep import Upkeep
from toc_sync.worker import Worker

RECORD = "SELECT 1 FROM toc_sync.sync_records WHERE invoice_id = %s FOR UPDATE"
ATTEMPT = "SELECT 1 FROM toc_sync.sync_attempts WHERE invoice_id = %s FOR UPDATE"
INVOICE = "SELECT 1 FROM issued_client_invoices WHERE id = %s FOR UPDATE"


@contextmanager
def holding(desk: Desk, query: str, invoice_id: int) -> Iterator[None]:
    with psycopg.connect(address_of(desk.engine), application_name=FORGOTTEN) as other:
        other.execute(query, [invoice_id])  # type: ignore[arg-type]  # ours
        yield


def reader(desk: Desk) -> Runtime:
    return Runtime(Settings(), desk.engine, REFUSALS)


def keep_up(desk: Desk) -> None:
    Upkeep(desk.sender, threads=1, goes_on=lambda: True, wake=lambda: None).run()


def claim_and_lose(desk: Desk) -> int:
    invoice_id = desk.create()
    desk.claim(invoice_id)
    desk.change_record(invoice_id, lease_until=LONG_AGO)
    return invoice_id


@pytest.mark.parametrize("query", [RECORD, ATTEMPT, INVOICE], ids=["its record", "its attempt", "its invoice"])
def test_one_that_is_locked_keeps_no_other_from_being_rescued(postgres_desk: Desk, query: str, caplog) -> None:
    locked, free = claim_and_lose(postgres_desk), claim_and_lose(postgres_desk)
    with holding(postgres_desk, query, locked), caplog.at_level(logging.WARNING, "toc_sync"):
        keep_up(postgres_desk)
    assert postgres_desk.record(free)["status"] == Status.IN_DOUBT
    assert postgres_desk.record(locked)["status"] == Status.SYNCING
    assert "rescue-held-up invoices=1" in caplog.text
    keep_up(postgres_desk)
    assert postgres_desk.record(locked)["status"] == Status.IN_DOUBT


def test_a_lease_that_nobody_can_end_is_told_everywhere(postgres_desk: Desk, monkeypatch) -> None:
    monkeypatch.setattr(standstill, "HELD_FOR", timedelta(0))
    a_worker(postgres_desk)
    invoice_id = claim_and_lose(postgres_desk)
    with holding(postgres_desk, RECORD, invoice_id):
        found = reader(postgres_desk).sending().standstill
        reasons = find_obstacles(reader(postgres_desk))
        proof = reader(postgres_desk).prove()[-1]
    assert found.overdue == (invoice_id,)
    assert found.holder
    assert found.holder.program == FORGOTTEN
    assert "1 invoice is still being sent" in reasons["locks"]
    assert FORGOTTEN in reasons["locks"]
    assert proof.invoice_ids == (invoice_id,)
    assert FORGOTTEN in proof.sentence


def test_what_is_due_and_does_not_leave_is_told(desk: Desk) -> None:
    a_worker(desk)
    invoice_id = desk.create()
    assert "locks" not in find_obstacles(reader(desk)), "it was created a moment ago"
    desk.change_record(invoice_id, queued_at=LONG_AGO)
    assert "nothing leaves" in find_obstacles(reader(desk))["locks"]
    assert reader(desk).prove()[-1].invoice_ids == (invoice_id,)


QUIET = {
    "a retry that is not due": lambda desk, it: desk.change_record(it, not_before=desk.now() + timedelta(hours=1)),
    "another one that just left": lambda desk, it: desk.claim(desk.create(invoice_date="2020-01-02")),
    "a gate that is shut": lambda desk, it: reader(desk).gate.pause(actor="ana", reason="look"),
}


@pytest.mark.parametrize("reason", QUIET.values(), ids=QUIET.keys())
def test_what_waits_for_a_good_reason_is_not_told(desk: Desk, reason) -> None:
    a_worker(desk)
    invoice_id = desk.create()
    desk.change_record(invoice_id, queued_at=LONG_AGO)
    reason(desk, invoice_id)
    assert reader(desk).sending().standstill.is_none


def test_a_transaction_that_holds_rows_of_ours_is_told_after_a_while(postgres_desk: Desk, monkeypatch) -> None:
    invoice_id = postgres_desk.create()
    with holding(postgres_desk, RECORD, invoice_id):
        assert reader(postgres_desk).sending().standstill.is_none, "everybody may look for a moment"
        monkeypatch.setattr(standstill, "HELD_FOR", timedelta(0))
        assert FORGOTTEN in find_obstacles(reader(postgres_desk))["locks"]
    with holding(postgres_desk, INVOICE, invoice_id):
        assert reader(postgres_desk).sending().standstill.is_none, "their own rows are their business"


@pytest.mark.parametrize("unnoticed", list(Unnoticed), ids=[each.value for each in Unnoticed])
def test_connections_that_go_silent_at_commits_keep_no_invoice_from_leaving(
    postgres_desk: Desk, unnoticed: Unnoticed, monkeypatch
) -> None:
    monkeypatch.setitem(bounded._OF_THE_SESSION, "idle_in_transaction_session_timeout", "1000")
    monkeypatch.setitem(PROGRAM.__dict__, "answer_s", 1.5)
    invoice_ids = [postgres_desk.create() for _ in range(24)]
    with BrokenWire(postgres_desk.engine.url.render_as_string(hide_password=False)) as wire:
        for number in range(6):
            verb = b"INSERT INTO toc_sync.sync_attempts" if number % 2 else b"UPDATE toc_sync.sync_attempts"
            wire.cut_at(b"COMMIT", answered=number % 3 == 0, after=verb, skip=1, unnoticed=unnoticed)
        engine = open_engine(wire.url, pool_size=10)
        sender = replace(
            open_desk(engine, postgres_desk.function).sender, pause=lambda s: not threading.Event().wait(min(s, 0.2))
        )
        worker = Worker(sender, threads=4, on_change=lambda: None)
        worker.start()
        statuses = lambda: [postgres_desk.record(each)["status"] for each in invoice_ids]  # noqa: E731
        wait_until(lambda: set(statuses()) == {Status.SYNCED}, within_s=90, every_s=0.5)
        assert wire.cuts_left == 0
        worker.stop()
        engine.dispose()
    assert [postgres_desk.function.count(each) for each in invoice_ids] == [1] * len(invoice_ids)
