"""The filters of the invoice list. They live in the URL, so that a link shows the same list."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date
from decimal import Decimal

import streamlit as st

from pages.parts import reads, say
from toc_sync.model import Status
from toc_sync.views import Choice, InvoiceFilter
from toc_sync.wording import STATUS_NAMES

FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2100, 12, 31)
LARGEST = 999_999_999.99
STATUSES = {name: status for status, name in STATUS_NAMES.items()}
_EMPTY: dict[str, object] = {
    "status": [],
    "since": None,
    "until": None,
    "issuer": None,
    "payer": None,
    "q": "",
    "min": None,
    "max": None,
}


def draw() -> InvoiceFilter:
    """Draws the filters and returns what is asked for. The names in the URL are the widgets' keys."""
    teams = {_named(team): team for team in reads.teams()}
    _note_nonsense(teams)
    text = st.text_input(
        "Search",
        key="q",
        bind="query-params",
        type="search",
        icon=":material/search:",
        placeholder="Number, payer, error or document number",
        label_visibility="collapsed",
        max_chars=200,
    )
    with st.popover("Filters", icon=":material/tune:", key="more_filters"):
        names = st.multiselect("Status", list(STATUSES), key="status", bind="query-params", placeholder="All")
        since, until = _period()
        issuer = st.selectbox("Issuer", list(teams), index=None, key="issuer", bind="query-params", placeholder="All")
        payer = st.selectbox("Payer", list(teams), index=None, key="payer", bind="query-params", placeholder="All")
        smallest, largest = _amounts()
    wanted = InvoiceFilter(
        statuses=tuple(STATUSES[name] for name in names),
        since=since,
        until=until,
        issuer_team_id=teams[issuer].id if issuer else None,
        payer_team_id=teams[payer].id if payer else None,
        text=(text or "").strip(),
        smallest=smallest,
        largest=largest,
    )
    if wanted != InvoiceFilter():
        st.button("Clear filters", icon=":material/filter_alt_off:", key="clear_filters", on_click=clear)
    return wanted


def clear() -> None:
    """Empties all filters (a callback)."""
    st.session_state.update(_EMPTY)
    st.rerun()


def toggle_status(status: Status) -> None:
    """Adds a status to the filter, or takes it out (a callback)."""
    name, chosen = STATUS_NAMES[status], st.session_state.get("status", [])
    st.session_state["status"] = [each for each in chosen if each != name] if name in chosen else [*chosen, name]
    st.rerun()


def _period() -> tuple[date | None, date | None]:
    left, right = st.columns(2)
    with left:
        since = _day("Invoice date from", "since")
    with right:
        until = _day("to", "until")
    if since and until and since > until:
        st.warning("The first day is after the last one.", icon=":material/date_range:")
    return since, until


def _day(label: str, key: str) -> date | None:
    day: date | None = st.date_input(
        label,
        value=None,
        min_value=FIRST_DAY,
        max_value=LAST_DAY,
        format="YYYY-MM-DD",
        key=key,
        bind="query-params",
    )
    return day


def _amounts() -> tuple[Decimal | None, Decimal | None]:
    left, right = st.columns(2)
    with left:
        smallest = _amount("Total from", "min")
    with right:
        largest = _amount("to", "max")
    return smallest, largest


def _amount(label: str, key: str) -> Decimal | None:
    amount = st.number_input(
        label, min_value=0.0, max_value=LARGEST, value=None, step=0.01, format="%.2f", key=key, bind="query-params"
    )
    return Decimal(f"{amount:.2f}") if amount is not None and math.isfinite(amount) else None


def _named(team: Choice) -> str:
    """Returns a name that two teams never share; it stands in the URL."""
    return f"{team.name} · {team.id}"


def _note_nonsense(teams: dict[str, Choice]) -> None:
    """Says what the list leaves out of a link, because Streamlit drops it without a word."""
    checks: dict[str, Callable[[str], object]] = {
        "status": STATUSES.__contains__,
        "since": _is_day,
        "until": _is_day,
        "issuer": teams.__contains__,
        "payer": teams.__contains__,
        "min": _is_amount,
        "max": _is_amount,
        "page": str.isdecimal,
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


def _is_amount(text: str) -> bool:
    try:
        return 0 <= float(text) <= LARGEST
    except ValueError:
        return False
