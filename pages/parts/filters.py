"""What the filters of every list share: they live in the URL, so that a link shows the same list.

The names in the URL are the widgets' keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Literal

import streamlit as st

from pages.parts import say
from toc_sync.views import Choice

FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2100, 12, 31)


def search(key: str, placeholder: str, *, width: int | Literal["stretch"] = "stretch") -> str:
    """Draws the field to search in and returns what is in it."""
    text = st.text_input(
        "Search",
        key=key,
        bind="query-params",
        type="search",
        icon=":material/search:",
        placeholder=placeholder,
        label_visibility="collapsed",
        max_chars=200,
        width=width,
    )
    return (text or "").strip()


def period(label: str, since_key: str, until_key: str) -> tuple[date | None, date | None]:
    """Draws a first and a last day and returns them."""
    left, right = st.columns(2)
    with left:
        since = _day(label, since_key)
    with right:
        until = _day("to", until_key)
    if since and until and since > until:
        st.warning("The first day is after the last one.", icon=":material/date_range:")
    return since, until


def by_name(choices: Iterable[Choice]) -> dict[str, Choice]:
    """Returns choices under names that no two of them share; these stand in the URL."""
    return {f"{choice.name} · {choice.id}": choice for choice in choices}


def note_nonsense(checks: Mapping[str, Callable[[str], object]]) -> None:
    """Says what the list leaves out of a link, because Streamlit drops it without a word."""
    wrong = [
        key
        for key, is_right in checks.items()
        if not all(is_right(value) for value in st.query_params.get_all(key) if value)
    ]
    if wrong:
        say.later(f"The address asked for something unknown. It was left out: {', '.join(wrong)}.", good=False)


def is_day(text: str) -> bool:
    """Tells whether `text` is a day that the filters offer, written as they write it."""
    try:
        return bool(re.fullmatch(r"\d{4}-\d\d-\d\d", text)) and FIRST_DAY <= date.fromisoformat(text) <= LAST_DAY
    except ValueError:
        return False


def is_page(text: str) -> bool:
    """Tells whether `text` can be the number of a page."""
    return text.isdecimal() and text.isascii() and text.strip("0") != ""


def _day(label: str, key: str) -> date | None:
    day: date | None = st.date_input(
        label, value=None, min_value=FIRST_DAY, max_value=LAST_DAY, format="YYYY-MM-DD", key=key, bind="query-params"
    )
    return day
