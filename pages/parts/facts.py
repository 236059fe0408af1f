"""Named values in a small grid."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

NARROWEST_PX = 150


def facts(named: Mapping[str, str | None]) -> None:
    """Draws each value under its name, letter by letter; a dash where there is none."""
    with st.grid(3, min_column_width=NARROWEST_PX, gap="small"):
        for name, value in named.items():
            with st.container(gap=None):
                st.caption(name)
                st.text(value or "–")


def to_copy(named: Mapping[str, str | None]) -> None:
    """Draws each value under its name with a button that copies it."""
    with st.grid(2, min_column_width=NARROWEST_PX, gap="small"):
        for name, value in named.items():
            with st.container(gap=None):
                st.caption(name)
                st.code(value or "–", language=None, wrap_lines=True)
