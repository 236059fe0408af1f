"""Sums of invoices' amounts per currency, grouped by whatever a caller asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from toc_sync.tables import sync_records as records
from toc_sync.views_legal import Sums

_AMOUNTS = (records.c.subtotal_amount, records.c.vat_amount, records.c.total_amount)


def grouped_sums(
    conn: Connection, groups: Sequence[ColumnElement[Any]], conditions: Sequence[ColumnElement[bool]]
) -> Iterator[tuple[tuple[Any, ...], Sums]]:
    """Yields each combination of `groups` with the sums of its invoices, one per currency, in one query."""
    named = [group.label(f"group_{number}") for number, group in enumerate(groups)]
    # Grouped from outside: PostgreSQL takes the parameters of two equal expressions for different ones.
    each = select(*named, records.c.currency_code, *_AMOUNTS).where(*conditions).subquery()
    keys = [each.c[group.name] for group in named]
    amounts = [func.sum(each.c[amount.name]) for amount in _AMOUNTS]
    query = select(*keys, each.c.currency_code, func.count(), *amounts).group_by(*keys, each.c.currency_code)
    for *key, currency, count, subtotal, vat, total in conn.execute(query):
        yield (
            tuple(key),
            Sums(count=count, subtotals={currency: subtotal}, vat={currency: vat}, totals={currency: total}),
        )
