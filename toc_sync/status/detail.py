"""One invoice: its state for scripts, and everything the drawer shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from toc_sync import billing, deadlines, document, policy
from toc_sync.database import current_time
from toc_sync.model import ErrorKind, Invoice, Outcome, Refusal, Status, SyncState, Trigger
from toc_sync.outbox import Turns, adopted_record, caution_about, find_obstacle, may_reopen, read_gate
from toc_sync.status.activity import platform_ids
from toc_sync.status.invoices import as_row
from toc_sync.tables import invoice_orders, projects, sync_actions, sync_attempts, sync_records
from toc_sync.tables import issued_invoice_orders as allocations
from toc_sync.views import ActionRow, AllocationRow, AttemptRow, InvoiceDetail

SHOWN_AT_MOST = 200


def read_states(conn: Connection, invoice_ids: Sequence[int], refusals: Sequence[Refusal]) -> dict[int, SyncState]:
    """Returns the state of each invoice that exists; one without a record is read from its `api_response`."""
    known = sync_records.c.invoice_id.in_(invoice_ids)
    states = {
        row["invoice_id"]: _state(row, row["invoice_id"])
        for row in conn.execute(select(sync_records).where(known)).mappings()
    }
    for invoice_id in set(invoice_ids) - set(states):
        if invoice := billing.read_invoice(conn, invoice_id):
            states[invoice_id] = _state(_unrecorded(invoice, refusals, current_time(conn)), invoice_id)
    return states


def read_detail(
    conn: Connection,
    invoice_id: int,
    refusals: Sequence[Refusal],
    *,
    turns: Turns,
    now: datetime,
    idempotent: bool = False,
) -> InvoiceDetail | None:
    """Returns everything about one invoice, or None when neither it nor its record exists."""
    invoice = billing.read_invoice(conn, invoice_id)
    found = conn.execute(select(sync_records).where(sync_records.c.invoice_id == invoice_id)).mappings().one_or_none()
    record: Any = dict(found) if found else None
    if record is None:
        if invoice is None:
            return None
        record = _unrecorded(invoice, refusals, now)
    facts = policy.facts_of(record, invoice_status=invoice.status if invoice else None)
    record["invoice_status"] = facts.invoice_status
    row = as_row(record, now=now, idempotent=idempotent)
    may_be_sent = row.can_retry or policy.may_send_again(facts, now=now).allowed
    is_queued = facts.status is Status.QUEUED
    return InvoiceDetail(
        row=row,
        obstacle=find_obstacle(conn, record, turns=turns, now=now) if is_queued else None,
        caution=caution_about(conn, record["issuer_team_id"], row.invoice_date) if may_be_sent else None,
        communicate_by=deadlines.communication_deadline(row.invoice_date) if row.invoice_date else None,
        invoice_status=facts.invoice_status,
        external_invoice_id=invoice.external_invoice_id if invoice else None,
        subtotal_amount=invoice.subtotal_amount if invoice else record["subtotal_amount"],
        vat_amount=invoice.vat_amount if invoice else record["vat_amount"],
        notes=invoice.notes if invoice else None,
        created_at=invoice.created_at if invoice else record["invoice_created_at"],
        declared_by=record["declared_by"],
        refusal=record["refusal"],
        send_again_at=policy.send_again_at(facts),
        can_send_again=policy.may_send_again(facts, now=now).allowed,
        can_reopen=may_reopen(conn, record, invoice.api_response if invoice else record["success_value"]).allowed,
        retried_at=_retried_at(conn, facts, record["doubt_retries"]) if idempotent else None,
        certification=document.certification(invoice.api_response if invoice else record["success_value"]),
        api_response=invoice.api_response if invoice else None,
        attempts=_attempts(conn, invoice_id),
        actions=_actions(conn, invoice_id),
        allocations=_allocations(conn, invoice_id),
        read_at=now,
    )


def _retried_at(conn: Connection, facts: policy.Facts, retries: int) -> datetime | None:
    at = policy.retried_at(facts, retries=retries)
    return at if at and read_gate(conn).is_open else None


def _state(record: Any, invoice_id: int) -> SyncState:
    status = Status(record["status"])
    return SyncState(
        invoice_id=invoice_id,
        status=status,
        synced=status is Status.SYNCED,
        synced_at=record["synced_at"],
        error=record["error"],
        error_kind=ErrorKind(record["error_kind"]) if record["error_kind"] else None,
        attempts=record["attempt_count"],
        not_before=record["not_before"],
        document_no=record["document_no"],
    )


def _unrecorded(invoice: Invoice, refusals: Sequence[Refusal], now: datetime) -> dict[str, Any]:
    """Returns what the record of an invoice without one would say."""
    empty = dict.fromkeys(column.name for column in sync_records.columns)
    return empty | adopted_record(invoice, refusals, now=now)


def _attempts(conn: Connection, invoice_id: int) -> tuple[AttemptRow, ...]:
    query = select(sync_attempts).where(sync_attempts.c.invoice_id == invoice_id)
    rows = conn.execute(query.order_by(sync_attempts.c.number.desc()).limit(SHOWN_AT_MOST)).mappings()
    return tuple(_attempt(row) for row in rows)


def _attempt(row: RowMapping) -> AttemptRow:
    return AttemptRow(
        number=row["number"],
        trigger=Trigger(row["trigger"]),
        requested_by=row["requested_by"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        outcome=Outcome(row["outcome"]) if row["outcome"] else None,
        error_kind=ErrorKind(row["error_kind"]) if row["error_kind"] else None,
        error=row["error"],
        http_status=row["http_status"],
        duration_ms=row["duration_ms"],
        request_id=row["request_id"],
        document_no=row["document_no"],
        worker=row["worker"],
        platform_ids=platform_ids(row["response_headers"]),
    )


def _actions(conn: Connection, invoice_id: int) -> tuple[ActionRow, ...]:
    query = select(sync_actions).where(sync_actions.c.invoice_id == invoice_id)
    rows = conn.execute(query.order_by(sync_actions.c.id.desc()).limit(SHOWN_AT_MOST)).mappings()
    names = tuple(ActionRow.__dataclass_fields__)
    return tuple(ActionRow(**{name: row[name] for name in names}) for row in rows)


def _allocations(conn: Connection, invoice_id: int) -> tuple[AllocationRow, ...]:
    query = (
        select(
            allocations.c.invoice_order_id.label("order_id"),
            projects.c.name.label("project"),
            allocations.c.amount_override_subtotal.label("subtotal"),
            allocations.c.amount_override_vat.label("vat"),
            allocations.c.amount_override_total.label("total"),
        )
        .select_from(
            allocations.outerjoin(invoice_orders, invoice_orders.c.id == allocations.c.invoice_order_id).outerjoin(
                projects, projects.c.id == invoice_orders.c.project_id
            )
        )
        .where(allocations.c.issued_invoice_id == invoice_id)
        .order_by(allocations.c.id)
    )
    return tuple(AllocationRow(**row) for row in conn.execute(query).mappings())
