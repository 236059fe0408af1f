"""The order list: what was issued so far and what remains, derived from the allocations of invoices not cancelled.

Sums are made in one grouped query: a query per order would repeat for each order that a page skips, and the billing
tables may have no index for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, RowMapping, func, or_, select

from toc_sync.model import ENDED_INVOICE_STATUSES, MAX_INVOICE_ID, Status, fold
from toc_sync.status.invoices import searched_words
from toc_sync.tables import invoice_orders as orders
from toc_sync.tables import issued_client_invoices as invoices
from toc_sync.tables import issued_invoice_orders as allocations
from toc_sync.tables import projects
from toc_sync.tables import sync_records as records
from toc_sync.views import PAGE_SIZE, OrderFilter, OrderPage, OrderRow


def list_orders(conn: Connection, wanted: OrderFilter, *, page: int) -> OrderPage:
    """Returns page `page` (from 1) of the matching orders, newest first; a page beyond the end is the first one."""
    matching = _matching(conn, wanted)
    found = conn.execute(matching.offset((page - 1) * PAGE_SIZE).limit(PAGE_SIZE)).all()
    if not found and page > 1:
        return list_orders(conn, wanted, page=1)
    return OrderPage(rows=_read(conn, [order_id for order_id, _ in found]), total=found[0][1] if found else 0)


def read_orders(conn: Connection, order_ids: Sequence[int]) -> tuple[OrderRow, ...]:
    """Returns the orders that exist, newest first."""
    return _read(conn, order_ids)


def _matching(conn: Connection, wanted: OrderFilter) -> Any:
    """Selects the id of each matching order beside how many match: one pass answers both."""
    source: FromClause = orders
    conditions = _conditions(conn, wanted)
    if wanted.has_remaining is not None:
        sums = _issued().group_by(allocations.c.invoice_order_id)
        if conditions:  # what other filters leave out needs no sum
            sums = sums.where(allocations.c.invoice_order_id.in_(select(orders.c.id).where(*conditions)))
        issued = sums.subquery()
        source = orders.outerjoin(issued, issued.c.invoice_order_id == orders.c.id)
        some = or_(issued.c.issued.is_(None), orders.c.subtotal_amount > issued.c.issued)
        conditions.append(some if wanted.has_remaining else ~some)
    query = select(orders.c.id, func.count().over()).select_from(source)
    return query.where(*conditions).order_by(orders.c.id.desc())


def _issued() -> Any:
    carried = allocations.join(invoices, invoices.c.id == allocations.c.issued_invoice_id)
    return (
        select(allocations.c.invoice_order_id, func.sum(allocations.c.amount_override_subtotal).label("issued"))
        .select_from(carried)
        .where(invoices.c.status.not_in(ENDED_INVOICE_STATUSES))
    )


def _conditions(conn: Connection, wanted: OrderFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.project_id is not None:
        conditions.append(orders.c.project_id == wanted.project_id)
    if wanted.statuses:
        conditions.append(orders.c.status.in_(wanted.statuses))
    if wanted.since:
        conditions.append(orders.c.billing_period_end >= wanted.since)
    if wanted.until:
        conditions.append(orders.c.billing_period_start <= wanted.until)
    words = searched_words(wanted.text)
    # Projects are few: their names are compared here, because the databases do not fold accents alike.
    named = conn.execute(select(projects.c.id, projects.c.name)).all() if words else []
    return conditions + [
        _mentions(word, [each.id for each in named if word in fold(each.name or "")]) for word in words
    ]


def _mentions(word: str, project_ids: Sequence[int]) -> ColumnElement[bool]:
    digits = word.removeprefix("#")
    is_id = digits.isascii() and digits.isdecimal() and int(digits[:20]) <= MAX_INVOICE_ID
    of_project = orders.c.project_id.in_(project_ids)
    return or_(of_project, orders.c.id == int(digits)) if is_id else of_project


def _read(conn: Connection, order_ids: Sequence[int]) -> tuple[OrderRow, ...]:
    query = (
        select(orders, projects.c.name.label("project"))
        .select_from(orders.outerjoin(projects, projects.c.id == orders.c.project_id))
        .where(orders.c.id.in_(order_ids))
        .order_by(orders.c.id.desc())
    )
    of_these = allocations.c.invoice_order_id.in_(order_ids)
    sums = {row[0]: row[1] for row in conn.execute(_issued().where(of_these).group_by(allocations.c.invoice_order_id))}
    statuses = _invoice_statuses(conn, order_ids)
    found = conn.execute(query).mappings()
    return tuple(_row(row, sums.get(row["id"]) or Decimal("0.00"), statuses[row["id"]]) for row in found)


def _row(row: RowMapping, issued: Decimal, statuses: tuple[Status, ...]) -> OrderRow:
    remaining: Decimal = row["subtotal_amount"] - issued
    why_not = None
    if row["status"] == "cancelled":
        why_not = f"Order {row['id']} is cancelled."
    elif remaining <= 0:
        why_not = f"Nothing remains of order {row['id']}."
    return OrderRow(
        order_id=row["id"],
        project_id=row["project_id"],
        project=row["project"],
        period_start=row["billing_period_start"],
        period_end=row["billing_period_end"],
        subtotal=row["subtotal_amount"],
        vat=row["vat_amount"],
        total=row["total_amount"],
        currency_code=row["currency_code"],
        status=row["status"],
        issued=issued,
        remaining=remaining,
        invoice_statuses=statuses,
        can_invoice=why_not is None,
        why_not=why_not,
    )


def _invoice_statuses(conn: Connection, order_ids: Sequence[int]) -> dict[int, tuple[Status, ...]]:
    query = (
        select(allocations.c.invoice_order_id, records.c.status)
        .join(records, records.c.invoice_id == allocations.c.issued_invoice_id)
        .where(allocations.c.invoice_order_id.in_(order_ids))
        .order_by(allocations.c.id)
    )
    found: dict[int, tuple[Status, ...]] = defaultdict(tuple)
    for order_id, status in conn.execute(query):
        found[order_id] += (Status(status),)
    return found
