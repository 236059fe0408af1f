"""Many invoices at once: first what would happen, then one press that starts a batch.

What it is about is fixed when it opens; whatever is ticked, drawn or filtered meanwhile changes nothing.
"""

from __future__ import annotations

from typing import NoReturn

import streamlit as st

from pages.parts import reads, say
from pages.parts.live import live
from pages.parts.who import actor
from toc_sync import runtime, wording_batches
from toc_sync.views import InvoiceFilter, Refused
from toc_sync.views_batches import BatchKind, BatchPreview, Selection

_ASKED, _ANSWER = "_many", "_many_answer"
TITLES = {
    BatchKind.RETRY: "Retry all that match",
    BatchKind.RECOVER: "Recover",
}


def button(wanted: InvoiceFilter, total: int) -> None:
    """Draws the button for everything that matches the filters, whatever page it is on."""
    st.button(
        f"Retry all that match ({total:,})",
        icon=":material/playlist_play:",
        key="retry_matching",
        help="All invoices that match the filters, on all pages. You see first what would be sent.",
        on_click=ask,
        args=(Selection.matching(wanted),),
    )


def ask(selection: Selection) -> NoReturn:
    """Opens the dialog about these invoices (in a callback)."""
    st.session_state[_ASKED] = selection
    st.session_state[_ANSWER] = None
    st.rerun()


def is_open() -> bool:
    """Tells whether the dialog is open."""
    return bool(st.session_state.get(_ASKED))


def draw() -> None:
    """Draws the dialog."""
    asked: Selection = st.session_state[_ASKED]

    @st.dialog(TITLES[asked.kind], width="medium", icon=":material/playlist_play:", on_dismiss=_shut)
    def dialog() -> None:
        live("many", lambda: _draw_preview(asked))

    dialog()


def _shut() -> None:
    st.session_state[_ASKED] = None


def _draw_preview(asked: Selection) -> None:
    preview = runtime.current().preview_batch(asked)
    st.caption(say.plain(preview.description))
    st.markdown(f"**{say.plain(wording_batches.would_be_sent(preview))}**")
    if preview.count:
        duration = wording_batches.expected(preview.duration_s, preview.pace)
        st.markdown(f"{say.plain(wording_batches.order(preview))}  \n{say.plain(duration)}")
    if preview.dated_before:
        st.warning(say.plain(wording_batches.dated_before(preview.dated_before)), icon=":material/event_busy:")
    if preview.in_doubt:
        st.info(say.plain(wording_batches.resolve_instead(preview.in_doubt)), icon=":material/help:")
    _draw_refused(preview)
    st.button(
        f"Retry {preview.count:,} invoice{'' if preview.count == 1 else 's'}",
        type="primary",
        icon=":material/send:",
        # The key changes with what it is about: a click on a picture that is out of date starts nothing.
        key=f"start_batch_{preview.count}",
        disabled=not preview.count,
        on_click=_start,
        args=(asked,),
    )
    if answer := st.session_state.get(_ANSWER):
        st.error(say.plain(answer), icon=":material/error:")


def _draw_refused(preview: BatchPreview) -> None:
    if preview.refused:
        count = preview.matching - preview.count
        st.markdown(f"{count:,} refused:\n" + "\n".join(_line(refused) for refused in preview.refused))


def _line(refused: Refused) -> str:
    return f"- **{refused.count:,}**: {say.plain(refused.why)} ({say.plain(wording_batches.named(refused))})"


@say.safely
def _start(asked: Selection) -> None:
    started = runtime.current().batches.start(asked, actor=actor())
    if started.batch_id is None:
        st.session_state[_ANSWER] = started.message
        return
    reads.follow_batch(started.batch_id)
    say.later(started.message)
    _shut()
    st.rerun()
