"""Observation: noticing what others did to the invoices.

Two speeds: what people are waiting for is looked at every round; everything else is swept in batches, round and round.
Each has a twin that only reads: on SQLite, whoever asks whether there is something to write keeps nobody from writing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, or_, select, union

from toc_sync import api_response, billing, wording
from toc_sync.billing import fingerprint_of
from toc_sync.database import passing_over_locked
from toc_sync.model import Invoice, Refusal, Status
from toc_sync.outbox.adoption import look_for_missing, missing_records, write_adopted
from toc_sync.outbox.news import seen_values, taken_over
from toc_sync.outbox.records import (
    COPIED,
    DELETED,
    copies_of,
    ended_values,
    lock_record_if_free,
    remember_api_response,
    update_record,
)
from toc_sync.tables import issued_client_invoices as invoices
from toc_sync.tables import sync_records as records
from toc_sync.tables import teams

_issuer, _payer = teams.alias("issuer"), teams.alias("payer")

WATCHED = (Status.QUEUED, Status.FAILED, Status.IN_DOUBT)
RECENT = timedelta(days=1)
HELD_AT_MOST = 3
"""How many invoices that somebody else has locked one transaction waits for: each takes a moment."""

LOOKED_AT_ONCE = 200
"""How many changed invoices one transaction looks at: on SQLite nobody else writes meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Swept:
    """How far a sweep came, how many records it wrote, and whether it has been through everything."""

    last_id: int
    changed: int
    complete: bool


def find_observable(conn: Connection, *, now: datetime, at_most: int = LOOKED_AT_ONCE) -> list[int]:
    """Returns the ids that `observe_recent` would look at now; writes nothing, so nobody has to wait for it."""
    watched = or_(
        records.c.status.in_(WATCHED),
        and_(records.c.status == Status.NOT_SYNCED, records.c.invoice_created_at > now - RECENT),
    )
    joined = select(records.c.invoice_id).join(invoices, invoices.c.id == records.c.invoice_id)
    # In the order of ids, like everything that locks several records: two workers never wait for each other in a circle.
    changed = joined.where(watched, _changed()).order_by(records.c.invoice_id).limit(at_most)
    return list(conn.execute(changed).scalars())


def observe_recent(
    conn: Connection, refusals: Sequence[Refusal], *, now: datetime, at_most: int = LOOKED_AT_ONCE
) -> list[int]:
    """Takes over what others wrote into `api_response` of invoices that people are waiting for; returns their ids."""
    ids = find_observable(conn, now=now, at_most=at_most)
    return _look_at_all(conn, ids, refusals, now)


def survey(conn: Connection, *, after_id: int, batch: int = 1_000) -> Swept:
    """Says how far `sweep` would come from `after_id`, and about how much it would write; writes nothing."""
    ids = _ids_after(conn, after_id, batch)
    if not ids:
        return Swept(last_id=0, changed=0, complete=True)
    missing = look_for_missing(conn, after_id=after_id, at_most=batch).first_missing
    stale = _stale(conn, after_id, ids[-1])
    changed = len(stale) + (missing is not None)
    return Swept(last_id=ids[-1], changed=changed, complete=len(ids) < batch)


def sweep(conn: Connection, refusals: Sequence[Refusal], *, after_id: int, now: datetime, batch: int = 1_000) -> Swept:
    """Looks at the next `batch` invoices after `after_id`: adopts, takes over what changed, and notes what is gone."""
    ids = _ids_after(conn, after_id, batch)
    if not ids:
        return Swept(last_id=0, changed=0, complete=True)
    adopted = missing_records(conn, refusals, after_id=after_id, until_id=ids[-1], at_most=batch, now=now)
    write_adopted(conn, adopted)
    stale = _stale(conn, after_id, ids[-1])
    changed = len(adopted) + len(_look_at_all(conn, stale, refusals, now))
    if len(stale) == LOOKED_AT_ONCE:
        return Swept(last_id=stale[-1], changed=changed, complete=False)
    return Swept(last_id=ids[-1], changed=changed, complete=len(ids) < batch)


def _look_at_all(conn: Connection, invoice_ids: Sequence[int], refusals: Sequence[Refusal], now: datetime) -> list[int]:
    """Returns which of these were looked at; what somebody else holds is passed over until the next round."""
    seen: list[int] = []
    held = 0
    for invoice_id in invoice_ids:
        looked: bool | None = None
        with passing_over_locked(conn):
            looked = _look_at(conn, invoice_id, refusals, now)
        held += looked is None
        if held == HELD_AT_MOST:
            break
        if looked:
            seen.append(invoice_id)
    return seen


