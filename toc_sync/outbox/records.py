"""Sync records: how one comes into being, and the few ways in which one changes that others build on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Text, cast, func, select
from sqlalchemy.dialects import postgresql, sqlite

from toc_sync import api_response, policy, wording
from toc_sync.database import is_postgresql
from toc_sync.model import Invoice, Outcome, Refusal, Status, Trigger, fold
from toc_sync.tables import creation_tokens
from toc_sync.tables import issued_client_invoices as invoices
from toc_sync.tables import sync_records as records

COPIED = (
    "invoice_number",
    "invoice_date",
    "subtotal_amount",
    "vat_amount",
    "total_amount",
    "currency_code",
    "issuer_team_id",
    "issuer",
    "payer_team_id",
    "payer",
)
"""The invoice's facts that a record repeats under the same name."""

_SEARCHED = (records.c.invoice_number, records.c.payer, records.c.document_no, records.c.error)


def enqueue(conn: Connection, invoice: Invoice, *, actor: str, now: datetime) -> None:
    """Writes the record of an invoice that was just created here: queued, to be sent at once."""
    request = {"status": Status.QUEUED, "trigger": Trigger.CREATED, "requested_by": actor, "queued_at": now}
    conn.execute(records.insert().values(_new_record(invoice, now) | request))


def adopt(conn: Connection, invoice: Invoice, refusals: Sequence[Refusal], *, now: datetime) -> None:
    """Writes the record of an invoice that has none, as its `api_response` says; somebody else's record stays."""
    values = _new_record(invoice, now) | reading_of(invoice, refusals, now=now)
    insert = postgresql.insert(records) if is_postgresql(conn) else sqlite.insert(records)
    if conn.execute(insert.values(values).on_conflict_do_nothing()).rowcount:
        remember_api_response(conn, invoice.invoice_id)


def reading_of(invoice: Invoice, refusals: Sequence[Refusal], *, now: datetime) -> dict[str, Any]:
    """Returns the record's columns that follow from an invoice that others may have sent."""
    verdict = api_response.read(invoice.api_response, refusals)
    if verdict is None:
        ended = policy.is_ended(invoice.status)
        return {
            "status": Status.NOT_NEEDED if ended else Status.NOT_SYNCED,
            "error": wording.not_needed(invoice.status) if ended else None,
        }
    if verdict.outcome is Outcome.SYNCED:
        return synced_values(verdict.document_no, invoice.api_response, now=now)
    status = Status.IN_DOUBT if verdict.outcome is Outcome.IN_DOUBT else Status.FAILED
    return {
        "status": status,
        "error_kind": verdict.error_kind,
        "error": verdict.error,
        "http_status": verdict.http_status,
        "refusal": verdict.refusal,
        "last_attempt_at": api_response.failed_at(invoice.api_response) or invoice.updated_at or now,
    }


def synced_values(document_no: str | None, success: object, *, now: datetime) -> dict[str, Any]:
    """Returns the columns of a record that is synced because `success` stands in `api_response`."""
    return ended_values() | {
        "status": Status.SYNCED,
        "document_no": document_no,
        "synced_at": api_response.synced_at(success) or now,
        "success_value": success,
    }


def ended_values() -> dict[str, Any]:
    """Returns the columns that are empty once nothing is waiting, open or wrong any more."""
    empty = ("error_kind", "error", "refusal", "http_status", "not_before", "lease_until", "claimed_by", "queued_at")
    return dict.fromkeys(empty)


def lock_record(conn: Connection, invoice_id: int) -> RowMapping | None:
    """Returns the record, locked against other writers until the commit, or None."""
    query = select(records).where(records.c.invoice_id == invoice_id).with_for_update()
    return conn.execute(query).mappings().one_or_none()


def current_status(conn: Connection, invoice_id: int) -> Status:
    """Returns the status of a record that exists."""
    return Status(conn.execute(select(records.c.status).where(records.c.invoice_id == invoice_id)).scalar_one())


def update_record(conn: Connection, invoice_id: int, values: dict[str, Any], *, now: datetime) -> None:
    """Changes a record; what can be searched follows."""
    where = records.c.invoice_id == invoice_id
    conn.execute(records.update().where(where).values(values | {"updated_at": now}))
    if values.keys() & {column.name for column in _SEARCHED}:
        texts = conn.execute(select(*_SEARCHED).where(where)).one()
        conn.execute(records.update().where(where).values(search_text=searchable(*texts)))


def searchable(*texts: str | None) -> str:
    """Returns the text that searches look through."""
    return fold(" ".join(text for text in texts if text))[:2_000]


def remember_api_response(conn: Connection, invoice_id: int) -> None:
    """Notes how `api_response` looks now, so that observation notices only what others change."""
    fingerprint = select(fingerprint_of(invoices.c.api_response)).where(invoices.c.id == invoice_id).scalar_subquery()
    conn.execute(records.update().where(records.c.invoice_id == invoice_id).values(api_fingerprint=fingerprint))


def current_fingerprint(conn: Connection, invoice_id: int) -> str | None:
    """Returns the short stand-in of the invoice's `api_response` as it is now."""
    query = select(fingerprint_of(invoices.c.api_response)).where(invoices.c.id == invoice_id)
    return conn.execute(query).scalar_one_or_none()


def fingerprint_of(column: Any) -> Any:
    """Returns the SQL expression for a short stand-in of a JSON column; null where it is null."""
    return func.md5(cast(column, Text))


def copies_of(invoice: Invoice) -> dict[str, Any]:
    """Returns the facts of the invoice that its record repeats."""
    return {name: getattr(invoice, name) for name in COPIED} | {
        "invoice_status": invoice.status,
        "invoice_created_at": invoice.created_at,
    }


def spend_token(conn: Connection, token: str, *, now: datetime) -> bool:
    """Uses up a creation form's one-use token; False when it was used before (a double click)."""
    insert = postgresql.insert(creation_tokens) if is_postgresql(conn) else sqlite.insert(creation_tokens)
    spent = conn.execute(insert.values(token=token, created_at=now).on_conflict_do_nothing())
    return bool(spent.rowcount)


def used_token(conn: Connection, token: str, invoice_id: int | None = None) -> int | None:
    """Returns which invoice a token made; with `invoice_id`, notes that first."""
    if invoice_id is not None:
        conn.execute(creation_tokens.update().where(creation_tokens.c.token == token).values(invoice_id=invoice_id))
    return conn.execute(select(creation_tokens.c.invoice_id).where(creation_tokens.c.token == token)).scalar_one_or_none()


def _new_record(invoice: Invoice, now: datetime) -> dict[str, Any]:
    copies = copies_of(invoice)
    return copies | {
        "invoice_id": invoice.invoice_id,
        "attempt_count": 0,
        "undelivered_tries": 0,
        "created_at": now,
        "updated_at": now,
        "search_text": searchable(invoice.invoice_number, invoice.payer),
    }
