"""The tables of the overview: what failed last, and who sends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import pandas as pd
import streamlit as st

from pages.parts import acts, invoice_filters
from toc_sync import wording
from toc_sync.model import NEEDS_ATTENTION
from toc_sync.views import InvoiceRow, WorkerRow
from toc_sync.views_health import Counted

INVOICES = "invoices.py"
_OPEN = "_open_invoice"


def failures(rows: Sequence[InvoiceRow], behind: Counted) -> None:
    """Draws the last failures; a click on the number opens the invoice. `behind` are all that need attention."""
    if opened := st.session_state.pop(_OPEN, None):
        st.switch_page(INVOICES, query_params={"invoice": str(opened)})
    elif rows:
        _draw_failures(rows, behind)
    else:
        st.caption("Nothing failed, and nothing is in doubt.")


def _draw_failures(rows: Sequence[InvoiceRow], behind: Counted) -> None:
    st.dataframe(
        _failures(rows),
        column_config=_columns(rows),
        hide_index=True,
        placeholder="",
        key="failures",
        alt="Last failures",
    )
    st.page_link(
        INVOICES,
        label=f"All {behind.count:,} that need attention",
        icon=":material/arrow_forward:",
        query_params=invoice_filters.address(behind.wanted),
    )


def workers(rows: Sequence[WorkerRow]) -> None:
    """Draws the programs that send, and those that stopped within the last day."""
    if not rows:
        st.caption("No worker was ever started.")
        return
    st.caption(wording.workers_alive(rows))
    frame = pd.DataFrame(
        {
            "state": [["Alive" if row.alive else "Silent"] for row in rows],
            "host": [wording.machine(row) for row in rows],
            "version": [wording.version(row) for row in rows],
            "threads": [row.threads for row in rows],
            "heard": [row.last_seen_at for row in rows],
        }
    )
    column = st.column_config
    st.dataframe(
        frame,
        column_config={
            "state": column.MultiselectColumn("State", options=["Alive", "Silent"], color=["green", "gray"]),
            "host": column.TextColumn("Machine"),
            "version": column.TextColumn("Version"),
            "threads": column.NumberColumn("Threads"),
            "heard": column.DatetimeColumn("Last heard", format="distance"),
        },
        hide_index=True,
        key="worker_list",
        alt="Workers",
    )


def _failures(rows: Sequence[InvoiceRow]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            # The icon in front keeps the rest of the label literal: a number can look like markup.
            "number": [f":material/open_in_full: {acts.name_of(row)}" for row in rows],
            "status": [[wording.STATUS_NAMES[row.status]] for row in rows],
            "kind": [wording.KIND_NAMES[row.error_kind] if row.error_kind else None for row in rows],
            "error": [row.error for row in rows],
            "payer": [row.payer for row in rows],
            "total": [wording.money(row.total_amount, row.currency_code) for row in rows],
            "last": pd.Series([row.last_attempt_at for row in rows], dtype="datetime64[us, UTC]"),
        }
    )


def _columns(rows: Sequence[InvoiceRow]) -> dict[str, Any]:
    # The key changes with what is drawn: a click on a picture that is out of date must not meet a newer row.
    key = f"open_failure_{crc32(repr([row.invoice_id for row in rows]).encode()):08x}"
    column = st.column_config
    return {
        "number": column.ButtonColumn(
            "Number", type="tertiary", alignment="left", key=key, on_click=_open, args=(key, rows)
        ),
        "status": column.MultiselectColumn(
            "Status",
            options=[wording.STATUS_NAMES[status] for status in NEEDS_ATTENTION],
            color=[wording.STATUS_COLORS[status] for status in NEEDS_ATTENTION],
        ),
        "kind": column.TextColumn("Why"),
        "error": column.TextColumn("Error", width=380),
        "payer": column.TextColumn("Payer"),
        "total": column.TextColumn("Total", alignment="right"),
        "last": column.DatetimeColumn("Last attempt", format="distance"),
    }


def _open(key: str, rows: Sequence[InvoiceRow]) -> None:
    st.session_state[_OPEN] = rows[st.session_state[key]["row"]].invoice_id
