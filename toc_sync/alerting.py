"""When people are told: from what is so now, and what they were told already, to what begins, goes on and is over.

Pure: facts in, decisions out, the time is an argument. An incident is told once when it begins, once a day while it
lasts, and once when it is over; whoever executes the decisions sees to that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from toc_sync import wording_alerts as words
from toc_sync.model import ErrorKind, Outcome, Status
from toc_sync.views import GateView

LOOKED_BACK = timedelta(minutes=15)
"""The stretch of time that the failure rate is taken from."""

FEWEST_ATTEMPTS = 10
FAILING_SHARE = 0.2
RECOVERED_SHARE = 0.1
"""Below the other one, so that a rate around the limit is one incident and not many."""

OLD_DOUBT = timedelta(minutes=15)
NEW_GROUP = timedelta(hours=24)
"""How long after its first failure a group counts as new: alerts may have been switched off at that moment."""

PROOF_WITHIN = timedelta(minutes=5)
"""How long after the gate's opening the good news waits for the invoices that had waited, so that it can count them."""

UNWATCHED = timedelta(minutes=1)
"""How long no worker may be alive before it is told: a restart is no incident."""

GATE, WORKERS, WAITING, FAILING, DOUBTS = "gate", "workers", "waiting", "failing", "doubts"
GROUP, DEADLINE = "group:", "deadline:"
"""Beginnings of the subjects of which there are many: one per error group, one per day."""


@dataclass(frozen=True, kw_only=True)
class GroupFacts:
    """The invoices that need attention because the same went wrong."""

    key: str
    error_kind: ErrorKind
    refusal: str | None
    first_seen_at: datetime
    count: int
    amounts: Mapping[str, Decimal]


