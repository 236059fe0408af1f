"""Observation: noticing what others did to the invoices, and giving a record to each that has none.

Two speeds: what people are waiting for is looked at every round; everything else is swept in batches, round and round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, and_, exists, func, or_, select, union

from toc_sync import api_response, billing, policy, wording
from toc_sync.model import Invoice, Refusal, Status
from toc_sync.outbox.records import (
    COPIED,
    adopt,
    copies_of,
    current_fingerprint,
    ended_values,
    fingerprint_of,
    lock_record,
    reading_of,
    remember_api_response,
    synced_values,
    update_record,
)
from toc_sync.tables import issued_client_invoices as invoices
from toc_sync.tables import sync_records as records

WATCHED = (Status.QUEUED, Status.FAILED, Status.IN_DOUBT)
RECENT = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Swept:
    """How far a sweep came, how many records it wrote, and whether it has been through everything."""

    last_id: int
    changed: int
    complete: bool


def observe_recent(conn: Connection, refusals: Sequence[Refusal], *, now: datetime, at_most: int = 200) -> list[int]:
    """Takes over what others wrote into `api_response` of invoices that people are waiting for; returns their ids."""
    watched = or_(
        records.c.status.in_(WATCHED),
        and_(records.c.status == Status.NOT_SYNCED, records.c.created_at > now - RECENT),
    )
    joined = select(records.c.invoice_id).join(invoices, invoices.c.id == records.c.invoice_id)
    ids = conn.execute(joined.where(watched, _changed()).limit(at_most)).scalars().all()
    for invoice_id in ids:
        _look_at(conn, invoice_id, refusals, now)
    return list(ids)


def adopt_missing(conn: Connection, refusals: Sequence[Refusal], *, now: datetime, at_most: int = 500) -> int:
    """Writes records for invoices that are newer than every record; returns how many."""
    newest = select(func.coalesce(func.max(records.c.invoice_id), 0)).scalar_subquery()
    return _adopt_where(conn, invoices.c.id > newest, refusals, now, at_most)


def sweep(
    conn: Connection, refusals: Sequence[Refusal], *, after_id: int, now: datetime, batch: int = 1_000
) -> Swept:
    """Looks at the next `batch` invoices after `after_id`: adopts, takes over what changed, and notes what is gone."""
    ids = conn.execute(_ids_after(after_id, batch)).scalars().all()
    if not ids:
        return Swept(last_id=0, changed=0, complete=True)
    within = and_(invoices.c.id > after_id, invoices.c.id <= ids[-1])
    without_record = ~exists().where(records.c.invoice_id == invoices.c.id)
    changed = _adopt_where(conn, and_(within, without_record), refusals, now, batch)
    stale = (
        select(records.c.invoice_id)
        .select_from(records.outerjoin(invoices, invoices.c.id == records.c.invoice_id))
        .where(records.c.invoice_id > after_id, records.c.invoice_id <= ids[-1], records.c.status != Status.SYNCING)
        .where(or_(_changed(), _copies_differ(), _gone()))
    )
    for invoice_id in conn.execute(stale).scalars().all():
        _look_at(conn, invoice_id, refusals, now)
        changed += 1
    return Swept(last_id=ids[-1], changed=changed, complete=len(ids) < batch)


def _look_at(conn: Connection, invoice_id: int, refusals: Sequence[Refusal], now: datetime) -> None:
    record = lock_record(conn, invoice_id)
    if record is None or record["status"] == Status.SYNCING:
        return  # the attempt that is open will read api_response itself
    invoice = billing.read_invoice(conn, invoice_id)
    status = Status(record["status"])
    if invoice is None:
        if status not in (Status.SYNCED, Status.IN_DOUBT, Status.NOT_NEEDED):
            gone = ended_values() | {"status": Status.NOT_NEEDED, "error": wording.not_needed(None)}
            update_record(conn, invoice_id, gone | {"invoice_status": "deleted"}, now=now)
        else:
            update_record(conn, invoice_id, {"invoice_status": "deleted"}, now=now)
        return
    values: dict[str, object] = {}
    if status is Status.SYNCED:
        _restore_success(conn, invoice, record["success_value"])
    else:
        values = _taken_over(conn, invoice, record, refusals, now)
    update_record(conn, invoice_id, copies_of(invoice) | values, now=now)
    remember_api_response(conn, invoice_id)


def _taken_over(
    conn: Connection, invoice: Invoice, record: RowMapping, refusals: Sequence[Refusal], now: datetime
) -> dict[str, object]:
    """Returns what a record takes over from the invoice: a success always, a newer doubt, the end of the invoice."""
    status = Status(record["status"])
    if api_response.is_success(invoice.api_response):
        return synced_values(api_response.document_no(invoice.api_response), invoice.api_response, now=now)
    if status is Status.IN_DOUBT:
        return {}
    reading = reading_of(invoice, refusals, now=now)
    written_by_others = record["api_fingerprint"] != current_fingerprint(conn, invoice.invoice_id)
    if written_by_others and (reading["status"] == Status.IN_DOUBT or status is Status.NOT_SYNCED):
        return ended_values() | reading
    if policy.is_ended(invoice.status):
        return ended_values() | {"status": Status.NOT_NEEDED, "error": wording.not_needed(invoice.status)}
    return ended_values() | reading if status is Status.NOT_NEEDED else {}


def _restore_success(conn: Connection, invoice: Invoice, success: object) -> None:
    _, current = billing.lock_api_response(conn, invoice.invoice_id)
    if success is not None and not api_response.is_success(current):
        billing.write_api_response(conn, invoice.invoice_id, success)


def _adopt_where(
    conn: Connection, condition: ColumnElement[bool], refusals: Sequence[Refusal], now: datetime, at_most: int
) -> int:
    query = billing.select_invoices().where(condition).order_by(invoices.c.id).limit(at_most)
    rows = conn.execute(query).mappings().all()
    for row in rows:
        adopt(conn, billing.as_invoice(row), refusals, now=now)
    return len(rows)


def _ids_after(after_id: int, batch: int) -> Select[tuple[int]]:
    theirs = select(invoices.c.id).where(invoices.c.id > after_id).order_by(invoices.c.id).limit(batch)
    ours = select(records.c.invoice_id).where(records.c.invoice_id > after_id).order_by(records.c.invoice_id).limit(batch)
    both = union(select(theirs.subquery()), select(ours.subquery())).subquery()
    return select(both.c.id).order_by(both.c.id).limit(batch)


def _changed() -> ColumnElement[bool]:
    different = fingerprint_of(invoices.c.api_response).is_distinct_from(records.c.api_fingerprint)
    return and_(invoices.c.id.is_not(None), different)


def _copies_differ() -> ColumnElement[bool]:
    copied = [name for name in COPIED if name in invoices.c]
    different = [invoices.c[name].is_distinct_from(records.c[name]) for name in copied]
    moved = or_(*different, invoices.c.status.is_distinct_from(records.c.invoice_status))
    return and_(invoices.c.id.is_not(None), moved)


def _gone() -> ColumnElement[bool]:
    return and_(invoices.c.id.is_(None), records.c.invoice_status.is_distinct_from("deleted"))
