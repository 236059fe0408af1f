"""What forms need to know: teams, projects, and invoices that look like the one being typed."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from sqlalchemy import Column, Connection, func, select

from toc_sync.model import ENDED_INVOICE_STATUSES
from toc_sync.tables import invoice_orders as orders
from toc_sync.tables import issued_client_invoices as invoices
from toc_sync.tables import issued_invoice_orders as allocations
from toc_sync.tables import projects, teams
from toc_sync.views import Choice


def list_teams(conn: Connection) -> tuple[Choice, ...]:
    """Returns all teams by title."""
    return _choices(conn, teams.c.id, teams.c.title)


def list_projects(conn: Connection) -> tuple[Choice, ...]:
    """Returns all projects by name."""
    return _choices(conn, projects.c.id, projects.c.name)


def teams_of_project(conn: Connection, project_id: int | None) -> tuple[int | None, int | None]:
    """Returns issuer and payer of the newest invoice made from this project's orders, to start a form with."""
    query = (
        select(invoices.c.issuer_team_id, invoices.c.payer_team_id)
        .select_from(
            invoices.join(allocations, allocations.c.issued_invoice_id == invoices.c.id).join(
                orders, orders.c.id == allocations.c.invoice_order_id
            )
        )
        .where(orders.c.project_id == project_id, invoices.c.payer_team_id.is_not(None))
        .order_by(invoices.c.id.desc())
        .limit(1)
    )
    row = conn.execute(query).one_or_none()
    return (row[0], row[1]) if row else (None, None)


def similar_invoices(
    conn: Connection, *, payer_team_id: int, total: Decimal, day: date, at_most: int = 3
) -> tuple[str, ...]:
    """Returns the numbers of invoices with the same payer, total and date: perhaps this one exists already."""
    query = select(func.coalesce(invoices.c.invoice_number, "without a number")).where(
        invoices.c.payer_team_id == payer_team_id,
        invoices.c.total_amount == total,
        invoices.c.invoice_date == day,
        invoices.c.status.not_in(ENDED_INVOICE_STATUSES),
    )
    return tuple(conn.execute(query.limit(at_most)).scalars())


def _choices(conn: Connection, id_column: Column[int], name_column: Column[str]) -> tuple[Choice, ...]:
    rows = conn.execute(select(id_column, name_column).order_by(name_column, id_column))
    return tuple(Choice(id=row[0], name=row[1] or f"No. {row[0]}") for row in rows)
