"""News: what others wrote about an invoice since our last look, and what its record takes over from that.

One rule for whoever has just read the invoice: observation, a person's request, a claim. Their newest word counts like
any answer, so a doubt of theirs is a doubt, and nothing is sent over it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping

from toc_sync import api_response, policy, wording
from toc_sync.model import Invoice, Refusal, Status
from toc_sync.outbox.records import copies_of, ended_values, reading_of, synced_values, update_record
from toc_sync.outbox.teaching import known_refusals

Record = RowMapping | dict[str, Any]


def taken_over(record: Record, invoice: Invoice, refusals: Sequence[Refusal], *, now: datetime) -> dict[str, Any]:
    """Returns what a record takes over from the invoice: a success always, a newer doubt, the end of the invoice."""
    status = Status(record["status"])
    if api_response.is_success(invoice.api_response):
        return synced_values(api_response.document_no(invoice.api_response), invoice.api_response, now=now)
    is_news = is_newer(record, invoice)
    if status is Status.IN_DOUBT or record["open_doubt"]:
        theirs = reading_of(invoice, refusals, now=now) if is_news else {}
        return _their_try(record, theirs, now) if theirs.get("status") == Status.IN_DOUBT else {}
    reading = reading_of(invoice, refusals, now=now) if is_news or status is Status.NOT_NEEDED else {}
    if is_news and reading["status"] == Status.IN_DOUBT:
        return reading | _their_try(record, reading, now)
    if is_news and status is Status.NOT_SYNCED:
        return reading
    if policy.is_ended(invoice.status):
        return ended_values() | {"status": Status.NOT_NEEDED, "error": wording.not_needed(invoice.status)}
    return reading if status is Status.NOT_NEEDED else {}


def is_newer(record: Record, invoice: Invoice) -> bool:
    """Tells whether others wrote into `api_response` since our last look."""
    return bool(record["api_fingerprint"] != invoice.api_fingerprint)


def catch_up(
    conn: Connection, record: RowMapping, invoice: Invoice, shipped: Sequence[Refusal], *, now: datetime
) -> Record:
    """Lets a locked record take over what is newer in the invoice, and returns it as it is then.

    An attempt that is open reads `api_response` itself when it is settled.
    """
    if record["status"] in (Status.SYNCING, Status.SYNCED):
        return record
    seen = seen_values(record, invoice, now=now)
    if not is_newer(record, invoice) and "sendable_since" not in seen:
        return record
    news = seen | taken_over(record, invoice, known_refusals(conn, shipped), now=now)
    update_record(conn, invoice.invoice_id, news, now=now)
    return dict(record) | news


def seen_values(record: Record, invoice: Invoice, *, now: datetime) -> dict[str, Any]:
    """Returns the columns that say how an invoice looked when it was last read."""
    seen = copies_of(invoice) | {"api_fingerprint": invoice.api_fingerprint}
    if policy.is_sendable(invoice.status) and not policy.is_sendable(record["invoice_status"]):
        seen["sendable_since"] = now  # it was issued between two looks: at this instant at the latest
    return seen


def _their_try(record: Record, theirs: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Returns when somebody tried last: what others have just tried may still be under way."""
    tried_at = min(theirs["last_attempt_at"], now)
    return {"last_attempt_at": max(tried_at, record["last_attempt_at"] or tried_at)}
