"""When people are told: a table of situations, each with what begins, what lasts and what is over. No database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from toc_sync import wording_alerts
from toc_sync.alerting import (
    DueDay,
    GroupFacts,
    Incident,
    Situation,
    decide,
    first_day_of_interest,
    telling_delay,
)
from toc_sync.model import ErrorKind, GateCause, GateState, Outcome, Status
from toc_sync.views import GateView, Reopening

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
TODAY = date(2026, 11, 23)
LIMIT = timedelta(minutes=30)


def ago(**parts: float) -> datetime:
    return NOW - timedelta(**parts)


OPEN_GATE = GateView(
    state=GateState.OPEN,
    since=ago(days=3),
    cause=None,
    changed_by=None,
    reason=None,
    probe_at=None,
    waiting=0,
    amounts={},
    reopening=None,
)
CLOSED_GATE = replace(
    OPEN_GATE,
    state=GateState.CLOSED,
    cause=GateCause.OUTAGE,
    since=ago(hours=2),
    reason="It is down.",
    waiting=37,
    amounts={"EUR": Decimal("4551.00")},
)
QUIET = Situation(attempts={}, doubt_amounts={}, gate=OPEN_GATE, workers_alive=1, today=TODAY)
GROUP = GroupFacts(
    key="ab12",
    error_kind=ErrorKind.REJECTED,
    refusal="tax number",
    first_seen_at=ago(minutes=1),
    count=2,
    amounts={"EUR": Decimal("246.00")},
)


def just_opened(*, minutes_ago: float = 0.5, **statuses: int) -> GateView:
    since = ago(minutes=minutes_ago)
    reopening = Reopening(
        cause=GateCause.OUTAGE,
        closed_at=ago(hours=2),
        opened_at=since,
        opened_by="the gate",
        waited=sum(statuses.values()),
        statuses={Status(name): count for name, count in statuses.items()},
    )
    return replace(OPEN_GATE, since=since, reopening=reopening)


def so(**changes: Any) -> Situation:
    return replace(QUIET, **changes)


def told(*subjects: str, **changes: Any) -> tuple[Incident, ...]:
    values = {"message": "…", "opened_at": ago(hours=1)} | changes
    return tuple(Incident(subject=subject, **values) for subject in subjects)


def due(day: date, count: int = 2) -> tuple[DueDay, ...]:
    return (DueDay(day=day, count=count, amounts={"EUR": Decimal("123.00") * count}),)


@pytest.mark.parametrize(
    ("situation", "incidents", "begins", "lasts", "ends"),
    [
        pytest.param(QUIET, (), [], [], [], id="all is well"),
        # Error groups
        pytest.param(so(groups=(GROUP,)), (), ["group:ab12"], [], [], id="something new goes wrong"),
        pytest.param(so(groups=(GROUP,)), told("group:ab12"), [], ["group:ab12"], [], id="it goes on"),
        pytest.param(
            so(groups=(replace(GROUP, first_seen_at=ago(days=2)),)), (), [], [], [], id="it went wrong days ago"
        ),
        pytest.param(
            so(groups=(replace(GROUP, first_seen_at=ago(days=2)),)),
            told("group:ab12"),
            [],
            ["group:ab12"],
            [],
            id="it has lasted for days",
        ),
        pytest.param(
            so(groups=(GROUP,)),
            told("group:ab12", closed_at=ago(minutes=5)),
            [],
            [],
            [],
            id="it comes back and is not new",
        ),
        pytest.param(QUIET, told("group:ab12"), [], [], ["group:ab12"], id="its last invoice is synced"),
        # Waiting
        pytest.param(
            so(waiting=1, oldest_waiting_at=ago(minutes=31)), (), ["waiting"], [], [], id="one waits too long"
        ),
        pytest.param(so(waiting=9, oldest_waiting_at=ago(minutes=29)), (), [], [], [], id="nine wait, not too long"),
        pytest.param(
            so(waiting=9, oldest_waiting_at=ago(minutes=29)), told("waiting"), [], [], ["waiting"], id="none too long"
        ),
        pytest.param(
            so(waiting=9, oldest_waiting_at=ago(hours=3), gate=CLOSED_GATE),
            (),
            ["gate"],
            [],
            [],
            id="they wait for the gate",
        ),
        pytest.param(
            so(waiting=9, oldest_waiting_at=ago(hours=3), gate=just_opened(queued=9)),
            (),
            [],
            [],
            [],
            id="they waited for the gate until now",
        ),
        # Failure rate
        pytest.param(so(attempts={Outcome.FAILED: 9}), (), [], [], [], id="nine of nine fail: too few to tell"),
        pytest.param(
            so(attempts={Outcome.FAILED: 1, Outcome.IN_DOUBT: 1, Outcome.SYNCED: 8}),
            (),
            ["failing"],
            [],
            [],
            id="a fifth of ten does not succeed",
        ),
        pytest.param(
            so(attempts={Outcome.UNDELIVERED: 19, Outcome.SYNCED: 81}), (), [], [], [], id="less than a fifth fails"
        ),
        pytest.param(
            so(attempts={Outcome.UNDELIVERED: 19, Outcome.SYNCED: 81}),
            told("failing"),
            [],
            ["failing"],
            [],
            id="less than a fifth fails, after more",
        ),
        pytest.param(
            so(attempts={Outcome.FAILED: 9, Outcome.SYNCED: 91}), told("failing"), [], [], ["failing"], id="few fail"
        ),
        pytest.param(QUIET, told("failing"), [], ["failing"], [], id="nothing was tried since many failed"),
        # Doubts
        pytest.param(
            so(old_doubts=1, doubt_amounts={"EUR": Decimal(1)}, oldest_doubt_at=ago(minutes=16)),
            (),
            ["doubts"],
            [],
            [],
            id="an old doubt",
        ),
        pytest.param(QUIET, told("doubts"), [], [], ["doubts"], id="no old doubt any more"),
        # Gate
        pytest.param(so(gate=CLOSED_GATE), (), ["gate"], [], [], id="the gate has closed"),
        pytest.param(so(gate=CLOSED_GATE), told("gate"), [], ["gate"], [], id="the gate stays closed"),
        pytest.param(so(gate=OPEN_GATE), told("gate"), [], [], ["gate"], id="the gate is open and nobody had waited"),
        pytest.param(
            so(gate=just_opened(queued=3, synced=34)), told("gate"), [], ["gate"], [], id="three are still to be sent"
        ),
        pytest.param(
            so(gate=just_opened(synced=37)), told("gate"), [], [], ["gate"], id="all that had waited are synced"
        ),
        pytest.param(
            so(gate=just_opened(minutes_ago=6, queued=3)), told("gate"), [], [], ["gate"], id="it is open for long"
        ),
        pytest.param(so(gate=just_opened(queued=3)), (), [], [], [], id="it opened before anybody was told"),
        # Workers
        pytest.param(so(workers_alive=0), (), ["workers"], [], [], id="no worker"),
        pytest.param(QUIET, told("workers"), [], [], ["workers"], id="a worker again"),
        # Deadlines
        pytest.param(so(due=due(date(2026, 11, 24))), (), ["deadline:2026-11-24"], [], [], id="due tomorrow"),
        pytest.param(
            so(due=due(date(2026, 11, 24)) + due(date(2026, 11, 23))),
            told("deadline:2026-11-23"),
            ["deadline:2026-11-24"],
            ["deadline:2026-11-23"],
            [],
            id="another day",
        ),
        pytest.param(
            so(due=()), told("deadline:2026-11-24"), [], [], ["deadline:2026-11-24"], id="nothing is missing any more"
        ),
    ],
)
def test_what_begins_lasts_and_ends(situation, incidents, begins, lasts, ends) -> None:
    decisions = decide(situation, incidents, waiting_limit=LIMIT, now=NOW)
    found = [[alert.subject for alert in part] for part in (decisions.begins, decisions.lasts, decisions.ends)]
    assert found == [begins, lasts, ends]


@pytest.mark.parametrize(
    ("situation", "message"),
    [
        pytest.param(
            so(groups=(GROUP,)),
            "Refused (tax number): 2 invoices, €246.00. Correct the invoice's data, then press Retry.",
            id="a group",
        ),
        pytest.param(
            so(waiting=1, oldest_waiting_at=ago(minutes=45)),
            "1 invoice waits, the oldest for 45 min, although sending is not stopped.",
            id="waiting",
        ),
        pytest.param(
            so(attempts={Outcome.FAILED: 3, Outcome.SYNCED: 9}),
            "3 of 12 attempts in the last 15 minutes did not succeed (25 %).",
            id="failing",
        ),
        pytest.param(
            so(old_doubts=2, doubt_amounts={"EUR": Decimal("12431.20")}, oldest_doubt_at=ago(hours=2)),
            "2 invoices are in doubt, €12,431.20, the oldest for 2 h: TOC Online may have them or not."
            " Look them up, then press Resolve.",
            id="doubts",
        ),
        pytest.param(
            so(gate=CLOSED_GATE),
            "Sending has stopped by itself at 23 Nov 2026, 08:00. It is down. 37 invoices wait, €4,551.00.",
            id="the gate",
        ),
        pytest.param(
            so(workers_alive=0, waiting=4),
            "No program that sends invoices is alive. 4 invoices wait. Start the app, or a worker.",
            id="no worker",
        ),
        pytest.param(
            so(due=due(date(2026, 11, 24))),
            "2 invoices, €246.00, are not in TOC Online yet; the last lawful day is Tuesday, 24 Nov 2026.",
            id="due tomorrow",
        ),
        pytest.param(
            so(due=due(TODAY, count=1)),
            "1 invoice, €123.00, is not in TOC Online yet; the last lawful day is today.",
            id="due today",
        ),
        pytest.param(
            so(due=due(date(2026, 11, 20), count=1)),
            "1 invoice, €123.00, should have been in TOC Online by Friday, 20 Nov 2026. Send it now.",
            id="overdue",
        ),
    ],
)
def test_a_message_says_how_much_and_what_to_do(situation, message) -> None:
    (alert,) = decide(situation, (), waiting_limit=LIMIT, now=NOW).begins
    assert alert.message == message


@pytest.mark.parametrize(
    ("subject", "situation", "message"),
    [
        pytest.param(
            "gate",
            so(gate=just_opened(synced=36, in_doubt=1)),
            "Invoices may leave again. Closed 23 Nov 2026, 08:00–09:59: 37 waited, 36 synced, 1 in doubt.",
            id="the gate, with its proof",
        ),
        pytest.param("gate", QUIET, "Invoices may leave again.", id="the gate, with nothing to prove"),
        pytest.param("group:ab12", QUIET, wording_alerts.GROUP_IS_OVER, id="a group"),
        pytest.param(
            "deadline:2026-11-24",
            QUIET,
            "No invoice that was due by Tuesday, 24 Nov 2026 is missing in TOC Online any more.",
            id="a deadline",
        ),
        *(
            pytest.param(subject, QUIET, wording_alerts.ENDINGS[subject], id=subject)
            for subject in ("workers", "waiting", "doubts")
        ),
    ],
)
def test_a_recovery_says_what_is_over(subject, situation, message) -> None:
    (alert,) = decide(situation, told(subject), waiting_limit=LIMIT, now=NOW).ends
    assert alert.message == message


@pytest.mark.parametrize(
    "subject", ["gate", "workers", "waiting", "failing", "doubts", "group:ab12", "deadline:2026-11-24"]
)
def test_every_subject_has_a_title_that_names_the_environment(subject) -> None:
    begins = wording_alerts.title(subject, "Production")
    assert begins.startswith("[Production] ")
    assert wording_alerts.title(subject, "Production", over=True) == begins.replace("] ", "] Over: ")
    assert wording_alerts.title(subject, "Production", reminder=True) == begins.replace("] ", "] Still: ")


def test_a_restart_of_the_only_worker_is_not_told_at_once() -> None:
    assert telling_delay("workers") > telling_delay("gate") == timedelta(0)


@pytest.mark.parametrize(
    ("incidents", "first"),
    [
        pytest.param((), date(2026, 11, 16), id="a week back"),
        pytest.param(told("gate", "deadline:2026-11-20"), date(2026, 11, 16), id="told lately"),
        pytest.param(told("deadline:2026-11-02"), date(2026, 11, 2), id="told weeks ago, and not over"),
        pytest.param(told("deadline:2026-11-02", closed_at=ago(hours=1)), date(2026, 11, 16), id="told, and over"),
    ],
)
def test_old_deadlines_are_looked_at_only_while_they_were_told_and_are_not_over(incidents, first) -> None:
    assert first_day_of_interest(incidents, today=TODAY) == first
