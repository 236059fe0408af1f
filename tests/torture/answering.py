"""Everything the function can answer: each answer of the catalogue in random order, and bodies that nobody should send."""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from sqlalchemy import select

from tests.stand_in import Answer, Received
from tests.torture.arena import MOVING, Arena
from tests.torture.judge import Judge, request_id
from tests.torture.judgement import Story
from tests.torture.scale import Scale
from toc_sync.database import reading
from toc_sync.model import Outcome, Status
from toc_sync.tables import sync_attempts

CASES = json.loads((Path(__file__).parent.parent / "catalogue.json").read_text(encoding="utf-8"))["cases"]
ANSWERED = [case for case in CASES if case["answer"].get("transport") != "refused"]
NUMBER = re.compile(r"FT 2026/\d+")
BOMB = gzip.compress(bytes(20_000_000))


class Catalogue:
    """A temper that deals out the whole catalogue in random order, again and again."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._left: list[dict] = []
        self.dealt: dict[str, str] = {}
        """The outcome that each request must have, by its id."""

    def __call__(self, judge: Judge, request: Received) -> Answer:
        if not self._left:
            self._left = self._chance.sample(ANSWERED, len(ANSWERED))
        case = self._left.pop()
        outcome = Outcome(case["outcome"])
        self.dealt[request_id(request)] = outcome
        # Where nobody knows, there may be one.
        if outcome is Outcome.SYNCED or (outcome is Outcome.IN_DOUBT and self._chance.random() < 0.5):
            return _renumbered(case["answer"], judge.issue(request))
        return case["answer"]


def every_answer(arena: Arena, scale: Scale) -> Story:
    """Answers everything in the catalogue, each after its own time, and does not listen at all now and then."""
    judge = arena.judge
    judge.temper = catalogue = Catalogue(arena.chance)
    judge.latency_s = (0, scale.latency_s)
    arena.create(scale.invoices)
    arena.crew(deadline_s=scale.deadline_s)
    deaf = 0
    while arena.count(*MOVING) and deaf < 3 + scale.invoices // 10:
        judge.answer(None, {"transport": "refused"})
        arena.pause(0.05, 0.2)
        judge.answer(None, {})  # listens again
        deaf += 1
        arena.pause(0.2, 0.6)
    arena.drain()
    happened = f"{len(judge.requests)} answers to {scale.invoices} invoices, nobody listening {deaf} times"
    return Story(happened=happened, wrong=tuple(_misread(arena, catalogue)))


def bad_bodies(arena: Arena, scale: Scale) -> Story:
    """Issues a document each time and then answers with a body that says so badly, or never ends."""
    judge = arena.judge

    def temper(judge: Judge, request: Received) -> Answer:
        return BODIES[len(judge.requests) % len(BODIES)](judge.issue(request))

    judge.temper = temper
    arena.create(max(scale.invoices // 2, 2 * len(BODIES)))
    arena.crew()
    arena.drain()
    in_doubt = arena.count(Status.IN_DOUBT)
    return Story(happened=f"{len(judge.requests)} bodies of {len(BODIES)} kinds, {in_doubt} left in doubt")


def _misread(arena: Arena, catalogue: Catalogue) -> Iterator[str]:
    """Yields the answers that became something else than they must, or than "we do not know" (it came too late)."""
    with reading(arena.desk.engine) as conn:
        found = conn.execute(select(sync_attempts.c.request_id, sync_attempts.c.outcome)).all()
    for name, outcome in found:
        if outcome not in (catalogue.dealt.get(name, Outcome.UNDELIVERED), Outcome.IN_DOUBT):
            yield f"request {name} was answered {catalogue.dealt.get(name)} and recorded {outcome}"


def _renumbered(answer: Answer, number: str) -> Answer:
    if "body" not in answer:
        return answer
    body = json.loads(NUMBER.sub(number, json.dumps(answer["body"])))
    return {**answer, "body": body}


def _drip() -> Iterator[bytes]:
    while True:
        yield b" "
        time.sleep(0.05)


def _endless() -> Iterator[bytes]:
    while True:
        yield b"x" * 65_536


def _whole(number: str) -> bytes:
    return b'{"success": true, "toc_data": {"document_no": "%s"}' % number.encode()


def _twice_said(number: str) -> bytes:
    refused = b'"success": false, "error": "invoice has no lines", "toc_data": null}'
    return _whole(number) + b", " + refused


REFUSED_AFTER_ALL = b'{"success": true, "success": false, "error": "ok", "error": "invoice has no lines"}'
BODIES: tuple[Callable[[str], Answer], ...] = (
    lambda _number: {"body": _drip},
    lambda _number: {"body": _endless},
    lambda _number: {"body": b"x" * 10_000_000},
    lambda number: {"body": _whole(number) + b', "padding": "' + b"x" * 10_000_000 + b'"}'},
    lambda _number: {"headers": {"content-encoding": "gzip"}, "body": BOMB},
    lambda number: {"headers": {"content-encoding": "gzip"}, "body": gzip.compress(_whole(number) + b"}")[:-9]},
    lambda _number: {"body": b'\xff\xfe{"success": \xe9}'},
    lambda number: {"body": _whole(number) + b', "payer": "\xc3\x28 \xff"}'},
    lambda number: {"body": _twice_said(number)},
    lambda number: {"status": 400, "body": _twice_said(number)},
    lambda _number: {"status": 400, "body": REFUSED_AFTER_ALL},
    lambda number: {"body": _whole(number) + b', "gross_total": NaN, "vat": -Infinity}'},
    lambda _number: {"body": b'{"success": NaN}'},
    lambda number: {"body": _whole(number) + b', "payer": "\\u0000 \\ud800"}'},
    lambda _number: {"body": b"[" * 100_000},
    lambda number: {"headers": {"content-length": "5000"}, "body": _whole(number)},
)
"""Each goes out with a document behind it: read it how you like, but never as "certainly not there"."""
