"""Invoice orders: what was ordered, what was invoiced of it, what remains, and an invoice from the ticked ones."""

from __future__ import annotations

from pages.parts import order_draft, order_filters, order_form, order_table
from pages.parts.header import header
from pages.parts.live import live_page

header("Invoice orders")
wanted = order_filters.draw()
draft = order_draft.current()
live_page("orders", lambda: order_table.draw(wanted))
if draft:
    order_form.draw(draft)
