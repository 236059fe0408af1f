"""The head of every page: its title, and which environment this is."""

from __future__ import annotations

import streamlit as st

from pages.parts import gate, say
from toc_sync import runtime


def header(title: str) -> None:
    """Draws the title with the environment's badge, and what earlier actions answered."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title(title, width="content", anchor=False)
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            _draw_badge()
            gate.pause_button()
    say.now()


def _draw_badge() -> None:
    environment = runtime.current().environment
    if environment.sandbox:
        st.badge(
            say.plain(environment.label),
            icon=":material/science:",
            color="orange",
            help="A rehearsal: a sandbox answers in place of TOC Online. Nothing here is a legal document.",
        )
    else:
        st.badge(
            say.plain(environment.label),
            icon=":material/gavel:",
            color="red",
            help="Invoices sent here are legal documents.",
        )
