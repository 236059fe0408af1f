"""Month close: whether a month is complete in TOC Online, and exactly what is missing."""

from __future__ import annotations

import streamlit as st

from pages.parts import month_answer, month_choice
from pages.parts.header import header
from pages.parts.live import live_page

header("Month close")
with st.container(horizontal=True, vertical_alignment="bottom", key="toolbar"):
    month = month_choice.draw()
    if month:
        month_choice.download_button(month)
live_page("month", lambda: month_answer.draw(month))
