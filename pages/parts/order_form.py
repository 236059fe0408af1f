"""The form of an invoice from orders, in a drawer. What it does outside the sandbox is legal, and it says so."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.parts import form, order_draft, order_lines, reads, say
from pages.parts.form import Form
from pages.parts.order_draft import Draft
from pages.parts.order_table import ticks
from toc_sync import runtime, wording
from toc_sync.model import InvalidInvoice
from toc_sync.views import OrderRow

MISSING = {"issuer_team_id": "Choose who issues the invoice.", "payer_team_id": "Choose who pays the invoice."}


def draw(draft: Draft) -> None:
    """Draws the form in a drawer."""

    @st.dialog(
        "Create invoice",
        width=form.WIDTH_PX,
        position="right",
        icon=":material/receipt_long:",
        on_dismiss=order_draft.end,
    )
    def drawer() -> None:
        with say.friendly("order_form"):
            rows = runtime.current().orders(draft.order_ids)
            if not rows:
                st.error("None of these orders exists any more.", icon=":material/error:")
            elif len({row.currency_code for row in rows}) > 1:
                st.error(wording.mixed_currencies(), icon=":material/error:")
            else:
                _draw_form(Form(draft=draft.token), draft.order_ids, rows)

    drawer()


def _draw_form(opened: Form, order_ids: Sequence[int], rows: Sequence[OrderRow]) -> None:
    order_lines.draw(opened, order_ids, rows)
    if runtime.current().environment.chooses_teams:
        form.parties(opened, reads.teams_of_project(rows[0].project_id))
    form.number_and_date(opened)
    form.remarks(opened)
    form.rehearsal(opened)
    opened.places[""] = opened.places["invoice_order_ids"] = st.empty()
    if form.create_button(opened):
        _create(opened)
    opened.show_mistakes()


def _create(opened: Form) -> None:
    missing = {name: message for name, message in MISSING.items() if opened.payload.get(f"p_{name}", "") is None}
    if mistakes := opened.mistakes | missing:
        opened.refuse(mistakes)
        return
    try:
        form.create(opened, close=_close)
    except InvalidInvoice as error:
        opened.refuse(form.beside_fields(error))


def _close() -> None:
    ticks.clear()
    order_draft.end()
