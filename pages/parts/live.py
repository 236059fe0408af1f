"""The refresh: a part of a page that reads itself anew, without touching the rest.

`st_autorefresh` inside a fragment ticks; the fragment's own `run_every` makes the browser ask for a full run after a
server restart, without which a page could go on ticking into nothing and show old figures for good.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st
from streamlit_autorefresh import st_autorefresh

from pages.parts import reads
from pages.parts.say import friendly
from toc_sync import runtime

BUSY_S = 1.0


def live(name: str, body: Callable[[], None]) -> None:
    """Draws `body` now and again at every tick: each TOC_SYNC_REFRESH_SECONDS, each second while something of this
    person's is on its way."""

    @st.fragment(run_every="10m")
    def ticking() -> None:
        with friendly():
            every_s = BUSY_S if reads.busy() else runtime.current().environment.refresh_s
            st_autorefresh(interval=int(every_s * 1000), key=f"tick_{name}")
            body()

    ticking()
