"""Activity: every attempt and everything that people did, newest first, with what support asks for."""

from __future__ import annotations

import streamlit as st

from pages.parts import activity_filters, activity_table, attempt_dialog
from pages.parts.header import header
from pages.parts.live import live_page

header("Activity")
asked = activity_filters.draw()
live_page("activity", lambda: activity_table.draw(asked))
if attempt_dialog.ASKED in st.query_params:
    attempt_dialog.draw(st.query_params[attempt_dialog.ASKED])
