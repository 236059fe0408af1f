"""The filters of the order list. They live in the URL, so that a link shows the same list."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import streamlit as st

from pages.parts import reads, say
from toc_sync.views import Choice, OrderFilter
from toc_sync.wording import ORDER_STATUS_NAMES

FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2100, 12, 31)
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
    projects = {_named(project): project for project in reads.projects()}
    _note_nonsense(projects)
    with st.container(horizontal=True, vertical_alignment="center", key="order_filters"):
        text = st.text_input(
            "Search",
            key="find",
            bind="query-params",
            type="search",
            icon=":material/search:",
            placeholder="Project or order number",
            label_visibility="collapsed",
            max_chars=200,
            width=300,
        )
        remaining = st.segmented_control(
            "What remains", list(REMAINING), key="remaining", bind="query-params", label_visibility="collapsed"
        )
        with st.popover("Filters", icon=":material/tune:", key="more_order_filters"):
            project = st.selectbox(
                "Project", list(projects), index=None, key="project", bind="query-params", placeholder="All"
            )
            names = st.multiselect("Status", list(STATUSES), key="order_status", bind="query-params", placeholder="All")
            since, until = _period()
        wanted = OrderFilter(
            project_id=projects[project].id if project else None,
            statuses=tuple(STATUSES[name] for name in names),
            since=since,
            until=until,
            has_remaining=REMAINING[remaining] if remaining else None,
            text=(text or "").strip(),
        )
        if wanted != OrderFilter():
            st.button("Clear filters", icon=":material/filter_alt_off:", key="clear_order_filters", on_click=clear)
    return wanted


def clear() -> None:
    """Empties all filters (a callback)."""
    st.session_state.update(_EMPTY)
    st.rerun()


def _period() -> tuple[date | None, date | None]:
    left, right = st.columns(2)
    with left:
        since = _day("Billed from", "period_from")
    with right:
        until = _day("to", "period_to")
    if since and until and since > until:
        st.warning("The first day is after the last one.", icon=":material/date_range:")
    return since, until


def _day(label: str, key: str) -> date | None:
    day: date | None = st.date_input(
        label, value=None, min_value=FIRST_DAY, max_value=LAST_DAY, format="YYYY-MM-DD", key=key, bind="query-params"
    )
    return day


def _named(project: Choice) -> str:
    """Returns a name that two projects never share; it stands in the URL."""
    return f"{project.name} · {project.id}"


def _note_nonsense(projects: dict[str, Choice]) -> None:
    """Says what the list leaves out of a link, because Streamlit drops it without a word."""
    checks: dict[str, Callable[[str], object]] = {
        "project": projects.__contains__,
        "order_status": STATUSES.__contains__,
        "period_from": _is_day,
        "period_to": _is_day,
        "remaining": REMAINING.__contains__,
        "order_page": str.isdecimal,
    }
    wrong = [
        key
        for key, is_right in checks.items()
        if not all(is_right(value) for value in st.query_params.get_all(key) if value)
    ]
    if wrong:
        say.later(f"The address asked for something unknown. It was left out: {', '.join(wrong)}.", good=False)


def _is_day(text: str) -> bool:
    try:
        return FIRST_DAY <= date.fromisoformat(text) <= LAST_DAY
    except ValueError:
        return False
