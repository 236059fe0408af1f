"""The list behind a bar of the overview's chart: invoices with attempts of a time and an end.

It is set by a link only, so it has no field: it stands in the address and is shown as a button that takes it out.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NoReturn

import streamlit as st

from pages.parts import say
from pages.parts.filters import FIRST_DAY, LAST_DAY
from toc_sync import wording_overview
from toc_sync.views import Attempted
from toc_sync.wording import OUTCOME_NAMES

SINCE, UNTIL, OUTCOME = "attempted_from", "attempted_until", "attempt_outcome"
OUTCOMES = {name: outcome for outcome, name in OUTCOME_NAMES.items()}


def address(attempted: Attempted | None) -> dict[str, str | list[str]]:
    """Returns the filter as parameters of a link, its instants in UTC."""
    return (
        {}
        if attempted is None
        else {
            SINCE: _written(attempted.since_at),
            UNTIL: _written(attempted.until_at),
            OUTCOME: [OUTCOME_NAMES[outcome] for outcome in attempted.outcomes],
        }
    )


def draw() -> Attempted | None:
    """Draws the filter that the address asks for, as a button that takes it out, and returns it."""
    given = st.query_params
    if not {SINCE, UNTIL, OUTCOME} & set(given):
        return None
    since, until = _instant(given.get(SINCE, "")), _instant(given.get(UNTIL, ""))
    names = given.get_all(OUTCOME)
    if since is None or until is None or not OUTCOMES.keys() >= set(names):
        clear()
        say.later("The address asked for attempts of an unknown time or end. It was left out.", good=False)
        return None
    attempted = Attempted(since_at=since, until_at=until, outcomes=tuple(OUTCOMES[name] for name in names))
    st.button(
        say.plain(wording_overview.attempted(attempted)),
        icon=":material/close:",
        key="drop_attempted",
        help="Take this filter out.",
        on_click=_drop,
    )
    return attempted


def clear() -> None:
    """Takes the filter out of the address."""
    for name in (SINCE, UNTIL, OUTCOME):
        st.query_params.pop(name, None)


def _drop() -> NoReturn:
    clear()
    st.rerun()


def _written(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%MZ}"


def _instant(text: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    is_clear = instant.tzinfo is not None and FIRST_DAY <= instant.date() <= LAST_DAY
    return instant.astimezone(UTC) if is_clear else None
