"""The filters of the activity list. They live in the URL, so that a link shows the same list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NoReturn

import streamlit as st

from pages.parts import filters
from toc_sync import clock
from toc_sync.views_activity import ActivityFilter, Source
from toc_sync.wording import OUTCOME_NAMES, ZONE
from toc_sync.wording_activity import ACTIONS, SOURCE_NAMES

PAGE = "activity_page"
RANGES = {"24 h": timedelta(hours=24), "7 d": timedelta(days=7), "30 d": timedelta(days=30), "All": None}
USUAL = "7 d"
OUTCOMES = {name: outcome for outcome, name in OUTCOME_NAMES.items()}
ACTION_KEYS = {name: action for action, name in ACTIONS.items()}
SOURCES = {name: source for source, name in SOURCE_NAMES.items()}
_EMPTY: dict[str, object] = {
    "time": USUAL,
    "who": "",
    "about": "",
    "only": None,
    "what": [],
    "from_day": None,
    "to_day": None,
}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the filters say; unlike the instants it stands for, it stays the same while time passes."""

    range: str = USUAL
    from_day: date | None = None
    to_day: date | None = None
    who: str = ""
    about: str = ""
    only: Source | None = None
    what: tuple[str, ...] = ()

    def at(self, now: datetime) -> ActivityFilter:
        """Returns the filter that this is at `now`; days, where given, take the place of the range. They are Lisbon's."""
        span = None if self.from_day or self.to_day else RANGES[self.range]
        return ActivityFilter(
            since=now - span if span else _begin(self.from_day),
            until=_begin(self.to_day + timedelta(days=1)) if self.to_day else None,
            who=self.who,
            invoice=self.about,
            source=self.only,
            outcomes=tuple(OUTCOMES[name] for name in self.what if name in OUTCOMES),
            actions=tuple(ACTION_KEYS[name] for name in self.what if name in ACTION_KEYS),
        )

    def now(self) -> ActivityFilter:
        """Returns the filter that this is within this minute, so that all viewers share one reading."""
        return self.at(clock.now().replace(second=0, microsecond=0))


def draw() -> Asked:
    """Draws the filters and returns what is asked for. The names in the URL are the widgets' keys."""
    names = [*OUTCOMES, *ACTION_KEYS]
    filters.note_nonsense(
        {
            "time": RANGES.__contains__,
            "only": SOURCES.__contains__,
            "what": names.__contains__,
            "from_day": filters.is_day,
            "to_day": filters.is_day,
            PAGE: filters.is_page,
        }
    )
    with st.container(horizontal=True, vertical_alignment="center", key="activity_filters"):
        span = st.segmented_control(
            "Time", list(RANGES), default=USUAL, required=True, key="time", bind="query-params",
            label_visibility="collapsed",
        )  # fmt: skip
        about = _field("Invoice", "about", "Invoice number or id", ":material/receipt_long:")
        who = _field("Person", "who", "Person", ":material/person:")
        only = st.segmented_control(
            "Only", list(SOURCES), key="only", bind="query-params", label_visibility="collapsed"
        )
        with st.popover("Filters", icon=":material/tune:", key="more_activity_filters"):
            chosen = st.multiselect("Outcome or action", names, key="what", bind="query-params", placeholder="All")
            from_day, to_day = filters.period("Days, in place of the range: from", "from_day", "to_day")
        asked = Asked(
            range=span or USUAL,
            from_day=from_day,
            to_day=to_day,
            who=who,
            about=about,
            only=SOURCES[only] if only else None,
            what=tuple(chosen),
        )
        if asked != Asked():
            st.button("Clear filters", icon=":material/filter_alt_off:", key="clear_activity_filters", on_click=clear)
    return asked


def clear() -> NoReturn:
    """Empties all filters (a callback)."""
    st.session_state.update(_EMPTY)
    st.rerun()


def _field(label: str, key: str, placeholder: str, icon: str) -> str:
    text = st.text_input(
        label,
        key=key,
        bind="query-params",
        placeholder=placeholder,
        icon=icon,
        label_visibility="collapsed",
        max_chars=100,
        width=220,
    )
    return (text or "").strip()


def _begin(day: date | None) -> datetime | None:
    return datetime.combine(day, time(), ZONE).astimezone(UTC) if day else None
