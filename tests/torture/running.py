"""One scenario from the beginning to the judgement."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.torture.arena import Arena
from tests.torture.judgement import Faults, Story, find_faults
from tests.torture.scale import Scale
from toc_sync import outbox
from toc_sync.database import reading
from toc_sync.model import DatabaseUnavailable
from toc_sync.verbs.gate import GateVerbs

Scenario = Callable[[Arena, Scale], Story]

LOOKED_EVERY_S = 0.1


def survive(scenario: Scenario, arena: Arena, scale: Scale) -> tuple[Story, Faults]:
    """Runs a scenario, lets everything come to rest and judges."""
    with keep_gate_open(arena):
        story = scenario(arena, scale)
        arena.drain()
    arena.stop_all()
    # What the next round of a worker would do; waiting for it would only take time.
    arena.desk.observe()
    arena.desk.sweep()
    return story, find_faults(arena, story)


@contextmanager
def keep_gate_open(arena: Arena) -> Iterator[None]:
    """Resumes at once whatever stops the sending: a judge in a bad mood must not be spared the next request."""
    gate, over = GateVerbs(arena.desk.engine, lambda: None), threading.Event()

    def resume() -> None:
        while not over.wait(LOOKED_EVERY_S):
            with suppress(DatabaseUnavailable):
                if not _is_open(arena):
                    gate.resume(actor="the torture")

    keeper = threading.Thread(target=resume)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join()


def _is_open(arena: Arena) -> bool:
    with reading(arena.desk.engine) as conn:
        return outbox.read_gate(conn).is_open
