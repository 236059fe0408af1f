"""A process that stands still past its lease, before it sends or while it waits, and then wakes up."""

from __future__ import annotations

import signal
import sqlite3
import time

import psutil

from tests.live_app import wait_until
from tests.torture.arena import Arena
from tests.torture.judgement import Story
from tests.torture.processes import WorkerProcess
from tests.torture.scale import Scale
from tests.torture.twists import Twist
from toc_sync.model import Status
from toc_sync.sync import SEND_WITHIN_S


def frozen_before_sending(arena: Arena, scale: Scale) -> Story:
    """Freezes a process between its claim and its request, until the rescue has given the claim up; then wakes it."""
    for _ in range(scale.freezes):
        frozen = arena.start(Twist(frozen_sends=1), threads=1)
        # Not while it writes who it is: frozen with SQLite's one write lock, it would let nobody do anything.
        wait_until(lambda process=frozen: arena.is_known(process), within_s=30)
        arena.create(1)
        wait_until(lambda process=frozen: _stands_still(process), within_s=30)
        wake_at = time.monotonic() + SEND_WITHIN_S + 0.2
        neighbour = arena.start(threads=1)
        wait_until(lambda: arena.count(Status.IN_DOUBT) == 1, within_s=30)
        wait_until(lambda until=wake_at: time.monotonic() > until)
        frozen.signal(signal.SIGCONT)
        frozen.says("outcome=undelivered")
        arena.drain()
        for process in (frozen, neighbour):
            process.stop()
    unsent = len(arena.created) - arena.count(Status.SYNCED)
    wrong = (f"{unsent} invoices are not synced",) if unsent else ()
    return Story(happened=f"{scale.freezes} processes frozen before sending for {SEND_WITHIN_S:g} s", wrong=wrong)


def frozen_while_waiting(arena: Arena, scale: Scale) -> Story:
    """Freezes a process while its requests are on the wire, until the rescue has given them up; then wakes it."""
    for _ in range(scale.freezes):
        doubts = arena.count(Status.IN_DOUBT)
        frozen = arena.start()
        arena.judge.hold()
        before = len(arena.judge.requests)
        arena.create(4)
        arena.judge.wait_for(count=before + 4, timeout_s=30)
        _freeze(arena, frozen)
        neighbour = arena.start()
        wait_until(lambda so_far=doubts: arena.count(Status.IN_DOUBT) == so_far + 4, within_s=30)
        arena.judge.release()
        frozen.signal(signal.SIGCONT)
        wait_until(lambda process=frozen: process.log.count("attempt invoice=") == 4, within_s=30)
        for process in (frozen, neighbour):
            process.stop()
    return Story(happened=f"{scale.freezes} processes frozen with {len(arena.created)} requests on the wire")


def _stands_still(worker: WorkerProcess) -> bool:
    return psutil.Process(worker.pid).status() == psutil.STATUS_STOPPED


def _freeze(arena: Arena, worker: WorkerProcess) -> None:
    """Freezes a process at a moment when it does not hold SQLite's one write lock: then nobody could do anything."""
    while True:
        worker.signal(signal.SIGSTOP)
        wait_until(lambda: _stands_still(worker))
        if arena.desk.engine.dialect.name != "sqlite" or _can_be_written(str(arena.desk.engine.url.database)):
            return
        worker.signal(signal.SIGCONT)


def _can_be_written(file: str) -> bool:
    connection = sqlite3.connect(file, timeout=0.5, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return False
    else:
        return True
    finally:
        connection.close()
