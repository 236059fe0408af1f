"""Creating an invoice the way the billing application does: by our own code, or by its own database function.

SQL in the caller's connection; never commits, never touches sync state or the network. Whatever is refused raises
InvalidInvoice, and nothing is kept once the caller rolls back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, func, literal, or_, select, text
from sqlalchemy.exc import DataError, IntegrityError, InternalError, NotSupportedError, ProgrammingError

from toc_sync import wording
from toc_sync.answer import one_line
from toc_sync.billing import as_invoice, fingerprint_of
from toc_sync.database import is_postgresql
from toc_sync.model import ENDED_INVOICE_STATUSES, InvalidInvoice, Invoice, Problem
from toc_sync.new_invoice import CENT, NewInvoice
from toc_sync.tables import invoice_orders as orders
from toc_sync.tables import issued_client_invoices as invoices
from toc_sync.tables import issued_invoice_orders as allocations
from toc_sync.tables import teams
from toc_sync.views import share_of_vat

_INSERT = invoices.insert().returning(invoices, fingerprint_of(invoices.c.api_response).label("api_fingerprint"))


@dataclass(frozen=True, kw_only=True)
class Line:
    """What one order contributes to an invoice, and what remains of the order after it."""

    order_id: int
    currency: str
    subtotal: Decimal
    vat: Decimal
    remaining: Decimal

    @property
    def total(self) -> Decimal:
        """Subtotal and VAT."""
        return self.subtotal + self.vat


def create(conn: Connection, new: NewInvoice, *, now: datetime, today: date) -> Invoice:
    """Writes the invoice and its allocations, marks orders with nothing left as issued, and returns the invoice."""
    lines = _lines(conn, new)
    subtotal, vat, total = _header(new, lines)
    titles = _titles(conn, new)
    _refuse_taken_number(conn, new)
    day = new.invoice_date or today
    values = {
        "invoice_number": new.invoice_number,
        "external_invoice_id": new.external_invoice_id,
        "invoice_date": day,
        "subtotal_amount": subtotal,
        "vat_amount": vat,
        "total_amount": total,
        "currency_code": lines[0].currency if lines else new.currency_code,
        "status": "issued",
        "issuer_team_id": new.issuer_team_id,
        "payer_team_id": new.payer_team_id,
        "pdf_path": new.pdf_path,
        "notes": new.notes,
        "api_response": None,
        "created_at": now,
        "updated_at": now,
    }
    with _one_sentence():
        row = conn.execute(_INSERT, values).mappings().one()
        for line in lines:
            _allocate(conn, row["id"], line, day=day, now=now)
    return as_invoice({**row, **titles})


def create_by_function(conn: Connection, new: NewInvoice, function: str) -> int:
    """Calls the billing application's own database function with named parameters and returns the new id."""
    parameters = _function_parameters(new)
    casts = {"p_invoice_order_ids": "bigint[]", "p_subtotal_overrides": "jsonb", "p_invoice_date": "date"}
    arguments = ", ".join(
        f"{name} => CAST(:{name} AS {casts[name]})" if name in casts else f"{name} => :{name}" for name in parameters
    )
    with _one_sentence():
        invoice_id = conn.execute(text(f"SELECT {function}({arguments})"), parameters).scalar()
    if not isinstance(invoice_id, int):
        raise InvalidInvoice((Problem(field="", message=f"The database function {function} returned no invoice id."),))
    return invoice_id


def allocated(order_id: Any) -> Any:
    """Returns the scalar query for the subtotal of an order that invoices not cancelled already carry."""
    return (
        select(
            func.coalesce(
                func.sum(allocations.c.amount_override_subtotal),
                literal(Decimal(0), allocations.c.amount_override_subtotal.type),
            )
        )
        .select_from(allocations.join(invoices, invoices.c.id == allocations.c.issued_invoice_id))
        .where(allocations.c.invoice_order_id == order_id, invoices.c.status.not_in(ENDED_INVOICE_STATUSES))
        .scalar_subquery()
    )


@contextmanager
def _one_sentence() -> Iterator[None]:
    """Turns what the billing application's own triggers, constraints and functions refuse into a sentence."""
    try:
        yield
    except (DataError, IntegrityError, InternalError, NotSupportedError, ProgrammingError) as error:
        said = getattr(getattr(error.orig, "diag", None), "message_primary", None) or str(error.orig)
        reason = one_line(said)[:300].rstrip(". ") or "it gave no reason"
        raise _invalid("", f"The database refused the invoice: {reason}.") from error


def _lines(conn: Connection, new: NewInvoice) -> list[Line]:
    lines = [_line(conn, order_id, new.subtotal_overrides.get(order_id)) for order_id in sorted(new.order_ids)]
    if len({line.currency for line in lines}) > 1:
        raise _invalid("invoice_order_ids", wording.mixed_currencies())
    if lines and new.currency_code and new.currency_code != lines[0].currency:
        raise _invalid("currency_code", f"The orders are in {lines[0].currency}.")
    return lines


