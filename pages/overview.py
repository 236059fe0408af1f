"""Overview: is everything in TOC Online, what needs a person, how well sending went, and is anything sending."""

from __future__ import annotations

import streamlit as st

from pages.parts import (
    error_groups,
    overview_answer,
    overview_counts,
    overview_panels,
    overview_range,
    overview_tables,
    reads,
    say,
)
from pages.parts.header import header
from pages.parts.live import live_page
from toc_sync import runtime, wording_overview


def draw() -> None:
    """Draws the whole page; everything on it is read anew at each tick."""
    overview = reads.overview()
    due = reads.due()
    overview_answer.draw(overview, due, reads.sending())
    if not overview.sums:
        overview_answer.invite()
        return
    now = st.container()
    with st.container(horizontal=True, vertical_alignment="center", key="range_bar"):
        asked = overview_range.choose(runtime.current().today())
        health = reads.health(asked)
        period = wording_overview.range_name(asked, health.covers)
        st.caption(say.plain(wording_overview.of_the_range(period)), width="content")
    with now:
        st.caption(wording_overview.STANDS_NOW)
        overview_counts.now(overview, due, health)
    counts, chart = st.columns(2)
    with counts:
        overview_counts.of_the_range(health)
    with chart:
        overview_panels.attempts(health, period)
    error_groups.draw()
    overview_panels.draw(health, period)
    failures, workers = st.columns([2, 1])
    with failures:
        st.subheader("Last failures", anchor=False)
        overview_tables.failures(overview.last_failures, overview.needs_attention)
    with workers.container(key="workers"):
        st.subheader("Workers", anchor=False, help="The programs that send invoices, and when each was last heard of.")
        overview_tables.workers(overview.workers)


header("Overview")
overview_range.note_nonsense(runtime.current().today())
live_page("overview", draw)
error_groups.dialogs()
