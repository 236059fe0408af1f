"""What follows from one outcome: the record's new columns, the new `api_response`, and whether somebody must be warned.

Decides only; settlement locks and writes. Nothing weaker ever takes the place of anything firmer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping

from toc_sync import api_response, policy, wording
from toc_sync.model import Claim, Outcome, Status, Trigger, Verdict
from toc_sync.outbox.records import DELETED, synced_values

Record = RowMapping | Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Consequences:
    """The record's new columns, and the new `api_response` unless the one that stands there must stay (None)."""

    values: dict[str, Any]
    written: dict[str, object] | None = None


def follow(
    record: Record,
    claimed: Claim,
    verdict: Verdict,
    decision: policy.Decision,
    *,
    exists: bool,
    previous: object,
    theirs: Verdict | None = None,
    duration_ms: int | None,
    now: datetime,
) -> Consequences:
    """Returns what an outcome changes; `exists` tells whether the invoice does, `previous` is its `api_response`.

    `theirs` is what that means, where others wrote it while this attempt was under way.
    """
    if verdict.outcome is Outcome.SYNCED:
        success = api_response.synced(
            verdict, at=now, attempt=claimed.number, duration_ms=duration_ms, previous=previous
        )
        number = verdict.document_no or api_response.document_no(previous)
        values = synced_values(number, success, now=now)
        if not exists:
            return Consequences(values=values | {"warning": wording.ORPHAN, "invoice_status": DELETED})
        warning = _two_documents(record, verdict, previous)
        return Consequences(values=values | {"warning": warning}, written=success)
    if api_response.is_success(previous):
        certainly_one = verdict.outcome in (Outcome.FAILED, Outcome.UNDELIVERED)
        warning = None if certainly_one else record["warning"]
        values = synced_values(api_response.document_no(previous), previous, now=now)
        return Consequences(values=values | {"warning": warning})
    if not exists and decision.status is not Status.IN_DOUBT:
        gone = {"status": Status.NOT_NEEDED, "error": wording.not_needed(None), "invoice_status": DELETED}
        return Consequences(values=gone)
    values = _not_synced(record, verdict, decision, now)
    if not exists:
        return Consequences(values=values | {"warning": wording.ORPHAN_IN_DOUBT, "invoice_status": DELETED})
    if theirs and theirs.outcome is Outcome.IN_DOUBT and decision.status is not Status.IN_DOUBT:
        values, written = _their_doubt(record, theirs, now), None  # what they wrote stays as they wrote it
    else:
        written = _failure(record, claimed, verdict, decision, now)
    return Consequences(values=values, written=written)


def possible_duplicate(record: Record, claimed: Claim, verdict: Verdict) -> str | None:
    """Returns the warning for a success that comes too late to decide anything, or None where it is the one known."""
    if verdict.outcome is not Outcome.SYNCED:
        return None
    if record["status"] == Status.SYNCED:
        known, said = record["document_no"], verdict.document_no
        is_newest = record["claim_id"] == claimed.request_id
        # One request makes one document, even if its number is known from one side only.
        if (known is not None and known == said) or (is_newest and None in (known, said)):
            return None
    return wording.possible_duplicate(claimed.number, verdict.document_no)


def _two_documents(record: Record, verdict: Verdict, previous: object) -> str | None:
    """Returns the warning for a success where another one stands already, unless both name the same document."""
    if not api_response.is_success(previous):
        return None
    other = api_response.document_no(previous)
    if other is not None and other == verdict.document_no:
        return None
    if other is None or verdict.document_no is None:
        warning: str | None = record["warning"]
        return warning
    return record["warning"] or wording.two_documents(other, verdict.document_no)


def _not_synced(record: Record, verdict: Verdict, decision: policy.Decision, now: datetime) -> dict[str, Any]:
    values = {
        "status": decision.status,
        "error_kind": decision.error_kind,
        "error": verdict.error,
        "refusal": verdict.refusal,
        "http_status": verdict.http_status,
        "not_before": decision.not_before,
    }
    if decision.status is Status.QUEUED:
        # Waiting began when it was first asked for, not with the last try.
        values |= {"trigger": Trigger.AUTOMATIC, "queued_at": record["queued_at"] or now}
        return values
    # A doubt does not end because another one joins it, nor while a late answer may come.
    return values | {"open_doubt": record["open_doubt"] if decision.status is Status.IN_DOUBT else None}


def _their_doubt(record: Record, theirs: Verdict, now: datetime) -> dict[str, Any]:
    """Returns the columns of an invoice that another application tried meanwhile: that try may still be under way."""
    return {
        "status": Status.IN_DOUBT,
        "error_kind": theirs.error_kind,
        "error": theirs.error,
        "http_status": theirs.http_status,
        "last_attempt_at": now,
        "open_doubt": record["open_doubt"],
    }


def _failure(
    record: Record, claimed: Claim, verdict: Verdict, decision: policy.Decision, now: datetime
) -> dict[str, object]:
    waits = decision.not_before is not None
    doubt = decision.error_kind if decision.status is Status.IN_DOUBT else record["open_doubt"] if waits else None
    if doubt:
        return api_response.in_doubt(replace(verdict, error_kind=doubt), at=now, attempt=claimed.number)
    if decision.not_before is not None:
        return api_response.waiting(verdict, at=now, attempt=claimed.number, next_attempt_at=decision.not_before)
    return api_response.failed(verdict, at=now, attempt=claimed.number)
