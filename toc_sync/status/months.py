"""A month's close: what was issued here by invoice date, what of it is in TOC Online, and what exactly is missing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from sqlalchemy import ColumnElement, Connection, Text, and_, case, cast, func, or_, select

from toc_sync import api_response, document
from toc_sync.model import Status
from toc_sync.status.invoices import conditions_of
from toc_sync.status.sums import grouped_sums
from toc_sync.tables import sync_records as records
from toc_sync.views import InvoiceFilter, last_day_of, month_filter
from toc_sync.views_legal import MISSING, AmountDifference, MonthClose, MonthInvoice, MonthLine, Sums

CHUNK = 1_000

_COPIES = [records.c[name] for name in MonthInvoice.__dataclass_fields__ if name in records.c]
_COMPARED = (
    records.c.invoice_id,
    records.c.invoice_number,
    records.c.document_no,
    records.c.currency_code,
    records.c.total_amount,
    records.c.success_value,
)


def list_months(conn: Connection) -> tuple[date, ...]:
    """Returns the first day of each month that has invoices, newest first."""
    newest = func.max(records.c.invoice_date)
    days = select(newest.label("day")).cte("days", recursive=True)
    # From day to day by the index: invoices are many, days are few.
    earlier = select(newest).where(records.c.invoice_date < days.c.day).scalar_subquery()
    days = days.union_all(select(earlier).where(days.c.day.is_not(None)))
    found = conn.execute(select(days.c.day)).scalars()
    return tuple(dict.fromkeys(day.replace(day=1) for day in found if day))


def read_month(conn: Connection, month: date, *, now: datetime) -> MonthClose:
    """Returns how the month of the day `month` stands: its sums by one query, the totals that differ by another."""
    lines = dict.fromkeys(MonthLine, Sums())
    groups = [case((_counts_as(line, month), 1), else_=0) for line in lines]
    for flags, sums in grouped_sums(conn, groups, [_in(month)]):
        for line, is_one in zip(MonthLine, flags, strict=True):
            if is_one:
                lines[line] += sums
    compared, differences = _compare(conn, month)
    return MonthClose(month=month.replace(day=1), lines=lines, compared=compared, differences=differences, read_at=now)


def month_invoices(conn: Connection, month: date) -> Iterator[MonthInvoice]:
    """Yields what a month's close counts, by date and id; each invoice once, whatever it is counted as."""
    missing = case(*((_counts_as(line, month), line.value) for line in MISSING))
    query = (
        select(*_COPIES, records.c.issue_deadline.label("deadline"), missing.label("missing"))
        .where(_in(month), or_(*(_counts_as(line, month) for line in MonthLine)))
        .order_by(records.c.invoice_date, records.c.invoice_id)
    )
    for row in conn.execution_options(yield_per=CHUNK).execute(query).mappings():
        why = MonthLine(row["missing"]) if row["missing"] else None
        yield MonthInvoice(**dict(row) | {"status": Status(row["status"]), "missing": why})


def _compare(conn: Connection, month: date) -> tuple[int, tuple[AmountDifference, ...]]:
    """Returns how many answers named a total, and which of these are not ours."""
    names_total = cast(records.c.success_value, Text).contains(document.TOTAL_FIELD)
    query = select(*_COMPARED).where(_in(month), _counts_as(MonthLine.THERE, month), names_total)
    compared, differences = 0, []
    for row in conn.execution_options(yield_per=CHUNK).execute(query.order_by(records.c.invoice_id)):
        theirs = api_response.gross_total(row.success_value)
        compared += theirs is not None
        if theirs is not None and theirs != row.total_amount:
            differences.append(
                AmountDifference(
                    invoice_id=row.invoice_id,
                    invoice_number=row.invoice_number,
                    document_no=row.document_no,
                    currency_code=row.currency_code,
                    ours=row.total_amount,
                    theirs=theirs,
                )
            )
    return compared, tuple(differences)


def _in(month: date) -> ColumnElement[bool]:
    return and_(*conditions_of(InvoiceFilter(since=month.replace(day=1), until=last_day_of(month)), month))


def _counts_as(line: MonthLine, month: date) -> ColumnElement[bool]:
    """Returns the very conditions of the list that stands behind this line."""
    return and_(*conditions_of(month_filter(line, month), month))
