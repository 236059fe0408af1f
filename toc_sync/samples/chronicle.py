"""What each invented invoice went through, attempt by attempt.

The policy says what follows from an answer; chance says only how long things took. Writes nothing, sends nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from toc_sync import policy
from toc_sync.model import Claim, Outcome, Status, Trigger, Verdict
from toc_sync.samples.company import PREFIXES, Sample
from toc_sync.samples.stories import Answer, Elsewhere

WAITS_S = (30, 120, 600, 1800, 7200)
JITTER = 0.5
LEASE = timedelta(seconds=200)
PICKED_UP_AFTER = timedelta(seconds=0.3)
PEOPLE = ("Ana Costa", "Rui Pereira", "Inês Duarte")
WORKER = "sample"

_ISSUED = Verdict(outcome=Outcome.SYNCED, http_status=200)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One attempt: when, what or who started it, and how it ended (`answer` None: a document was issued)."""

    claimed: Claim
    answer: Answer | None
    decision: policy.Decision
    duration_ms: int
    undelivered_tries: int
    finished_at: datetime


@dataclass(kw_only=True)
class History:
    """An invoice with its attempts, when its fate was known, and its document's number where one was issued."""

    sample: Sample
    steps: tuple[Step, ...]
    known_at: datetime
    document_no: str | None = None


def live_through(samples: Sequence[Sample], rng: Random) -> list[History]:
    """Returns the history of each invoice; documents are numbered without gaps, in the order they were issued."""
    histories = [_live(sample, rng) for sample in samples]
    numbers: Counter[str] = Counter()
    for history in sorted(filter(_is_issued, histories), key=lambda history: history.known_at):
        # Not the sandbox's series, so that its numbers never meet these.
        series = f"FT {PREFIXES[history.sample.issuer]}{history.known_at.year}"
        numbers[series] += 1
        history.document_no = f"{series}/{numbers[series]}"
    return histories


def _live(sample: Sample, rng: Random) -> History:
    steps: list[Step] = []
    trigger, person, tries = Trigger.CREATED, rng.choice(PEOPLE), 0
    started_at = sample.created_at + PICKED_UP_AFTER
    for number, answer in enumerate(sample.story.answers, start=1):
        claimed = Claim(
            invoice_id=sample.invoice.invoice_id,
            number=number,
            request_id=str(UUID(int=rng.getrandbits(128), version=4)),
            trigger=trigger,
            requested_by=person,
            lease_until=started_at + LEASE,
            started_at=started_at,
            worker=WORKER,
        )
        step = _step(claimed, answer, tries, rng)
        steps.append(step)
        if step.decision.not_before is not None:
            trigger, tries = Trigger.AUTOMATIC, step.undelivered_tries
            started_at = step.decision.not_before + PICKED_UP_AFTER
        else:  # a person looks at it after a while, if there is anything to look at
            trigger = Trigger.SEND_AGAIN if step.decision.status is Status.IN_DOUBT else Trigger.RETRY
            person, tries = rng.choice(PEOPLE), 0
            started_at = step.finished_at + timedelta(minutes=rng.uniform(12, 40))
    known_at = steps[-1].finished_at if steps else sample.created_at + timedelta(seconds=4)
    return History(sample=sample, steps=tuple(steps), known_at=started_at if sample.story.declared else known_at)


def _step(claimed: Claim, answer: Answer | None, tries: int, rng: Random) -> Step:
    verdict = answer.verdict if answer else _ISSUED
    duration_ms = (answer.evidence.duration_ms if answer else None) or rng.randrange(640, 2_900)
    tries += verdict.outcome is Outcome.UNDELIVERED
    finished_at = claimed.started_at + timedelta(milliseconds=duration_ms)
    decision = policy.decide(verdict, tries=tries, waits_s=WAITS_S, jitter=JITTER, now=finished_at)
    return Step(
        claimed=claimed,
        answer=answer,
        decision=decision,
        duration_ms=duration_ms,
        undelivered_tries=tries,
        finished_at=finished_at,
    )


def _is_issued(history: History) -> bool:
    story = history.sample.story
    is_answered = bool(history.steps) and history.steps[-1].answer is None
    return is_answered or story.declared or story.elsewhere is Elsewhere.SUCCESS
