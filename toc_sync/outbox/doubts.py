"""The one automatic retry of a doubt, where the function itself refuses to issue one invoice twice.

Only for such a function: anywhere else a repeated request can be a second document.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, RowMapping, select

from toc_sync import api_response, billing, policy
from toc_sync.model import SENDABLE_INVOICE_STATUSES, Refusal, Status, Trigger
from toc_sync.outbox.gate import read_gate
from toc_sync.outbox.news import catch_up
from toc_sync.outbox.records import synced_values, update_record
from toc_sync.outbox.requests import facts_of, queue
from toc_sync.tables import sync_records as records


def retry_doubts(conn: Connection, *, now: datetime, refusals: Sequence[Refusal] = (), at_most: int = 100) -> list[int]:
    """Queues the doubts whose request left long enough ago and that nobody has retried yet; returns their ids.

    Only invoices that were sent from here. One whose retry ends in doubt again stays: then a person decides. None while
    nothing may leave: a doubt that waits for that would be a doubt that nobody sees.
    """
    if not read_gate(conn).is_open:
        return []
    is_due = (
        records.c.status == Status.IN_DOUBT,
        records.c.doubt_retries < policy.DOUBT_RETRIES,
        records.c.attempt_count > 0,
        records.c.last_attempt_at <= now - policy.DOUBT_RETRY_AFTER,
        records.c.invoice_status.in_(SENDABLE_INVOICE_STATUSES),
    )
    # In the order of ids, as everything that locks several records, and as the index on the status has them.
    due = select(records).where(*is_due).order_by(records.c.invoice_id).limit(at_most)
    locked = conn.execute(due.with_for_update(skip_locked=True)).mappings().all()
    return [record["invoice_id"] for record in locked if _retry(conn, record, refusals, now)]


def _retry(conn: Connection, record: RowMapping, refusals: Sequence[Refusal], now: datetime) -> bool:
    invoice = billing.read_invoice(conn, record["invoice_id"])
    if invoice is None or policy.retried_at(facts_of(record, invoice), retries=record["doubt_retries"]) is None:
        return False
    if api_response.is_success(invoice.api_response):
        values = synced_values(api_response.document_no(invoice.api_response), invoice.api_response, now=now)
        seen = {"api_fingerprint": invoice.api_fingerprint}
        update_record(conn, invoice.invoice_id, values | seen, now=now)
        return True
    retried_at = policy.retried_at(
        facts_of(catch_up(conn, record, invoice, refusals, now=now), invoice), retries=record["doubt_retries"]
    )
    if retried_at is None or retried_at > now:
        return False
    asked_by = record["requested_by"] or Trigger.AUTOMATIC  # a record that was written again may not know
    # `not_before` as for every automatic retry: nobody asked for it to go out at once.
    changes = {"doubt_retries": record["doubt_retries"] + 1, "not_before": now}
    queue(conn, record, invoice, Trigger.AUTOMATIC, asked_by, now, **changes)
    return True
