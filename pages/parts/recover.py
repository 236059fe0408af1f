"""The morning after an outage: everything that was created or failed in a stretch of time."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import streamlit as st

from pages.parts import batch_dialog, reads, say
from toc_sync import clock, runtime, wording, wording_batches
from toc_sync.views_batches import Selection

EARLIER = timedelta(minutes=10)
"""The sending stops only after several answers that failed: these belong to the outage too."""

_FROM, _TO = "recover_from", "recover_to"


def popover() -> None:
    """Draws the button; what it opens asks for the time."""
    with st.popover("Recover since…", icon=":material/history:", key="recover"):
        st.markdown("**Everything created or failed in a time**  \nYou see first what would be sent.")
        _draw_presets()
        _draw_moment("From", _FROM, "00:00")
        _draw_moment("To (empty: now)", _TO, "24:00")
        st.button(
            "Show what would be sent", type="primary", icon=":material/search:", key="recover_show", on_click=_ask
        )


def _draw_presets() -> None:
    outage = reads.last_outage()
    st.button("Since midnight", key="recover_midnight", width="stretch", on_click=_ask_since_midnight)
    st.button("Last 24 hours", key="recover_day", width="stretch", on_click=_ask_last_day)
    if outage:
        until = outage.until or runtime.current().now()
        name = wording_batches.outage(outage.since, until)
        begin = outage.since - EARLIER
        st.button(name, key="recover_outage", width="stretch", on_click=_recover, args=(begin, until))


def _draw_moment(label: str, key: str, default: str) -> None:
    left, right = st.columns([3, 2])
    left.date_input(label, value=None, max_value=clock.today(), format="YYYY-MM-DD", key=f"{key}_day")
    right.time_input("Time", value=None, key=f"{key}_time", help=f"In Lisbon's time; empty means {default}.")


@say.safely
def _ask_since_midnight() -> None:
    now = runtime.current().now()
    _recover(clock.earliest(datetime.combine(wording.day_of(now), time.min)), now)


@say.safely
def _ask_last_day() -> None:
    now = runtime.current().now()
    _recover(now - timedelta(days=1), now)


@say.safely
def _ask() -> None:
    since, until = _typed(_FROM, time.min), _typed(_TO, time.max)
    begin, end = since and clock.earliest(since), clock.latest(until) if until else runtime.current().now()
    if begin is None:
        say.later("Choose the day from which on to recover.", good=False)
    elif end <= begin:
        say.later(wording_batches.NO_INTERVAL, good=False)
    else:
        _recover(begin, end)


def _recover(since: datetime, until: datetime) -> None:
    batch_dialog.ask(Selection.created_or_failed(since, until))


def _typed(key: str, default: time) -> datetime | None:
    day: date | None = st.session_state.get(f"{key}_day")
    return datetime.combine(day, st.session_state.get(f"{key}_time") or default) if day else None
