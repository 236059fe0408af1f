"""Invoices: the list with its filters, what can be done to the invoices, one invoice in detail, and a new one."""

from __future__ import annotations

import streamlit as st

from pages.parts import (
    acts,
    batch_dialog,
    drawer,
    invoice_filters,
    invoice_table,
    new_invoice,
    recover,
    resolve_many,
    taught,
)
from pages.parts.download import download_button
from pages.parts.header import header
from pages.parts.live import INVOICES, live_page

header("Invoices")
with st.container(horizontal=True, vertical_alignment="center", key="toolbar"):
    wanted = invoice_filters.draw()
    download_button(wanted)
    recover.popover()
    new_invoice.button()
live_page(INVOICES, lambda: invoice_table.draw(wanted))
taught.draw()
if new_invoice.is_open():
    new_invoice.draw()
elif resolve_many.is_open():
    resolve_many.draw(on_sent=invoice_table.ticks.clear)
elif batch_dialog.is_open():
    batch_dialog.draw()
elif "invoice" in st.query_params:
    drawer.draw(st.query_params["invoice"])
elif acts.is_asking():
    acts.ask_in_dialog()
