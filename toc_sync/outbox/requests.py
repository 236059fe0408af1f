"""What people ask for: send it, it is there, it is not there. Each is checked again here and logged with who asked."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select

from toc_sync import api_response, billing, policy, wording, wording_gate
from toc_sync.model import Invoice, Result, Status, Trigger
from toc_sync.outbox.actions import log_action
from toc_sync.outbox.gate import read_gate
from toc_sync.outbox.records import (
    copies_of,
    ended_values,
    lock_record,
    remember_api_response,
    synced_values,
    update_record,
)
from toc_sync.outbox.turns import caution_about
from toc_sync.tables import sync_records as records


def request_send(
    conn: Connection,
    invoice: Invoice,
    *,
    actor: str,
    now: datetime,
    idempotent: bool = False,
    seen_attempts: int | None = None,
) -> Result:
    """Queues an invoice for sending now, if it may be sent; the refusal says why not.

    `seen_attempts` is how many tries the person saw: a second click that lands after the first one's answer is refused.
    The invoice must have a record.
    """
    record = _locked(conn, invoice.invoice_id)
    if api_response.is_success(invoice.api_response) and record["status"] != Status.SYNCING:
        return _refused_as_found(conn, record, invoice, actor, "retry", now, None)
    refusal = _why_not(record, invoice, now=now, idempotent=idempotent, seen_attempts=seen_attempts)
    if refusal:
        return _logged(conn, record, actor, "retry", now, None, done=False, message=refusal)
    waited = record["status"] == Status.QUEUED
    trigger = Trigger.SYNC if record["status"] == Status.NOT_SYNCED else Trigger.RETRY
    _queue(conn, record, invoice, trigger, actor, now)
    message = _queued_message(conn, invoice, was_waiting=waited)
    return _logged(conn, record, actor, str(trigger), now, None, done=True, message=message, status=Status.QUEUED)


def resolve_as_synced(
    conn: Connection,
    invoice: Invoice | None,
    invoice_id: int,
    document_no: str,
    *,
    actor: str,
    reason: str,
    now: datetime,
) -> Result:
    """Declares that an invoice in doubt is in TOC Online under `document_no`."""
    record = _locked(conn, invoice_id)
    permission = policy.may_resolve(facts_of(record, invoice))
    _, previous = billing.lock_api_response(conn, invoice_id)
    if permission.allowed and api_response.is_success(previous):
        invoice = billing.read_invoice(conn, invoice_id)
        assert invoice is not None  # its row is locked
        return _refused_as_found(conn, record, invoice, actor, "declare_synced", now, reason)
    taken_by = _document_owner(conn, record, document_no) if permission.allowed else None
    refusal = permission.why_not or (wording.refused_document_taken(document_no, taken_by) if taken_by else None)
    if refusal:
        return _logged(conn, record, actor, "declare_synced", now, reason, done=False, message=refusal)
    success = api_response.declared(document_no, at=now, by=actor, reason=reason, previous=previous)
    if invoice:
        billing.write_api_response(conn, invoice_id, success)
    update_record(conn, invoice_id, synced_values(document_no, success, now=now) | {"declared_by": actor}, now=now)
    remember_api_response(conn, invoice_id)
    message = f"Recorded: it is in TOC Online as {document_no}."
    return _logged(conn, record, actor, "declare_synced", now, reason, done=True, message=message, status=Status.SYNCED)


def resolve_send_again(
    conn: Connection, invoice: Invoice | None, invoice_id: int, *, actor: str, reason: str, now: datetime
) -> Result:
    """Queues an invoice in doubt again because a person looked it up and it is not in TOC Online."""
    record = _locked(conn, invoice_id)
    permission = policy.may_send_again(facts_of(record, invoice), now=now)
    if permission.why_not or invoice is None:
        message = permission.why_not or wording.not_needed(None)
        return _logged(conn, record, actor, "send_again", now, reason, done=False, message=message)
    if api_response.is_success(invoice.api_response):
        return _refused_as_found(conn, record, invoice, actor, "send_again", now, reason)
    _queue(conn, record, invoice, Trigger.SEND_AGAIN, actor, now)
    message = _queued_message(conn, invoice, was_waiting=False)
    return _logged(conn, record, actor, "send_again", now, reason, done=True, message=message, status=Status.QUEUED)


def facts_of(record: RowMapping, invoice: Invoice | None) -> policy.Facts:
    """Returns what the rules need, from the record and the invoice as it is now (None: deleted)."""
    return policy.Facts(
        status=Status(record["status"]),
        invoice_status=invoice.status if invoice else None,
        invoice_created_at=(invoice.created_at if invoice else None) or record["created_at"],
        last_attempt_at=record["last_attempt_at"],
        attempt_count=record["attempt_count"],
    )


def _locked(conn: Connection, invoice_id: int) -> RowMapping:
    record = lock_record(conn, invoice_id)
    if record is None:
        raise LookupError(f"invoice {invoice_id} has no record")
    return record


def _why_not(
    record: RowMapping, invoice: Invoice, *, now: datetime, idempotent: bool, seen_attempts: int | None
) -> str | None:
    permission = policy.may_send(facts_of(record, invoice), now=now, idempotent=idempotent)
    if not permission.allowed:
        return permission.why_not
    if record["status"] == Status.QUEUED and (record["not_before"] is None or record["not_before"] <= now):
        return wording.already_due()
    if seen_attempts is not None and record["attempt_count"] != seen_attempts:
        return wording.tried_meanwhile()
    return None


def _queue(conn: Connection, record: RowMapping, invoice: Invoice, trigger: Trigger, actor: str, now: datetime) -> None:
    request: dict[str, Any] = {
        "status": Status.QUEUED,
        "trigger": trigger,
        "requested_by": actor,
        "queued_at": now,
        "undelivered_tries": 0,  # a person's word starts the ladder of waits anew
        "open_doubt": None if trigger is Trigger.SEND_AGAIN else _doubt_to_settle(record),
    }
    update_record(conn, invoice.invoice_id, ended_values() | copies_of(invoice) | request, now=now)


def _queued_message(conn: Connection, invoice: Invoice, *, was_waiting: bool) -> str:
    caution = caution_about(conn, invoice.issuer_team_id, invoice.invoice_date)
    gate = read_gate(conn)
    on_its_way = wording.queued_now(was_waiting=was_waiting)
    if not gate.is_open:
        on_its_way = wording_gate.waits_for_gate(gate.state, gate.since, gate.changed_by)
    return " ".join(filter(None, (on_its_way, caution)))


def _doubt_to_settle(record: RowMapping) -> str | None:
    """A retry does not settle a doubt; only its answer may."""
    kind: str | None = record["error_kind"] if record["status"] == Status.IN_DOUBT else record["open_doubt"]
    return kind


def _refused_as_found(
    conn: Connection, record: RowMapping, invoice: Invoice, actor: str, action: str, now: datetime, reason: str | None
) -> Result:
    """Refuses because a success stands in `api_response` already, and lets the record say so."""
    if record["status"] != Status.SYNCED:
        success = invoice.api_response
        values = synced_values(api_response.document_no(success), success, now=now)
        update_record(conn, invoice.invoice_id, values | {"api_fingerprint": invoice.api_fingerprint}, now=now)
    message = wording.refused_status(Status.SYNCED, None)
    return _logged(conn, record, actor, action, now, reason, done=False, message=message, status=Status.SYNCED)


def _document_owner(conn: Connection, record: RowMapping, document_no: str) -> str | None:
    """Returns the invoice of the same issuer that already has this document number (numbers restart per issuer)."""
    same_number = func.lower(records.c.document_no) == document_no.lower()
    same_issuer = records.c.issuer_team_id.is_not_distinct_from(record["issuer_team_id"])
    other = select(records.c.invoice_number, records.c.invoice_id).where(
        same_number, same_issuer, records.c.invoice_id != record["invoice_id"]
    )
    owner = conn.execute(other.limit(1)).one_or_none()
    return (owner[0] or str(owner[1])) if owner else None


def _logged(
    conn: Connection,
    record: RowMapping,
    actor: str,
    action: str,
    now: datetime,
    reason: str | None,
    *,
    done: bool,
    message: str,
    status: Status | None = None,
) -> Result:
    invoice_id = record["invoice_id"]
    log_action(
        conn, actor=actor, action=action, invoice_id=invoice_id, reason=reason, done=done, result=message, now=now
    )
    return Result(done=done, message=message, invoice_id=invoice_id, status=status or Status(record["status"]))
