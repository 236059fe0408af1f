"""An invoice's life in one line: created, sent, answered, in TOC Online, or wherever it is now. Pure text, like `wording`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from toc_sync.model import Outcome, Status
from toc_sync.views import AttemptRow, InvoiceDetail
from toc_sync.wording import KIND_NAMES, STATUS_NAMES, ZONE, clock_time, since, waiting_line

IN_TOC_ONLINE = "In TOC Online"


class Mood(StrEnum):
    """How a step of an invoice's life went."""

    DONE = "done"
    MOVING = "moving"
    FAILED = "failed"
    DOUBT = "doubt"
    IDLE = "idle"


MOODS = {
    Status.NOT_SYNCED: Mood.IDLE,
    Status.QUEUED: Mood.MOVING,
    Status.SYNCING: Mood.MOVING,
    Status.SYNCED: Mood.DONE,
    Status.FAILED: Mood.FAILED,
    Status.IN_DOUBT: Mood.DOUBT,
    Status.NOT_NEEDED: Mood.IDLE,
}
_MOODS_OF_ANSWERS = {
    Outcome.SYNCED: Mood.DONE,
    Outcome.FAILED: Mood.FAILED,
    Outcome.IN_DOUBT: Mood.DOUBT,
    Outcome.UNDELIVERED: Mood.MOVING,
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step: what happened, when and how long it took as people read it, how it went, and whether it is the last."""

    name: str
    at: datetime | None
    mood: Mood
    took: str = ""
    when: str = ""
    is_current: bool = False


def life(detail: InvoiceDetail) -> tuple[Step, ...]:
    """Returns the steps from the creation to where the invoice is now, with its newest attempt in between."""
    steps = [Step(name="Created", at=detail.created_at, mood=Mood.DONE)]
    if detail.attempts:
        earlier = detail.row.attempts - 1
        if earlier > 0:
            name = f"{earlier:,} earlier attempt{'' if earlier == 1 else 's'}"
            steps.append(Step(name=name, at=None, mood=Mood.IDLE))
        steps += _steps_of(detail.attempts[0])
    if detail.row.status is not Status.SYNCING:
        steps.append(_end(detail))
    steps[-1] = replace(steps[-1], is_current=True)
    return tuple(_with_times(steps, detail.read_at))


def _steps_of(attempt: AttemptRow) -> Iterator[Step]:
    is_open = attempt.outcome is None
    yield Step(name="Sent", at=attempt.started_at, mood=Mood.MOVING if is_open else Mood.DONE)
    if attempt.outcome is None:
        return
    arrived = "Not delivered" if attempt.outcome is Outcome.UNDELIVERED else "No answer"
    yield Step(
        name="Answered" if attempt.http_status else arrived,
        at=attempt.finished_at,
        took=f"({attempt.duration_ms / 1000:.1f} s)" if attempt.duration_ms is not None else "",
        mood=_MOODS_OF_ANSWERS[attempt.outcome],
    )


def _end(detail: InvoiceDetail) -> Step:
    row, name, at = detail.row, STATUS_NAMES[detail.row.status], None
    if row.status is Status.SYNCED:
        name, at = " ".join(filter(None, (IN_TOC_ONLINE, row.document_no))), row.synced_at
    elif row.status is Status.QUEUED:
        name = waiting_line(row.not_before, detail.read_at)
    elif row.status in (Status.FAILED, Status.IN_DOUBT):
        name = f"{name}: {KIND_NAMES[row.error_kind].lower()}" if row.error_kind else name
        at = row.doubt_since if row.status is Status.IN_DOUBT else None
    return Step(name=name, at=at, mood=MOODS[row.status])


def _with_times(steps: list[Step], now: datetime) -> Iterator[Step]:
    """Yields the steps with their times; the day is said once."""
    day = now.astimezone(ZONE).date()
    for step in steps:
        if step.at is None:
            yield replace(step, when=step.took)
            continue
        its_day = step.at.astimezone(ZONE).date()
        at = clock_time(step.at) if its_day == day else since(step.at, now)
        yield replace(step, when=f"{at} {step.took}".strip())
        day = its_day
