"""The rules about statuses: what follows an outcome, and what a person may do now.

Pure: the time and the jitter are arguments. The one rule above all others: nothing is sent again without a person
unless it is certain that the last try did not arrive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from toc_sync import wording, wording_doubt
from toc_sync.model import (
    ENDED_INVOICE_STATUSES,
    SENDABLE_INVOICE_STATUSES,
    ErrorKind,
    Outcome,
    Status,
    Verdict,
)

ADOPTION_LOCK = timedelta(minutes=10)
"""How long the other application may still be sending an invoice that it created."""

SEND_AGAIN_AFTER = timedelta(minutes=10)
"""How long after a request left the platform may still be working on it (it allows 400 s; the rest is margin)."""

OLD_DOUBT = timedelta(minutes=15)
"""A doubt that lasts longer is counted apart wherever doubts are counted."""

DOUBT_RETRY_AFTER = timedelta(minutes=10)
"""How long after its request left a doubt is retried by itself, where the function refuses a second issue."""

DOUBT_RETRIES = 1
"""How often that happens before a person decides."""

NO_MORE_TRIES = 1_000_000
"""As many undelivered tries as a record counts once what it rested on was taken back: nothing follows by itself."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Where a record goes after an attempt, and the earliest instant of the next try, if one follows by itself."""

    status: Status
    error_kind: ErrorKind | None
    not_before: datetime | None


@dataclass(frozen=True, kw_only=True)
class Permission:
    """Whether an action is allowed; if not, why, as a sentence for a person."""

    allowed: bool
    why_not: str | None = None


ALLOWED = Permission(allowed=True)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the rules need to know about one invoice and its record."""

    status: Status
    invoice_status: str | None
    issued_at: datetime | None
    """When the other application issued it, at the latest: from then on it may have been sending it."""
    seen_at: datetime | None
    """When this program first saw it, where nothing tells when it was issued."""
    last_attempt_at: datetime | None
    attempt_count: int


def decide(
    verdict: Verdict,
    *,
    tries: int,
    waits_s: Sequence[float],
    jitter: float,
    now: datetime,
    open_doubt: ErrorKind | None = None,
    idempotent: bool = False,
) -> Decision:
    """Returns where a record goes after `verdict`.

    `tries` counts the undelivered attempts of this ladder, this one included; `jitter` lies in [0, 1) and takes that
    share of the step's wait (full jitter: many invoices that failed together do not come back together).
    `open_doubt` is the kind of an earlier doubt that nobody has settled: only a success does, or a refusal by a function
    that refuses a second issue (`idempotent`).
    """
    is_repeated = verdict.outcome is Outcome.UNDELIVERED and may_repeat(tries, open_doubt, idempotent=idempotent)
    if is_repeated and tries <= len(waits_s):
        wait_s = waits_s[tries - 1] * jitter
        return Decision(status=Status.QUEUED, error_kind=verdict.error_kind, not_before=now + timedelta(seconds=wait_s))
    status = {
        Outcome.SYNCED: Status.SYNCED,
        Outcome.FAILED: Status.FAILED,
        Outcome.IN_DOUBT: Status.IN_DOUBT,
        Outcome.UNDELIVERED: Status.FAILED,
    }[verdict.outcome]
    is_settled = idempotent and verdict.error_kind is ErrorKind.REJECTED
    if status is Status.FAILED and open_doubt and not is_settled:
        # This try certainly issued nothing, but that says nothing about the one before it.
        return Decision(status=Status.IN_DOUBT, error_kind=open_doubt, not_before=None)
    return Decision(status=status, error_kind=verdict.error_kind, not_before=None)


def may_repeat(tries: int, open_doubt: ErrorKind | None, *, idempotent: bool) -> bool:
    """Tells whether a try that did not arrive may be followed by another without a person."""
    return tries < NO_MORE_TRIES and (open_doubt is None or idempotent)


def waits_for_gate(verdict: Verdict, *, now: datetime) -> Decision:
    """Returns where a probe of a closed gate goes that did not arrive: back in line, as if it had never been tried."""
    return Decision(status=Status.QUEUED, error_kind=verdict.error_kind, not_before=now)


def is_firmer_than_lost(verdict: Verdict) -> bool:
    """Tells whether a late answer settles more than "the sender stopped before one came"."""
    return verdict.error_kind is not ErrorKind.LOST


def facts_of(record: Mapping[Any, Any], *, invoice_status: str | None = None) -> Facts:
    """Returns what the rules need from a record; the one place where that is read out of it."""
    created_at = record["invoice_created_at"] or record["created_at"]
    return Facts(
        status=Status(record["status"]),
        invoice_status=invoice_status,
        issued_at=record["sendable_since"] or created_at,
        seen_at=record["created_at"] if record["sendable_since"] is None else None,
        last_attempt_at=record["last_attempt_at"],
        attempt_count=record["attempt_count"],
    )


def may_send(facts: Facts, *, now: datetime, idempotent: bool) -> Permission:
    """Tells whether a person's Retry, Sync or "now" may send this invoice, and if not, why."""
    if facts.status is Status.IN_DOUBT and not idempotent:
        return _no(wording.refused_in_doubt())
    if facts.status in (Status.SYNCED, Status.SYNCING, Status.NOT_NEEDED):
        return _no(wording.refused_status(facts.status, facts.invoice_status))
    if facts.invoice_status not in SENDABLE_INVOICE_STATUSES:
        return _no(wording.refused_invoice_status(facts.invoice_status))
    if facts.status is Status.NOT_SYNCED and (until := locked_until(facts, now=now)):
        return _no(wording.refused_locked(until))
    return ALLOWED


