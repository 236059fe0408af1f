"""Settling: writing down what one attempt came to, in the attempt, the record and `api_response` together.

An attempt is closed once. The one exception: closed as lost (nobody knew), it takes a firmer answer that arrives late.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, bindparam, func, select

from toc_sync import api_response, billing, policy, wording
from toc_sync.database import passing_over_locked
from toc_sync.grouping import Group, group_of
from toc_sync.model import Claim, ErrorKind, Outcome, Refusal, Status, Trigger, Verdict
from toc_sync.outbox.consequences import Record, follow, possible_duplicate
from toc_sync.outbox.groups import remember_group
from toc_sync.outbox.records import ended_values, lock_to_settle, update_locked, update_settled, write_record_again
from toc_sync.outbox.teaching import known_refusals
from toc_sync.tables import sync_attempts as attempts
from toc_sync.tables import sync_records as records

# Written once: writing a statement anew takes as long as running it.
_THIS = (attempts.c.invoice_id == bindparam("wanted")) & (attempts.c.request_id == bindparam("wanted_request"))
_LOCKED = select(attempts.c.outcome, attempts.c.error_kind).where(_THIS).with_for_update()
_CLOSED = attempts.update().where(_THIS)
_CLOSED_IF_OPEN = _CLOSED.where(attempts.c.finished_at.is_(None))


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
    idempotent: bool = False,
    refusals: Sequence[Refusal] = (),
    guarded: bool = True,
) -> Settled:
    """Writes the outcome of a claim; losing a race is silence, not an error.

    `refusals` are the shipped ones: what others wrote meanwhile is read by them and by what people taught. Unless
    `guarded`, it raises where the billing database refuses to store the outcome too.
    """
    record = lock_to_settle(conn, claimed.invoice_id)
    group = group_of(verdict.error_kind, verdict.refusal, verdict.error)
    closing = _closing(verdict, evidence, group, now)
    is_known = _close_open_attempt(conn, claimed, closing)
    if not is_known:
        attempt = _lock_attempt(conn, claimed)
        if attempt is not None and not _takes(attempt, verdict):
            return _settled(claimed, record, changed=False)
        _close_again(conn, claimed, attempt, closing)
        is_known = attempt is not None
    exists, previous, fingerprint = billing.lock_standing(conn, claimed.invoice_id)
    remember_group(conn, group, now=now)
    record = record or _write_record_again(conn, claimed, now)
    if record is None:
        return _settled(claimed, None, changed=True, warning=wording.ORPHAN_ATTEMPT)
    if not _concerns(record, claimed, verdict, is_known=is_known):
        return _note_late_answer(conn, record, claimed, verdict, evidence, now)
    uses_up_a_try = verdict.outcome is Outcome.UNDELIVERED and not claimed.is_probe
    tries = record["undelivered_tries"] + uses_up_a_try
    doubt = _open_doubt(record)
    decision = policy.decide(
        verdict, tries=tries, waits_s=waits_s, jitter=jitter, now=now, open_doubt=doubt, idempotent=idempotent
    )
    is_vain_probe = claimed.is_probe and verdict.outcome is Outcome.UNDELIVERED
    if is_vain_probe and policy.may_repeat(tries, doubt, idempotent=idempotent):
        decision = policy.waits_for_gate(verdict, now=now)
    written_meanwhile = exists and fingerprint != record["api_fingerprint"]
    following = follow(
        record,
        claimed,
        verdict,
        decision,
        exists=exists,
        previous=previous,
        theirs=api_response.read(previous, known_refusals(conn, refusals)) if written_meanwhile else None,
        duration_ms=evidence.duration_ms,
        now=now,
    )
    values = ended_values() | {"undelivered_tries": tries} | following.values
    is_to_be_written = exists and following.written is not None
    if is_to_be_written and not billing.write_api_response(
        conn, claimed.invoice_id, following.written, guarded=guarded
    ):
        values["warning"] = values.get("warning") or wording.NOT_STORED_IN_BILLING
    update_settled(conn, record, values, now=now)
    return _settled(claimed, values, changed=True, warning=values.get("warning"))


def any_lost(conn: Connection, *, now: datetime) -> bool:
    """Tells whether `rescue` would find a lease that ran out; writes nothing."""
    return conn.execute(select(records.c.invoice_id).where(_lease_is_over(now)).limit(1)).first() is not None


def count_lost(conn: Connection, *, now: datetime) -> int:
    """Returns how many leases ran out and were not ended, because somebody else holds what must be written."""
    return conn.execute(select(func.count()).select_from(records).where(_lease_is_over(now))).scalar_one()


def rescue(conn: Connection, *, now: datetime, at_most: int = 100) -> list[Settled]:
    """Ends leases that ran out: each open attempt is closed as lost and its record becomes in doubt.

    What somebody else has locked is left for the next time: `count_lost` tells afterwards how much that is.
    """
    over = select(records).where(_lease_is_over(now))
    locked = conn.execute(over.order_by(records.c.invoice_id).limit(at_most).with_for_update(skip_locked=True))
    lost = Verdict(outcome=Outcome.IN_DOUBT, error_kind=ErrorKind.LOST, error=wording.ATTEMPT_LOST)
    rescued = []
    for record in locked.mappings().all():
        with passing_over_locked(conn):
            rescued.append(settle(conn, _claim_of(record), lost, Evidence(), waits_s=(), jitter=0, now=now))
    return rescued


def _lease_is_over(now: datetime) -> ColumnElement[bool]:
    return and_(records.c.status == Status.SYNCING, records.c.lease_until < now)


def _open_doubt(record: RowMapping) -> ErrorKind | None:
    return ErrorKind(record["open_doubt"]) if record["open_doubt"] else None


def _claim_of(record: RowMapping) -> Claim:
    return Claim(
        invoice_id=record["invoice_id"],
        number=record["attempt_count"],
        request_id=record["claim_id"],
        trigger=Trigger(record["trigger"]),
        requested_by=record["requested_by"],
        lease_until=record["lease_until"],
        started_at=record["last_attempt_at"],
        worker=record["claimed_by"],
    )


def _lock_attempt(conn: Connection, claimed: Claim) -> RowMapping | None:
    return conn.execute(_LOCKED, _of(claimed)).mappings().one_or_none()


def _of(claimed: Claim) -> dict[str, object]:
    return {"wanted": claimed.invoice_id, "wanted_request": claimed.request_id}


def _takes(attempt: RowMapping, verdict: Verdict) -> bool:
    """An attempt closed as lost takes a firmer outcome; any other is closed for good."""
    lost = attempt["outcome"] == Outcome.IN_DOUBT and attempt["error_kind"] == ErrorKind.LOST
    return lost and policy.is_firmer_than_lost(verdict)


def _concerns(record: RowMapping, claimed: Claim, verdict: Verdict, *, is_known: bool) -> bool:
    """Tells whether this attempt's answer still decides about the record; `is_known`: the attempt was there."""
    status = Status(record["status"])
    newest = record["claim_id"] == claimed.request_id
    if status is Status.SYNCED:
        return False
    if verdict.outcome is Outcome.SYNCED:
        return newest or status is not Status.SYNCING  # a queued resend is cancelled; one under way cannot be
    if newest:
        return status in (Status.SYNCING, Status.IN_DOUBT)  # what a person decided meanwhile stays
    if is_known:
        return False
    # The record knows nothing of this request: the database was restored, or the claim was never confirmed.
    if verdict.outcome is Outcome.IN_DOUBT:
        return status is not Status.SYNCING
    return status in (Status.QUEUED, Status.FAILED, Status.NOT_SYNCED)  # a doubt about another request stays


