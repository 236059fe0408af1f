"""The way back from a declaration: an invoice that a person found in TOC Online, and that is not there after all."""

from __future__ import annotations

import streamlit as st

from pages.parts import reason, resolve, say
from pages.parts.who import actor
from toc_sync import runtime


def draw(invoice_id: int) -> None:
    """Draws the question, folded away: few declarations are wrong."""
    with st.expander("It is not there after all?", icon=":material/undo:", key=f"reopen_{invoice_id}"):
        st.markdown(
            "It becomes **in doubt** again, and nothing is sent. Then say in which way it should be resolved:"
            " under another document number, or by sending it again."
        )
        st.text_input("How do you know?", key=f"why_{invoice_id}", max_chars=reason.LENGTH)
        st.button(
            "Put it back in doubt",
            icon=":material/undo:",
            key=f"put_back_{invoice_id}",
            on_click=_reopen,
            args=(invoice_id,),
        )
        resolve.draw_answer(invoice_id)


@say.safely
def _reopen(invoice_id: int) -> None:
    resolve.keep(runtime.current().reopen(invoice_id, actor=actor(), reason=st.session_state[f"why_{invoice_id}"]))
