"""The refresh: a part of a page that reads itself anew, without touching the rest.

`st_autorefresh` inside a fragment ticks; the fragment's own `run_every` makes the browser ask for a full run after a
server restart, without which a page could go on ticking into nothing and show old figures for good.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st
from streamlit_autorefresh import st_autorefresh  # type: ignore[import-untyped]

from pages.parts import batch_progress, gate, reads, say
from toc_sync import runtime

BUSY_S = 1.0
INVOICES = "invoices"


def live_page(name: str, body: Callable[[], None]) -> None:
    """Draws the part of a page that ticks, below what keeps invoices from leaving and how batches go."""

    def banner_and_body() -> None:
        # In containers, so that a banner that comes or goes does not move what is below to other places in the page's
        # tree: Streamlit's browser side can fail on an element where it knew a container.
        with st.container():
            gate.banner(reads.sending())
            batch_progress.draw(above_list=name == INVOICES)
        with st.container():
            body()

    live(name, banner_and_body)


def live(name: str, body: Callable[[], None]) -> None:
    """Draws `body` now and again at every tick, and shows what callbacks answered.

    A tick comes each TOC_SYNC_REFRESH_SECONDS, and each second while something that this person started is on its way.
    """

    @st.fragment(run_every="10m")
    def ticking() -> None:
        with say.friendly(name, ticks=True):
            body()
        say.now()
        every_s = runtime.current().environment.refresh_s
        # Last, so that it takes no room above; outside of `friendly`, so that a database that is back is noticed.
        st_autorefresh(interval=int(1000 * (min(BUSY_S, every_s) if reads.busy() else every_s)), key=f"tick_{name}")

    ticking()
