"""The chart of the overview: attempts per hour by outcome, hours without any included."""

from __future__ import annotations

from datetime import timedelta

import altair as alt
import pandas as pd

from toc_sync import wording
from toc_sync.model import Outcome
from toc_sync.views import Overview

HOURS = 24
ORDER = (Outcome.SYNCED, Outcome.UNDELIVERED, Outcome.IN_DOUBT, Outcome.FAILED)
"""From the bottom of each bar to its top."""

HEX = {"green": "#22a565", "red": "#e5484d", "violet": "#8b5cf6", "blue": "#3b82f6"}
"""The statuses' colours in a tone that stands out from a light and from a dark page alike."""


def attempts_per_hour(overview: Overview) -> alt.Chart:
    """Returns stacked bars for the last 24 hours, in Lisbon's time."""
    names = [wording.OUTCOME_NAMES[outcome] for outcome in ORDER]
    colours = [HEX[wording.OUTCOME_COLORS[outcome]] for outcome in ORDER]
    hours = _hours(overview)
    return (
        alt.Chart(_frame(overview, hours))
        .mark_bar(cornerRadius=1)
        .encode(
            x=alt.X("hour:N", sort=None, scale=alt.Scale(domain=hours), axis=_hour_axis()),
            y=alt.Y("attempts:Q", title=None, axis=alt.Axis(tickMinStep=1, format=",d", tickCount=4)),
            color=alt.Color("outcome:N", scale=alt.Scale(domain=names, range=colours), legend=_legend()),
            order=alt.Order("place:Q"),
            tooltip=[
                alt.Tooltip("when:N", title="Hour"),
                alt.Tooltip("outcome:N", title="Outcome"),
                alt.Tooltip("attempts:Q", title="Attempts", format=",d"),
            ],
        )
        .properties(height=260)
    )


def _hours(overview: Overview) -> list[str]:
    """Returns the 24 hours, oldest first, as local times with their offset: a repeated hour of autumn stays two."""
    last = overview.read_at.replace(minute=0, second=0, microsecond=0)
    steps = (last - timedelta(hours=back) for back in reversed(range(HOURS)))
    return [step.astimezone(wording.ZONE).isoformat(timespec="minutes") for step in steps]


def _frame(overview: Overview, hours: list[str]) -> pd.DataFrame:
    counted = {
        (each.hour.astimezone(wording.ZONE).isoformat(timespec="minutes"), each.outcome): each.count
        for each in overview.hours
    }
    return pd.DataFrame(
        [
            {
                "hour": hour,
                "when": hour[11:16],
                "outcome": wording.OUTCOME_NAMES[outcome],
                "place": ORDER.index(outcome),
                "attempts": counted.get((hour, outcome), 0),
            }
            for hour in hours
            for outcome in ORDER
        ]
    )


def _hour_axis() -> alt.Axis:
    return alt.Axis(
        title=None, labelExpr="slice(datum.label, 11, 16)", labelAngle=0, labelOverlap="greedy", ticks=False
    )


def _legend() -> alt.Legend:
    return alt.Legend(title=None, orient="top", direction="horizontal", symbolType="square")