def _line(conn: Connection, order_id: int, override: Decimal | None) -> Line:
    # Locked one after the other in the order of their ids, so that two people never wait for each other in a circle.
    order = conn.execute(select(orders).where(orders.c.id == order_id).with_for_update()).mappings().one_or_none()
    if order is None:
        raise _invalid("invoice_order_ids", f"Order {order_id} does not exist.")
    if order["status"] == "cancelled":
        raise _invalid("invoice_order_ids", f"Order {order_id} is cancelled.")
    # Read after the lock: what somebody allocated meanwhile is committed by now.
    remaining = order["subtotal_amount"] - conn.execute(select(allocated(order_id))).scalar_one()
    subtotal = remaining if override is None else override
    if remaining <= 0:
        raise _invalid(f"order:{order_id}", f"Nothing remains of order {order_id}.")
    if subtotal > remaining:
        raise _invalid(f"order:{order_id}", wording.too_much(order_id, remaining, subtotal))
    return Line(
        order_id=order_id,
        currency=order["currency_code"],
        subtotal=subtotal,
        vat=share_of_vat(subtotal, order["subtotal_amount"], order["vat_amount"]),
        remaining=remaining - subtotal,
    )


def _header(new: NewInvoice, lines: list[Line]) -> tuple[Decimal, Decimal, Decimal]:
    nothing = Decimal("0.00")
    if not lines:
        return new.header_subtotal or nothing, new.header_vat or nothing, new.header_total or nothing
    sums = (sum((line.subtotal for line in lines), nothing), sum((line.vat for line in lines), nothing))
    subtotal = sums[0] if new.header_subtotal is None else new.header_subtotal
    vat = sums[1] if new.header_vat is None else new.header_vat
    total = subtotal + vat if new.header_total is None else new.header_total
    compared = (
        ("header_subtotal", subtotal, sums[0]),
        ("header_vat", vat, sums[1]),
        ("header_total", total, sums[0] + sums[1]),
    )
    problems = [
        Problem(field=name, message=wording.header_differs(computed))
        for name, given, computed in compared
        if abs(given - computed) > CENT
    ]
    if not problems and subtotal + vat != total:
        problems.append(Problem(field="header_total", message="Subtotal and VAT do not add up to the total."))
    if problems:
        raise InvalidInvoice(tuple(problems))
    return subtotal, vat, total


def _titles(conn: Connection, new: NewInvoice) -> dict[str, str | None]:
    """Returns the titles of issuer and payer; refuses teams that do not exist."""
    wanted = {"issuer": new.issuer_team_id, "payer": new.payer_team_id}
    chosen = teams.c.id.in_([team_id for team_id in wanted.values() if team_id])
    found = conn.execute(select(teams.c.id, teams.c.title).where(chosen))
    known: dict[int | None, str | None] = {row.id: row.title for row in found}
    unknown = [
        Problem(field=f"{role}_team_id", message=f"Team {team_id} does not exist.")
        for role, team_id in wanted.items()
        if team_id and team_id not in known
    ]
    if unknown:
        raise InvalidInvoice(tuple(unknown))
    return {role: known.get(team_id) for role, team_id in wanted.items()}


def _refuse_taken_number(conn: Connection, new: NewInvoice) -> None:
    if new.invoice_number is None:
        return
    if is_postgresql(conn):  # no unique index is ours to make: two people saving the same number wait for each other
        key = f"toc_sync number {new.issuer_team_id} {new.invoice_number}"
        conn.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(key, 0))))
    same = invoices.c.invoice_number == new.invoice_number
    issuer = invoices.c.issuer_team_id.is_not_distinct_from(new.issuer_team_id)
    if conn.execute(select(invoices.c.id).where(same, issuer).limit(1)).first():
        raise _invalid("invoice_number", f"Invoice number {new.invoice_number} is already used by this issuer.")


def _allocate(conn: Connection, invoice_id: int, line: Line, *, day: date, now: datetime) -> None:
    conn.execute(
        allocations.insert().values(
            issued_invoice_id=invoice_id,
            invoice_order_id=line.order_id,
            amount_override_subtotal=line.subtotal,
            amount_override_vat=line.vat,
            amount_override_total=line.total,
            created_at=now,
        )
    )
    if line.remaining == 0:
        still_open = or_(orders.c.status != "issued", orders.c.issued_date.is_(None))
        issued = orders.update().where(orders.c.id == line.order_id, orders.c.status != "paid", still_open)
        conn.execute(issued.values(status="issued", issued_date=day, updated_at=now))


def _function_parameters(new: NewInvoice) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "p_invoice_order_ids": list(new.order_ids) or None,
        "p_invoice_number": new.invoice_number,
        "p_external_invoice_id": new.external_invoice_id,
        "p_invoice_date": new.invoice_date,
        "p_pdf_path": new.pdf_path,
        "p_notes": new.notes,
        "p_header_subtotal": new.header_subtotal,
        "p_header_vat": new.header_vat,
        "p_header_total": new.header_total,
    }
    if new.standalone:
        parameters |= {
            "p_issuer_team_id": new.issuer_team_id,
            "p_payer_team_id": new.payer_team_id,
            "p_currency_code": new.currency_code,
        }
    else:
        # Written by hand: json.dumps would turn the exact amounts into binary floats.
        overrides = ", ".join(f'"{order_id}": {amount}' for order_id, amount in new.subtotal_overrides.items())
        parameters["p_subtotal_overrides"] = f"{{{overrides}}}" if overrides else None
    return parameters


def _invalid(field: str, message: str) -> InvalidInvoice:
    return InvalidInvoice((Problem(field=field, message=message),))
