"""Overview: is everything in TOC Online, what waits, what failed last, and is anything sending."""

from __future__ import annotations

import streamlit as st

from pages.parts import error_groups, new_invoice, overview_charts, overview_counts, overview_tables, reads, say
from pages.parts.header import header
from pages.parts.live import live_page
from toc_sync import wording
from toc_sync.model import NEEDS_ATTENTION, ON_ITS_WAY, Status
from toc_sync.views import Overview

INVOICES = "invoices.py"

# The colour and icon of the answer: the first that has one of these statuses.
LOOKS: tuple[tuple[tuple[Status, ...], tuple[str, str]], ...] = (
    (NEEDS_ATTENTION, ("red", "error")),
    ((Status.NOT_SYNCED,), ("yellow", "warning")),
    (ON_ITS_WAY, ("blue", "sync")),
    ((Status.SYNCED,), ("green", "check_circle")),
    ((), ("gray", "inbox")),
)


def draw() -> None:
    """Draws the whole page; everything on it is read anew at each tick."""
    overview = reads.overview()
    say_whether_everything_is_there(overview)
    if not overview.sums:
        st.page_link(
            INVOICES, label="Create the first invoice", icon=":material/add:", query_params={new_invoice.ASKED: "first"}
        )
        return
    overview_counts.draw(overview)
    error_groups.draw()
    left, right = st.columns([2, 1])
    with left.container(border=True, height="stretch", key="activity"):
        st.subheader(
            "Attempts per hour", anchor=False, help="The last 24 hours, in Lisbon's time, by how each attempt ended."
        )
        if overview.hours:
            st.altair_chart(overview_charts.attempts_per_hour(overview), alt="Attempts per hour by outcome")
        else:
            st.caption("Nothing was sent in the last 24 hours.")
    with right.container(border=True, height="stretch", key="workers"):
        st.subheader("Workers", anchor=False, help="The programs that send invoices, and when each was last heard of.")
        overview_tables.workers(overview)
    st.subheader("Last failures", anchor=False)
    overview_tables.failures(overview.last_failures)


def say_whether_everything_is_there(overview: Overview) -> None:
    """Answers the page's one question in one sentence, with the rest in small print."""
    sums = overview.sums
    sentence = wording.is_everything_there(
        sums,
        overview.oldest_attention_at,
        overview.read_at,
        old_doubts=overview.old_doubts.count,
        stopped=not reads.sending().gate.is_open,
    )
    colour, icon = next(look for statuses, look in LOOKS if sums.keys() & set(statuses) or not statuses)
    with st.container(border=True, gap="xxsmall", key="answer"):
        st.subheader(f":{colour}[:material/{icon}:] {say.plain(sentence)}", anchor=False)
        st.caption(f"{say.plain(wording.besides(sums))} As of {wording.clock_time(overview.read_at)}.".strip())


header("Overview")
live_page("overview", draw)
error_groups.dialogs()
