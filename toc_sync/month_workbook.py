"""The accountant's workbook about one month: totals, every invoice, and what is missing.

Writes cells, decides nothing: amounts are numbers with two places, days are days, and texts stay texts whatever they
begin with. In constant memory, so rows are written from the top to the bottom.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, BinaryIO

import xlsxwriter  # type: ignore[import-untyped]

from toc_sync import wording_legal
from toc_sync.views_legal import MISSING, TO_CHECK, AmountDifference, MonthClose, MonthInvoice, MonthLine
from toc_sync.wording import STATUS_NAMES, ZONE, day_and_time

Cell = str | int | Decimal | date | datetime | None

TOTALS, INVOICES, MISSING_ONES = "Totals", "Invoices", "Missing"
SHEETS = {
    TOTALS: (("", 46), ("Currency", 10), ("Invoices", 10), ("Subtotal", 16), ("VAT", 16), ("Total", 16)),
    INVOICES: (
        *(("Number", 18), ("Document number", 18), ("Date", 12), ("Payer", 32), ("Subtotal", 14), ("VAT", 14)),
        *(("Total", 14), ("Currency", 10), ("Status", 14), ("Status in billing", 16), ("Synced at", 18)),
        *(("Legal deadline", 14), ("Id", 10)),
    ),
    MISSING_ONES: (
        *(("Number", 18), ("Date", 12), ("Payer", 32), ("Subtotal", 14), ("VAT", 14), ("Total", 14), ("Currency", 10)),
        *(("Why", 40), ("Last error", 60), ("Legal deadline", 14), ("Id", 10)),
    ),
}
LONGEST_TEXT = 1_000
FIRST_YEAR = 1900
"""Spreadsheets know no days before; such a day is written as a text."""


def write_workbook(target: BinaryIO, close: MonthClose, invoices: Iterable[MonthInvoice]) -> None:
    """Writes the workbook into `target`."""
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(target, options) as book:
        totals, listed, missing = (_Sheet(book, name) for name in SHEETS)
        for row in _total_rows(close):
            totals.add(row)
        for invoice in invoices:
            listed.add(_listed(invoice))
            if invoice.missing:
                missing.add(_missing(invoice))
        for difference in close.differences:
            missing.add(_different(difference))


class _Sheet:
    """One sheet that grows downwards, below its headings."""

    def __init__(self, book: Any, name: str) -> None:
        self._sheet = book.add_worksheet(name)
        self._amount = book.add_format({"num_format": "#,##0.00"})
        self._day = book.add_format({"num_format": "yyyy-mm-dd"})
        self._instant = book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        self._next = 1
        bold = book.add_format({"bold": True})
        for column, (heading, width) in enumerate(SHEETS[name]):
            self._sheet.set_column(column, column, width)
            self._sheet.write_string(0, column, heading, bold)
        self._sheet.freeze_panes(1, 0)

    def add(self, cells: Sequence[Cell]) -> None:
        """Writes the next row."""
        for column, cell in enumerate(cells):
            self._write(column, cell)
        self._next += 1

    def _write(self, column: int, cell: Cell) -> None:
        row = self._next
        if isinstance(cell, Decimal):
            self._sheet.write_number(row, column, float(cell), self._amount)
        elif isinstance(cell, int):
            self._sheet.write_number(row, column, cell)
        elif isinstance(cell, date) and cell.year >= FIRST_YEAR:
            self._sheet.write_datetime(row, column, cell, self._instant if isinstance(cell, datetime) else self._day)
        elif cell is not None:
            self._sheet.write_string(row, column, _storable(str(cell)))


def _total_rows(close: MonthClose) -> Iterable[Sequence[Cell]]:
    yield (wording_legal.month_answer(close),)
    yield (f"As of {day_and_time(close.read_at)}, by invoice date.",)
    yield ()
    for line in (MonthLine.ISSUED, MonthLine.THERE, *MISSING, *TO_CHECK):
        yield from _line_rows(line, close)
    yield ()
    yield (wording_legal.compared(close),)


def _line_rows(line: MonthLine, close: MonthClose) -> Iterable[Sequence[Cell]]:
    """Yields one row per currency; the number of invoices stands in the first."""
    sums, name = close.lines[line], wording_legal.LINE_NAMES[line]
    if not sums.count:
        yield (name, None, 0)
    for number, currency in enumerate(sums.totals):
        amounts = (sums.subtotals[currency], sums.vat[currency], sums.totals[currency])
        yield (name, currency, None if number else sums.count, *amounts)


def _listed(invoice: MonthInvoice) -> Sequence[Cell]:
    return (
        *(invoice.invoice_number, invoice.document_no, invoice.invoice_date, invoice.payer),
        *(invoice.subtotal_amount, invoice.vat_amount, invoice.total_amount, invoice.currency_code),
        *(STATUS_NAMES[invoice.status], invoice.invoice_status, _local(invoice.synced_at)),
        *(invoice.deadline, invoice.invoice_id),
    )


def _missing(invoice: MonthInvoice) -> Sequence[Cell]:
    why = wording_legal.LINE_NAMES[invoice.missing] if invoice.missing else None
    return (
        *(invoice.invoice_number, invoice.invoice_date, invoice.payer),
        *(invoice.subtotal_amount, invoice.vat_amount, invoice.total_amount, invoice.currency_code),
        *(why, invoice.error, invoice.deadline, invoice.invoice_id),
    )


def _different(found: AmountDifference) -> Sequence[Cell]:
    why = f"Another total in TOC Online ({found.document_no or 'no number'}): {found.theirs:,.2f}"
    return (
        found.invoice_number,
        None,
        None,
        None,
        None,
        found.ours,
        found.currency_code,
        why,
        None,
        None,
        found.invoice_id,
    )


def _local(instant: datetime | None) -> datetime | None:
    """Returns an instant as Lisbon's clocks showed it: a spreadsheet knows no zones."""
    return instant.astimezone(ZONE).replace(tzinfo=None, microsecond=0) if instant else None


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()[:LONGEST_TEXT]
