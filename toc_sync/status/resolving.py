"""What resolving many doubts at once would do: foretold by the rule that the verb itself asks."""

from __future__ import annotations

from collections import defaultdict
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
from toc_sync.views import Refused, SendAgainPreview

NAMED_AT_MOST = 3
READ_AT_ONCE = 500


def preview_send_again(
    conn: Connection, invoice_ids: Iterable[int], refusals: Sequence[Refusal], *, now: datetime
) -> SendAgainPreview:
    """Returns which of these invoices "send again" would queue, what they are worth, and why the others are refused."""
    allowed: list[int] = []
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    refused: dict[str, list[str]] = defaultdict(list)
    for invoice_id, record, invoice in _read(conn, sorted(set(invoice_ids)), refusals, now):
        if record is None:
            refused[wording.unknown_invoice(invoice_id)].append(_name_of(record, invoice_id))
        elif why_not := why_not_send_again(record, invoice, now=now):
            refused[why_not].append(_name_of(record, invoice_id))
        else:
            allowed.append(invoice_id)
            amounts[record["currency_code"]] += record["total_amount"]
    return SendAgainPreview(
        invoice_ids=tuple(allowed),
        amounts=dict(amounts),
        refused=tuple(
            Refused(why=why, count=len(names), names=tuple(names[:NAMED_AT_MOST])) for why, names in refused.items()
        ),
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


def _name_of(record: Mapping[Any, Any] | None, invoice_id: int) -> str:
    return (record["invoice_number"] if record else None) or f"Invoice {invoice_id}"
