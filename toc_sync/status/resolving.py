"""What resolving many doubts at once would do: foretold by the rule that the verb itself asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from sqlalchemy import Connection, select

from toc_sync import billing, wording
from toc_sync.model import Invoice, Refusal
from toc_sync.outbox import adopted_record, why_not_send_again
from toc_sync.tables import issued_client_invoices as invoices
from toc_sync.tables import sync_records as records
from toc_sync.views import DoubtLine, SendAgainPreview

READ_AT_ONCE = 500
_NOTHING = Decimal(0)


def preview_send_again(
    conn: Connection, invoice_ids: Iterable[int], refusals: Sequence[Refusal], *, now: datetime
) -> SendAgainPreview:
    """Returns what "send again" would do to each of these invoices, in the order of their ids."""
    asked = sorted(set(invoice_ids))
    return SendAgainPreview(
        lines=tuple(
            _line(invoice_id, record, _why_not(invoice_id, record, invoice, now))
            for invoice_id, record, invoice in _read(conn, asked, refusals, now)
        )
    )


def _why_not(invoice_id: int, record: Mapping[Any, Any] | None, invoice: Invoice | None, now: datetime) -> str | None:
    if record is None:
        return wording.unknown_invoice(invoice_id)
    return why_not_send_again(record, invoice, now=now)


def _line(invoice_id: int, record: Mapping[Any, Any] | None, why_not: str | None) -> DoubtLine:
    found = record or {}
    return DoubtLine(
        invoice_id=invoice_id,
        name=found.get("invoice_number") or f"Invoice {invoice_id}",
        payer=found.get("payer"),
        invoice_date=found.get("invoice_date"),
        total_amount=found.get("total_amount", _NOTHING),
        currency_code=found.get("currency_code", ""),
        why_not=why_not,
    )


def _read(
    conn: Connection, invoice_ids: Sequence[int], refusals: Sequence[Refusal], now: datetime
) -> Iterator[tuple[int, Mapping[Any, Any] | None, Invoice | None]]:
    """Yields each id with its record (what it would be, where there is none yet) and its invoice, as far as they exist."""
    rest = iter(invoice_ids)
    while some := list(islice(rest, READ_AT_ONCE)):
        found = conn.execute(select(records).where(records.c.invoice_id.in_(some))).mappings()
        known: dict[int, Mapping[Any, Any]] = {row["invoice_id"]: row for row in found}
        rows = conn.execute(billing.select_invoices().where(invoices.c.id.in_(some))).mappings()
        there = {row["id"]: billing.as_invoice(row) for row in rows}
        for invoice_id in some:
            invoice = there.get(invoice_id)
            record = known.get(invoice_id) or (adopted_record(invoice, refusals, now=now) if invoice else None)
            yield invoice_id, record, invoice
