"""Settling: writing down what one attempt came to, in the attempt, the record and `api_response` together.

An attempt is closed once. The one exception: closed as lost (nobody knew), it takes a firmer answer that arrives late.
Nothing weaker ever overwrites anything firmer, neither in the record nor in `api_response`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select

from toc_sync import api_response, billing, policy, wording
from toc_sync.model import Claim, ErrorKind, Outcome, Status, Trigger, Verdict
from toc_sync.outbox.records import (
    ended_values,
    lock_record,
    remember_api_response,
    synced_values,
    update_record,
)
from toc_sync.tables import sync_attempts as attempts
from toc_sync.tables import sync_records as records


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is kept of an answer: selected headers, the body's text (at most 64 KiB) and how long it took."""

    headers: Mapping[str, str] | None = None
    body: str | None = None
    duration_ms: int | None = None


@dataclass(frozen=True, kw_only=True)
class Settled:
    """Where a record stands after an attempt was settled; `changed` is False where the answer came too late to matter."""

    invoice_id: int
    number: int
    status: Status | None
    not_before: datetime | None
    changed: bool
    warning: str | None = None


def settle(
    conn: Connection,
    claimed: Claim,
    verdict: Verdict,
    evidence: Evidence,
    *,
    waits_s: Sequence[float],
    jitter: float,
    now: datetime,
) -> Settled:
    """Writes the outcome of a claim; losing a race is silence, not an error."""
    record = lock_record(conn, claimed.invoice_id)
    attempt = _lock_attempt(conn, claimed)
    if attempt is not None and not _takes(attempt, verdict):
        return _as_it_stands(record, claimed)
    exists, previous = billing.lock_api_response(conn, claimed.invoice_id)
    _close_attempt(conn, claimed, attempt, verdict, evidence, now)
    if record is None:
        warning = "The attempt has no record any more (restored database?)."
        return Settled(invoice_id=claimed.invoice_id, number=claimed.number, status=None, not_before=None, changed=True, warning=warning)
    if not _concerns(record, attempt, claimed, verdict):
        if verdict.outcome is Outcome.SYNCED and exists and not api_response.is_success(previous):
            # So that whatever the resend under way comes to, the record ends as synced.
            billing.write_api_response(conn, claimed.invoice_id, _success(claimed, verdict, evidence, previous, now))
        return _note_late_answer(conn, record, claimed, verdict, now)
    tries = record["undelivered_tries"] + (verdict.outcome is Outcome.UNDELIVERED)
    decision = policy.decide(verdict, tries=tries, waits_s=waits_s, jitter=jitter, now=now)
    values, written = _consequences(claimed, verdict, evidence, decision, exists=exists, previous=previous, now=now)
    if written is not None and exists:
        billing.write_api_response(conn, claimed.invoice_id, written)
    update_record(
        conn, claimed.invoice_id, ended_values() | {"undelivered_tries": tries} | values | _counted(conn, claimed), now=now
    )
    remember_api_response(conn, claimed.invoice_id)
    return Settled(
        invoice_id=claimed.invoice_id,
        number=claimed.number,
        status=values["status"],
        not_before=values.get("not_before"),
        changed=True,
        warning=values.get("warning"),
    )


def rescue(conn: Connection, *, now: datetime, at_most: int = 100) -> list[Settled]:
    """Ends leases that ran out: each open attempt is closed as lost and its record becomes in doubt."""
    over = select(records.c.invoice_id).where(records.c.status == Status.SYNCING, records.c.lease_until < now)
    ids = conn.execute(over.limit(at_most).with_for_update(skip_locked=True)).scalars().all()
    lost = Verdict(outcome=Outcome.IN_DOUBT, error_kind=ErrorKind.LOST, error=wording.ATTEMPT_LOST)
    return [
        settle(conn, claimed, lost, Evidence(), waits_s=(), jitter=0, now=now)
        for claimed in (_claim_of(conn, invoice_id) for invoice_id in ids)
    ]


def _claim_of(conn: Connection, invoice_id: int) -> Claim:
    record = conn.execute(select(records).where(records.c.invoice_id == invoice_id)).mappings().one()
    return Claim(
        invoice_id=invoice_id,
        number=record["attempt_count"],
        request_id=record["claim_id"],
        trigger=Trigger(record["trigger"]),
        requested_by=record["requested_by"],
        lease_until=record["lease_until"],
        started_at=record["last_attempt_at"],
        worker=record["claimed_by"],
    )


def _lock_attempt(conn: Connection, claimed: Claim) -> RowMapping | None:
    this = (attempts.c.invoice_id == claimed.invoice_id) & (attempts.c.request_id == claimed.request_id)
    return conn.execute(select(attempts).where(this).with_for_update()).mappings().one_or_none()


def _takes(attempt: RowMapping, verdict: Verdict) -> bool:
    """An open attempt takes any outcome; one closed as lost takes a firmer one; any other is closed for good."""
    if attempt["finished_at"] is None:
        return True
    lost = attempt["outcome"] == Outcome.IN_DOUBT and attempt["error_kind"] == ErrorKind.LOST
    return lost and policy.is_firmer_than_lost(verdict)


