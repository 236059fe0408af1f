"""The charts of the overview as values: attempts by outcome, and how long things took, slot by slot.

Every slot of the range has its place, those without anything included.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import altair as alt
import pandas as pd

from toc_sync import wording, wording_overview
from toc_sync.model import Outcome
from toc_sync.views_health import Health, Percentiles, Range

HEIGHT_PX = 210
TALL_PX = 300
ORDER = (Outcome.SYNCED, Outcome.UNDELIVERED, Outcome.IN_DOUBT, Outcome.FAILED)
"""From the bottom of each bar to its top."""

HEX = {"green": "#22a565", "red": "#e5484d", "violet": "#8b5cf6", "blue": "#3b82f6"}
"""The statuses' colours in a tone that stands out from a light and from a dark page alike."""

HALF, MOST = "half (p50)", "95 of 100 (p95)"
LINES = {HALF: "#0e93b8", MOST: "#d9822b"}
UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
PICKED = "bar"
_MONTHS = "['Jan','Feb','Mar','Apr','May','Jun','Jul','Aug','Sep','Oct','Nov','Dec']"


def attempts(health: Health) -> alt.Chart:
    """Returns stacked bars; a click on one picks its slot (by number) and its outcome."""
    names = [wording.OUTCOME_NAMES[outcome] for outcome in ORDER]
    colours = [HEX[wording.OUTCOME_COLORS[outcome]] for outcome in ORDER]
    return (
        alt.Chart(_attempts_frame(health))
        .mark_bar(cornerRadius=1, cursor="pointer")
        .encode(
            x=_slots_axis(health.covers),
            y=alt.Y("attempts:Q", title=None, axis=alt.Axis(tickMinStep=1, format=",d", tickCount=4)),
            color=alt.Color("outcome:N", scale=alt.Scale(domain=names, range=colours), legend=_legend()),
            order=alt.Order("place:Q"),
            tooltip=[
                alt.Tooltip("when:N", title="Time"),
                alt.Tooltip("outcome:N", title="Ended"),
                alt.Tooltip("attempts:Q", title="Attempts", format=",d"),
                alt.Tooltip("invoices:Q", title="Invoices (click to list)", format=",d"),
            ],
        )
        .add_params(alt.selection_point(name=PICKED, fields=["number", "outcome"]))
        .properties(height=TALL_PX)
    )


def times(covers: Range, found: Sequence[Percentiles]) -> alt.Chart:
    """Returns two lines, half and 95 of 100, in the largest unit that keeps the figures above one."""
    longest_s = max((each.most_s for each in found), default=0.0)
    unit, size_s = next((unit, size) for unit, size in UNITS if longest_s >= 2 * size or size == 1)
    return (
        alt.Chart(_times_frame(found, size_s))
        .mark_line(point=alt.OverlayMarkDef(size=28), strokeWidth=2)
        .encode(
            x=_slots_axis(covers),
            y=alt.Y("value:Q", title=None, axis=alt.Axis(tickCount=4, labelExpr=f"datum.label + ' {unit}'")),
            color=alt.Color(
                "line:N", scale=alt.Scale(domain=list(LINES), range=list(LINES.values())), legend=_legend()
            ),
            tooltip=[
                alt.Tooltip("when:N", title="Time"),
                alt.Tooltip("line:N", title="Within"),
                alt.Tooltip("took:N", title="Took"),
                alt.Tooltip("count:Q", title="Of", format=",d"),
            ],
        )
        .properties(height=HEIGHT_PX)
    )


def _attempts_frame(health: Health) -> pd.DataFrame:
    counted = {(each.slot, each.outcome): each for each in health.attempts}
    rows = []
    for number, slot in enumerate(health.covers.slots):
        for outcome in ORDER:
            found = counted.get((slot, outcome))
            rows.append(
                {
                    "slot": _written(slot.start_at),
                    "number": number,
                    "when": wording_overview.slot_name(slot),
                    "outcome": wording.OUTCOME_NAMES[outcome],
                    "place": ORDER.index(outcome),
                    "attempts": found.attempts if found else 0,
                    "invoices": found.invoices if found else 0,
                }
            )
    return pd.DataFrame(rows)


def _times_frame(found: Sequence[Percentiles], size_s: int) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "slot": _written(each.slot.start_at),
                "when": wording_overview.slot_name(each.slot),
                "line": line,
                "value": seconds / size_s,
                "took": wording_overview.took(seconds),
                "count": each.count,
            }
            for each in found
            for line, seconds in ((HALF, each.half_s), (MOST, each.most_s))
        ]
    )


def _slots_axis(covers: Range) -> alt.X:
    label = f"slice(datum.label, 8, 10) + ' ' + {_MONTHS}[toNumber(slice(datum.label, 5, 7)) - 1]"
    axis = alt.Axis(
        title=None,
        labelExpr="slice(datum.label, 11, 16)" if covers.hourly else label,
        labelAngle=0,
        labelOverlap="greedy",
        ticks=False,
    )
    domain = [_written(slot.start_at) for slot in covers.slots]
    return alt.X("slot:N", sort=None, scale=alt.Scale(domain=domain), axis=axis)


def _written(instant: datetime) -> str:
    """Returns Lisbon's time with its offset: the hour that comes twice in autumn stays two."""
    return instant.astimezone(wording.ZONE).isoformat(timespec="minutes")


def _legend() -> alt.Legend:
    return alt.Legend(title=None, orient="top", direction="horizontal", symbolType="square")
