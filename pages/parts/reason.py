"""How somebody knows that an invoice is not in TOC Online: the ready-made sentence, or words of their own."""

from __future__ import annotations

import streamlit as st

from toc_sync import wording

OWN_WORDS = "In my own words"
LENGTH = 500


def ask(name: object) -> None:
    """Draws the choice; `name` tells one question from another."""
    reason = st.radio("How do you know?", [wording.LOOKED_UP, OWN_WORDS], key=f"reason_{name}")
    if reason == OWN_WORDS:
        st.text_input("Your words", key=f"words_{name}", max_chars=LENGTH)


def given(name: object) -> str:
    """Returns what was chosen or typed (in a callback)."""
    reason: str = st.session_state[f"reason_{name}"]
    return st.session_state.get(f"words_{name}", "") if reason == OWN_WORDS else reason
