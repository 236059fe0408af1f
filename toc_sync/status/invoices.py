"""The invoice list: filtering, sorting, counting and paging in SQL, so that its cost does not grow with the table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, and_, case, func, or_, select

from toc_sync import deadlines, policy, wording
from toc_sync.answer import clean_text
from toc_sync.model import NEEDS_ATTENTION, ON_ITS_WAY, SENDABLE_INVOICE_STATUSES, ErrorKind, Status, fold
from toc_sync.outbox.records import DELETED
from toc_sync.tables import batch_items
from toc_sync.tables import sync_attempts as attempts
from toc_sync.tables import sync_records as records
from toc_sync.views import PAGE_SIZE, Attempted, InvoiceFilter, InvoiceOrder, InvoicePage, InvoiceRow, StatusSum
from toc_sync.views_legal import UNSYNCED, DeadlineState, DueFilter, Finding

SHOWN = (
    records.c.invoice_id,
    records.c.invoice_number,
    records.c.payer,
    records.c.issuer,
    records.c.invoice_date,
    records.c.total_amount,
    records.c.currency_code,
    records.c.status,
    records.c.error_kind,
    records.c.error,
    records.c.document_no,
    records.c.attempt_count,
    records.c.last_attempt_at,
    records.c.not_before,
    records.c.doubt_since,
    records.c.synced_at,
    records.c.warning,
    records.c.invoice_status,
    records.c.invoice_created_at,
    records.c.sendable_since,
    records.c.created_at,
    records.c.issue_deadline,
)
EXPORT_CHUNK = 1_000
_BEYOND_ALL = Decimal(10) ** 15
_ONE_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_TO_BE_ISSUED = records.c.invoice_status.in_(sorted(SENDABLE_INVOICE_STATUSES))
_SYNCED = records.c.status == Status.SYNCED
_FINDINGS = {
    Finding.TO_BE_ISSUED: _TO_BE_ISSUED,
    Finding.CREDIT_NOTE: and_(_SYNCED, or_(records.c.invoice_status.is_(None), ~_TO_BE_ISSUED)),
    Finding.WARNING: records.c.warning.is_not(None),
    Finding.NO_NUMBER: and_(_SYNCED, records.c.document_no.is_(None)),
}


def list_invoices(
    conn: Connection, wanted: InvoiceFilter, *, page: int, now: datetime, idempotent: bool = False
) -> InvoicePage:
    """Returns page `page` (from 1) of the matching invoices, with the sums of each status.

    A page beyond the last one is the last one.
    """
    sums, old = count_invoices(conn, wanted, now=now), count_old_doubts(conn, wanted, now=now)
    counted = {Status.IN_DOUBT: old} if wanted.old_doubts else sums
    total = sum(found.count for status, found in counted.items() if status in (wanted.statuses or counted))
    shown_page = max(1, min(page, -(-total // PAGE_SIZE)))
    query = _matching(wanted, now).offset((shown_page - 1) * PAGE_SIZE).limit(PAGE_SIZE)
    rows = conn.execute(query).mappings()
    shown = tuple(as_row(row, now=now, idempotent=idempotent) for row in rows)
    return InvoicePage(rows=shown, total=total, sums=sums, old_doubts=old, read_at=now)


def count_invoices(conn: Connection, wanted: InvoiceFilter, *, now: datetime) -> dict[Status, StatusSum]:
    """Returns how many invoices have each status and what they are worth, under the filter without its statuses."""
    query = select(records.c.status, records.c.currency_code, func.count(), func.sum(records.c.total_amount)).group_by(
        records.c.status, records.c.currency_code
    )
    counts: dict[Status, int] = defaultdict(int)
    amounts: dict[Status, dict[str, Decimal]] = defaultdict(dict)
    of_any_status = conditions_of(_of_any_status(wanted), wording.day_of(now))
    for status, currency, count, amount in conn.execute(query.where(*of_any_status)):
        counts[Status(status)] += count
        amounts[Status(status)][currency] = amount
    return {
        status: StatusSum(status=status, count=counts[status], amounts=amounts[status])
        for status in Status
        if status in counts
    }


def count_old_doubts(conn: Connection, wanted: InvoiceFilter, *, now: datetime) -> StatusSum:
    """Returns how many doubts have lasted too long and what they are worth, under the filter without its statuses."""
    query = select(records.c.currency_code, func.count(), func.sum(records.c.total_amount)).where(
        *conditions_of(_of_any_status(wanted), wording.day_of(now)), is_old_doubt(now)
    )
    rows = conn.execute(query.group_by(records.c.currency_code)).all()
    amounts = {currency: amount for currency, _, amount in rows}
    return StatusSum(status=Status.IN_DOUBT, count=sum(count for _, count, _ in rows), amounts=amounts)


def is_old_doubt(now: datetime) -> ColumnElement[bool]:
    """Returns the condition that an invoice has been in doubt for too long."""
    # A program of the version before, still running while it is replaced, does not note when a doubt began.
    since = func.coalesce(records.c.doubt_since, records.c.last_attempt_at, records.c.created_at)
    return and_(records.c.status == Status.IN_DOUBT, since <= now - policy.OLD_DOUBT)


def export_invoices(
    conn: Connection,
    wanted: InvoiceFilter,
    *,
    now: datetime,
    idempotent: bool = False,
    at_most: int | None = None,
) -> Iterator[InvoiceRow]:
    """Yields every matching invoice (or the first `at_most`) in one consistent reading."""
    query = _matching(wanted, now).limit(at_most)
    for row in conn.execution_options(yield_per=EXPORT_CHUNK).execute(query).mappings():
        yield as_row(row, now=now, idempotent=idempotent)


def read_rows(
    conn: Connection, invoice_ids: Sequence[int], *, now: datetime, idempotent: bool = False
) -> tuple[InvoiceRow, ...]:
    """Returns these invoices as lines of the list, in this order; those that have no record are left out."""
    query = select(*SHOWN).where(records.c.invoice_id.in_(invoice_ids))
    found = {row["invoice_id"]: row for row in conn.execute(query).mappings()}
    return tuple(as_row(found[each], now=now, idempotent=idempotent) for each in invoice_ids if each in found)


def as_row(row: RowMapping, *, now: datetime, idempotent: bool = False) -> InvoiceRow:
    """Returns a record's columns as a line of the list, with what a person may do about it."""
    status = Status(row["status"])
    facts = policy.facts_of(row, invoice_status=None if row["invoice_status"] == DELETED else row["invoice_status"])
    sending = policy.may_send(facts, now=now, idempotent=idempotent)
    due = status is Status.QUEUED and (row["not_before"] is None or row["not_before"] <= now)
    deadline, today = row["issue_deadline"], wording.day_of(now)
    runs = status in UNSYNCED and policy.is_sendable(facts.invoice_status)
    return InvoiceRow(
        invoice_id=row["invoice_id"],
        invoice_number=row["invoice_number"],
        payer=row["payer"],
        issuer=row["issuer"],
        invoice_date=row["invoice_date"],
        total_amount=row["total_amount"],
        currency_code=row["currency_code"],
        status=status,
        error_kind=ErrorKind(row["error_kind"]) if row["error_kind"] else None,
        error=row["error"],
        document_no=row["document_no"],
        attempts=row["attempt_count"],
        last_attempt_at=row["last_attempt_at"],
        not_before=row["not_before"],
        doubt_since=row["doubt_since"],
        synced_at=row["synced_at"],
        warning=row["warning"],
        can_retry=sending.allowed and not due,
        can_resolve=policy.may_resolve(facts).allowed,
        why_not=wording.already_due() if sending.allowed and due else sending.why_not,
        deadline=deadline,
        deadline_state=deadlines.state_of(deadline, today) if runs else DeadlineState.NONE,
        working_days_left=deadlines.working_days_left(today, deadline) if deadline else 0,
    )


