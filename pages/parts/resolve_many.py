"""Many doubts at once: "they are not in TOC Online". First what would happen, then one reason and one press for all.

What it is about is fixed when it opens: whatever is ticked, drawn or refreshed meanwhile changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from zlib import crc32

import streamlit as st

from pages.parts import acts, reads, reason, say
from pages.parts.live import live
from pages.parts.who import actor
from toc_sync import runtime, wording, wording_doubt, wording_gate
from toc_sync.views import InvoiceRow, Refused, SendAgainPreview

_ASKED, _ANSWER = "_not_there", "_not_there_answer"
_REASON = "many"


def button(rows: Sequence[InvoiceRow]) -> None:
    """Draws the button for the ticked rows; it needs a doubt among them."""
    st.button(
        "They are not in TOC Online…",
        icon=":material/search_off:",
        key="not_there_selected",
        disabled=not any(row.can_resolve for row in rows),
        help="For invoices in doubt: you looked them up, and none is there. You see first what would be sent again.",
        on_click=open_for,
        args=(rows,),
    )


def open_for(rows: Sequence[InvoiceRow]) -> None:
    """Opens the dialog for these invoices (a callback)."""
    st.session_state[_ASKED] = {row.invoice_id: acts.name_of(row) for row in rows}
    st.session_state[_ANSWER] = None
    st.rerun()


def is_open() -> bool:
    """Tells whether the dialog is open."""
    return bool(st.session_state.get(_ASKED))


def draw(*, on_sent: Callable[[], None]) -> None:
    """Draws the dialog; `on_sent` is called once something was sent again."""

    @st.dialog("They are not in TOC Online", width="medium", icon=":material/search_off:", on_dismiss=_shut)
    def dialog() -> None:
        live("not_there", lambda: _draw_preview(st.session_state.get(_ASKED) or {}, on_sent))

    dialog()


def _shut() -> None:
    st.session_state[_ASKED] = None


def _draw_preview(names: Mapping[int, str], on_sent: Callable[[], None]) -> None:
    preview = runtime.current().preview_send_again(names)
    ids = preview.invoice_ids
    sentence = wording_doubt.may_be_sent_again(len(ids), wording.amounts(preview.amounts), of=preview.asked)
    st.subheader(say.plain(sentence), anchor=False)
    _draw_refused(preview)
    if ids:
        st.warning("Sending one again that is there would issue it twice.", icon=":material/warning:")
        reason.ask(_REASON)
    st.button(
        f"Send {len(ids):,} again",
        type="primary",
        icon=":material/send:",
        # The key changes with what it is about: a click on a picture that is out of date sends nothing.
        key=f"send_many_{crc32(repr(ids).encode()):08x}",
        disabled=not ids,
        on_click=_send,
        args=({invoice_id: names[invoice_id] for invoice_id in ids}, on_sent),
    )
    if answer := st.session_state.get(_ANSWER):
        st.error(say.plain(answer), icon=":material/error:")


def _draw_refused(preview: SendAgainPreview) -> None:
    if preview.refused:
        count = sum(refused.count for refused in preview.refused)
        st.markdown(f"{count:,} refused:\n" + "\n".join(_line(refused) for refused in preview.refused))


def _line(refused: Refused) -> str:
    more = refused.count - len(refused.names)
    named = ", ".join(refused.names) + (f" and {more:,} more" if more else "")
    return f"- **{refused.count:,}**: {say.plain(refused.why)} ({say.plain(named)})"


@say.safely
def _send(names: Mapping[int, str], on_sent: Callable[[], None]) -> None:
    results = runtime.current().resolve_many_send_again(names, actor=actor(), reason=reason.given(_REASON))
    if not any(result.done for result in results):
        st.session_state[_ANSWER] = results[0].message
        return
    for result in results:
        if result.done:
            reads.watch(result.invoice_id)
    gate = reads.sending().gate
    outcomes = [(names[result.invoice_id], result) for result in results]
    say.results(outcomes, lambda count: wording_gate.sent_together(count, gate))
    on_sent()
    _shut()
    st.rerun()
