"""The order list: what was issued so far and what remains, derived from the allocations of invoices not cancelled."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, cast, func, or_, select
from sqlalchemy import Text as SqlText

from toc_sync.creation import allocated
from toc_sync.model import Status
from toc_sync.status.invoices import searched_words
from toc_sync.tables import invoice_orders as orders
from toc_sync.tables import issued_invoice_orders as allocations
from toc_sync.tables import projects
from toc_sync.tables import sync_records as records
from toc_sync.views import PAGE_SIZE, OrderFilter, OrderPage, OrderRow


def list_orders(conn: Connection, wanted: OrderFilter, *, page: int) -> OrderPage:
    """Returns page `page` (from 1) of the matching orders, newest first."""
    matching = _select_orders().where(*_conditions(wanted))
    total = conn.execute(select(func.count()).select_from(matching.subquery())).scalar_one()
    query = matching.order_by(orders.c.id.desc()).offset((page - 1) * PAGE_SIZE).limit(PAGE_SIZE)
    return OrderPage(rows=_rows(conn, query), total=total)


def read_orders(conn: Connection, order_ids: Sequence[int]) -> tuple[OrderRow, ...]:
    """Returns the orders that exist, by id."""
    return _rows(conn, _select_orders().where(orders.c.id.in_(order_ids)).order_by(orders.c.id))


def _select_orders() -> Select[tuple[object, ...]]:
    return select(orders, projects.c.name.label("project"), allocated(orders.c.id).label("issued")).select_from(
        orders.outerjoin(projects, projects.c.id == orders.c.project_id)
    )


def _conditions(wanted: OrderFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.project_id is not None:
        conditions.append(orders.c.project_id == wanted.project_id)
    if wanted.statuses:
        conditions.append(orders.c.status.in_(wanted.statuses))
    if wanted.since:
        conditions.append(orders.c.billing_period_end >= wanted.since)
    if wanted.until:
        conditions.append(orders.c.billing_period_start <= wanted.until)
    if wanted.has_remaining is not None:
        remains = orders.c.subtotal_amount > allocated(orders.c.id)
        conditions.append(remains if wanted.has_remaining else ~remains)
    for word in searched_words(wanted.text):
        named = func.lower(projects.c.name).contains(word, autoescape=True)
        conditions.append(or_(named, cast(orders.c.id, SqlText) == word))
    return conditions


def _rows(conn: Connection, query: Select[tuple[object, ...]]) -> tuple[OrderRow, ...]:
    found = conn.execute(query).mappings().all()
    statuses = _invoice_statuses(conn, [row["id"] for row in found])
    return tuple(_row(row, statuses[row["id"]]) for row in found)


def _row(row: RowMapping, statuses: tuple[Status, ...]) -> OrderRow:
    remaining: Decimal = row["subtotal_amount"] - row["issued"]
    why_not = None
    if row["status"] == "cancelled":
        why_not = "This order is cancelled."
    elif remaining <= 0:
        why_not = "Nothing remains of this order."
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
        issued=row["issued"],
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
