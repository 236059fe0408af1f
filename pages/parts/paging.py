"""The pages of a list. The number lives in the URL; where a link asks for none that exists, it is the first."""

from __future__ import annotations

import streamlit as st

from pages.parts.filters import is_page
from toc_sync.views import PAGE_SIZE

MOST_DIGITS = 7


def asked(key: str) -> int:
    """Returns the page that was asked for, whether or not the list is that long."""
    number = str(st.session_state.get(key) or st.query_params.get(key, ""))
    return int(number) if is_page(number) and len(number) <= MOST_DIGITS else 1


def choose(key: str, total: int, *, width: int) -> int:
    """Draws the choice of a page for a list of `total` rows and returns the chosen one."""
    pages = -(-total // PAGE_SIZE)
    if pages == 1:
        return 1
    with st.container(horizontal=True, horizontal_alignment="center"):
        return int(st.pagination(pages, key=key, bind="query-params", width=width))


def is_other_list(key: str, wanted: object) -> bool:
    """Tells whether another list is `wanted` than in the last run, and starts it at its first page."""
    listed = f"_listed_{key}"
    before = st.session_state.get(listed, wanted)
    st.session_state[listed] = wanted
    if before != wanted:
        st.session_state[key] = 1
    return bool(before != wanted)
