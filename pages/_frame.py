"""The frame around every page: navigation, theme, the environment's badge, and one sentence instead of a traceback."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.parts.say import friendly

HERE = Path(__file__).parent

st.set_page_config(page_title="TOC Invoice Sync", page_icon=str(HERE / "icon.svg"), layout="wide")

page = st.navigation(
    [
        st.Page(HERE / "overview.py", title="Overview", icon=":material/monitoring:", default=True),
        st.Page(HERE / "invoices.py", title="Invoices", icon=":material/receipt_long:", url_path="invoices"),
        st.Page(
            HERE / "invoice_orders.py", title="Invoice orders", icon=":material/list_alt:", url_path="invoice-orders"
        ),
        st.Page(HERE / "month_close.py", title="Month close", icon=":material/fact_check:", url_path="month-close"),
        st.Page(HERE / "activity.py", title="Activity", icon=":material/history:", url_path="activity"),
    ],
    position="top",
)
with friendly():
    page.run()
