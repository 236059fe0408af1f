"""The form of a new invoice without orders, in a drawer. What it does outside the sandbox is legal, and it says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

import streamlit as st

from pages.parts import form, say
from pages.parts.amounts import LONGEST, typed_amount, vat_of
from pages.parts.form import NO_AMOUNT, Form
from pages.parts.tokens import is_draft, new_draft
from toc_sync import runtime, wording
from toc_sync.model import InvalidInvoice

RATES = {"23 %": Decimal(23), "13 %": Decimal(13), "6 %": Decimal(6), "0 %": Decimal(0), "Own amount": None}
CURRENCIES = ["EUR", "USD", "GBP", "CHF", "BRL", "AOA", "MZN", "CVE"]
FOLLOW_THE_SUBTOTAL = ("header_vat", "header_total")
ASKED = "new"
_DRAFT, _WARNED = "_new_invoice_draft", "_new_invoice_warned"


@dataclass(kw_only=True)
class NewInvoice(Form):
    """The form of one invoice; `unclear` names the amounts that cannot be read."""

    total: Decimal | None = None
    unclear: list[str] = field(default_factory=list)

    def takes_amount(self, name: str, typed: str) -> Decimal | None:
        """Takes over a typed amount and returns it, or None where it cannot be read."""
        amount = typed_amount(typed)
        if amount is None and typed:
            self.unclear.append(name)
        self.takes(name, typed if amount is None else str(amount))
        return amount

    @property
    def twin(self) -> tuple[int, Decimal, date] | None:
        """What another invoice would have in common with this one, once it is all known."""
        payer, day = self.payload.get("p_payer_team_id"), self.payload.get("p_invoice_date")
        return (payer, self.total, day) if isinstance(payer, int) and isinstance(day, date) and self.total else None


def button() -> None:
    """Draws the button that opens the form."""
    st.button("New invoice", type="primary", icon=":material/add:", key="new_invoice", on_click=_open)


def is_open() -> bool:
    """Tells whether the form is open; it lives in the URL, so that it survives a server restart."""
    return ASKED in st.query_params


def draw() -> None:
    """Draws the form. What was typed stays when the drawer is shut without creating."""
    if not is_draft(st.query_params[ASKED]):
        st.query_params[ASKED] = new_draft()
    draft = st.query_params[ASKED]

    @st.dialog("New invoice", width=form.WIDTH_PX, position="right", icon=":material/add:", on_dismiss=_shut)
    def drawer() -> None:
        with say.friendly("new_invoice"):
            _draw_form(NewInvoice(draft=draft))

    drawer()


def _open() -> None:
    st.query_params[ASKED] = st.session_state.setdefault(_DRAFT, new_draft())
    st.session_state[_WARNED] = None


def _shut() -> None:
    st.query_params.pop(ASKED, None)


def _close() -> None:
    st.session_state.pop(_DRAFT, None)
    _shut()


def _draw_form(opened: NewInvoice) -> None:
    form.parties(opened)
    form.number_and_date(opened)
    _draw_amounts(opened)
    form.remarks(opened)
    form.rehearsal(opened)
    opened.places[""] = st.empty()
    if form.create_button(opened):
        _create_unless_similar(opened)
    _draw_warning(opened)
    opened.show_mistakes()


def _draw_amounts(opened: NewInvoice) -> None:
    left, middle, right = st.columns([2, 2, 1.4])
    with left:
        subtotal = opened.takes_amount("header_subtotal", _amount(opened, "Subtotal", "subtotal", "1234.50"))
    with middle:
        rate = RATES[st.selectbox("VAT rate", list(RATES), key=opened.key("rate"), persist_state="page")]
    with right:
        currency = st.selectbox(
            "Currency", CURRENCIES, key=opened.key("currency"), accept_new_options=True, persist_state="page"
        )
        opened.takes("currency_code", currency)
    if rate is None:
        vat = opened.takes_amount("header_vat", _amount(opened, "VAT amount", "vat", "0.00"))
    else:
        vat = None if subtotal is None else vat_of(subtotal, rate)
        opened.takes("header_vat", None if vat is None else str(vat))
    opened.total = None if subtotal is None or vat is None else subtotal + vat
    with st.container(horizontal=True, horizontal_alignment="distribute", border=True):
        for label, amount in (("VAT", vat), ("Total", opened.total)):
            shown = say.plain(wording.money(amount, currency or "EUR")) if amount is not None else "–"
            st.markdown(f"{label} **{shown}**", width="content")
    opened.takes("header_total", str(opened.total) if opened.total is not None else None)


def _amount(opened: NewInvoice, label: str, name: str, example: str) -> str:
    return st.text_input(label, key=opened.key(name), placeholder=example, max_chars=LONGEST, persist_state="page")


def _draw_warning(opened: NewInvoice) -> None:
    warned_of, similar = st.session_state.get(_WARNED) or (None, ())
    if warned_of is None or warned_of != opened.twin:
        return
    st.warning(
        f"The same payer, total and date are already on {say.plain(', '.join(similar))}. Is this another invoice?",
        icon=":material/content_copy:",
    )
    if form.create_button(opened, anyway=True):
        _create(opened)


def _create_unless_similar(opened: NewInvoice) -> None:
    if similar := _similar(opened):
        st.session_state[_WARNED] = (opened.twin, similar)
    else:
        _create(opened)


def _create(opened: NewInvoice) -> None:
    try:
        form.create(opened, close=_close)
    except InvalidInvoice as error:
        opened.refuse(_mistakes(opened, error))


def _mistakes(opened: NewInvoice, error: InvalidInvoice) -> dict[str, str]:
    """Returns each field's mistakes; what is computed from a wrong amount is not blamed."""
    mistakes = dict.fromkeys(opened.unclear, NO_AMOUNT) | form.beside_fields(error)
    if "header_subtotal" in mistakes:
        return {name: message for name, message in mistakes.items() if name not in FOLLOW_THE_SUBTOTAL}
    if "header_vat" in mistakes:
        mistakes.pop("header_total", None)
    return mistakes


def _similar(opened: NewInvoice) -> tuple[str, ...]:
    if opened.twin is None:
        return ()
    payer, total, day = opened.twin
    return runtime.current().similar_invoices(payer_team_id=payer, total=total, day=day)
