"""The counts of the overview. Each leads to the invoices it counts."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from pages.parts import say
from toc_sync import wording, wording_doubt
from toc_sync.model import NEEDS_ATTENTION, ON_ITS_WAY, Status
from toc_sync.views import Overview, StatusSum

INVOICES = "invoices.py"
NARROWEST_PX = 150


def draw(overview: Overview) -> None:
    """Draws one box per count, with the money behind it."""
    sums = overview.sums
    waiting = "nothing waits"
    if overview.oldest_waiting_s is not None:
        waiting = f"oldest waits {wording.duration(overview.oldest_waiting_s)}"
    with st.grid(5, min_column_width=NARROWEST_PX, key="counts"):
        _count("Synced", ":material/check_circle:", (Status.SYNCED,), sums)
        _count("Needs attention", ":material/error:", NEEDS_ATTENTION, sums)
        _count("In doubt", ":material/help:", (Status.IN_DOUBT,), sums, old=overview.old_doubts.count)
        _count("On its way", ":material/sync:", ON_ITS_WAY, sums, beside=waiting)
        _count("Not synced", ":material/warning:", (Status.NOT_SYNCED,), sums)


def _count(
    label: str,
    icon: str,
    statuses: tuple[Status, ...],
    sums: Mapping[Status, StatusSum],
    *,
    beside: str = "",
    old: int = 0,
) -> None:
    together = wording.together(sums, statuses)
    names = [wording.STATUS_NAMES[status] for status in statuses]
    with st.container(border=True, gap="xsmall", key=f"count_{label.lower().replace(' ', '_')}"):
        st.metric(
            label,
            f"{together.count:,}",
            delta=say.plain(beside or wording.amounts(together.amounts)),
            delta_color="off",
            delta_arrow="off",
            icon=icon,
            help=" ".join(wording.STATUS_MEANINGS[status] for status in statuses),
        )
        st.page_link(INVOICES, label="Show invoices", icon="", query_params={"status": names})
        if old:
            st.page_link(
                INVOICES,
                label=f":red[{wording_doubt.old_doubts(old)}]",
                icon=":material/hourglass_bottom:",
                query_params={"old_doubts": "true"},
            )
