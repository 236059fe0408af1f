"""The amounts of an invoice from orders: one per order, and the header that they add up to."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.parts import say
from pages.parts.amounts import CENT, LONGEST, typed_amount
from pages.parts.form import NO_AMOUNT, Form
from toc_sync import wording
from toc_sync.views import OrderRow

NOTHING = Decimal("0.00")


def draw(form: Form, order_ids: Sequence[int], rows: Sequence[OrderRow]) -> None:
    """Draws one amount per order and the header, and takes them into the form's payload.

    `rows` are the orders among `order_ids` that exist.
    """
    lines = {row: amount for row in rows if (amount := _draw_line(form, row)) is not None}
    form.payload["p_invoice_order_ids"] = list(order_ids)
    form.payload["p_subtotal_overrides"] = {row.order_id: str(amount) for row, amount in lines.items()}
    if missing := set(order_ids) - {row.order_id for row in rows}:
        form.mistakes["invoice_order_ids"] = f"Order {min(missing)} does not exist."
    subtotal = sum(lines.values(), NOTHING)
    vat = sum((row.vat_of(amount) for row, amount in lines.items()), NOTHING)
    _draw_header(form, subtotal, vat, rows[0].currency_code)


def _draw_line(form: Form, row: OrderRow) -> Decimal | None:
    """Draws one order and returns the amount to take from it, or None where that cannot be."""
    name = f"order:{row.order_id}"
    with st.container(border=True, gap="xsmall", key=f"line_{row.order_id}"):
        period = wording.period(row.period_start, row.period_end)
        what = " · ".join(say.plain(part) for part in (f"Order {row.order_id}", row.project or "", period) if part)
        st.markdown(f"**{what}**")
        left, right = st.columns(2, vertical_alignment="bottom")
        typed = left.text_input(
            "Amount without VAT",
            value=f"{max(row.remaining, NOTHING):.2f}",
            key=form.key(f"amount_{row.order_id}"),
            max_chars=LONGEST,
            disabled=not row.can_invoice,
            persist_state="page",
        )
        amount, mistake = _checked(row, typed)
        if mistake:
            form.mistakes[name] = mistake
        if amount is not None:
            right.caption(_beside(row, amount))
        form.places[name] = st.empty()
    return amount


def _checked(row: OrderRow, typed: str) -> tuple[Decimal | None, str | None]:
    """Returns the amount, or why what was typed cannot be taken from the order; the database checks again."""
    amount = typed_amount(typed)
    if row.why_not:
        return None, row.why_not
    if amount is None:
        return None, NO_AMOUNT
    if amount < CENT:
        return None, "The amount must be above 0."
    if amount > row.remaining:
        return None, wording.too_much(row.order_id, row.remaining, amount)
    return amount, None


def _beside(row: OrderRow, amount: Decimal) -> str:
    figures = (row.remaining, row.vat_of(amount), row.remaining - amount)
    remaining, vat, left_over = (say.plain(wording.money(figure, row.currency_code)) for figure in figures)
    return f"{remaining} remains  \nVAT {vat} · leaves {left_over}"


def _draw_header(form: Form, subtotal: Decimal, vat: Decimal, currency: str) -> None:
    left, middle, right = st.columns(3)
    given = [
        _draw_header_amount(form, place, label, name, computed)
        for place, label, name, computed in (
            (left, "Subtotal", "header_subtotal", subtotal),
            (middle, "VAT", "header_vat", vat),
        )
    ]
    total = None if None in given else sum((amount for amount in given if amount is not None), NOTHING)
    with right:
        st.text_input("Total", value=wording.money(total, currency) if total is not None else "–", disabled=True)
        form.takes("header_total", str(total) if total is not None else None)
    if total is not None and abs(total - subtotal - vat) > CENT:
        form.mistakes.setdefault("header_total", wording.header_differs(subtotal + vat))


def _draw_header_amount(form: Form, place: DeltaGenerator, label: str, name: str, computed: Decimal) -> Decimal | None:
    with place:
        # The key carries the sum: when a line changes, the field starts anew from what the lines add up to.
        typed = st.text_input(
            label,
            value=f"{computed:.2f}",
            key=form.key(f"{name}_{computed}"),
            help="What the lines add up to; may differ from it by a cent.",
            max_chars=LONGEST,
            persist_state="page",
        )
        amount = typed_amount(typed)
        form.takes(name, str(amount) if amount is not None else typed)
    if amount is None:
        form.mistakes[name] = NO_AMOUNT
    elif abs(amount - computed) > CENT:
        form.mistakes[name] = wording.header_differs(computed)
    return amount