def may_resolve(facts: Facts) -> Permission:
    """Tells whether a person may declare what became of this invoice."""
    return ALLOWED if facts.status is Status.IN_DOUBT else _no(wording.refused_resolve(facts.status))


def may_send_again(facts: Facts, *, now: datetime) -> Permission:
    """Tells whether "It is not there: send again" is allowed: not before the platform can no longer be working."""
    resolving = may_resolve(facts)
    if not resolving.allowed:
        return resolving
    if facts.invoice_status not in SENDABLE_INVOICE_STATUSES:
        return _no(wording.refused_invoice_status(facts.invoice_status))
    if (until := send_again_at(facts)) and now < until:
        return _no(wording.refused_still_working(until))
    return ALLOWED


def send_again_at(facts: Facts) -> datetime | None:
    """Returns the earliest instant of "send again", or None where no request of ours or others is known."""
    return facts.last_attempt_at + SEND_AGAIN_AFTER if facts.last_attempt_at else None


def may_reopen(status: Status, *, is_declared: bool) -> Permission:
    """Tells whether a synced invoice may become in doubt again: only where nothing but a person's word made it synced."""
    if status is not Status.SYNCED:
        return _no(wording_doubt.refused_reopen(status))
    return ALLOWED if is_declared else _no(wording_doubt.ANSWERED)


def retried_at(facts: Facts, *, retries: int) -> datetime | None:
    """Returns when a doubt is retried by itself, after `retries` such retries, or None where it never is.

    Only where the function refuses a second issue by itself. An invoice that only others sent is left to people.
    """
    ours = facts.attempt_count > 0 and facts.last_attempt_at is not None
    if facts.status is not Status.IN_DOUBT or not ours or retries >= DOUBT_RETRIES:
        return None
    if facts.invoice_status not in SENDABLE_INVOICE_STATUSES or facts.last_attempt_at is None:
        return None
    return facts.last_attempt_at + DOUBT_RETRY_AFTER


def is_unchanged(
    status: Status, error_kind: str | None, *, sent_fingerprint: str | None, fingerprint: str | None
) -> bool:
    """Tells whether a refused invoice is as it was when it was refused, as far as can be seen from here.

    After any other failure (set-up, never delivered) what has to change lies where nobody here can look.
    """
    was_refused = status is Status.FAILED and error_kind == ErrorKind.REJECTED
    return was_refused and sent_fingerprint is not None and sent_fingerprint == fingerprint


def locked_until(facts: Facts, *, now: datetime) -> datetime | None:
    """Returns until when Sync is locked because the other application may still be sending, or None."""
    if facts.issued_at is None:
        return None
    until = facts.issued_at + ADOPTION_LOCK
    return until if now < until else None


def may_be_sending_unseen(facts: Facts, *, now: datetime) -> bool:
    """Tells whether the other application may be sending an invoice although nothing says when it was issued."""
    is_new_here = facts.seen_at is not None and now < facts.seen_at + ADOPTION_LOCK
    return facts.status is Status.NOT_SYNCED and is_new_here


def is_sendable(invoice_status: str | None) -> bool:
    """Tells whether an invoice with this status may be sent."""
    return invoice_status in SENDABLE_INVOICE_STATUSES


def is_ended(invoice_status: str | None) -> bool:
    """Tells whether an invoice with this status never needs to be sent any more."""
    return invoice_status in ENDED_INVOICE_STATUSES


def _no(why_not: str) -> Permission:
    return Permission(allowed=False, why_not=why_not)
