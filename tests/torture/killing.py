"""Worker processes ended by kill -9 at random moments, always while several of their requests are on the wire."""

from __future__ import annotations

from sqlalchemy import select

from tests.live_app import wait_until
from tests.torture.arena import Arena
from tests.torture.judgement import Story
from tests.torture.processes import WorkerProcess
from tests.torture.scale import Scale
from toc_sync.database import reading
from toc_sync.model import Status
from toc_sync.tables import sync_records

AT_LEAST = 4
DEADLINE_S = 8.0
"""Long enough that a slow machine alone leaves nothing in doubt."""


def random_kills(arena: Arena, scale: Scale) -> Story:
    """Kills one process after the other; each is replaced, and invoices keep coming."""
    arena.judge.latency_s = (0.5, 3.0)
    arena.crew(deadline_s=DEADLINE_S)
    in_flight: set[int] = set()
    for _ in range(scale.kills):
        victim, died_with = wait_until(lambda: _a_busy_one(arena), within_s=120, every_s=0.02)
        victim.kill()
        in_flight |= died_with
        arena.start(deadline_s=DEADLINE_S)
    arena.drain()
    doubts = arena.count(Status.IN_DOUBT)
    # Between the look and the kill a process may have claimed as many again as it has threads, no more.
    most = len(in_flight) + AT_LEAST * scale.kills
    wrong = () if doubts <= most else (f"{doubts} invoices are in doubt, but at most {most} can be",)
    return Story(
        happened=f"{scale.kills} kills with {len(in_flight)} requests on the wire, {len(arena.created)} invoices",
        wrong=wrong,
    )


def _a_busy_one(arena: Arena) -> tuple[WorkerProcess, set[int]] | None:
    """Returns a process with enough requests on the wire, and their invoices; None if at this moment there is none."""
    if arena.count(Status.QUEUED) < AT_LEAST:
        arena.create(2 * AT_LEAST)
    arena.pause(0, 0.1)
    busy = [(worker, ids) for worker in arena.alive() if len(ids := _on_the_wire(arena, worker)) >= AT_LEAST]
    return arena.chance.choice(busy) if busy else None


def _on_the_wire(arena: Arena, worker: WorkerProcess) -> set[int]:
    query = select(sync_records.c.invoice_id, sync_records.c.claim_id).where(
        sync_records.c.status == Status.SYNCING, sync_records.c.claimed_by.startswith(worker.name)
    )
    waiting = arena.judge.on_the_wire()
    with reading(arena.desk.engine) as conn:
        return {row.invoice_id for row in conn.execute(query) if row.claim_id in waiting}
