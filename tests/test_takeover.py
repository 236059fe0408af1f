"""Workers that are gone: others go on with what waited, doubt what was in flight, and one that cannot work any more ends."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from tests.billing_desk import Desk, billing_desk
from tests.live_app import Program, running, wait_until
from tests.stand_in import StandIn
from toc_sync import runtime
from toc_sync.model import Status
from toc_sync.settings import Settings

WORKER = ["-m", "toc_sync", "worker", "--threads", "2"]


@pytest.fixture
def desk(founded_url: str) -> Iterator[Desk]:
    with StandIn() as function, billing_desk(founded_url, function) as desk:
        yield desk


def queue(desk: Desk, count: int) -> list[int]:
    script = runtime.Runtime(Settings(), desk.engine, ())
    ids = [desk.add_invoice() for _ in range(count)]
    for invoice_id in ids:
        assert script.retry(invoice_id, actor="test").done
    return ids


def by_status(desk: Desk, status: Status) -> set[int]:
    return {invoice_id for invoice_id, found in desk.statuses().items() if found == status}


def impatient(change: str) -> list[str]:
    """Returns the arguments of a worker with something changed in its source."""
    return [
        "-c",
        f"from toc_sync import adopting, upkeep, worker\n{change}\nfrom toc_sync.cli import program\nprogram(['worker'])",
    ]


@pytest.mark.parametrize("founded_url", ["postgresql"], indirect=True)  # tests/test_torture.py kills on both
def test_what_waited_for_a_killed_worker_goes_on_elsewhere_and_what_it_had_in_flight_is_in_doubt(tmp_path, desk):
    desk.function.hold()
    ids = queue(desk, 6)
    with running(WORKER, tmp_path, desk.environment, name="first") as first:
        desk.function.wait_for(count=2, timeout_s=30)
        in_flight = by_status(desk, Status.SYNCING)
        first.stop(signal.SIGKILL)
    desk.function.release()
    with running(WORKER, tmp_path, desk.environment, name="second") as second:
        second.says("worker-started", within_s=30)
        wait_until(lambda: by_status(desk, Status.SYNCED) == set(ids) - in_flight)
        wait_until(lambda: by_status(desk, Status.IN_DOUBT) == in_flight)
    assert desk.function.counts() == dict.fromkeys(ids, 1)


def test_an_invoice_with_a_low_id_is_adopted_although_the_worker_that_searched_was_killed(tmp_path, desk):
    often = impatient("adopting.LOOK_EVERY_S = upkeep.SWEEP_EVERY_S = worker.UPKEEP_S = 0.2")
    desk.add_invoice(id=100)
    with running(often, tmp_path, desk.environment, name="first") as first:
        wait_until(lambda: by_status(desk, Status.NOT_SYNCED) == {100}, within_s=30)
        with running(often, tmp_path, desk.environment, name="second"):
            first.stop(signal.SIGKILL)
            desk.add_invoice(id=5)
            wait_until(lambda: by_status(desk, Status.NOT_SYNCED) == {5, 100}, within_s=45)


def ended_with_one_sentence(worker: Program) -> str:
    assert worker.process.wait(timeout=30) == 1
    (sentence,) = [line for line in worker.log.splitlines() if line.startswith("Error: ")]
    return sentence


def test_a_worker_whose_thread_ends_by_itself_ends_with_status_1(tmp_path, desk):
    change = "worker.Worker._dispatch_loop = lambda self: None"
    with running(impatient(change), tmp_path, desk.environment) as worker:
        assert (
            ended_with_one_sentence(worker)
            == "Error: The worker's thread toc-dispatch ended by itself. Start it again."
        )


def test_a_worker_whose_tables_are_gone_ends_with_status_1(tmp_path, desk):
    with running(impatient("worker.GIVE_UP_AFTER_S = 2.0"), tmp_path, desk.environment) as worker:
        wait_until(lambda: _is_announced(desk), within_s=30)
        schema = "toc_sync." if desk.engine.dialect.name == "postgresql" else ""
        for table in ("sync_records", "sync_workers"):
            with desk.engine.begin() as conn:
                conn.execute(text(f"ALTER TABLE {schema}{table} RENAME TO gone_{table}"))
        assert "The database could not be used for 2 s." in ended_with_one_sentence(worker)


def _is_announced(desk: Desk) -> bool:
    return bool(runtime.Runtime(Settings(), desk.engine, ()).sending().alive)
