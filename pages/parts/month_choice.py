"""The choice of a month, which lives in the URL, and its workbook for the accountant."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import date

import streamlit as st

from pages.parts import filters, reads
from toc_sync import runtime

KEY = "month"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def draw() -> date | None:
    """Draws the choice and returns the month's first day; None while there are no invoices."""
    months = {f"{month:%Y-%m}": month for month in reads.months()}
    filters.note_nonsense({KEY: months.__contains__})
    if not months:
        return None
    usual = _usual(list(months.values()))
    chosen = st.selectbox("Month", list(months), index=usual, key=KEY, bind="query-params", width=160)
    return months[chosen]


def download_button(month: date) -> None:
    """Draws the button; the workbook is made when it is pressed, and not before."""
    st.download_button(
        "Workbook for the accountant",
        data=lambda: workbook(month),
        file_name=f"toc-online-{month:%Y-%m}.xlsx",
        mime=XLSX,
        icon=":material/table_view:",
        on_click="ignore",
        key="workbook",
        help="Totals, every invoice of the month, and what is missing, as XLSX.",
    )


def workbook(month: date) -> bytes:
    """Returns the month's workbook."""
    content = io.BytesIO()
    runtime.current().write_month(month, content)
    return content.getvalue()


def _usual(months: Sequence[date]) -> int:
    """Returns where the newest month stands that has begun: an invoice dated ahead must not hide it."""
    today = runtime.current().today()
    return next((position for position, month in enumerate(months) if month <= today), 0)
