"""The columns of the invoice list, and what a click in one of them does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zlib import crc32

import pandas as pd
import streamlit as st

from pages.parts import acts
from pages.parts.invoice_changes import Mark
from toc_sync import wording, wording_doubt, wording_gate, wording_legal
from toc_sync.model import Status
from toc_sync.views import GateView, InvoicePage, InvoiceRow, RowAction

# What stands in front of a number; it also keeps the rest of the label literal: a number can look like markup.
OPEN = ":material/open_in_full:"
MARKS = {Mark.NEW: ":material/fiber_new:", Mark.CHANGED: ":material/published_with_changes:"}
WATCHED = "👁"


def names_of(rows: Sequence[InvoiceRow], marks: Mapping[int, Mark], watched: frozenset[int]) -> list[str]:
    """Returns what stands on each row's first button: a mark where something is new, and an eye where somebody looks."""
    return [
        f"{MARKS[marks[row.invoice_id]] if row.invoice_id in marks else OPEN} {acts.name_of(row)}"
        f"{f' {WATCHED}' if row.invoice_id in watched else ''}"
        for row in rows
    ]


def as_frame(found: InvoicePage, names: Sequence[str], gate: GateView) -> pd.DataFrame:
    """Returns the cells: one column per name in `columns`."""
    rows = found.rows
    in_euros = _all_in_euros(rows)
    return pd.DataFrame(
        {
            "number": names,
            "payer": [row.payer for row in rows],
            "date": [row.invoice_date for row in rows],
            "total": [
                float(row.total_amount) if in_euros else wording.money(row.total_amount, row.currency_code)
                for row in rows
            ],
            "status": [[wording.STATUS_NAMES[row.status]] for row in rows],
            "deadline": [list(filter(None, [_time_left(row, found)])) for row in rows],
            "document": [row.document_no for row in rows],
            "error": [row.warning or row.error for row in rows],
            "tries": [row.attempts for row in rows],
            "last": pd.Series([row.last_attempt_at for row in rows], dtype="datetime64[us, UTC]"),
            "next": [_waits(row, found.read_at, gate) for row in rows],
            "action": [str(row.action) if row.action else None for row in rows],
        }
    )


def columns(found: InvoicePage) -> dict[str, Any]:
    """Returns how each column looks, and what its buttons do to the row that was drawn under them."""
    rows = found.rows
    seen = crc32(repr([(row.invoice_id, row.attempts, row.status) for row in rows]).encode())
    column = st.column_config
    return {
        # The keys change with what is drawn: a click on a picture that is out of date must not meet a newer row.
        "number": column.ButtonColumn(
            "Number",
            help=f"{MARKS[Mark.NEW]} came in, {MARKS[Mark.CHANGED]} changed since you last looked. "
            f"{WATCHED} A colleague has it open.",
            type="tertiary",
            alignment="left",
            key=f"open_{seen:08x}",
            on_click=_open_clicked,
            args=(f"open_{seen:08x}", rows),
        ),
        "payer": column.TextColumn("Payer", width=130),
        "date": column.DateColumn("Date", format="D MMM YYYY"),
        "total": column.NumberColumn("Total", format="euro")
        if _all_in_euros(rows)
        else column.TextColumn("Total", alignment="right"),
        "status": column.MultiselectColumn(
            "Status",
            options=[wording.STATUS_NAMES[status] for status in Status],
            color=[wording.STATUS_COLORS[status] for status in Status],
        ),
        "deadline": _deadline_column(found),
        "document": column.TextColumn("Document"),
        "error": column.TextColumn("Last error", width=130),
        "tries": column.NumberColumn("Tries", width=60),
        "last": column.DatetimeColumn("Last attempt", format="distance"),
        "next": column.TextColumn("Waiting", width=136),
        "action": column.ButtonColumn(
            "Action", width=90, key=f"act_{seen:08x}", on_click=_act_clicked, args=(f"act_{seen:08x}", rows)
        ),
    }


def _waits(row: InvoiceRow, now: datetime, gate: GateView) -> str | None:
    if row.status is Status.IN_DOUBT:
        return wording_doubt.in_doubt_since(row.doubt_since, now)
    if row.status is not Status.QUEUED:
        return None
    return wording.waiting_line(row.not_before, now) if gate.is_open else wording_gate.waits_shortly(gate.state)


def _deadline_column(found: InvoicePage) -> Any:
    """Returns pills in the colour of how near the deadline is: the same words always mean the same state."""
    states = {_time_left(row, found): row.deadline_state for row in found.rows}
    words = sorted(filter(None, states))
    return st.column_config.MultiselectColumn(
        "Deadline",
        options=words,
        color=[wording_legal.DEADLINE_COLORS[states[each]] for each in words],
        width=132,
        help=wording_legal.RULE,
    )


def _time_left(row: InvoiceRow, found: InvoicePage) -> str:
    return wording_legal.time_left(row, wording.day_of(found.read_at))


def _all_in_euros(rows: Sequence[InvoiceRow]) -> bool:
    return all(row.currency_code == "EUR" for row in rows)


def _open_clicked(key: str, rows: Sequence[InvoiceRow]) -> None:
    acts.open_invoice(rows[st.session_state[key]["row"]].invoice_id)


def _act_clicked(key: str, rows: Sequence[InvoiceRow]) -> None:
    row = rows[st.session_state[key]["row"]]
    if row.action in (RowAction.RETRY, RowAction.SYNC):
        acts.send([row])
    elif row.action is RowAction.RESOLVE:
        acts.open_invoice(row.invoice_id)
