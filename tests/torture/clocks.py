"""Machines whose clocks are ten minutes off: what is due, and when a lease ends, is the database's to say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import select

from tests.live_app import wait_until
from tests.stand_in import Answer, Received
from tests.torture.arena import DEADLINE_S, LEASE_MARGIN_S, Arena
from tests.torture.judge import Judge, issues
from tests.torture.judgement import Story
from tests.torture.scale import Scale
from tests.torture.twists import Twist
from toc_sync.database import reading
from toc_sync.model import ErrorKind, Status
from toc_sync.tables import sync_attempts

OFF_S = 600.0
NOT_STARTED = {"status": 503, "headers": {"sb-error-code": "BOOT_ERROR"}, "body": {"code": "BOOT_ERROR"}}


def clocks_apart(arena: Arena, scale: Scale) -> Story:
    """Lets a machine that is ahead and one that is behind share the work with a third, which then dies."""
    judge = arena.judge
    judge.temper, judge.latency_s = _starts_slowly, (0.2, 0.5)
    for off_s in (OFF_S, -OFF_S):
        arena.start(Twist(clock_s=off_s)).says("worker-started")
    arena.create(scale.invoices)
    arena.drain()
    # A late answer would settle it again, so the end alone does not show it.
    rescued = sum(worker.log.count("rescued invoice=") for worker in arena.workers)
    died_with = _one_dies(arena)
    arena.drain()
    wrong = [f"{rescued} claims were given up though nobody died"] if rescued else []
    wrong.extend(_rescued_too_soon(arena))
    happened = f"{len(arena.created)} invoices, {died_with} on the wire when their machine died"
    return Story(happened=happened, wrong=tuple(wrong))


def _starts_slowly(judge: Judge, request: Received) -> Answer:
    """Every third request meets a function that has not started: it is due again a moment later."""
    return NOT_STARTED if len(judge.requests) % 3 == 0 else issues(judge, request)


def _one_dies(arena: Arena) -> int:
    arena.judge.temper, arena.judge.latency_s = issues, (0, 0)
    arena.judge.hold()
    before = len(arena.judge.requests)
    third = arena.start()
    third.says("worker-started")
    arena.create(12)
    arena.judge.wait_for(count=before + 12, timeout_s=30)
    third.kill()
    lost = wait_until(lambda: arena.count(Status.SYNCING))
    arena.judge.release()
    return lost


def _rescued_too_soon(arena: Arena) -> Iterator[str]:
    lease = timedelta(seconds=DEADLINE_S + LEASE_MARGIN_S)
    lost = select(sync_attempts).where(sync_attempts.c.error_kind == ErrorKind.LOST)
    with reading(arena.desk.engine) as conn:
        for attempt in conn.execute(lost):
            if attempt.finished_at - attempt.started_at < lease:
                yield f"attempt {attempt.number} of invoice {attempt.invoice_id} was given up before its lease ended"