def _matching(wanted: InvoiceFilter, now: datetime) -> Select[tuple[object, ...]]:
    query = select(*SHOWN).where(*matches(wanted, now))
    if wanted.order is InvoiceOrder.DEADLINE:
        query = query.order_by(case((deadline_runs(), records.c.issue_deadline), else_=date.max))
    return query.order_by(records.c.invoice_id.desc())


def matches(wanted: InvoiceFilter, now: datetime) -> list[ColumnElement[bool]]:
    """Returns the conditions that a record matches a filter."""
    conditions = conditions_of(wanted, wording.day_of(now))
    return [*conditions, is_old_doubt(now)] if wanted.old_doubts else conditions


def _of_any_status(wanted: InvoiceFilter) -> InvoiceFilter:
    return replace(wanted, statuses=(), old_doubts=False)


def conditions_of(wanted: InvoiceFilter, today: date) -> list[ColumnElement[bool]]:
    """Returns what must hold for an invoice to be `wanted`, as SQL on the records."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.statuses:
        conditions.append(records.c.status.in_(wanted.statuses))
    if wanted.since:
        conditions.append(records.c.invoice_date >= wanted.since)
    if wanted.until:
        conditions.append(records.c.invoice_date <= wanted.until)
    if wanted.issuer_team_id is not None:
        conditions.append(records.c.issuer_team_id == wanted.issuer_team_id)
    if wanted.payer_team_id is not None:
        conditions.append(records.c.payer_team_id == wanted.payer_team_id)
    if wanted.smallest is not None:
        conditions.append(records.c.total_amount >= _storable(wanted.smallest))
    if wanted.largest is not None:
        conditions.append(records.c.total_amount <= _storable(wanted.largest))
    conditions += _legal_conditions(wanted, today) + _conditions_on_errors(wanted) + _by_history(wanted)
    conditions += [records.c.search_text.contains(word, autoescape=True) for word in searched_words(wanted.text)]
    return conditions


def _conditions_on_errors(wanted: InvoiceFilter) -> list[ColumnElement[bool]]:
    kinds = [records.c.error_kind.in_(wanted.error_kinds)] if wanted.error_kinds else []
    return kinds + ([records.c.error_group == wanted.error_group] if wanted.error_group is not None else [])


def _legal_conditions(wanted: InvoiceFilter, today: date) -> list[ColumnElement[bool]]:
    is_due = [_is_due(wanted.due, today)] if wanted.due else []
    at_risk = [_is_at_risk(today)] if wanted.at_risk else []
    return is_due + at_risk + ([_FINDINGS[wanted.finding]] if wanted.finding else [])


def _is_due(due: DueFilter, today: date) -> ColumnElement[bool]:
    first, last = {
        DueFilter.OVERDUE: (date.min, today - _ONE_DAY),
        DueFilter.TODAY: (today, today),
        DueFilter.SOON: (today + _ONE_DAY, deadlines.working_days_after(today, 1)),
        DueFilter.WEEK: (today, today + _WEEK),
    }[due]
    return and_(deadline_runs(), records.c.issue_deadline.between(first, last))


def deadline_runs() -> ColumnElement[bool]:
    """Returns the condition that a legal deadline runs: to be issued, and not in TOC Online."""
    is_known = records.c.issue_deadline.is_not(None)
    return and_(records.c.status.in_(UNSYNCED), _FINDINGS[Finding.TO_BE_ISSUED], is_known)


def _by_history(wanted: InvoiceFilter) -> list[ColumnElement[bool]]:
    of_batch = [] if wanted.batch_id is None else [records.c.invoice_id.in_(_of_batch(wanted.batch_id))]
    return of_batch + ([_was_attempted(wanted.attempted)] if wanted.attempted else [])


def _of_batch(batch_id: int) -> Select[int]:
    return select(batch_items.c.invoice_id).where(batch_items.c.batch_id == batch_id)


def _is_at_risk(today: date) -> ColumnElement[bool]:
    waits_too_long = and_(records.c.status.in_(ON_ITS_WAY), deadline_runs(), records.c.issue_deadline < today)
    return or_(records.c.status.in_(NEEDS_ATTENTION), waits_too_long)


def _was_attempted(attempted: Attempted) -> ColumnElement[bool]:
    began = [attempts.c.started_at >= attempted.since_at, attempts.c.started_at < attempted.until_at]
    ended = [attempts.c.outcome.in_(attempted.outcomes)] if attempted.outcomes else []
    return records.c.invoice_id.in_(select(attempts.c.invoice_id).where(*began, *ended))


def _storable(amount: Decimal) -> Decimal:
    """Returns an amount that every database can compare with; larger ones than exist are all the same."""
    return max(-_BEYOND_ALL, min(_BEYOND_ALL, amount)) if not amount.is_nan() else _BEYOND_ALL


def searched_words(text: str) -> list[str]:
    """Returns the words that must all occur, in the form that records keep; U+0000 can be in no text."""
    return fold(clean_text(text.replace("\x00", " ")))[:200].split()[:8]
