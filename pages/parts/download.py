"""The download of a list: a CSV file that a spreadsheet shows and never runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime

import streamlit as st

from toc_sync import runtime, wording
from toc_sync.views import InvoiceFilter, InvoiceRow

_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_HEADINGS = (
    "Id", "Number", "Payer", "Issuer", "Date", "Total", "Currency", "Status", "Document number", "Kind of error",
    "Last error", "Warning", "Tries", "Last attempt", "Next attempt", "Synced at",
    "In doubt since", "Legal deadline",
)  # fmt: skip


def download_button(wanted: InvoiceFilter) -> None:
    """Draws the button; the file is made when it is pressed, and not before."""
    st.download_button(
        "Download",
        data=lambda: as_csv(runtime.current().export_invoices(wanted)),
        file_name="invoices.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key="download",
        help="All invoices that match the filters, as CSV for a spreadsheet.",
    )


def as_csv(rows: Iterable[InvoiceRow]) -> bytes:
    """Returns the rows of the invoice list as CSV."""
    return csv_of(_HEADINGS, (_cells(row) for row in rows))


def csv_of(headings: Sequence[str], lines: Iterable[Sequence[str | int]]) -> bytes:
    """Returns lines as CSV in UTF-8 with a byte order mark, without which spreadsheets misread accents."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(headings)
    writer.writerows(lines)
    return b"\xef\xbb\xbf" + text.getvalue().encode("utf-8", "replace")


def harmless(text: str | None) -> str:
    """Returns a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text and text.startswith(_STARTS_A_FORMULA) else text or ""


def _cells(row: InvoiceRow) -> tuple[str | int, ...]:
    return (
        row.invoice_id,
        harmless(row.invoice_number),
        harmless(row.payer),
        harmless(row.issuer),
        row.invoice_date.isoformat() if row.invoice_date else "",
        f"{row.total_amount:.2f}",
        harmless(row.currency_code),
        wording.STATUS_NAMES[row.status],
        harmless(row.document_no),
        wording.KIND_NAMES[row.error_kind] if row.error_kind else "",
        harmless(row.error),
        harmless(row.warning),
        row.attempts,
        _instant(row.last_attempt_at),
        _instant(row.not_before),
        _instant(row.synced_at),
        _instant(row.doubt_since),
        row.deadline.isoformat() if row.deadline else "",
    )


def _instant(instant: datetime | None) -> str:
    return f"{instant.astimezone(wording.ZONE):%Y-%m-%d %H:%M:%S}" if instant else ""
