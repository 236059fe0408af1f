"""The panels of the overview around its charts: each with a title, what it means, and the same figures as a table."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd
import streamlit as st

from pages.parts import invoice_filters, overview_charts, say
from toc_sync import wording, wording_overview
from toc_sync.views_health import AttemptCount, Health, Percentiles, Range

INVOICES = "invoices.py"
NARROWEST_PX = 300


def draw(health: Health, period: str) -> None:
    """Draws how long it took; `period` is what the range is called."""
    with st.grid(2, min_column_width=NARROWEST_PX, key="charts"):
        _times(
            "answers",
            "Answer time",
            f"How long the function took to answer, {period}. What never reached it is not counted.",
            health.covers,
            health.answers.by_slot,
            empty="No answers in this range.",
        )
        _times(
            "to_synced",
            "From creation to synced",
            f"How long after their creation the invoices synced in {period} were in TOC Online.",
            health.covers,
            health.to_synced.by_slot,
            empty="Nothing was synced in this range.",
        )


def attempts(health: Health, period: str) -> None:
    """Draws how the attempts ended; a click on a bar lists its invoices."""
    with _panel("activity"):
        _title(
            "Attempts by outcome",
            f"How attempts ended, {period}, in Lisbon's time. A click on a bar lists its invoices.",
        )
        if not health.attempts:
            st.caption("Nothing was sent in this range.")
            return
        key = f"attempts_{health.covers.start_at:%Y%m%d%H}_{len(health.covers.slots)}"
        event = st.altair_chart(
            overview_charts.attempts(health),
            key=key,
            on_select="rerun",
            selection_mode=overview_charts.PICKED,
            alt=f"Attempts by outcome, {period}: {_in_words(health)}",
        )
        _open_picked(health, event["selection"].get(overview_charts.PICKED, []))
        _as_table(_attempts_table(health.attempts), "Attempts by outcome")


def _times(name: str, title: str, meaning: str, covers: Range, found: Sequence[Percentiles], *, empty: str) -> None:
    with _panel(name):
        _title(title, meaning)
        if not found:
            st.caption(empty)
            return
        _draw(overview_charts.times(covers, found), f"{title}. The figures are in the table below.")
        _as_table(_times_table(found), title)


def _open_picked(health: Health, picked: Sequence[dict[str, object]]) -> None:
    """Opens the list behind a bar that was clicked."""
    asked = {(each.get("number"), each.get("outcome")) for each in picked}
    behind = (
        count
        for count in health.attempts
        if (health.covers.slots.index(count.slot), wording.OUTCOME_NAMES[count.outcome]) in asked
    )
    if count := next(behind, None):
        st.switch_page(INVOICES, query_params=invoice_filters.address(count.wanted))


def _draw(chart: alt.Chart, alt_text: str) -> None:
    st.altair_chart(chart, alt=alt_text)


def _in_words(health: Health) -> str:
    counts = {wording.OUTCOME_NAMES[outcome]: health.attempts_of(outcome) for outcome in overview_charts.ORDER}
    return ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)


def _as_table(frame: pd.DataFrame, title: str) -> None:
    with st.expander("As a table", type="compact"):
        st.table(frame, border="horizontal", hide_index=True, alt=title)


def _attempts_table(found: Sequence[AttemptCount]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Time": [wording_overview.slot_name(each.slot) for each in found],
            "Ended": [wording.OUTCOME_NAMES[each.outcome] for each in found],
            "Attempts": [f"{each.attempts:,}" for each in found],
            "Invoices": [_linked(each) for each in found],
        }
    )


def _linked(each: AttemptCount) -> str:
    parameters = invoice_filters.address(each.wanted).items()
    pairs = ((name, value) for name, given in parameters for value in ([given] if isinstance(given, str) else given))
    return f"[{each.invoices:,}](/invoices?{'&'.join(f'{name}={value}' for name, value in pairs).replace(' ', '+')})"


def _times_table(found: Sequence[Percentiles]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Time": [wording_overview.slot_name(each.slot) for each in found],
            "Half (p50)": [wording_overview.took(each.half_s) for each in found],
            "95 of 100 (p95)": [wording_overview.took(each.most_s) for each in found],
            "Of": [f"{each.count:,}" for each in found],
        }
    )


def _panel(name: str) -> st.delta_generator.DeltaGenerator:
    return st.container(border=True, height="stretch", gap="xsmall", key=name)


def _title(title: str, meaning: str) -> None:
    st.markdown(f"**{title}**", help=say.plain(meaning))
