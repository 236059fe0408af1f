"""The list of orders: the bar with what can be done to the ticked ones, the table and its pages."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NoReturn

import pandas as pd
import streamlit as st

from pages.parts import order_draft, order_filters, paging, reads, say
from pages.parts.ticks import Ticks
from toc_sync import wording
from toc_sync.model import Status
from toc_sync.views import PAGE_SIZE, OrderFilter, OrderRow

PAGE = "order_page"
PAGES_PX, AMOUNT_PX = 360, 120

ticks: Ticks[OrderRow] = Ticks("orders", lambda row: row.order_id)


def draw(wanted: OrderFilter) -> None:
    """Draws everything that a refresh reads anew."""
    if paging.is_other_list(PAGE, wanted):
        ticks.clear()
    asked = paging.asked(PAGE)
    found = reads.orders(wanted, asked)
    if found.total == 0:
        _say_that_there_is_nothing(wanted)
        return
    bar, table, foot = st.container(), st.container(), st.container()
    with foot:
        page = paging.choose(PAGE, found.total, width=PAGES_PX)
    if page != asked:  # the address asked for a page that does not exist
        found = reads.orders(wanted, page)
    with table:
        ticks.table(found.rows, _as_frame(found.rows), _columns(found.rows), alt="Invoice orders")
    with bar:
        _draw_bar(found.rows, first=(page - 1) * PAGE_SIZE + 1, total=found.total)


def _say_that_there_is_nothing(wanted: OrderFilter) -> None:
    with st.container(border=True, horizontal_alignment="center", key="no_orders"):
        if wanted == OrderFilter():
            st.subheader("No invoice orders yet", anchor=False, width="content")
            st.markdown("They appear here as soon as the billing application writes them.", width="content")
        else:
            st.subheader("Nothing matches these filters", anchor=False, width="content")
            st.button(
                "Clear filters", icon=":material/filter_alt_off:", key="clear_in_orders", on_click=order_filters.clear
            )


def _draw_bar(shown: Sequence[OrderRow], *, first: int, total: int) -> None:
    rows = ticks.ticked()
    with st.container(horizontal=True, vertical_alignment="center", key="order_bar", gap="small"):
        if not rows:
            orders = f"{total:,} order{'' if total == 1 else 's'}"
            st.caption(
                f"{first:,} to {first + len(shown) - 1:,} of {orders}. Tick one or several to invoice them.",
                width="content",
            )
            return
        obstacle = _obstacle(rows)
        st.button(
            "Create invoice",
            icon=":material/receipt_long:",
            type="primary",
            key="create_invoice",
            disabled=bool(obstacle),
            on_click=_start,
            args=(rows,),
        )
        st.markdown(f"**{len(rows)} selected**{_elsewhere(rows, shown)}", width="content")
        if obstacle:
            st.markdown(f":red[:material/error:] {obstacle}", width="content")
        else:
            st.caption(f"{say.plain(wording.amounts(_remaining(rows)))} remains", width="content")
        st.button("Clear selection", icon=":material/close:", type="tertiary", key="clear_orders", on_click=ticks.clear)


def _start(rows: Sequence[OrderRow]) -> NoReturn:
    order_draft.start([row.order_id for row in rows])
    st.rerun()


def _obstacle(rows: Sequence[OrderRow]) -> str | None:
    """Returns why these orders cannot be on one invoice, or None."""
    if len(rows) > order_draft.AT_MOST:
        return f"One invoice can be made from {order_draft.AT_MOST} orders at most."
    if len({row.currency_code for row in rows}) > 1:
        return wording.mixed_currencies()
    return next((row.why_not for row in rows if row.why_not), None)


def _elsewhere(rows: Sequence[OrderRow], shown: Sequence[OrderRow]) -> str:
    drawn = {row.order_id for row in shown}
    elsewhere = sum(row.order_id not in drawn for row in rows)
    return f", {elsewhere} of them on another page" if elsewhere else ""


def _remaining(rows: Sequence[OrderRow]) -> dict[str, Decimal]:
    return {rows[0].currency_code: sum((row.remaining for row in rows), Decimal(0))}


def _as_frame(rows: Sequence[OrderRow]) -> pd.DataFrame:
    names = wording.ORDER_STATUS_NAMES
    return pd.DataFrame(
        {
            "order": [row.order_id for row in rows],
            "project": [row.project for row in rows],
            "period": [wording.period(row.period_start, row.period_end) for row in rows],
            **{name: _amounts(rows, name) for name in ("subtotal", "issued", "remaining")},
            "status": [[names.get(row.status, row.status)] for row in rows],
            "invoices": [len(row.invoice_statuses) for row in rows],
            "sync": [
                [wording.STATUS_NAMES[status] for status in Status if status in row.invoice_statuses] for row in rows
            ],
        }
    )


def _amounts(rows: Sequence[OrderRow], name: str) -> list[object]:
    if _all_in_euros(rows):
        return [float(getattr(row, name)) for row in rows]
    return [wording.money(getattr(row, name), row.currency_code) for row in rows]


def _columns(rows: Sequence[OrderRow]) -> dict[str, Any]:
    column = st.column_config
    return {
        "order": column.NumberColumn("Order", format="%d", alignment="left", width=70),
        "project": column.TextColumn("Project"),
        "period": column.TextColumn("Period"),
        **{
            name: column.NumberColumn(label, format="euro", width=AMOUNT_PX)
            if _all_in_euros(rows)
            else column.TextColumn(label, alignment="right", width=AMOUNT_PX)
            for name, label in (("subtotal", "Subtotal"), ("issued", "Issued so far"), ("remaining", "Remaining"))
        },
        "status": column.MultiselectColumn(
            "Status",
            options=list(wording.ORDER_STATUS_NAMES.values()),
            color=list(wording.ORDER_STATUS_COLORS.values()),
        ),
        "invoices": column.NumberColumn("Invoices", width=90, help="How many invoices carry a part of this order."),
        "sync": column.MultiselectColumn(
            "Their sync",
            options=[wording.STATUS_NAMES[status] for status in Status],
            color=[wording.STATUS_COLORS[status] for status in Status],
            width=230,
            help="Where these invoices stand on their way to TOC Online.",
        ),
    }


def _all_in_euros(rows: Sequence[OrderRow]) -> bool:
    return all(row.currency_code == "EUR" for row in rows)