def _concerns(record: RowMapping, attempt: RowMapping | None, claimed: Claim, verdict: Verdict) -> bool:
    """Tells whether this attempt's answer still decides about the record."""
    status = Status(record["status"])
    newest = record["claim_id"] == claimed.request_id
    if status is Status.SYNCED:
        return False
    if verdict.outcome is Outcome.SYNCED:
        return newest or status is not Status.SYNCING  # a queued resend is cancelled; one under way cannot be
    if attempt is None:
        return status is not Status.SYNCING  # restored database: it knows nothing of this request yet
    return newest and status in (Status.SYNCING, Status.IN_DOUBT)  # what a person decided meanwhile stays


def _close_attempt(
    conn: Connection, claimed: Claim, attempt: RowMapping | None, verdict: Verdict, evidence: Evidence, now: datetime
) -> None:
    closing = {
        "finished_at": now,
        "outcome": verdict.outcome,
        "error_kind": verdict.error_kind,
        "error": verdict.error,
        "http_status": verdict.http_status,
        "document_no": verdict.document_no,
        "duration_ms": evidence.duration_ms,
        "response_headers": dict(evidence.headers) if evidence.headers else None,
        "response_body": evidence.body,
    }
    if attempt is not None:
        conn.execute(attempts.update().where(attempts.c.id == attempt["id"]).values(closing))
        return
    # The database was restored to a moment before the claim: the attempt is written again, as evidence. Its number may
    # have been given to another attempt since.
    mine = attempts.c.invoice_id == claimed.invoice_id
    taken = set(conn.execute(select(attempts.c.number).where(mine)).scalars())
    opening = {
        "invoice_id": claimed.invoice_id,
        "number": claimed.number if claimed.number not in taken else max(taken) + 1,
        "trigger": claimed.trigger,
        "requested_by": claimed.requested_by,
        "started_at": claimed.started_at,
        "request_id": claimed.request_id,
        "worker": claimed.worker,
    }
    conn.execute(attempts.insert().values(opening | closing))


def _counted(conn: Connection, claimed: Claim) -> dict[str, Any]:
    highest = select(func.max(attempts.c.number)).where(attempts.c.invoice_id == claimed.invoice_id)
    return {"attempt_count": conn.execute(highest).scalar_one()}


def _consequences(
    claimed: Claim,
    verdict: Verdict,
    evidence: Evidence,
    decision: policy.Decision,
    *,
    exists: bool,
    previous: object,
    now: datetime,
) -> tuple[dict[str, Any], dict[str, object] | None]:
    """Returns the record's new columns, and the new `api_response` unless the one that stands there must stay."""
    if verdict.outcome is Outcome.SYNCED:
        success = _success(claimed, verdict, evidence, previous, now)
        values = synced_values(verdict.document_no or api_response.document_no(previous), success, now=now)
        warning = None if exists else "It is in TOC Online, but was deleted in billing."
        return values | {"warning": warning}, success
    if api_response.is_success(previous):
        return synced_values(api_response.document_no(previous), previous, now=now), None
    if not exists and decision.status is not Status.IN_DOUBT:
        return {"status": Status.NOT_NEEDED, "error": wording.not_needed(None)}, None
    values = {
        "status": decision.status,
        "error_kind": verdict.error_kind,
        "error": verdict.error,
        "refusal": verdict.refusal,
        "http_status": verdict.http_status,
        "not_before": decision.not_before,
    }
    if decision.status is Status.QUEUED:
        values |= {"trigger": Trigger.AUTOMATIC, "queued_at": now}
    return values, _failure(claimed, verdict, decision, now)


def _success(
    claimed: Claim, verdict: Verdict, evidence: Evidence, previous: object, now: datetime
) -> dict[str, object]:
    return api_response.synced(
        verdict, at=now, attempt=claimed.number, duration_ms=evidence.duration_ms, previous=previous
    )


def _failure(claimed: Claim, verdict: Verdict, decision: policy.Decision, now: datetime) -> dict[str, object]:
    if decision.not_before is not None:
        return api_response.waiting(verdict, at=now, attempt=claimed.number, next_attempt_at=decision.not_before)
    if decision.status is Status.IN_DOUBT:
        return api_response.in_doubt(verdict, at=now, attempt=claimed.number)
    return api_response.failed(verdict, at=now, attempt=claimed.number)


def _note_late_answer(
    conn: Connection, record: RowMapping, claimed: Claim, verdict: Verdict, now: datetime
) -> Settled:
    warning = None
    if verdict.outcome is Outcome.SYNCED:
        warning = _possible_duplicate(record, claimed, verdict)
    if warning:
        update_record(conn, claimed.invoice_id, {"warning": warning}, now=now)
    return Settled(
        invoice_id=claimed.invoice_id,
        number=claimed.number,
        status=Status(record["status"]),
        not_before=record["not_before"],
        changed=bool(warning),
        warning=warning,
    )


def _possible_duplicate(record: RowMapping, claimed: Claim, verdict: Verdict) -> str | None:
    if record["status"] == Status.SYNCED and record["document_no"] in (None, verdict.document_no):
        return None
    document = verdict.document_no or "a document without a number"
    return (
        f"Possible duplicate: attempt {claimed.number} was answered late with {document}, "
        "after it had been sent again. Check TOC Online for two documents."
    )


def _as_it_stands(record: RowMapping | None, claimed: Claim) -> Settled:
    return Settled(
        invoice_id=claimed.invoice_id,
        number=claimed.number,
        status=Status(record["status"]) if record else None,
        not_before=record["not_before"] if record else None,
        changed=False,
    )
