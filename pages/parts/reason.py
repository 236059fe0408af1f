"""How somebody knows that an invoice is not in TOC Online: the ready-made sentence, or words of their own.

Nothing is chosen beforehand: what is recorded as a person's reason is what the person said.
"""

from __future__ import annotations

import streamlit as st

from toc_sync import wording

OWN_WORDS = "In my own words"
LENGTH = 500


def ask(name: object) -> None:
    """Draws the choice; `name` tells one question from another."""
    reason = st.radio("How do you know?", [wording.LOOKED_UP, OWN_WORDS], index=None, key=f"reason_{name}")
    if reason == OWN_WORDS:
        st.text_input("Your words", key=f"words_{name}", max_chars=LENGTH)


def given(name: object) -> str:
    """Returns what was chosen or typed, or "" (in a callback)."""
    reason: str | None = st.session_state.get(f"reason_{name}")
    return st.session_state.get(f"words_{name}", "") if reason == OWN_WORDS else reason or ""
