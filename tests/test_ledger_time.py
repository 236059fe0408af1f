"""On SQLite the clock can be set in the middle of everything: nothing leaves twice, and nothing waits for ever."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timedelta

import pytest
from sqlalchemy import update

from tests.core import TIMED_OUT, UNDELIVERED, WAITS_S, Desk
from toc_sync import clock, ledger_time, outbox, resolving, status, wording_gate
from toc_sync.anchor import HELD_S
from toc_sync.database import current_time, reading, writing
from toc_sync.model import GateCause, GateState, Status
from toc_sync.tables import markers

HOUR = timedelta(hours=1)
MOMENT = timedelta(seconds=20)
FORWARD_AND_BACK = pytest.mark.parametrize("by", [HOUR, -HOUR], ids=["forward", "back"])

OTHER_PROCESS = """
import sys
from datetime import timedelta
from toc_sync import clock
from toc_sync.database import current_time, writing
from toc_sync.engines import open_engine

with clock.set_wrong(timedelta(seconds=float(sys.argv[2]))), writing(open_engine(sys.argv[1])) as conn:
    print(current_time(conn).isoformat())
"""


def doubtful(desk: Desk) -> int:
    """An invoice whose request left just now and was not answered."""
    invoice_id = desk.create()
    desk.settle(desk.claim(invoice_id), TIMED_OUT)
    return invoice_id


def send_again(desk: Desk, invoice_id: int) -> bool:
    (result,) = resolving.resolve_many_send_again(
        desk.engine, [invoice_id], desk.sender.rules.refusals, actor="ana", reason="looked it up"
    )
    return result.done


def change_anchor(desk: Desk, **changes: object) -> None:
    """Lets the anchor be another one, as if the machine had been up for longer, or had been started since."""
    with reading(desk.engine) as conn:
        anchor = json.loads(
            conn.exec_driver_sql(f"SELECT value FROM markers WHERE name = '{ledger_time.MARKER}'").scalar_one()
        )
    value = json.dumps(anchor | changes)
    desk.execute(update(markers).where(markers.c.name == ledger_time.MARKER).values(value=value))


def look(desk: Desk) -> datetime:
    """Writes something, as every worker does every few seconds, and so finds that the clock was set."""
    with writing(desk.engine) as conn:
        return current_time(conn)


def held_for(desk: Desk, seconds: float) -> None:
    """Lets the clock have been set so long ago."""
    change_anchor(desk, held_since_s=clock.uptime() - seconds)


def gate_of(desk: Desk) -> tuple[GateState, GateCause | None]:
    with reading(desk.engine) as conn:
        gate = status.read_gate_view(conn, now=current_time(conn))
    return gate.state, gate.cause


@FORWARD_AND_BACK
def test_a_clock_that_is_set_does_not_move_the_ledgers_time(sqlite_desk, by):
    before = sqlite_desk.now()
    with clock.set_wrong(by):
        assert before <= look(sqlite_desk) < before + MOMENT
        assert before <= sqlite_desk.now() < before + MOMENT
    assert before <= look(sqlite_desk) < before + MOMENT


@FORWARD_AND_BACK
def test_send_again_is_refused_as_long_as_the_function_may_be_working(sqlite_desk, by):
    invoice_id = doubtful(sqlite_desk)
    with clock.set_wrong(by):
        look(sqlite_desk)
        assert not send_again(sqlite_desk, invoice_id)
        with clock.shifted(timedelta(minutes=9)):
            assert not send_again(sqlite_desk, invoice_id)
        with clock.shifted(timedelta(minutes=12)):
            assert send_again(sqlite_desk, invoice_id)


@FORWARD_AND_BACK
def test_a_lease_ends_in_its_time_and_not_before(sqlite_desk, by):
    invoice_id = sqlite_desk.create()
    sqlite_desk.claim(invoice_id)
    lease = timedelta(seconds=sqlite_desk.sender.rules.lease_s)
    with clock.set_wrong(by):
        look(sqlite_desk)
        with clock.shifted(lease - MOMENT):
            assert sqlite_desk.rescue() == []
        with clock.shifted(lease + MOMENT):
            assert [settled.status for settled in sqlite_desk.rescue()] == [Status.IN_DOUBT]


def test_a_retrys_wait_ends_although_the_clock_was_set_back(sqlite_desk):
    invoice_id = sqlite_desk.create()
    sqlite_desk.settle(sqlite_desk.claim(invoice_id), UNDELIVERED)
    with clock.set_wrong(-HOUR):
        assert sqlite_desk.try_claim() is None
        with clock.shifted(timedelta(seconds=2 * WAITS_S[0])):
            assert sqlite_desk.claim().invoice_id == invoice_id


def test_nothing_leaves_while_a_clock_that_was_set_forward_is_new(sqlite_desk):
    invoice_id = sqlite_desk.create()
    with clock.set_wrong(HOUR):
        assert sqlite_desk.try_claim() is None
        assert gate_of(sqlite_desk) == (GateState.CLOSED, GateCause.CLOCK)
        with reading(sqlite_desk.engine) as conn:
            now, turns = current_time(conn), sqlite_desk.sender.rules.turns
            assert outbox.count_due(conn, turns=turns, now=now, at_most=9) == 0
            obstacle = outbox.read_obstacle(conn, invoice_id, turns=turns, now=now)
        assert "stopped by itself" in obstacle
        held_for(sqlite_desk, HELD_S - 20)
        assert sqlite_desk.try_claim() is None
        held_for(sqlite_desk, HELD_S + 1)
        assert sqlite_desk.claim().invoice_id == invoice_id
        assert gate_of(sqlite_desk) == (GateState.OPEN, None)
        assert abs(sqlite_desk.now() - clock.now()) < MOMENT


def test_what_is_set_back_in_time_stops_nothing_any_more(sqlite_desk):
    sqlite_desk.create()
    with clock.set_wrong(HOUR):
        assert sqlite_desk.try_claim() is None
    assert sqlite_desk.claim()
    assert gate_of(sqlite_desk) == (GateState.OPEN, None)


def test_a_lease_that_is_longer_is_awaited_too(sqlite_desk):
    invoice_id = sqlite_desk.create()
    claimed = sqlite_desk.claim(invoice_id)
    with clock.set_wrong(HOUR):
        before = look(sqlite_desk)
        held_for(sqlite_desk, 2 * HELD_S)
        assert look(sqlite_desk) < before + MOMENT
        sqlite_desk.settle(claimed, TIMED_OUT)
        assert look(sqlite_desk) > before + HOUR - MOMENT


def test_nobody_can_resume_what_the_clock_has_stopped_but_pausing_works(sqlite_desk):
    with clock.set_wrong(HOUR), writing(sqlite_desk.engine) as conn:
        now = current_time(conn)
        assert outbox.resume(conn, actor="ana", reason=None, now=now) == wording_gate.CLOCK_WAS_SET
        assert outbox.pause(conn, actor="ana", reason="to be sure", now=now) is None
        assert status.read_gate_view(conn, now=now).cause is GateCause.PERSON
        assert outbox.resume(conn, actor="ana", reason=None, now=now) is None
        assert status.read_gate_view(conn, now=now).cause is GateCause.CLOCK


def test_a_gate_that_is_closed_for_an_outage_sends_no_probe_meanwhile(sqlite_desk):
    for _ in range(5):
        sqlite_desk.settle(sqlite_desk.claim(sqlite_desk.create()), TIMED_OUT)
    with writing(sqlite_desk.engine) as conn:
        assert outbox.mind_gate(conn, now=current_time(conn)).cause is GateCause.OUTAGE
    sqlite_desk.create()
    with clock.shifted(timedelta(minutes=10)):
        with clock.set_wrong(HOUR):
            assert sqlite_desk.try_claim() is None
        assert sqlite_desk.claim().is_probe


@FORWARD_AND_BACK
def test_a_process_that_started_after_the_clock_was_set_keeps_the_same_time(sqlite_desk, by):
    before = look(sqlite_desk)
    told = []
    for _ in range(2):
        asked = [sys.executable, "-c", OTHER_PROCESS, str(sqlite_desk.engine.url), str(by.total_seconds())]
        printed = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
        told.append(datetime.fromisoformat(printed.strip()))
    after = look(sqlite_desk)
    assert before <= told[0] <= told[1] <= after < before + 3 * MOMENT


@pytest.mark.parametrize("by", [-HOUR, timedelta(days=-20_000)], ids=["an hour behind", "a clock without a battery"])
def test_after_a_start_of_the_machine_time_does_not_begin_before_the_newest_entry(sqlite_desk, by):
    invoice_id = doubtful(sqlite_desk)
    newest = sqlite_desk.record(invoice_id)["updated_at"]
    change_anchor(sqlite_desk, boot="the start before")
    with clock.set_wrong(by):
        assert newest <= sqlite_desk.now() <= look(sqlite_desk) < newest + MOMENT
        assert not send_again(sqlite_desk, invoice_id)


def test_after_a_start_of_the_machine_the_clock_is_believed(sqlite_desk):
    change_anchor(sqlite_desk, boot="the start before", held_since_s=1.0)
    with clock.set_wrong(timedelta(days=3)):
        assert abs(look(sqlite_desk) - clock.now()) < MOMENT
        assert gate_of(sqlite_desk) == (GateState.OPEN, None)


def test_where_the_system_names_no_start_less_uptime_tells_of_one(sqlite_desk):
    change_anchor(sqlite_desk, uptime_s=clock.uptime() + 1_000_000)
    assert abs(look(sqlite_desk) - clock.now()) < MOMENT


@pytest.mark.parametrize("value", ["", "no JSON", "{}", "[]", '{"boot": "x", "uptime_s": "soon"}'])
def test_an_anchor_that_cannot_be_read_is_set_anew(sqlite_desk, value):
    sqlite_desk.execute(update(markers).where(markers.c.name == ledger_time.MARKER).values(value=value))
    before = look(sqlite_desk)
    assert abs(before - clock.now()) < MOMENT
    with clock.set_wrong(HOUR):
        assert look(sqlite_desk) < before + MOMENT


def test_reading_notes_nothing(sqlite_desk):
    with clock.set_wrong(HOUR):
        sqlite_desk.now()
        assert gate_of(sqlite_desk) == (GateState.OPEN, None)


def test_on_postgresql_this_machines_clock_means_nothing(postgres_desk):
    invoice_id = doubtful(postgres_desk)
    with clock.set_wrong(HOUR):
        assert not send_again(postgres_desk, invoice_id)
        postgres_desk.create()
        assert postgres_desk.claim()
