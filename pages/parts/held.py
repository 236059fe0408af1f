"""The list stands still once somebody acts on a row: whatever leaves the filter or comes in, rows keep their places.

Otherwise a row that was retried would go, the next one would slide under the finger, and a second click would mean it.
It lasts until another list is asked for (filter or page), or the person asks for what matches now.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st

from pages.parts import reads
from toc_sync import wording
from toc_sync.views import InvoicePage

_DRAWN, _HELD = "_list_drawn", "_list_held"


@dataclass(frozen=True, kw_only=True)
class _Drawn:
    """A list as it was drawn: which one (filter and page), how long it was, and the rows of this page in their order."""

    view: object
    total: int
    invoice_ids: tuple[int, ...]


def hold() -> None:
    """Keeps the rows of the list where they are drawn now (in a callback); nothing where no list is drawn."""
    if st.session_state.get(_HELD) is None:
        st.session_state[_HELD] = st.session_state.get(_DRAWN)


def let_go() -> None:
    """Lets the list show what matches now (a callback)."""
    st.session_state[_HELD] = None


def is_held(view: object) -> bool:
    """Tells whether this list stands still; one that belongs to another view does so no more."""
    held: _Drawn | None = st.session_state.get(_HELD)
    if held is not None and held.view != view:
        let_go()
    return st.session_state.get(_HELD) is not None


def page(view: object, found: InvoicePage) -> InvoicePage:
    """Returns the page to draw: `found`, or the rows that stand still as they are now; and remembers it as drawn."""
    if is_held(view):
        held: _Drawn = st.session_state[_HELD]
        found = replace(found, rows=reads.invoice_rows(held.invoice_ids), total=max(found.total, held.total))
    ids = tuple(row.invoice_id for row in found.rows)
    st.session_state[_DRAWN] = _Drawn(view=view, total=found.total, invoice_ids=ids)
    return found


def draw_notice(matching: InvoicePage, shown: InvoicePage) -> None:
    """Says that the list stands still, and offers what matches now where that is something else."""
    st.caption(wording.HELD, width="content")
    if [row.invoice_id for row in matching.rows] != [row.invoice_id for row in shown.rows]:
        st.button("Show what matches now", icon=":material/refresh:", type="tertiary", key="let_go", on_click=let_go)
