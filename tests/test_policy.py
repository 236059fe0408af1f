"""The rules about statuses, as tables: what follows an outcome, and what a person may do now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from toc_sync import policy
from toc_sync.model import ErrorKind, Outcome, Status, Verdict

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
WAITS_S = (30.0, 120.0, 600.0)


def verdict(outcome: Outcome, kind: ErrorKind | None = None) -> Verdict:
    return Verdict(outcome=outcome, error_kind=kind)


def facts(
    status: Status, *, invoice_status: str | None = "issued", created_s: float = 9_000, tried_s: float = 9_000
) -> policy.Facts:
    return policy.Facts(
        status=status,
        invoice_status=invoice_status,
        issued_at=NOW - timedelta(seconds=created_s),
        seen_at=None,
        last_attempt_at=NOW - timedelta(seconds=tried_s),
        attempt_count=1,
    )


@pytest.mark.parametrize(
    ("outcome", "kind", "status"),
    [
        pytest.param(Outcome.SYNCED, None, Status.SYNCED, id="synced"),
        *(
            pytest.param(Outcome.FAILED, kind, Status.FAILED, id=f"failed: {kind}")
            for kind in (ErrorKind.REJECTED, ErrorKind.CONFIGURATION)
        ),
        *(
            pytest.param(Outcome.IN_DOUBT, kind, Status.IN_DOUBT, id=f"in doubt: {kind}")
            for kind in (
                ErrorKind.TIMEOUT,
                ErrorKind.LOST,
                ErrorKind.UNREADABLE,
                ErrorKind.SERVER_ERROR,
                ErrorKind.ACCEPTED,
            )
        ),
    ],
)
def test_only_what_certainly_never_arrived_is_sent_again_by_itself(
    outcome: Outcome, kind: ErrorKind | None, status: Status
) -> None:
    for tries in range(5):
        decision = policy.decide(verdict(outcome, kind), tries=tries, waits_s=WAITS_S, jitter=0.5, now=NOW)
        assert decision == policy.Decision(status=status, error_kind=kind, not_before=None)


@pytest.mark.parametrize(
    ("tries", "jitter", "wait_s"),
    [
        pytest.param(1, 0.5, 15.0, id="the first step"),
        pytest.param(2, 0.5, 60.0, id="the second"),
        pytest.param(3, 0.25, 150.0, id="the last"),
        pytest.param(3, 0.0, 0.0, id="full jitter may be at once"),
        pytest.param(4, 0.5, None, id="used up"),
        pytest.param(400, 0.5, None, id="long used up"),
    ],
)
def test_undelivered_tries_wait_longer_and_longer_until_they_are_used_up(
    tries: int, jitter: float, wait_s: float | None
) -> None:
    undelivered = verdict(Outcome.UNDELIVERED, ErrorKind.UNREACHABLE)
    decision = policy.decide(undelivered, tries=tries, waits_s=WAITS_S, jitter=jitter, now=NOW)
    if wait_s is None:
        assert (decision.status, decision.not_before) == (Status.FAILED, None)
    else:
        assert (decision.status, decision.not_before) == (Status.QUEUED, NOW + timedelta(seconds=wait_s))
    assert decision.error_kind is ErrorKind.UNREACHABLE


def test_without_waits_the_first_undelivered_try_fails() -> None:
    undelivered = verdict(Outcome.UNDELIVERED, ErrorKind.UNREACHABLE)
    assert policy.decide(undelivered, tries=1, waits_s=(), jitter=0.5, now=NOW).status is Status.FAILED


@pytest.mark.parametrize(
    ("given", "idempotent", "says"),
    [
        pytest.param(facts(Status.FAILED), False, None, id="failed"),
        pytest.param(facts(Status.QUEUED), False, None, id="waiting: now"),
        pytest.param(facts(Status.NOT_SYNCED), False, None, id="never synced"),
        pytest.param(facts(Status.NOT_SYNCED, created_s=599), False, "The other application", id="too new"),
        pytest.param(facts(Status.NOT_SYNCED, created_s=600), False, None, id="just old enough"),
        pytest.param(facts(Status.FAILED, created_s=5), False, None, id="new, but tried by us"),
        pytest.param(facts(Status.SYNCED), False, "It is already in TOC Online", id="synced"),
        pytest.param(facts(Status.SYNCED), True, "It is already in TOC Online", id="synced, idempotent function"),
        pytest.param(facts(Status.SYNCING), True, "It is being sent right now", id="syncing"),
        pytest.param(facts(Status.IN_DOUBT), False, "It may already be in TOC Online", id="in doubt"),
        pytest.param(facts(Status.IN_DOUBT), True, None, id="in doubt, idempotent function"),
        pytest.param(facts(Status.NOT_NEEDED, invoice_status="void"), False, "The invoice is void", id="not needed"),
        pytest.param(
            facts(Status.FAILED, invoice_status="cancelled"), False, "The invoice was cancelled", id="cancelled"
        ),
        pytest.param(facts(Status.FAILED, invoice_status=None), False, "The invoice was deleted", id="deleted"),
        pytest.param(
            facts(Status.FAILED, invoice_status="draft"), False, "Its status in billing is “draft”", id="draft"
        ),
        pytest.param(facts(Status.FAILED, invoice_status="partially_paid"), False, None, id="partially paid"),
        pytest.param(facts(Status.FAILED, invoice_status="paid"), False, None, id="paid"),
        pytest.param(
            facts(Status.IN_DOUBT, invoice_status="void"), True, "The invoice is void", id="in doubt and void"
        ),
    ],
)
def test_who_may_send_and_why_not(given: policy.Facts, idempotent: bool, says: str | None) -> None:
    permission = policy.may_send(given, now=NOW, idempotent=idempotent)
    assert permission.allowed is (says is None)
    assert (permission.why_not or "").startswith(says or "")
    assert (permission.why_not is None) is (says is None)


@pytest.mark.parametrize("status", list(Status))
def test_only_a_doubt_can_be_resolved(status: Status) -> None:
    assert policy.may_resolve(facts(status)).allowed is (status is Status.IN_DOUBT)
    assert policy.may_send_again(facts(status), now=NOW).allowed is (status is Status.IN_DOUBT)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        pytest.param(facts(Status.IN_DOUBT, tried_s=599), "TOC Online may still be working on it", id="too early"),
        pytest.param(facts(Status.IN_DOUBT, tried_s=600), None, id="late enough"),
        pytest.param(facts(Status.IN_DOUBT, invoice_status="cancelled"), "The invoice was cancelled", id="cancelled"),
        pytest.param(facts(Status.IN_DOUBT, invoice_status=None), "The invoice was deleted", id="deleted"),
    ],
)
def test_send_again_waits_until_the_platform_can_no_longer_be_working(given: policy.Facts, says: str | None) -> None:
    permission = policy.may_send_again(given, now=NOW)
    assert permission.allowed is (says is None)
    assert (permission.why_not or "").startswith(says or "")


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_every_answer_but_lost_is_firmer_than_lost(kind: ErrorKind) -> None:
    assert policy.is_firmer_than_lost(verdict(Outcome.IN_DOUBT, kind)) is (kind is not ErrorKind.LOST)
    assert policy.is_firmer_than_lost(verdict(Outcome.SYNCED))
