"""Many doubts at once: "they are not in TOC Online". A list to look up; what is ticked in it is sent again, nothing else.

What it is about is fixed when it opens: whatever is ticked, drawn or refreshed meanwhile changes nothing. Nothing is
ticked and no reason chosen beforehand: the statement that lets a legal document go out again is the person's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn
from zlib import crc32

import pandas as pd
import streamlit as st

from pages.parts import acts, held, reads, reason, say
from pages.parts.live import live
from pages.parts.ticks import Ticks
from pages.parts.who import actor
from toc_sync import runtime, wording, wording_doubt, wording_gate
from toc_sync.views import DoubtLine, InvoiceRow

AT_MOST = 500
"""How many invoices one list names: more cannot be looked up in one go."""

IN_SIGHT = 8
"""So many of them are seen at once: the button below the list stays in reach."""

_ASKED, _OF, _ANSWER = "_not_there", "_not_there_of", "_not_there_answer"
_REASON = "many"

ticks: Ticks[DoubtLine] = Ticks("not_there", lambda line: line.invoice_id)


def button(rows: Sequence[InvoiceRow]) -> None:
    """Draws the button for the ticked rows; it needs a doubt among them."""
    st.button(
        "They are not in TOC Online…",
        icon=":material/search_off:",
        key="not_there_selected",
        disabled=not any(row.can_resolve for row in rows),
        help="For invoices in doubt: you looked them up, and none is there. You get the list first.",
        on_click=open_for,
        args=(rows, len(rows)),
    )


def open_for(rows: Sequence[InvoiceRow], of: int) -> NoReturn:
    """Opens the dialog for the first of these invoices, which are some of `of` (a callback)."""
    st.session_state[_ASKED] = {row.invoice_id: acts.name_of(row) for row in rows[:AT_MOST]}
    st.session_state[_OF] = of
    st.session_state[_ANSWER] = None
    ticks.clear()
    st.rerun()


def is_open() -> bool:
    """Tells whether the dialog is open."""
    return bool(st.session_state.get(_ASKED))


def draw(*, on_sent: Callable[[], None]) -> None:
    """Draws the dialog; `on_sent` is called once something was sent again."""

    @st.dialog("They are not in TOC Online", width="large", icon=":material/search_off:", on_dismiss=_shut)
    def dialog() -> None:
        live("not_there", lambda: _draw_list(st.session_state.get(_ASKED) or {}, on_sent))

    dialog()


def _shut() -> None:
    st.session_state[_ASKED] = None


def _draw_list(names: Mapping[int, str], on_sent: Callable[[], None]) -> None:
    preview = runtime.current().preview_send_again(names)
    st.markdown(say.plain(wording_doubt.LOOK_EACH_UP))
    if (of := st.session_state.get(_OF, 0)) > len(names):
        st.caption(say.plain(wording_doubt.first_of(len(names), of)))
    ticks.table(preview.lines, _as_frame(preview.lines), _columns(), alt="Doubts to look up", rows_in_sight=IN_SIGHT)
    marked = preview.only([line.invoice_id for line in ticks.ticked()])
    ids = marked.invoice_ids
    if ids:
        sentence = wording_doubt.may_be_sent_again(len(ids), wording.amounts(marked.amounts))
        st.warning(say.plain(f"{sentence} {wording_doubt.TWICE}"), icon=":material/warning:")
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


def _as_frame(lines: Sequence[DoubtLine]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "number": [line.name for line in lines],
            "payer": [line.payer for line in lines],
            "date": [line.invoice_date for line in lines],
            "total": [wording.money(line.total_amount, line.currency_code) for line in lines],
            "next": [line.why_not or wording_doubt.SENT_IF_TICKED for line in lines],
        }
    )


def _columns() -> dict[str, Any]:
    column = st.column_config
    return {
        "number": column.TextColumn("Number"),
        "payer": column.TextColumn("Payer"),
        "date": column.DateColumn("Date", format="D MMM YYYY"),
        "total": column.TextColumn("Total", alignment="right"),
        "next": column.TextColumn("What happens"),
    }


@say.safely
def _send(names: Mapping[int, str], on_sent: Callable[[], None]) -> None:
    held.hold()
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
