"""Stopping everything works when nothing else does: while every row is locked, on all machines, and Resume clears it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from tests.broken_wire import BrokenWire
from tests.core import Desk
from tests.locks import all_locked, in_time
from tests.test_outbox_gate import gate_of, log_of, sending, verbs
from toc_sync import sync, wording_gate
from toc_sync.database import reading
from toc_sync.engines import open_engine
from toc_sync.model import DatabaseUnavailable, GateCause, GateResult, GateState, Status
from toc_sync.outbox.wishes import FILE_SUFFIX
from toc_sync.tables import gate_wishes, sync_actions
from toc_sync.upkeep import Upkeep
from toc_sync.verbs.gate import GateVerbs


def pause(desk: Desk) -> object:
    return in_time(lambda: verbs(desk).pause(actor="ana", reason="the VAT is wrong"))


def keep_up(desk: Desk) -> None:
    Upkeep(desk.sender, threads=1, goes_on=lambda: True, wake=lambda: None).run()


def wished(engine: Engine) -> int:
    if engine.dialect.name == "sqlite":
        return int(Path(f"{engine.url.database}{FILE_SUFFIX}").exists())
    with reading(engine) as conn:
        return len(conn.execute(select(gate_wishes)).all())


def test_pausing_stops_the_sending_while_every_row_is_locked(desk: Desk) -> None:
    invoice_id = desk.create()
    with all_locked(desk.engine):
        assert pause(desk) == GateResult(done=True, message=wording_gate.PAUSED_BESIDE)
        gate = gate_of(desk)
        assert (gate.state, gate.cause, gate.changed_by) == (GateState.PAUSED, GateCause.PERSON, "ana")
        assert sending(desk).gate.reason == "the VAT is wrong"
    assert not desk.send(), "the lock is gone, the pause is not"
    assert desk.record(invoice_id)["status"] == Status.QUEUED
    assert desk.function.requests == []


def test_a_record_that_was_free_all_the_while_does_not_leave_either(postgres_desk: Desk) -> None:
    postgres_desk.create()
    with all_locked(postgres_desk.engine, "toc_sync.gate"):
        pause(postgres_desk)
        assert not postgres_desk.send()
    assert postgres_desk.function.requests == []


def test_another_machine_stops_too(desk: Desk) -> None:
    desk.create()
    with all_locked(desk.engine):
        pause(desk)
    other = open_engine(desk.engine.url.render_as_string(hide_password=False))
    assert not sync.run_one(replace(desk.sender, engine=other))
    other.dispose()


def test_the_upkeep_enters_the_pause_as_soon_as_the_lock_is_free(desk: Desk) -> None:
    with all_locked(desk.engine):
        pause(desk)
    keep_up(desk)
    keep_up(desk)
    assert wished(desk.engine) == 0
    assert (gate_of(desk).state, gate_of(desk).changed_by) == (GateState.PAUSED, "ana")
    (entry,) = log_of(desk)
    assert (entry["closed_by"], entry["reason"]) == ("ana", "the VAT is wrong")
    with reading(desk.engine) as conn:
        assert conn.execute(select(sync_actions.c.action)).scalars().all() == ["pause"]


@pytest.mark.parametrize("entered", [False, True], ids=["before it was entered", "after it was entered"])
def test_resuming_clears_it(desk: Desk, entered: bool) -> None:
    desk.create()
    with all_locked(desk.engine):
        pause(desk)
    if entered:
        keep_up(desk)
    assert verbs(desk).resume(actor="rui").done
    assert wished(desk.engine) == 0
    assert gate_of(desk).is_open
    assert desk.send()


def test_pausing_twice_is_one_pause(desk: Desk) -> None:
    with all_locked(desk.engine):
        pause(desk)
        pause(desk)
    verbs(desk).resume(actor="rui")
    keep_up(desk)
    assert gate_of(desk).is_open
    assert len(log_of(desk)) == 1


def test_a_pause_that_can_be_told_to_nobody_says_so(postgres_desk: Desk) -> None:
    with BrokenWire(postgres_desk.engine.url.render_as_string(hide_password=False)) as wire:
        engine = open_engine(wire.url)
        with reading(engine):
            pass
        for _ in range(4):
            wire.cut_at(b"BEGIN", answered=False)
        said = in_time(lambda: GateVerbs(engine, lambda: None).pause(actor="ana", reason="now"))
        engine.dispose()
    assert isinstance(said, DatabaseUnavailable)
    assert str(said) == wording_gate.NOT_PAUSED


def test_a_pause_that_cannot_be_kept_beside_the_file_says_so(sqlite_desk: Desk) -> None:
    assert sqlite_desk.engine.url.database
    Path(f"{sqlite_desk.engine.url.database}{FILE_SUFFIX}").mkdir()  # nothing can be put in its place
    with all_locked(sqlite_desk.engine):
        said = pause(sqlite_desk)
    assert isinstance(said, DatabaseUnavailable)
    assert str(said) == wording_gate.NOT_PAUSED


def test_a_pause_that_was_written_only_in_part_still_stops_the_sending(sqlite_desk: Desk) -> None:
    sqlite_desk.create()
    Path(f"{sqlite_desk.engine.url.database}{FILE_SUFFIX}").write_text('{"at": "20')
    assert not sqlite_desk.send()
    assert verbs(sqlite_desk).resume(actor="rui").done
    assert sqlite_desk.send()
