"""The gate's rules: when the sending stops by itself, when one probe goes out, and when it goes on. Pure.

The gate looks at what the last attempts came to, so there is nothing to count and nothing to reset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from toc_sync.model import GATEWAY_STATUSES, ErrorKind, GateCause, GateState, Outcome

DOWN_AFTER = 5
"""So many answers in a row that mean "the function or its platform is down" close the gate."""

FIRST_PROBE_S = 30
LONGEST_PROBE_S = 300


@dataclass(frozen=True, kw_only=True)
class Gate:
    """Whether invoices may leave, since when, and when the next probe may go out."""

    state: GateState
    since: datetime
    cause: GateCause | None = None
    changed_by: str | None = None
    reason: str | None = None
    probe_at: datetime | None = None
    probe_wait_s: int | None = None
    log_id: int | None = None
    database_changed: bool = False
    """The database lies elsewhere than where it was accepted, or has another history."""
    why_changed: str | None = None
    is_wished: bool = False
    """Somebody paused beside the row, which was locked; it does not say so itself yet."""
    clock_set_at: datetime | None = None
    """Since when nothing leaves because this machine's clock was set forward; that ends by itself."""

    @property
    def is_open(self) -> bool:
        """Tells whether invoices may leave."""
        return self.state is GateState.OPEN and not self.database_changed and self.clock_set_at is None

    @property
    def shown_since(self) -> datetime:
        """Since when it is as people see it."""
        return self.clock_set_at if self.clock_set_at and self.state is GateState.OPEN else self.since

    @property
    def is_unrecognised(self) -> bool:
        """Tells whether somebody must say what this database is before anything may leave."""
        return self.database_changed or self.cause is GateCause.DATABASE

    @property
    def why_unrecognised(self) -> str | None:
        """Says what is wrong with it, as a sentence."""
        return self.reason if self.cause is GateCause.DATABASE else self.why_changed


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the gate needs to know about one finished attempt."""

    outcome: Outcome
    error_kind: ErrorKind | None
    http_status: int | None


def means_down(answer: Answer) -> bool:
    """Tells whether an answer says that the function or its platform is down, whatever became of the invoice."""
    if answer.error_kind in (ErrorKind.UNREACHABLE, ErrorKind.TIMEOUT, ErrorKind.LOST):
        return True
    return answer.error_kind is ErrorKind.SERVER_ERROR and answer.http_status in GATEWAY_STATUSES


def means_misconfigured(answer: Answer) -> bool:
    """Tells whether every other invoice would be refused in the same way."""
    return answer.outcome is Outcome.FAILED and answer.error_kind is ErrorKind.CONFIGURATION


def concerns_the_gate(answer: Answer) -> bool:
    """Tells whether this answer may close the gate."""
    return means_down(answer) or means_misconfigured(answer)


def next_cause(gate: Gate, answers: Sequence[Answer]) -> GateCause | None:
    """Returns why the gate is to be closed after `answers` (since the gate last changed, newest first), or None for open.

    Pausing is a person's business: a paused gate keeps its cause whatever is answered.
    """
    if gate.state is GateState.PAUSED or gate.cause is GateCause.CONFIGURATION:
        return gate.cause
    if any(means_misconfigured(answer) for answer in answers[:DOWN_AFTER]):
        return GateCause.CONFIGURATION
    if gate.state is GateState.CLOSED:
        return GateCause.OUTAGE if all(means_down(answer) for answer in answers) else None
    newest = answers[:DOWN_AFTER]
    return GateCause.OUTAGE if len(newest) == DOWN_AFTER and all(means_down(answer) for answer in newest) else None


def may_probe(gate: Gate, *, now: datetime) -> bool:
    """Tells whether it is time for one invoice to find out whether the function works again."""
    waits = gate.state is GateState.CLOSED and gate.cause is GateCause.OUTAGE and not gate.database_changed
    is_time = gate.probe_at is not None and gate.probe_at <= now
    return waits and is_time and gate.clock_set_at is None


def next_probe(gate: Gate, *, now: datetime) -> tuple[datetime, int]:
    """Returns when the probe after this one may go out, and after how many seconds: twice as long, at most 5 minutes."""
    wait_s = min(LONGEST_PROBE_S, 2 * gate.probe_wait_s) if gate.probe_wait_s else FIRST_PROBE_S
    return now + timedelta(seconds=wait_s), wait_s
