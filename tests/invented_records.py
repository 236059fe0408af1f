"""Records of every kind, at random but the same every time: to compare counts with the lists behind them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from toc_sync.deadlines import issue_deadline
from toc_sync.model import Status
from toc_sync.tables import sync_records

WRITTEN_AT = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
INVOICE_STATUSES = ("issued", "partially_paid", "paid", "draft", "cancelled", "void", "deleted", None)


def invented(count: int, *, seed: int = 1, around: date = date(2026, 11, 20)) -> Iterator[dict[str, Any]]:
    """Yields the columns of `count` records, dated some weeks around a day."""
    rng = Random(seed)
    for invoice_id in range(1, count + 1):
        subtotal, vat = (Decimal(rng.randrange(-500, 100_000)) / 100 for _ in range(2))
        invoice_date = around + timedelta(days=rng.randrange(-45, 25)) if rng.random() < 0.95 else None
        yield {
            "invoice_id": invoice_id,
            "status": rng.choice(list(Status)),
            "invoice_status": rng.choice(INVOICE_STATUSES + ("issued",) * 8),
            "invoice_number": f"R {invoice_id}",
            "invoice_date": invoice_date,
            "issue_deadline": issue_deadline(invoice_date) if invoice_date else None,
            "document_no": f"FT 2026/{invoice_id}" if rng.random() < 0.7 else None,
            "warning": "Possible duplicate." if rng.random() < 0.15 else None,
            "subtotal_amount": subtotal,
            "vat_amount": vat,
            "total_amount": subtotal + vat,
            "currency_code": rng.choice(("EUR", "EUR", "USD")),
            "created_at": WRITTEN_AT,
            "updated_at": WRITTEN_AT,
        }


def insert_invented(conn: Any, count: int, **options: Any) -> None:
    """Writes such records."""
    conn.execute(sync_records.insert(), list(invented(count, **options)))
