"""What people ask for: send it. Checked again here and logged with who asked; resolving takes the same steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping

from toc_sync import api_response, billing, policy, wording, wording_gate, wording_groups
from toc_sync.model import Confirmed, ErrorKind, Invoice, Refusal, Result, Status, Trigger, UnknownInvoice
from toc_sync.outbox.actions import log_action
from toc_sync.outbox.gate import read_gate
from toc_sync.outbox.news import catch_up
from toc_sync.outbox.records import copies_of, ended_values, lock_record, synced_values, update_record
from toc_sync.outbox.teaching import doubt_if_withdrawn
from toc_sync.outbox.turns import caution_about


def request_send(
    conn: Connection,
    invoice: Invoice,
    *,
    actor: str,
    now: datetime,
    refusals: Sequence[Refusal] = (),
    idempotent: bool = False,
    seen_attempts: int | None = None,
    batch_id: int | None = None,
    confirmed: Confirmed = Confirmed.UNCHANGED,
) -> Result:
    """Queues an invoice for sending now, if it may be sent; the refusal says why not.

    `refusals` are the shipped ones: what others wrote since our last look is read by them and by what people taught.
    What is not `confirmed` is refused and needs confirmation: an invoice that was refused and not corrected since, and
    one of which nothing tells when it was issued.
    `seen_attempts` is how many tries the person saw: a second click that lands after the first one's answer is refused.
    The invoice must have a record. `batch_id` names the batch that asks, if one does.
    """
    found = locked(conn, invoice.invoice_id)
    if api_response.is_success(invoice.api_response) and found["status"] != Status.SYNCING:
        return refused_as_found(conn, found, invoice, actor, "retry", now, None, batch_id=batch_id)
    record: Mapping[Any, Any] = catch_up(conn, found, invoice, refusals, now=now)
    if doubt_if_withdrawn(conn, record, refusals, actor=actor, now=now):
        record = locked(conn, invoice.invoice_id)
    refusal = _why_not(record, invoice, now=now, idempotent=idempotent, seen_attempts=seen_attempts)
    if refusal:
        return logged(conn, record, actor, "retry", now, None, done=False, message=refusal, batch_id=batch_id)
    unchanged = _is_unchanged(conn, record)
    question = _question(record, now, unchanged=unchanged)
    enough = (Confirmed.UNCHANGED, Confirmed.EVERYTHING) if unchanged else (Confirmed.EVERYTHING,)
    if question and confirmed not in enough:
        refused = logged(conn, record, actor, "retry", now, None, done=False, message=question, batch_id=batch_id)
        return replace(refused, needs_confirmation=True)
    return _queue_again(conn, record, invoice, actor, now, batch_id=batch_id, unchanged=unchanged)


def _queue_again(
    conn: Connection,
    record: Mapping[Any, Any],
    invoice: Invoice,
    actor: str,
    now: datetime,
    *,
    batch_id: int | None,
    unchanged: bool,
) -> Result:
    waited = record["status"] == Status.QUEUED
    trigger = Trigger.SYNC if record["status"] == Status.NOT_SYNCED else Trigger.RETRY
    queue(conn, record, invoice, trigger, actor, now, batch_id=batch_id)
    message = queued_message(conn, invoice, was_waiting=waited)
    if unchanged:
        message = wording_groups.sent_unchanged(message)
    queued = Status.QUEUED
    return logged(
        conn, record, actor, str(trigger), now, None, done=True, message=message, status=queued, batch_id=batch_id
    )


def facts_of(record: Mapping[Any, Any], invoice: Invoice | None) -> policy.Facts:
    """Returns what the rules need, from the record and the invoice as it is now (None: deleted)."""
    return policy.facts_of(record, invoice_status=invoice.status if invoice else None)


def locked(conn: Connection, invoice_id: int) -> RowMapping:
    """Returns the record, locked until the commit. Raises UnknownInvoice where there is none."""
    record = lock_record(conn, invoice_id)
    if record is None:
        raise UnknownInvoice(wording.unknown_invoice(invoice_id))
    return record


def _why_not(
    record: Mapping[Any, Any], invoice: Invoice, *, now: datetime, idempotent: bool, seen_attempts: int | None
) -> str | None:
    permission = policy.may_send(facts_of(record, invoice), now=now, idempotent=idempotent)
    if not permission.allowed:
        return permission.why_not
    if record["status"] == Status.QUEUED and (record["not_before"] is None or record["not_before"] <= now):
        return wording.already_due()
    if seen_attempts is not None and record["attempt_count"] != seen_attempts:
        return wording.tried_meanwhile()
    return None


def _question(record: Mapping[Any, Any], now: datetime, *, unchanged: bool) -> str | None:
    """Returns what a person has to confirm first, as a sentence, or None."""
    if unchanged:
        return wording_groups.UNCHANGED
    return wording.MAY_BE_SENDING if policy.may_be_sending_unseen(policy.facts_of(record), now=now) else None


def _is_unchanged(conn: Connection, record: Mapping[Any, Any]) -> bool:
    if record["error_kind"] != ErrorKind.REJECTED:  # spares the others a query
        return False
    _, fingerprint = billing.read_to_send(conn, record["invoice_id"])
    return policy.is_unchanged(
        Status(record["status"]),
        record["error_kind"],
        sent_fingerprint=record["sent_fingerprint"],
        fingerprint=fingerprint,
    )


def queue(
    conn: Connection,
    record: Mapping[Any, Any],
    invoice: Invoice,
    trigger: Trigger,
    actor: str,
    now: datetime,
    **more: Any,
) -> None:
    """Lets an invoice go out next; `more` are columns that differ from what a person's word means."""
    request: dict[str, Any] = {
        "status": Status.QUEUED,
        "trigger": trigger,
        "requested_by": actor,
        "queued_at": now,
        "undelivered_tries": 0,  # a person's word starts the ladder of waits anew, and the count of automatic retries
        "doubt_retries": 0,
        "batch_id": None,
        "open_doubt": None if trigger is Trigger.SEND_AGAIN else _doubt_to_settle(record),
        # Who looked the invoice up relies on nothing that was said about its answers.
        "rests_on": None if trigger is Trigger.SEND_AGAIN else record["rests_on"] or record["refusal"],
    }
    update_record(conn, invoice.invoice_id, ended_values() | copies_of(invoice) | request | more, now=now)


