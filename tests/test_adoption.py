"""Adoption: every invoice without a record gets one soon, whatever its id, in batches that keep nobody waiting."""

from __future__ import annotations

import logging
import re

import pytest
from sqlalchemy import event

from tests.core import LONG_AGO, REFUSALS, Desk
from tests.live_app import wait_until
from toc_sync import adopting, outbox
from toc_sync.adopting import Adoption
from toc_sync.database import current_time, reading, writing
from toc_sync.tables import issued_client_invoices, sync_records
from toc_sync.upkeep import Upkeep
from toc_sync.worker import Worker

SUCCESS = {"success": True, "toc_data": {"document_no": "FT 2026/7"}, "synced_at": "2026-01-05T10:00:00Z"}
TIMEOUT = {"success": False, "error": "TOC sync failed: 504 {}", "failed_at": "2026-01-05T10:00:00Z"}


@pytest.fixture(autouse=True)
def in_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches and stretches of which a few invoices need several."""
    for name, value in {
        "BATCHES": {"sqlite": 3, "postgresql": 3},
        "STRETCH": 5,
        "FEW": 0,
        "LOOK_EVERY_S": 0.0,
        "ROUND_S": 0.0,
    }.items():
        monkeypatch.setattr(adopting, name, value)


def adoption(desk: Desk) -> Adoption:
    return Adoption(desk.engine, REFUSALS)


def go(found: Adoption) -> int:
    return found.step(goes_on=lambda: True)


def elsewhere(desk: Desk, *ids: int, **values: object) -> list[int]:
    return [desk.elsewhere(id=invoice_id, **values) for invoice_id in ids]


def recorded(desk: Desk) -> set[int]:
    with reading(desk.engine) as conn:
        return set(conn.execute(sync_records.select().with_only_columns(sync_records.c.invoice_id)).scalars())


def test_all_invoices_of_a_new_installation_are_adopted_in_batches_as_they_say(desk: Desk) -> None:
    ids = [desk.elsewhere(api_response=value) for value in (SUCCESS, TIMEOUT) for _ in range(5)]
    assert go(adoption(desk)) == 10
    assert recorded(desk) == set(ids)
    found = [desk.record(invoice_id) for invoice_id in ids]
    assert [record["status"] for record in found] == ["synced"] * 5 + ["in_doubt"] * 5
    assert (found[0]["document_no"], found[0]["success_value"]) == ("FT 2026/7", SUCCESS)
    assert (found[0]["total_amount"], found[0]["created_at"].tzinfo is not None) == (
        desk.row(ids[0]).total_amount,
        True,
    )
    assert go(adoption(desk)) == 0
    assert desk.sweep() == 0, "the records say what the invoices say"


@pytest.mark.parametrize(
    ("before", "late"),
    [
        pytest.param([10, 20, 30], [5], id="below all"),
        pytest.param([10, 20, 30], [15], id="in between"),
        pytest.param(list(range(10, 40)), [9, 40, 41, 60], id="around a full stretch"),
        pytest.param([2**62, 2**63 - 1], [7, 2**62 + 1], id="far apart, as chosen ids may be"),
        pytest.param([500], list(range(100, 120)), id="many more than one batch and one stretch"),
        pytest.param([10, 11, 12, 13, 16, 17], [14, 15], id="at the end of a stretch"),
    ],
)
def test_an_invoice_with_a_low_id_gets_its_record_too(desk: Desk, before: list[int], late: list[int]) -> None:
    running = adoption(desk)
    elsewhere(desk, *before)
    go(running)
    elsewhere(desk, *late)
    for _ in range(10):
        go(running)
    assert recorded(desk) == {*before, *late}
    assert not running.behind


def test_one_invoice_created_here_leaves_none_of_the_old_ones_behind(desk: Desk) -> None:
    ids = [desk.elsewhere() for _ in range(13)]
    newest = desk.create()
    assert go(adoption(desk)) == 13
    assert recorded(desk) == {*ids, newest}


def test_a_program_that_starts_again_goes_on_where_the_one_before_was_stopped(desk: Desk) -> None:
    ids = [desk.elsewhere() for _ in range(10)]
    turns = iter([True, True, False])
    first = adoption(desk)
    assert first.step(goes_on=lambda: next(turns, False)) == 6
    assert not first.behind, "nobody waits for one that is told to stop"
    assert recorded(desk) == set(ids[:6])
    assert go(adoption(desk)) == 4
    assert recorded(desk) == set(ids)


def test_a_step_ends_in_time_and_says_that_more_is_missing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adopting, "STEP_S", 0.0001)
    for _ in range(7):
        desk.elsewhere()
    running = adoption(desk)
    assert (go(running), running.behind) == (3, True)
    assert (go(running), running.behind) == (3, True)
    assert (go(running), running.behind) == (1, True)
    assert (go(running), running.behind) == (0, False)


def test_the_log_tells_how_far_it_came_and_how_many_are_left(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(10):
        desk.elsewhere()
    with caplog.at_level(logging.INFO, "toc_sync"):
        go(adoption(desk))
        go(adoption(desk))
    assert caplog.messages == ["adopting count=3 left=7", "adopted count=10"]


def test_a_record_that_somebody_wrote_meanwhile_stays(desk: Desk) -> None:
    invoice_id = desk.elsewhere(api_response=TIMEOUT)
    with reading(desk.engine) as conn:
        rows = outbox.missing_records(conn, REFUSALS, after_id=0, at_most=5, now=current_time(conn))
    desk.change_invoice(invoice_id, api_response=SUCCESS)
    desk.sweep()
    before = desk.record(invoice_id)
    with writing(desk.engine) as conn:
        outbox.write_adopted(conn, rows)
    assert desk.record(invoice_id) == before
    assert before["status"] == "synced"


def test_a_value_that_others_wrote_between_finding_and_adopting_is_noticed(desk: Desk) -> None:
    invoice_id = desk.elsewhere()
    with reading(desk.engine) as conn:
        rows = outbox.missing_records(conn, REFUSALS, after_id=0, at_most=5, now=current_time(conn))
    desk.change_invoice(invoice_id, api_response=SUCCESS)
    with writing(desk.engine) as conn:
        outbox.write_adopted(conn, rows)
    assert desk.sweep() == 1
    assert desk.record(invoice_id)["status"] == "synced"


def test_a_large_table_is_looked_through_at_a_measured_pace(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adopting, "ROUND_S", 3600.0)
    elsewhere(desk, 100)
    running = adoption(desk)
    go(running)
    elsewhere(desk, 5)
    assert go(running) == 0, "the next round is not due yet"
    monkeypatch.setattr(adopting, "FEW", 10)
    fresh = adoption(desk)
    assert go(fresh) == 1
    elsewhere(desk, 6)
    assert go(fresh) == 1, "a round of few costs nothing"


def upkeep(desk: Desk) -> Upkeep:
    return Upkeep(desk.sender, threads=0, goes_on=lambda: True, wake=lambda: None)


def test_of_two_workers_one_searches_and_the_other_takes_its_place(desk: Desk) -> None:
    desk.elsewhere()
    with writing(desk.engine) as conn:
        now = current_time(conn)
        outbox.announce(conn, name="elder", host="one", version="1.1.0", threads=1, now=now)
    keeper = upkeep(desk)
    assert not keeper.run()
    assert recorded(desk) == set()
    with writing(desk.engine) as conn:
        outbox.withdraw(conn, name="elder")
    keeper._due_at.clear()
    assert keeper.run()
    assert len(recorded(desk)) == 1


def test_an_idle_worker_writes_nothing_but_that_it_is_alive(desk: Desk) -> None:
    desk.create()
    desk.adopted(created_at=LONG_AGO)
    written: list[str] = []

    def note(_conn: object, _cursor: object, statement: str, *_rest: object) -> None:
        if re.match(r"BEGIN IMMEDIATE|INSERT|UPDATE|DELETE", statement):
            written.append(statement.split("(", maxsplit=1)[0].strip())

    keeper = upkeep(desk)
    keeper.run()
    event.listen(desk.engine, "before_cursor_execute", note)
    keeper.run()
    assert written == []
    desk.change_invoice(1, invoice_number="changed")
    keeper._due_at.clear()
    keeper.run()
    assert [statement for statement in written if "sync_records" in statement]


def test_a_worker_finds_a_low_id_by_itself(desk: Desk) -> None:
    desk.create()
    worker = Worker(desk.sender, threads=0, on_change=lambda: None)
    worker.start()
    wait_until(lambda: worker._upkeep.is_eldest)
    desk.execute(issued_client_invoices.update().values(id=50))
    desk.execute(sync_records.update().values(invoice_id=50))
    elsewhere(desk, 3)
    wait_until(lambda: recorded(desk) == {3, 50})
    worker.stop()
