"""Fifty people press Retry and Resolve on the same twenty invoices while workers send them."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from functools import partial
from random import Random

from tests.core import REFUSALS, Desk, at_once
from tests.stand_in import Answer, Received
from tests.torture.arena import Arena, insist
from tests.torture.clocks import NOT_STARTED
from tests.torture.judge import Judge, issues
from tests.torture.judgement import Story
from tests.torture.scale import Scale
from toc_sync import resolving
from toc_sync.model import Result, Status

PEOPLE = 50
FAILED, IN_DOUBT, NEW = 7, 7, 6
REFUSED = {"status": 422, "body": {"error": "invoice has no lines"}}
CLOSED = {"transport": "close"}
LONG_ENOUGH = timedelta(minutes=11)


def everybody_presses(arena: Arena, scale: Scale) -> Story:
    """Brings the invoices into every state, then lets everybody press everything at once."""
    judge, desk = arena.judge, arena.desk
    arena.crew()
    _first(arena, REFUSED, FAILED)
    in_doubt = _first(arena, CLOSED, IN_DOUBT)
    for invoice_id in in_doubt:  # nothing was issued, and the platform can no longer be working on it
        desk.change_record(invoice_id, last_attempt_at=desk.now() - LONG_ENOUGH)
    judge.temper, judge.latency_s = _moody, (0, 0.1)
    arena.create(NEW)
    declared: defaultdict[int, set[str]] = defaultdict(set)
    done: list[str] = []

    def press(person: int) -> None:
        chance = Random(person)
        for number in range(scale.presses):
            invoice_id, document = chance.choice(arena.created), f"SEEN {person}/{number}"
            button = chance.choice(["retried", "retried", "sent again", "declared"])
            if not insist(partial(_press, desk, button, invoice_id, f"person {person}", document)).done:
                continue
            done.append(button)
            if button == "declared":
                declared[invoice_id].add(document)

    at_once(PEOPLE, press)
    arena.drain()
    pressed = ", ".join(f"{done.count(what)} {what}" for what in ("retried", "sent again", "declared"))
    happened = f"{PEOPLE * scale.presses} presses, of which {pressed}; {len(judge.requests)} requests"
    # No "send again" counts as an excuse: each was true, so there is still at most one document.
    return Story(happened=happened, elsewhere=declared, wrong=tuple(_more_than_one(in_doubt, done)))


def _press(desk: Desk, button: str, invoice_id: int, actor: str, document: str) -> Result:
    if button == "retried":
        return desk.retry(invoice_id, actor=actor)
    if button == "sent again":
        return resolving.resolve_send_again(desk.engine, invoice_id, REFUSALS, actor=actor, reason="not there")
    return resolving.resolve_as_synced(desk.engine, invoice_id, document, REFUSALS, actor=actor, reason="seen")


def _more_than_one(in_doubt: list[int], done: list[str]) -> list[str]:
    times = done.count("sent again")
    return [f"“send again” was done {times} times for {len(in_doubt)} invoices"] if times > len(in_doubt) else []


def _first(arena: Arena, answer: Answer, count: int) -> list[int]:
    arena.judge.temper = lambda _judge, _request: answer
    made = arena.create(count)
    arena.drain()
    assert arena.count(Status.FAILED, Status.IN_DOUBT) == len(arena.created)
    return made


def _moody(judge: Judge, request: Received) -> Answer:
    mood = judge.chance.random()
    if mood < 0.5:
        return issues(judge, request)
    if mood < 0.6:
        judge.issue(request)
        return CLOSED
    return CLOSED if mood < 0.7 else REFUSED if mood < 0.9 else NOT_STARTED
