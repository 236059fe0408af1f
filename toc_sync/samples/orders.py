"""The orders of the invented company, and which of its invoices are made from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from toc_sync import wording
from toc_sync.model import ENDED_INVOICE_STATUSES
from toc_sync.samples.company import PAYERS, PROJECTS, VAT_PERCENT, FirstIds, Sample, percent
from toc_sync.views import share_of_vat

SHARES = ((100,), (50,), (60, 40), (30, 30), (100,), (25, 25, 50), (70,))
"""How orders are invoiced, in percent: all at once, in parts, or with a rest that remains."""
UNTOUCHED = ("draft", "sent", "sent", "cancelled", "draft", "sent", "sent", "draft", "cancelled", "sent")
"""The statuses of orders from which nothing was invoiced yet."""
WITH_ORDERS = 600
"""Only so many of the newest invoices are made from orders: enough to leaf through."""


@dataclass(kw_only=True)
class Order:
    """An order while invoices are made from it; `shares` are the percents that will still be invoiced."""

    order_id: int
    project_id: int
    period_end: date
    subtotal: Decimal
    vat: Decimal
    status: str
    shares: list[int]
    remaining: Decimal
    issued_date: date | None
    created_at: datetime
    updated_at: datetime

    def row(self) -> dict[str, Any]:
        """Returns the row of the billing table."""
        return {
            "id": self.order_id,
            "project_id": self.project_id,
            "billing_period_start": self.period_end.replace(day=1),
            "billing_period_end": self.period_end,
            "issued_date": self.issued_date,
            "subtotal_amount": self.subtotal,
            "vat_amount": self.vat,
            "total_amount": self.subtotal + self.vat,
            "currency_code": "EUR",
            "status": self.status,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }


@dataclass(frozen=True, kw_only=True)
class Ordered:
    """All orders, the allocation rows, and the invoices with the amounts that follow from their orders."""

    orders: list[Order]
    allocations: list[dict[str, Any]]
    samples: list[Sample]


def invent_orders(first: FirstIds, rng: Random, samples: list[Sample], *, now: datetime) -> Ordered:
    """Makes the newest invoices belong to orders, and adds orders from which nothing was invoiced yet."""
    orders: list[Order] = []
    allocations: list[dict[str, Any]] = []
    current: dict[int, Order] = {}
    changed = samples[: max(0, len(samples) - WITH_ORDERS)]
    for sample in samples[len(changed) :]:
        if sample.invoice.status in ENDED_INVOICE_STATUSES or rng.random() < 0.2:
            changed.append(sample)
            continue
        if sample.project not in current or not current[sample.project].shares:
            shares = SHARES[len(orders) % len(SHARES)]
            current[sample.project] = _invent(
                first, rng, len(orders), sample.project, "sent", shares, sample.created_at
            )
            orders.append(current[sample.project])
        changed.append(_allocate(first, current[sample.project], sample, allocations))
    for n, status in enumerate(UNTOUCHED):
        orders.append(_invent(first, rng, len(orders), n % len(PROJECTS), status, (), now))
    return Ordered(orders=orders, allocations=allocations, samples=changed)


def _invent(
    first: FirstIds, rng: Random, n: int, project: int, status: str, shares: tuple[int, ...], at: datetime
) -> Order:
    # A whole number of tens, so that every share is a whole number of cents.
    subtotal = Decimal(rng.randrange(30, 900) * 10)
    return Order(
        order_id=first.order + n,
        project_id=first.project + project,
        period_end=wording.day_of(at).replace(day=1) - timedelta(days=1),
        subtotal=subtotal,
        vat=percent(subtotal, rng.choice(VAT_PERCENT)),
        status=status,
        shares=list(shares),
        remaining=subtotal,
        issued_date=None,
        created_at=at - timedelta(hours=30),
        updated_at=at - timedelta(hours=30),
    )


def _allocate(first: FirstIds, order: Order, sample: Sample, allocations: list[dict[str, Any]]) -> Sample:
    subtotal = percent(order.subtotal, order.shares.pop(0))
    vat = share_of_vat(subtotal, order.subtotal, order.vat)
    order.remaining -= subtotal
    if not order.remaining:
        order.status = "paid" if sample.invoice.status == "paid" else "issued"
        order.issued_date, order.updated_at = sample.invoice.invoice_date, sample.created_at
    allocations.append(
        {
            "issued_invoice_id": sample.invoice.invoice_id,
            "invoice_order_id": order.order_id,
            "amount_override_subtotal": subtotal,
            "amount_override_vat": vat,
            "amount_override_total": subtotal + vat,
            "created_at": sample.created_at,
        }
    )
    invoice = replace(
        sample.invoice,
        subtotal_amount=subtotal,
        vat_amount=vat,
        total_amount=subtotal + vat,
        payer_team_id=first.payer(sample.project),
        payer=PAYERS[sample.project],
    )
    return replace(sample, invoice=invoice)