@dataclass(frozen=True, kw_only=True)
class DueDay:
    """The invoices that are not in TOC Online and whose last lawful day is this one."""

    day: date
    count: int
    amounts: Mapping[str, Decimal]


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What is so at one instant. `due` are the days up to the next working day, past ones included."""

    groups: tuple[GroupFacts, ...] = ()
    waiting: int = 0
    oldest_waiting_at: datetime | None = None
    attempts: Mapping[Outcome, int]
    """How the attempts of the last 15 minutes ended."""
    old_doubts: int = 0
    doubt_amounts: Mapping[str, Decimal]
    oldest_doubt_at: datetime | None = None
    gate: GateView
    workers_alive: int = 0
    due: tuple[DueDay, ...] = ()
    today: date


@dataclass(frozen=True, kw_only=True)
class Incident:
    """Something that people are told about; open while `closed_at` is empty."""

    subject: str
    message: str
    opened_at: datetime
    closed_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Alert:
    """What is wrong now, as the sentences that people read."""

    subject: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """What begins, what goes on (worded as it is now), and what is over."""

    begins: tuple[Alert, ...]
    lasts: tuple[Alert, ...]
    ends: tuple[Alert, ...]


def decide(
    situation: Situation, incidents: Iterable[Incident], *, waiting_limit: timedelta, now: datetime
) -> Decisions:
    """Returns what begins, lasts and ends; `incidents` are the open ones and those closed within `NEW_GROUP`."""
    known = tuple(incidents)
    is_open = {incident.subject for incident in known if incident.closed_at is None}
    was_told = {incident.subject for incident in known}
    alerts = {alert.subject: alert for alert in _alerts(situation, is_open, was_told, waiting_limit, now)}
    return Decisions(
        begins=tuple(alert for subject, alert in alerts.items() if subject not in is_open),
        lasts=tuple(alert for subject, alert in alerts.items() if subject in is_open),
        ends=tuple(
            Alert(subject=subject, message=_ending(subject, situation)) for subject in sorted(is_open - alerts.keys())
        ),
    )


def telling_delay(subject: str) -> timedelta:
    """Returns how long an incident must have lasted before anybody is told."""
    return UNWATCHED if subject == WORKERS else timedelta(0)


def first_day_of_interest(incidents: Iterable[Incident], *, today: date) -> date:
    """Returns the earliest day whose deadline concerns anybody: a week ago, or the oldest that was told and is not over.

    What was overdue long before is the page's business, not an alert's.
    """
    told = [_day_of(each.subject) for each in incidents if each.closed_at is None and each.subject.startswith(DEADLINE)]
    return min([today - timedelta(days=7), *told])


def told_groups(incidents: Iterable[Incident]) -> frozenset[str]:
    """Returns the keys of the error groups that were told and are not over."""
    is_open = (each.subject for each in incidents if each.closed_at is None)
    return frozenset(subject.removeprefix(GROUP) for subject in is_open if subject.startswith(GROUP))


def _alerts(
    situation: Situation, is_open: set[str], was_told: set[str], waiting_limit: timedelta, now: datetime
) -> Iterable[Alert]:
    if _gate_concerns(situation.gate, is_open, now):
        yield Alert(subject=GATE, message=words.gate_stopped(situation.gate))
    if situation.workers_alive == 0:
        yield Alert(subject=WORKERS, message=words.no_worker(situation.waiting))
    if _waits_too_long(situation, waiting_limit, now):
        assert situation.oldest_waiting_at is not None  # else nothing waits
        yield Alert(subject=WAITING, message=words.waits(situation.waiting, situation.oldest_waiting_at, now))
    if _fails_too_often(situation.attempts, is_open):
        failed, total = _failed_of(situation.attempts)
        yield Alert(subject=FAILING, message=words.failing(failed, total))
    if situation.oldest_doubt_at is not None:
        message = words.doubts(situation.old_doubts, situation.doubt_amounts, situation.oldest_doubt_at, now)
        yield Alert(subject=DOUBTS, message=message)
    for group in situation.groups:
        subject = GROUP + group.key
        is_new = now - group.first_seen_at < NEW_GROUP and subject not in was_told
        if is_new or subject in is_open:
            message = words.error_group(group.error_kind, group.refusal, group.count, group.amounts)
            yield Alert(subject=subject, message=message)
    for due in situation.due:
        message = words.deadline(due.day, due.count, due.amounts, situation.today)
        yield Alert(subject=f"{DEADLINE}{due.day.isoformat()}", message=message)


def _gate_concerns(gate: GateView, is_open: set[str], now: datetime) -> bool:
    """A gate that has just opened concerns people still, until its proof can count what had waited."""
    if not gate.is_open:
        return True
    if GATE not in is_open or gate.reopening is None:
        return False
    statuses = gate.reopening.statuses
    wait_still = statuses.get(Status.QUEUED, 0) + statuses.get(Status.SYNCING, 0)
    return wait_still > 0 and now - gate.since < PROOF_WITHIN


def _waits_too_long(situation: Situation, limit: timedelta, now: datetime) -> bool:
    """While the gate is not open its own alert says all; what waited for it waits anew from its opening."""
    if situation.oldest_waiting_at is None or not situation.gate.is_open:
        return False
    return now - max(situation.oldest_waiting_at, situation.gate.since) > limit


def _fails_too_often(attempts: Mapping[Outcome, int], is_open: set[str]) -> bool:
    failed, total = _failed_of(attempts)
    if FAILING in is_open:
        # Only successes prove that it works again; that nothing was tried proves nothing.
        return total == 0 or failed / total >= RECOVERED_SHARE
    return total >= FEWEST_ATTEMPTS and failed / total >= FAILING_SHARE


def _failed_of(attempts: Mapping[Outcome, int]) -> tuple[int, int]:
    total = sum(attempts.values())
    return total - attempts.get(Outcome.SYNCED, 0), total


def _ending(subject: str, situation: Situation) -> str:
    if subject == GATE and situation.gate.reopening:
        return words.gate_opened(situation.gate.reopening)
    if subject.startswith(DEADLINE):
        return words.deadline_kept(_day_of(subject))
    return words.ENDINGS.get(subject, words.GROUP_IS_OVER)


def _day_of(subject: str) -> date:
    return date.fromisoformat(subject.removeprefix(DEADLINE))