def _look_at(conn: Connection, invoice_id: int, refusals: Sequence[Refusal], now: datetime) -> bool:
    record = lock_record_if_free(conn, invoice_id)
    if record is None or record["status"] == Status.SYNCING:
        return False  # the attempt that is open will read api_response itself
    invoice = billing.read_invoice(conn, invoice_id)
    if invoice is None:
        update_record(conn, invoice_id, _deleted(Status(record["status"])), now=now)
    elif record["status"] == Status.SYNCED:
        _keep_success(conn, invoice, record, now)
    else:
        news = taken_over(record, invoice, refusals, now=now)
        update_record(conn, invoice_id, seen_values(record, invoice, now=now) | news, now=now)
    return True


def _deleted(status: Status) -> dict[str, object]:
    """Returns what a record says once its invoice is gone; what is, or may be, in TOC Online stays there."""
    if status in (Status.SYNCED, Status.IN_DOUBT, Status.NOT_NEEDED):
        return {"invoice_status": DELETED}
    gone = {"status": Status.NOT_NEEDED, "error": wording.not_needed(None), "invoice_status": DELETED}
    return ended_values() | gone


def _keep_success(conn: Connection, invoice: Invoice, record: RowMapping, now: datetime) -> None:
    """Writes a synced record's success back where it was overwritten, and warns where another one took its place."""
    values = copies_of(invoice)
    _, current = billing.lock_api_response(conn, invoice.invoice_id)
    if not api_response.is_success(current):
        if record["success_value"] is not None:
            billing.write_api_response(conn, invoice.invoice_id, record["success_value"])
    elif number := api_response.document_no(current):
        if record["document_no"] is None:
            values["document_no"] = number
        elif record["document_no"] != number:
            values["warning"] = record["warning"] or wording.two_documents(record["document_no"], number)
    update_record(conn, invoice.invoice_id, values, now=now)
    remember_api_response(conn, invoice.invoice_id)


def _ids_after(conn: Connection, after_id: int, batch: int) -> Sequence[int]:
    theirs = select(invoices.c.id).where(invoices.c.id > after_id).order_by(invoices.c.id).limit(batch)
    ours = (
        select(records.c.invoice_id).where(records.c.invoice_id > after_id).order_by(records.c.invoice_id).limit(batch)
    )
    both = union(select(theirs.subquery()), select(ours.subquery())).subquery()
    return conn.execute(select(both.c.id).order_by(both.c.id).limit(batch)).scalars().all()


def _stale(conn: Connection, after_id: int, last_id: int) -> Sequence[int]:
    """Returns the first invoices within these ids that differ from what their records say."""
    joined = (
        records.outerjoin(invoices, invoices.c.id == records.c.invoice_id)
        .outerjoin(_issuer, _issuer.c.id == invoices.c.issuer_team_id)
        .outerjoin(_payer, _payer.c.id == invoices.c.payer_team_id)
    )
    within = (records.c.invoice_id > after_id, records.c.invoice_id <= last_id)
    differs = or_(_changed(), _copies_differ(), _gone())
    query = select(records.c.invoice_id).select_from(joined).where(*within, records.c.status != Status.SYNCING, differs)
    return conn.execute(query.order_by(records.c.invoice_id).limit(LOOKED_AT_ONCE)).scalars().all()


def _changed() -> ColumnElement[bool]:
    different = fingerprint_of(invoices.c.api_response).is_distinct_from(records.c.api_fingerprint)
    return and_(invoices.c.id.is_not(None), different)


def _copies_differ() -> ColumnElement[bool]:
    copied = [name for name in COPIED if name in invoices.c]
    different = [invoices.c[name].is_distinct_from(records.c[name]) for name in copied]
    titles = (
        _issuer.c.title.is_distinct_from(records.c.issuer),
        _payer.c.title.is_distinct_from(records.c.payer),
        invoices.c.status.is_distinct_from(records.c.invoice_status),
    )
    # Records of a version that knew no deadlines get theirs here, batch by batch.
    no_deadline_yet = and_(records.c.issue_deadline.is_(None), invoices.c.invoice_date.is_not(None))
    return and_(invoices.c.id.is_not(None), or_(*different, *titles, no_deadline_yet))


def _gone() -> ColumnElement[bool]:
    return and_(invoices.c.id.is_(None), records.c.invoice_status.is_distinct_from(DELETED))
