"""The download of what happened, for a spreadsheet: all that matches the filters, up to a limit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

import streamlit as st

from pages.parts.spreadsheet import Cell, as_csv, as_xlsx
from toc_sync import runtime, wording, wording_activity
from toc_sync.views_activity import ActivityFilter, ActivityRow

HEADINGS = (
    "When", "Who", "What", "Invoice id", "Invoice number", "Why", "Result", "Outcome", "HTTP status",
    "Milliseconds", "Request id", "Batch",
)  # fmt: skip
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def button(wanted: ActivityFilter, total: int) -> None:
    """Draws the choice of a file; it is made when it is chosen, and not before."""
    cut = wording_activity.cut(total)
    with st.popover("Download", icon=":material/download:", key="download_activity"):
        if cut:
            st.caption(cut)
        st.download_button(
            "As CSV",
            data=lambda: as_csv(HEADINGS, table(runtime.current().activity.export(wanted), cut)),
            file_name="activity.csv",
            mime="text/csv",
            on_click="ignore",
            key="activity_csv",
        )
        st.download_button(
            "As XLSX",
            data=lambda: as_xlsx("Activity", HEADINGS, table(runtime.current().activity.export(wanted), cut)),
            file_name="activity.xlsx",
            mime=XLSX,
            on_click="ignore",
            key="activity_xlsx",
        )


def table(rows: Iterable[ActivityRow], cut: str = "") -> Iterator[tuple[Cell, ...]]:
    """Yields the cells of each row; the last line says when not everything fits."""
    return chain((_cells(row) for row in rows), [(cut,)] if cut else [])


def _cells(row: ActivityRow) -> tuple[Cell, ...]:
    return (
        row.at,
        row.who,
        wording_activity.what(row),
        row.invoice_id,
        row.invoice_number,
        wording_activity.why(row),
        wording_activity.result(row),
        wording.OUTCOME_NAMES[row.outcome] if row.outcome else None,
        row.http_status,
        row.duration_ms,
        row.request_id,
        row.batch_id,
    )
