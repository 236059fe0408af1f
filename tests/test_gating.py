"""The gate's rules: which answers close it, when it probes, when it opens again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from toc_sync.gating import Answer, Gate, concerns_the_gate, may_probe, means_down, next_cause, next_probe
from toc_sync.model import ErrorKind, GateCause, GateState, Outcome

NOW = datetime(2026, 11, 22, 9, 12, tzinfo=UTC)
OPEN = Gate(state=GateState.OPEN, since=NOW)
CLOSED = Gate(state=GateState.CLOSED, since=NOW, cause=GateCause.OUTAGE, probe_at=NOW, probe_wait_s=30)
MISCONFIGURED = Gate(state=GateState.CLOSED, since=NOW, cause=GateCause.CONFIGURATION)
PAUSED = Gate(state=GateState.PAUSED, since=NOW, cause=GateCause.PERSON)


def answer(outcome: Outcome, kind: ErrorKind | None = None, http_status: int | None = None) -> Answer:
    return Answer(outcome=outcome, error_kind=kind, http_status=http_status)


SYNCED = answer(Outcome.SYNCED, http_status=200)
REJECTED = answer(Outcome.FAILED, ErrorKind.REJECTED, 500)
UNREACHED = answer(Outcome.UNDELIVERED, ErrorKind.UNREACHABLE)
TIMED_OUT = answer(Outcome.IN_DOUBT, ErrorKind.TIMEOUT)
WRONG_KEY = answer(Outcome.FAILED, ErrorKind.CONFIGURATION, 401)


@pytest.mark.parametrize(
    ("found", "down"),
    [
        pytest.param(UNREACHED, True, id="nobody listens"),
        pytest.param(TIMED_OUT, True, id="no answer in time"),
        pytest.param(answer(Outcome.IN_DOUBT, ErrorKind.LOST), True, id="the connection breaks"),
        pytest.param(answer(Outcome.IN_DOUBT, ErrorKind.TIMEOUT, 504), True, id="idle timeout of the platform"),
        pytest.param(answer(Outcome.IN_DOUBT, ErrorKind.SERVER_ERROR, 502), True, id="bad gateway"),
        pytest.param(answer(Outcome.IN_DOUBT, ErrorKind.SERVER_ERROR, 503), True, id="service unavailable"),
        pytest.param(answer(Outcome.IN_DOUBT, ErrorKind.SERVER_ERROR, 546), True, id="worker limit"),
        *(
            pytest.param(answer(Outcome.IN_DOUBT, ErrorKind.SERVER_ERROR, status), True, id=f"a gateway's {status}")
            for status in (*range(520, 528), 530, 544)
        ),
        pytest.param(answer(Outcome.IN_DOUBT, ErrorKind.SERVER_ERROR, 500), False, id="the function's own error"),
        pytest.param(answer(Outcome.IN_DOUBT, ErrorKind.SERVER_ERROR, 400), False, id="an unknown refusal"),
        pytest.param(answer(Outcome.IN_DOUBT, ErrorKind.UNREADABLE, 200), False, id="an empty success"),
        pytest.param(answer(Outcome.IN_DOUBT, ErrorKind.ACCEPTED, 202), False, id="accepted"),
        pytest.param(REJECTED, False, id="a refusal of the invoice"),
        pytest.param(WRONG_KEY, False, id="a refusal of the key"),
        pytest.param(SYNCED, False, id="a success"),
    ],
)
def test_an_answer_tells_whether_the_function_or_its_platform_is_down(found: Answer, down: bool) -> None:
    assert means_down(found) is down


@pytest.mark.parametrize(
    ("gate", "answers", "cause"),
    [
        pytest.param(OPEN, [], None, id="nothing was answered"),
        pytest.param(OPEN, [UNREACHED] * 4, None, id="four in a row are not enough"),
        pytest.param(OPEN, [UNREACHED, TIMED_OUT] * 2 + [UNREACHED], GateCause.OUTAGE, id="five in a row close it"),
        pytest.param(OPEN, [UNREACHED] * 4 + [SYNCED, UNREACHED], None, id="a good answer among the last five"),
        pytest.param(OPEN, [UNREACHED] * 5 + [SYNCED] * 9, GateCause.OUTAGE, id="what was good before counts no more"),
        pytest.param(OPEN, [UNREACHED] * 4 + [REJECTED], None, id="a refused invoice proves that it works"),
        pytest.param(OPEN, [SYNCED, WRONG_KEY], GateCause.CONFIGURATION, id="one refused key closes it at once"),
        pytest.param(OPEN, [SYNCED] * 5 + [WRONG_KEY], None, id="an old refusal that five good answers followed"),
        pytest.param(CLOSED, [], GateCause.OUTAGE, id="closed, and nothing came since"),
        pytest.param(CLOSED, [UNREACHED, TIMED_OUT], GateCause.OUTAGE, id="closed, and the probe failed"),
        pytest.param(CLOSED, [SYNCED], None, id="the probe was answered"),
        pytest.param(CLOSED, [REJECTED, UNREACHED], None, id="any good answer opens it, also a refusal"),
        pytest.param(CLOSED, [WRONG_KEY], GateCause.CONFIGURATION, id="back, but with a wrong key"),
        pytest.param(MISCONFIGURED, [SYNCED], GateCause.CONFIGURATION, id="a wrong key waits for a person"),
        pytest.param(PAUSED, [SYNCED], GateCause.PERSON, id="a pause waits for a person"),
        pytest.param(PAUSED, [WRONG_KEY], GateCause.PERSON, id="a pause stays one whatever is answered"),
    ],
)
def test_the_answers_decide_whether_it_is_closed(gate: Gate, answers: list[Answer], cause: GateCause | None) -> None:
    assert next_cause(gate, answers) is cause


@pytest.mark.parametrize(
    ("gate", "allowed"),
    [
        pytest.param(CLOSED, True, id="due"),
        pytest.param(
            Gate(state=GateState.CLOSED, since=NOW, cause=GateCause.OUTAGE, probe_at=NOW + timedelta(seconds=1)),
            False,
            id="not due yet",
        ),
        pytest.param(OPEN, False, id="open"),
        pytest.param(PAUSED, False, id="paused"),
        pytest.param(MISCONFIGURED, False, id="a wrong key is not put right by trying"),
        pytest.param(
            Gate(state=GateState.CLOSED, since=NOW, cause=GateCause.OUTAGE, probe_at=NOW, database_changed=True),
            False,
            id="the database is another one",
        ),
    ],
)
def test_one_invoice_probes_only_when_its_time_has_come(gate: Gate, allowed: bool) -> None:
    assert may_probe(gate, now=NOW) is allowed


def test_probes_come_after_30_seconds_and_then_ever_later_but_never_later_than_5_minutes() -> None:
    waits = []
    gate = Gate(state=GateState.CLOSED, since=NOW, cause=GateCause.OUTAGE)
    for _ in range(6):
        at, wait_s = next_probe(gate, now=NOW)
        assert at == NOW + timedelta(seconds=wait_s)
        waits.append(wait_s)
        gate = Gate(state=GateState.CLOSED, since=NOW, cause=GateCause.OUTAGE, probe_at=at, probe_wait_s=wait_s)
    assert waits == [30, 60, 120, 240, 300, 300]


@pytest.mark.parametrize(
    ("found", "concerned"),
    [
        pytest.param(UNREACHED, True, id="down"),
        pytest.param(WRONG_KEY, True, id="a wrong key"),
        pytest.param(SYNCED, False, id="a success"),
        pytest.param(REJECTED, False, id="a refused invoice"),
    ],
)
def test_only_answers_that_could_close_it_are_looked_at_again(found: Answer, concerned: bool) -> None:
    assert concerns_the_gate(found) is concerned
