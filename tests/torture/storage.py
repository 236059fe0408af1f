"""SQLite's file refuses to be written: another writer holds it, the disk is full, the file is read-only."""

from __future__ import annotations

import sqlite3

from tests.live_app import wait_until
from tests.torture.arena import Arena
from tests.torture.judgement import Story
from tests.torture.scale import Scale
from tests.torture.twists import DISK_FULL, READ_ONLY, Twist
from toc_sync.model import Status

PATIENT = {"deadline_s": 10.0, "margin_s": 60.0}
"""No lease may end: each outcome has to be written by the process that has it."""
ON_THE_WIRE = 4


def locked_by_another_writer(arena: Arena, scale: Scale) -> Story:
    """Holds the file longer than the workers wait for it, at the moment when the answers come."""
    busy_ms = int(scale.locked_s * 200)
    arena.start(Twist(busy_ms=busy_ms), **PATIENT)
    other = sqlite3.connect(str(arena.desk.engine.url.database), isolation_level=None)
    _hold(arena)
    other.execute("BEGIN IMMEDIATE")
    arena.judge.release()
    arena.workers[0].says("outcome-not-written", within_s=scale.locked_s + 15)
    other.execute("ROLLBACK")
    other.close()
    return _told(arena, f"locked for more than {busy_ms} ms with {ON_THE_WIRE} answers on their way")


def disk_is_full(arena: Arena, scale: Scale) -> Story:
    """Lets no file of the process grow while the answers come; then there is room again."""
    return _refused_by(arena, DISK_FULL, "the disk is full", "the disk has room")


def file_is_read_only(arena: Arena, scale: Scale) -> Story:
    """Makes the process's connections read-only while the answers come; then they may write again."""
    return _refused_by(arena, READ_ONLY, "the file is read-only", "the file can be written")


def _refused_by(arena: Arena, number: int, begins: str, ends: str) -> Story:
    worker = arena.start(**PATIENT)
    _hold(arena)
    worker.signal(number)
    worker.says(begins)
    arena.judge.release()
    wait_until(lambda: not arena.judge.on_the_wire())
    arena.pause(0.3, 0.6)
    kept = arena.count(Status.SYNCING)
    worker.signal(number)
    worker.says(ends)
    story = _told(arena, f"{begins}: {kept} outcomes kept and written later")
    assert kept == ON_THE_WIRE, f"only {kept} outcomes had to wait"
    return story


def _hold(arena: Arena) -> None:
    """Brings a few requests on the wire, and more invoices into the queue behind them."""
    arena.judge.hold()
    arena.create(3 * ON_THE_WIRE)
    arena.judge.wait_for(count=ON_THE_WIRE, timeout_s=30)


def _told(arena: Arena, happened: str) -> Story:
    arena.drain()
    unwritten = len(arena.created) - arena.count(Status.SYNCED)
    return Story(happened=happened, wrong=(f"{unwritten} invoices are not synced",) if unwritten else ())
