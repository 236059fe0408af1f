"""The ways out of a doubt that people have, and the way back: it is there, it is not there, it is not there after all.

Each is checked again here, in the database, and logged with who said it and why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, exists, func, select

from toc_sync import api_response, billing, policy, wording, wording_doubt
from toc_sync.model import ErrorKind, Invoice, Outcome, Refusal, Result, Status, Trigger, Verdict
from toc_sync.outbox.news import catch_up
from toc_sync.outbox.records import ended_values, remember_api_response, synced_values, update_record
from toc_sync.outbox.requests import facts_of, locked, logged, queue, queued_message, refused_as_found
from toc_sync.tables import sync_attempts as attempts
from toc_sync.tables import sync_records as records


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
    record = locked(conn, invoice_id)
    permission = policy.may_resolve(facts_of(record, invoice))
    _, previous = billing.lock_api_response(conn, invoice_id)
    if permission.allowed and api_response.is_success(previous):
        invoice = billing.read_invoice(conn, invoice_id)
        assert invoice is not None  # its row is locked
        return refused_as_found(conn, record, invoice, actor, "declare_synced", now, reason)
    taken_by = _document_owner(conn, record, document_no) if permission.allowed else None
    refusal = permission.why_not or (wording.refused_document_taken(document_no, taken_by) if taken_by else None)
    if refusal:
        return logged(conn, record, actor, "declare_synced", now, reason, done=False, message=refusal)
    success = api_response.declared(document_no, at=now, by=actor, reason=reason, previous=previous)
    if invoice:
        billing.write_api_response(conn, invoice_id, success)
    update_record(conn, invoice_id, synced_values(document_no, success, now=now) | {"declared_by": actor}, now=now)
    remember_api_response(conn, invoice_id)
    message = f"Recorded: it is in TOC Online as {document_no}."
    return logged(conn, record, actor, "declare_synced", now, reason, done=True, message=message, status=Status.SYNCED)


def resolve_send_again(
    conn: Connection,
    invoice: Invoice | None,
    invoice_id: int,
    *,
    actor: str,
    reason: str,
    now: datetime,
    refusals: Sequence[Refusal] = (),
) -> Result:
    """Queues an invoice in doubt again because a person looked it up and it is not in TOC Online."""
    record = locked(conn, invoice_id)
    if invoice and api_response.is_success(invoice.api_response) and record["status"] == Status.IN_DOUBT:
        return refused_as_found(conn, record, invoice, actor, "send_again", now, reason)
    caught_up = catch_up(conn, record, invoice, refusals, now=now) if invoice else record
    refusal = why_not_send_again(caught_up, invoice, now=now)
    if refusal or invoice is None:
        message = refusal or wording.not_needed(None)
        return logged(conn, record, actor, "send_again", now, reason, done=False, message=message)
    queue(conn, record, invoice, Trigger.SEND_AGAIN, actor, now)
    message = queued_message(conn, invoice, was_waiting=False)
    return logged(conn, record, actor, "send_again", now, reason, done=True, message=message, status=Status.QUEUED)


def why_not_send_again(record: Mapping[Any, Any], invoice: Invoice | None, *, now: datetime) -> str | None:
    """Returns why "it is not there: send again" is refused, as a sentence, or None where it is allowed.

    What is written and what is foretold ask here.
    """
    permission = policy.may_send_again(facts_of(record, invoice), now=now)
    if permission.allowed and invoice and api_response.is_success(invoice.api_response):
        return wording.refused_status(Status.SYNCED, None)
    return permission.why_not


def reopen(conn: Connection, invoice_id: int, *, actor: str, reason: str, now: datetime) -> Result:
    """Makes an invoice that a person declared synced in doubt again: it was not there after all, or under another number.

    Refused where TOC Online itself answered that it has the invoice: nobody takes that back.
    """
    record = locked(conn, invoice_id)
    is_there, standing = billing.lock_api_response(conn, invoice_id)
    permission = may_reopen(conn, record, standing if is_there else record["success_value"])
    if permission.why_not:
        return logged(conn, record, actor, "reopen", now, reason, done=False, message=permission.why_not)
    doubt = _reopened_doubt(conn, record, actor, reason)
    written = api_response.in_doubt(doubt, at=now, attempt=record["attempt_count"])
    if is_there and not billing.write_api_response(conn, invoice_id, written):
        # The success would still stand there, and whoever reads it next would believe it.
        refusal = wording_doubt.NOT_REOPENED_IN_BILLING
        return logged(conn, record, actor, "reopen", now, reason, done=False, message=refusal)
    unsettled = dict.fromkeys(("synced_at", "document_no", "success_value", "declared_by"))
    values = {
        "status": Status.IN_DOUBT,
        "error_kind": doubt.error_kind,
        "error": doubt.error,
        "http_status": doubt.http_status,
        # Whoever reopens it wants to look first: nothing goes out by itself.
        "doubt_retries": policy.DOUBT_RETRIES,
        "undelivered_tries": policy.NO_MORE_TRIES,
    }
    update_record(conn, invoice_id, ended_values() | unsettled | values, now=now)
    remember_api_response(conn, invoice_id)
    message = wording_doubt.REOPENED
    return logged(conn, record, actor, "reopen", now, reason, done=True, message=message, status=Status.IN_DOUBT)


def may_reopen(conn: Connection, record: Mapping[Any, Any], standing: object) -> policy.Permission:
    """Tells whether a record may be reopened; `standing` is the success as it stands in `api_response`."""
    answered = exists().where(
        attempts.c.invoice_id == record["invoice_id"], attempts.c.outcome == Outcome.SYNCED
    )  # a late answer does not change what a person declared, but it counts
    is_declared = (
        bool(record["declared_by"])
        and api_response.is_declared(standing)
        and not conn.execute(select(answered)).scalar_one()
    )
    return policy.may_reopen(Status(record["status"]), is_declared=is_declared)


def _reopened_doubt(conn: Connection, record: RowMapping, actor: str, reason: str) -> Verdict:
    mine = attempts.c.invoice_id == record["invoice_id"]
    newest = select(attempts.c.outcome, attempts.c.error_kind, attempts.c.http_status).where(mine)
    found = conn.execute(newest.order_by(attempts.c.number.desc()).limit(1)).one_or_none()
    doubt = found if found and found.outcome == Outcome.IN_DOUBT else None
    return Verdict(
        outcome=Outcome.IN_DOUBT,
        error_kind=ErrorKind(doubt.error_kind) if doubt else ErrorKind.SERVER_ERROR,
        error=wording_doubt.reopened_by(actor, reason),
        http_status=doubt.http_status if doubt else None,
    )


def _document_owner(conn: Connection, record: RowMapping, document_no: str) -> str | None:
    """Returns the invoice of the same issuer that already has this document number (numbers restart per issuer)."""
    same_number = func.lower(records.c.document_no) == document_no.lower()
    same_issuer = records.c.issuer_team_id.is_not_distinct_from(record["issuer_team_id"])
    other = select(records.c.invoice_number, records.c.invoice_id).where(
        same_number, same_issuer, records.c.invoice_id != record["invoice_id"]
    )
    owner = conn.execute(other.limit(1)).one_or_none()
    return (owner[0] or str(owner[1])) if owner else None
