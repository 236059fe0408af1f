"""What went wrong: one row for each group of failures and doubts, with what can be done about all of them at once."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.parts import batch_dialog, reads, resolve_many, say, teach
from pages.parts.who import actor
from toc_sync import runtime, wording, wording_groups
from toc_sync.model import Status
from toc_sync.views import InvoiceFilter
from toc_sync.views_batches import Selection
from toc_sync.views_groups import ErrorGroup

INVOICES = "invoices.py"
SHOWN_AT_MOST = 20
NOTE_LENGTH = 500
SPARK = {
    "height": 36,
    "mark": {"type": "bar", "color": "#c2410c"},
    "encoding": {
        "x": {"field": "step", "type": "ordinal", "axis": None},
        "y": {"field": "attempts", "type": "quantitative", "axis": None},
        "tooltip": {"field": "attempts", "type": "quantitative"},
    },
    "config": {"view": {"strokeWidth": 0}},
}
"""As Vega-Lite itself: there may be a chart for each of many groups, and Altair takes 20 ms to check one."""


def draw() -> None:
    """Draws the section; nothing where no invoice needs attention."""
    groups = reads.error_groups()
    if not groups:
        return
    st.subheader(
        "What went wrong", anchor=False, help="Failures and doubts, grouped by their cause. A group goes by itself."
    )
    if rest := wording_groups.only_data_fixes(groups, reads.overview().sums):
        st.info(say.plain(rest), icon=":material/edit_note:")
    for group in groups[:SHOWN_AT_MOST]:
        with st.container(border=True, gap="xsmall", key=f"group_{group.key}"):
            _draw_group(group)
    if len(groups) > SHOWN_AT_MOST:
        st.caption(f"And {len(groups) - SHOWN_AT_MOST:,} more groups, each with fewer invoices.")


def dialogs() -> None:
    """Draws the dialog that a group's button opened; at the top level of the page, so that no refresh shuts it."""
    if resolve_many.is_open():
        resolve_many.draw(on_sent=lambda: None)
    elif teach.is_open():
        teach.draw_dialog()
    elif batch_dialog.is_open():
        batch_dialog.draw()


def _draw_group(group: ErrorGroup) -> None:
    text, trend = st.columns([4, 1], vertical_alignment="center")
    with text:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{say.plain(group.name)}**", width="content")
            fixer = f"Can be put right by: {wording.FIXER_NAMES[group.fixer]}"
            st.badge(
                wording_groups.FIXER_SHORT[group.fixer], color=wording_groups.FIXER_COLORS[group.fixer], help=fixer
            )
        worth = f"{wording.amounts(group.amounts)}, VAT {wording.amounts(group.vat)}"
        st.markdown(f"**{wording.invoices(group.count)}**, {say.plain(worth)}{_seen(group)}")
        st.caption(f":material/build: {say.plain(group.advice)}")
        if group.note:
            at = f", {wording.day_and_time(group.noted_at)}" if group.noted_at else ""
            st.caption(f":material/sticky_note_2: {say.plain(f'{group.note} ({group.noted_by}{at})')}")
    with trend:
        _draw_trend(group)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        # The same two places for every group: rows move up when one goes, see `live_page`.
        with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
            _draw_verbs(group)
        with st.popover("Note", icon=":material/edit_note:", key=f"note_of_{group.key}"):
            st.text_input("Note for everybody", group.note or "", key=f"note_{group.key}", max_chars=NOTE_LENGTH)
            st.button("Save the note", key=f"save_note_{group.key}", on_click=_note, args=(group.key,))


def _draw_verbs(group: ErrorGroup) -> None:
    st.page_link(INVOICES, label="Open", icon=":material/list:", query_params={"error_group": group.key})
    if group.failed:
        failed = InvoiceFilter(error_group=group.key, statuses=(Status.FAILED,))
        st.button(
            f"Retry {group.failed:,}",
            icon=":material/refresh:",
            key=f"retry_{group.key}",
            help="You see first what would be sent.",
            on_click=batch_dialog.ask,
            args=(Selection.matching(failed),),
        )
    if group.newest_doubt:
        st.button(
            "Teach…",
            icon=":material/school:",
            key=f"teach_{group.key}",
            help="You know that nothing is ever issued after this answer: say so once, for all of them.",
            on_click=teach.open_for,
            args=(group.newest_doubt,),
        )
    if group.in_doubt:
        st.button(
            "Not in TOC Online…",
            icon=":material/search_off:",
            key=f"not_there_{group.key}",
            help="You looked them up, and none is there. You get the list first.",
            on_click=_resolve,
            args=(group,),
        )


def _draw_trend(group: ErrorGroup) -> None:
    frame = pd.DataFrame({"step": range(len(group.trend)), "attempts": group.trend})
    st.vega_lite_chart(
        frame,
        SPARK,
        key=f"trend_{group.key}",
        alt=f"Attempts of the last 7 days that ended so: {sum(group.trend):,}",
    )


def _seen(group: ErrorGroup) -> str:
    seen = [
        f"{word} {wording.day_and_time(at)}"
        for word, at in (("first", group.first_seen_at), ("last", group.last_seen_at))
        if at
    ]
    return f" · {' · '.join(seen)}" if seen else ""


@say.safely
def _resolve(group: ErrorGroup) -> None:
    doubts = InvoiceFilter(error_group=group.key, statuses=(Status.IN_DOUBT,))
    rows = runtime.current().export_invoices(doubts, at_most=resolve_many.AT_MOST)
    resolve_many.open_for(rows, group.in_doubt)


@say.safely
def _note(key: str) -> None:
    result = runtime.current().groups.note(key, st.session_state[f"note_{key}"], actor())
    say.later(result.message, good=result.done)
