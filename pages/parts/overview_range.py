"""The range of the overview: which time its charts and rates are about. It lives in the URL, under these keys."""

from __future__ import annotations

from datetime import date

import streamlit as st

from pages.parts import filters
from toc_sync.views_health import RangeAsked, RangeKind

MONTHS_BACK = 36
_PERIOD_PX = 330


def choose(today: date) -> RangeAsked:
    """Draws the choice and returns what is asked for."""
    chosen = st.segmented_control(
        "Range",
        [str(kind) for kind in RangeKind],
        key="range",
        bind="query-params",
        default=str(RangeKind.DAY),
        required=True,
        label_visibility="collapsed",
    )
    kind = RangeKind(chosen or RangeKind.DAY)  # an empty value in the address empties even what is required
    if kind is RangeKind.MONTH:
        months = months_until(today)
        month = st.selectbox("Month", months, key="month", bind="query-params", width=130, label_visibility="collapsed")
        return RangeAsked(kind=RangeKind.MONTH, first=date.fromisoformat(f"{month or months[0]}-01"))
    if kind is RangeKind.CUSTOM:
        with st.container(width=_PERIOD_PX):
            since, until = filters.period("From", "since", "until")
        return RangeAsked(kind=RangeKind.CUSTOM, first=since, last=until)
    return RangeAsked(kind=kind)


def note_nonsense(today: date) -> None:
    """Says what a link asks for that there is no range of."""
    filters.note_nonsense(
        {
            "range": [str(kind) for kind in RangeKind].__contains__,
            "month": months_until(today).__contains__,
            "since": filters.is_day,
            "until": filters.is_day,
        }
    )


def months_until(today: date) -> list[str]:
    """Returns the months one can choose, as they stand in the URL, the current one first."""
    newest = today.year * 12 + today.month - 1
    return [f"{number // 12}-{number % 12 + 1:02}" for number in range(newest, newest - MONTHS_BACK, -1)]
