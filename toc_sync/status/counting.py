"""How many invoices a filter finds and what they are worth: the number that stands before a link to that list."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select

from toc_sync.status.invoices import matches
from toc_sync.tables import sync_records as records
from toc_sync.views import InvoiceFilter
from toc_sync.views_health import Counted


def count_matching(conn: Connection, wanted: InvoiceFilter, *, now: datetime) -> Counted:
    """Returns how many invoices the list under this filter has, with their totals and their VAT."""
    currency = records.c.currency_code
    query = select(currency, func.count(), func.sum(records.c.total_amount), func.sum(records.c.vat_amount))
    found = conn.execute(query.where(*matches(wanted, now)).group_by(currency)).all()
    return Counted(
        wanted=wanted,
        count=sum(count for _, count, _, _ in found),
        amounts={name: total for name, _, total, _ in found},
        vat={name: vat for name, _, _, vat in found},
    )