def queued_message(conn: Connection, invoice: Invoice, *, was_waiting: bool) -> str:
    """Says that an invoice is on its way, and what to know about its date."""
    caution = caution_about(conn, invoice.issuer_team_id, invoice.invoice_date)
    gate = read_gate(conn)
    on_its_way = wording.queued_now(was_waiting=was_waiting)
    if not gate.is_open:
        on_its_way = wording_gate.waits_for_gate(gate.state, gate.shown_since, gate.changed_by)
    return " ".join(filter(None, (on_its_way, caution)))


def _doubt_to_settle(record: Mapping[Any, Any]) -> str | None:
    """A retry does not settle a doubt; only its answer may."""
    kind: str | None = record["error_kind"] if record["status"] == Status.IN_DOUBT else record["open_doubt"]
    return kind


def refused_as_found(
    conn: Connection,
    record: RowMapping,
    invoice: Invoice,
    actor: str,
    action: str,
    now: datetime,
    reason: str | None,
    *,
    batch_id: int | None = None,
) -> Result:
    """Refuses because a success stands in `api_response` already, and lets the record say so."""
    if record["status"] != Status.SYNCED:
        success = invoice.api_response
        values = synced_values(api_response.document_no(success), success, now=now)
        update_record(conn, invoice.invoice_id, values | {"api_fingerprint": invoice.api_fingerprint}, now=now)
    message = wording.refused_status(Status.SYNCED, None)
    synced = Status.SYNCED
    return logged(
        conn, record, actor, action, now, reason, done=False, message=message, status=synced, batch_id=batch_id
    )


def logged(
    conn: Connection,
    record: Mapping[Any, Any],
    actor: str,
    action: str,
    now: datetime,
    reason: str | None,
    *,
    done: bool,
    message: str,
    status: Status | None = None,
    batch_id: int | None = None,
) -> Result:
    """Writes down what was asked for and what came of it, and returns that."""
    invoice_id = record["invoice_id"]
    log_action(
        conn,
        actor=actor,
        action=action,
        invoice_id=invoice_id,
        reason=reason,
        done=done,
        result=message,
        now=now,
        batch_id=batch_id,
    )
    return Result(done=done, message=message, invoice_id=invoice_id, status=status or Status(record["status"]))
