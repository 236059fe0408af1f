"""The list of orders: the bar with what can be done to the ticked ones, the table and its pages."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pandas as pd
import streamlit as st

from pages.parts import order_draft, order_filters, reads
from pages.parts.ticks import Ticks
from toc_sync import wording
from toc_sync.model import Status
from toc_sync.views import PAGE_SIZE, OrderFilter, OrderRow

ROW_PX, PAGES_PX, AMOUNT_PX = 35, 360, 120

ticks: Ticks[OrderRow] = Ticks("orders", lambda row: row.order_id)


def draw(wanted: OrderFilter) -> None:
    """Draws everything that a refresh reads anew."""
    _start_over_when_the_filter_changes(wanted)
    found = reads.orders(wanted, _asked_page())
    if found.total == 0:
        _say_that_there_is_nothing(wanted)
        return
    bar, table, foot = st.container(), st.container(), st.container()
    with foot:
        page = _choose_page(found.total)
    if page != _asked_page():  # the address asked for a page that does not exist
        found = reads.orders(wanted, page)
    with table:
        _draw_table(found.rows)
    with bar:
        _draw_bar(found.rows, first=(page - 1) * PAGE_SIZE + 1, total=found.total)


def _start_over_when_the_filter_changes(wanted: OrderFilter) -> None:
    before = st.session_state.get("_listed_orders", wanted)
    st.session_state["_listed_orders"] = wanted
    if before != wanted:
        st.session_state["order_page"] = 1
        ticks.clear()


def _asked_page() -> int:
    asked = st.session_state.get("order_page") or st.query_params.get("order_page", "")
    return int(asked) if str(asked).isdecimal() and 1 <= int(asked) < 10_000_000 else 1


def _choose_page(total: int) -> int:
    pages = -(-total // PAGE_SIZE)
    if pages == 1:
        return 1
    with st.container(horizontal=True, horizontal_alignment="center"):
        return int(st.pagination(pages, key="order_page", bind="query-params", width=PAGES_PX))


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
        if st.button(
            "Create invoice",
            icon=":material/receipt_long:",
            type="primary",
            key="create_invoice",
            disabled=bool(obstacle),
        ):
            order_draft.start([row.order_id for row in rows])
            st.rerun()
        st.markdown(f"**{len(rows)} selected**{_elsewhere(rows, shown)}", width="content")
        if obstacle:
            st.markdown(f":red[:material/error:] {obstacle}", width="content")
        else:
            st.caption(f"{wording.amounts(_remaining(rows))} remains", width="content")
        st.button("Clear selection", icon=":material/close:", type="tertiary", key="clear_orders", on_click=ticks.clear)


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


def _draw_table(rows: Sequence[OrderRow]) -> None:
    key = ticks.table_key(rows)
    event = st.dataframe(
        _as_frame(rows),
        key=key,
        column_config=_columns(rows),
        hide_index=True,
        height=ROW_PX * (len(rows) + 1) + 3,
        row_height=ROW_PX,
        placeholder="",
        selection_mode="multi-row",
        selection_default={"selection": {"rows": ticks.positions(rows)}},
        # A tick that arrives after the list has moved on still means the order it was set on.
        on_select=lambda: ticks.tick_late(key, rows),
        alt="Invoice orders",
    )
    ticks.tick(rows, event["selection"]["rows"])


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