def _closing(verdict: Verdict, evidence: Evidence, group: Group | None, now: datetime) -> dict[str, object]:
    return {
        "finished_at": now,
        "outcome": verdict.outcome,
        "error_kind": verdict.error_kind,
        "error": verdict.error,
        "http_status": verdict.http_status,
        "document_no": verdict.document_no,
        "duration_ms": evidence.duration_ms,
        "response_headers": dict(evidence.headers) if evidence.headers else None,
        "response_body": evidence.body,
        "error_group": group.key if group else None,
    }


def _close_open_attempt(conn: Connection, claimed: Claim, closing: Mapping[str, object]) -> bool:
    """Closes the attempt if it is open, which it nearly always is: an open one takes any outcome."""
    return conn.execute(_CLOSED_IF_OPEN, {**closing, **_of(claimed)}).rowcount == 1


def _close_again(conn: Connection, claimed: Claim, attempt: RowMapping | None, closing: Mapping[str, object]) -> None:
    if attempt is not None:
        conn.execute(_CLOSED, {**closing, **_of(claimed)})
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
    conn.execute(attempts.insert(), {**opening, **closing})


def _write_record_again(conn: Connection, claimed: Claim, now: datetime) -> RowMapping | None:
    """Gives the invoice of a claim its record back; None where the invoice is gone too."""
    invoice = billing.read_invoice(conn, claimed.invoice_id)
    if invoice is None:
        return None
    write_record_again(conn, invoice, claimed, now=now)
    return lock_to_settle(conn, claimed.invoice_id)


def _highest_number(conn: Connection, claimed: Claim) -> int:
    highest = select(func.max(attempts.c.number)).where(attempts.c.invoice_id == claimed.invoice_id)
    number: int = conn.execute(highest).scalar_one()
    return number


def _note_late_answer(
    conn: Connection, record: RowMapping, claimed: Claim, verdict: Verdict, evidence: Evidence, now: datetime
) -> Settled:
    """Leaves the record's status alone; a success is kept for the resend under way to find, and warned of."""
    warning = possible_duplicate(record, claimed, verdict)
    if verdict.outcome is Outcome.SYNCED and record["status"] == Status.SYNCING:
        _, current = billing.lock_api_response(conn, claimed.invoice_id)
        if not api_response.is_success(current):
            success = api_response.synced(
                verdict, at=now, attempt=claimed.number, duration_ms=evidence.duration_ms, previous=current
            )
            billing.write_api_response(conn, claimed.invoice_id, success)
    values: dict[str, object] = {"warning": warning} if warning else {}
    if record["status"] != Status.SYNCING:  # the attempt that is open counts when it is settled
        values["attempt_count"] = _highest_number(conn, claimed)
    update_locked(conn, record, values, now=now)
    return _settled(claimed, record, changed=bool(warning), warning=warning)


def _settled(claimed: Claim, record: Record | None, *, changed: bool, warning: str | None = None) -> Settled:
    found: Record = record or {}
    return Settled(
        invoice_id=claimed.invoice_id,
        number=claimed.number,
        status=Status(found["status"]) if "status" in found else None,
        not_before=found.get("not_before"),
        changed=changed,
        warning=warning,
    )
