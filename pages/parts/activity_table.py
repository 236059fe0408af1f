"""The table of what happened: a bar for the chosen row, the rows, their pages, and the download of all that matches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import pandas as pd
import streamlit as st

from pages.parts import activity_download, activity_filters, attempt_dialog, paging, reads
from pages.parts.activity_filters import PAGE, Asked
from pages.parts.ticks import ROW_PX
from toc_sync import wording, wording_activity
from toc_sync.views import PAGE_SIZE
from toc_sync.views_activity import ActivityPage, ActivityRow, Source

INVOICES = "invoices.py"
PAGES_PX = 420
DONE = "Done"
_OPEN = "_open_from_activity"
_COLOURS = {
    **{wording.OUTCOME_NAMES[outcome]: colour for outcome, colour in wording.OUTCOME_COLORS.items()},
    wording_activity.UNDER_WAY: "blue",
    DONE: "gray",
    wording_activity.REFUSED: "orange",
}


def draw(asked: Asked) -> None:
    """Draws everything that a refresh reads anew."""
    if opened := st.session_state.pop(_OPEN, None):
        st.switch_page(INVOICES, query_params={"invoice": str(opened)})
    else:
        _draw(asked)


def _draw(asked: Asked) -> None:
    paging.is_other_list(PAGE, asked)
    page, wanted = paging.asked(PAGE), asked.now()
    found = reads.activity(wanted, page)
    if found.total == 0:
        _say_that_there_is_nothing(asked)
        return
    bar, table, foot = st.container(), st.container(), st.container()
    with foot:
        chosen_page = paging.choose(PAGE, found.total, width=PAGES_PX)
    if chosen_page != page:  # the address asked for a page that does not exist
        page, found = chosen_page, reads.activity(wanted, chosen_page)
    with table:
        chosen = _draw_table(found.rows)
    with bar, st.container(horizontal=True, vertical_alignment="center", key="activity_bar", gap="small"):
        _draw_bar(found, page, chosen)
        activity_download.button(wanted, found.total)


def _say_that_there_is_nothing(asked: Asked) -> None:
    with st.container(border=True, horizontal_alignment="center", key="nothing"):
        st.subheader("Nothing happened that matches", anchor=False, width="content")
        if asked == Asked():
            st.markdown(f"Nothing was sent or done in the last {asked.range}.", width="content")
        else:
            st.button(
                "Clear filters", icon=":material/filter_alt_off:", key="clear_in_list", on_click=activity_filters.clear
            )


def _draw_bar(found: ActivityPage, page: int, chosen: ActivityRow | None) -> None:
    if chosen is None:
        first = (page - 1) * PAGE_SIZE
        shown = f"{first + 1:,} to {first + len(found.rows):,} of {found.total:,}"
        st.caption(f"{shown}. Choose a row to look into it.", width="stretch")
        return
    st.markdown(f"**{wording_activity.what(chosen)}**", width="content")
    if chosen.source is Source.ATTEMPT:
        st.button(
            "Details",
            icon=":material/manage_search:",
            type="primary",
            key="details",
            on_click=attempt_dialog.ask,
            args=(chosen.id,),
        )
    if chosen.invoice_id is not None:
        st.button(
            "Open invoice",
            icon=":material/open_in_full:",
            key="open_chosen",
            on_click=_open,
            args=(chosen.invoice_id,),
        )


def _draw_table(rows: Sequence[ActivityRow]) -> ActivityRow | None:
    """Draws the rows and returns the chosen one; another list of rows starts with none chosen."""
    drawn = f"{crc32(repr([(row.source, row.id, row.outcome) for row in rows]).encode()):08x}"
    event = st.dataframe(
        _frame(rows),
        key=f"activity_{drawn}",
        column_config=_columns(rows, f"invoice_{drawn}"),
        hide_index=True,
        height=ROW_PX * (len(rows) + 1) + 3,
        row_height=ROW_PX,
        placeholder="",
        selection_mode="single-row",
        on_select="rerun",
        alt="What happened",
    )
    chosen = event["selection"]["rows"]
    return rows[chosen[0]] if chosen and chosen[0] < len(rows) else None


def _frame(rows: Sequence[ActivityRow]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "at": pd.Series([row.at.astimezone(wording.ZONE) for row in rows], dtype="datetime64[us, Europe/Lisbon]"),
            "who": [row.who for row in rows],
            "what": [_what(row) for row in rows],
            "outcome": [[_outcome(row)] for row in rows],
            # The icon in front keeps the rest of the label literal: a number can look like markup.
            "invoice": [f":material/open_in_full: {_name(row)}" if row.invoice_id else None for row in rows],
            "why": [wording_activity.why(row) for row in rows],
            "result": [wording_activity.result(row) for row in rows],
            "http": pd.Series([row.http_status for row in rows], dtype="Int64"),
            "took": [row.duration_ms / 1000 if row.duration_ms is not None else None for row in rows],
            "request": [row.request_id for row in rows],
        }
    )


def _columns(rows: Sequence[ActivityRow], key: str) -> dict[str, Any]:
    column = st.column_config
    return {
        "at": column.DatetimeColumn("When", format="D MMM YYYY, HH:mm:ss", help="In Lisbon's time."),
        "who": column.TextColumn("Who"),
        "what": column.TextColumn("What"),
        "outcome": column.MultiselectColumn("Outcome", options=list(_COLOURS), color=list(_COLOURS.values())),
        "invoice": column.ButtonColumn(
            "Invoice", type="tertiary", alignment="left", key=key, on_click=_clicked, args=(key, rows)
        ),
        "why": column.TextColumn("Why", width="medium"),
        "result": column.TextColumn("Result", width=320),
        "http": column.NumberColumn("HTTP", width=60),
        "took": column.NumberColumn("Seconds", format="%.1f", width=80),
        "request": column.TextColumn("Request id"),
    }


def _what(row: ActivityRow) -> str:
    if row.source is Source.ATTEMPT:
        return f"Attempt {row.attempt}"
    return wording_activity.action_line(row)


def _outcome(row: ActivityRow) -> str:
    if row.source is Source.PERSON:
        return DONE if row.done else wording_activity.REFUSED
    return wording.OUTCOME_NAMES[row.outcome] if row.outcome else wording_activity.UNDER_WAY


def _name(row: ActivityRow) -> str:
    return row.invoice_number or f"Invoice {row.invoice_id}"


def _clicked(key: str, rows: Sequence[ActivityRow]) -> None:
    invoice_id = rows[st.session_state[key]["row"]].invoice_id
    if invoice_id is not None:
        _open(invoice_id)


def _open(invoice_id: int) -> None:
    st.session_state[_OPEN] = invoice_id
