"""The filters of the order list. They live in the URL, so that a link shows the same list."""

from __future__ import annotations

from typing import NoReturn

import streamlit as st

from pages.parts import filters, reads
from toc_sync.views import OrderFilter
from toc_sync.wording import ORDER_STATUS_NAMES

STATUSES = {name: status for status, name in ORDER_STATUS_NAMES.items()}
REMAINING = {"Something remains": True, "Nothing remains": False}
_EMPTY: dict[str, object] = {
    "find": "",
    "remaining": None,
    "project": None,
    "order_status": [],
    "period_from": None,
    "period_to": None,
}


def draw() -> OrderFilter:
    """Draws the filters and returns what is asked for. The names in the URL are the widgets' keys."""
    projects = filters.by_name(reads.projects())
    filters.note_nonsense(
        {
            "project": projects.__contains__,
            "order_status": STATUSES.__contains__,
            "period_from": filters.is_day,
            "period_to": filters.is_day,
            "remaining": REMAINING.__contains__,
            "order_page": filters.is_page,
        }
    )
    with st.container(horizontal=True, vertical_alignment="center", key="order_filters"):
        text = filters.search("find", "Project or order number", width=300)
        remaining = st.segmented_control(
            "What remains", list(REMAINING), key="remaining", bind="query-params", label_visibility="collapsed"
        )
        with st.popover("Filters", icon=":material/tune:", key="more_order_filters"):
            project = st.selectbox(
                "Project", list(projects), index=None, key="project", bind="query-params", placeholder="All"
            )
            names = st.multiselect("Status", list(STATUSES), key="order_status", bind="query-params", placeholder="All")
            since, until = filters.period("Billed from", "period_from", "period_to")
        wanted = OrderFilter(
            project_id=projects[project].id if project else None,
            statuses=tuple(STATUSES[name] for name in names),
            since=since,
            until=until,
            has_remaining=REMAINING[remaining] if remaining else None,
            text=text,
        )
        if wanted != OrderFilter():
            st.button("Clear filters", icon=":material/filter_alt_off:", key="clear_order_filters", on_click=clear)
    return wanted


def clear() -> NoReturn:
    """Empties all filters (a callback)."""
    st.session_state.update(_EMPTY)
    st.rerun()
