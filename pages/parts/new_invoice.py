"""The form of a new invoice without orders, in a drawer. What it does outside the sandbox is legal, and it says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.parts import reads, say
from pages.parts.amounts import typed_amount, vat_of
from pages.parts.header import actor
from pages.parts.tokens import is_draft, new_draft, one_use
from toc_sync import runtime, wording
from toc_sync.model import InvalidInvoice

WIDTH_PX = 620
RATES = {"23 %": Decimal(23), "13 %": Decimal(13), "6 %": Decimal(6), "0 %": Decimal(0), "Own amount": None}
CURRENCIES = ["EUR", "USD", "GBP", "CHF", "BRL", "AOA", "MZN", "CVE"]
FOLLOW_THE_SUBTOTAL = ("header_vat", "header_total")
_ASKED, _DRAFT = "new", "_new_invoice_draft"
_MISTAKES, _WARNED = "_new_invoice_mistakes", "_new_invoice_warned"


@dataclass(kw_only=True)
class Form:
    """One opened form: its name, what it asks for, and the places beside the fields for mistakes."""

    draft: str
    payload: dict[str, object] = field(default_factory=dict)
    places: dict[str, DeltaGenerator] = field(default_factory=dict)
    total: Decimal | None = None

    def key(self, name: str) -> str:
        """Returns the key of a field; what was typed stays while the page is open."""
        return f"new_{name}_{self.draft}"

    def takes(self, name: str, value: object) -> None:
        """Takes over a field's value and leaves room for a mistake below it."""
        self.payload[f"p_{name}"] = value
        self.places[name] = st.empty()

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
    return _ASKED in st.query_params


def draw() -> None:
    """Draws the form. What was typed stays when the drawer is shut without creating."""
    if not is_draft(st.query_params[_ASKED]):
        st.query_params[_ASKED] = new_draft()
    draft = st.query_params[_ASKED]

    @st.dialog("New invoice", width=WIDTH_PX, position="right", icon=":material/add:", on_dismiss=_shut)
    def drawer() -> None:
        with say.friendly("new_invoice"):
            _draw_form(Form(draft=draft))

    drawer()


def _open() -> None:
    st.query_params[_ASKED] = st.session_state.setdefault(_DRAFT, new_draft())
    st.session_state[_MISTAKES], st.session_state[_WARNED] = {}, None


def _shut() -> None:
    st.query_params.pop(_ASKED, None)


def _draw_form(form: Form) -> None:
    _draw_parties(form)
    _draw_number_and_date(form)
    _draw_amounts(form)
    form.takes("external_invoice_id", st.text_input("External id", key=form.key("external"), persist_state="page"))
    form.takes("notes", st.text_area("Notes", key=form.key("notes"), height=80, persist_state="page"))
    behaviour = _draw_rehearsal(form)
    form.places[""] = st.empty()
    _draw_buttons(form, behaviour)
    for name, message in st.session_state.get(_MISTAKES, {}).items():
        form.places.get(name, form.places[""]).markdown(f":red[:material/error: {say.plain(message)}]")


def _draw_parties(form: Form) -> None:
    names = {team.id: team.name for team in reads.teams()}
    for label, name in (("Issuer", "issuer_team_id"), ("Payer", "payer_team_id")):
        chosen = st.selectbox(
            label,
            list(names),
            index=None,
            format_func=lambda team: names.get(team, f"No. {team}"),
            placeholder=f"Choose the {label.lower()}",
            key=form.key(name),
            persist_state="page",
        )
        form.takes(name, chosen)


def _draw_number_and_date(form: Form) -> None:
    left, right = st.columns(2)
    with left:
        number = st.text_input("Invoice number", key=form.key("number"), placeholder="2026/123", persist_state="page")
        form.takes("invoice_number", number)
    with right:
        today = runtime.current().today()
        day = st.date_input(
            "Invoice date", value=today, key=form.key("date"), format="YYYY-MM-DD", required=True, persist_state="page"
        )
        form.takes("invoice_date", day)


def _draw_amounts(form: Form) -> None:
    left, middle, right = st.columns([2, 2, 1.4])
    with left:
        typed = st.text_input("Subtotal", key=form.key("subtotal"), placeholder="1234.50", persist_state="page")
        subtotal = typed_amount(typed)
        form.takes("header_subtotal", str(subtotal) if subtotal is not None else typed)
    with middle:
        rate = RATES[st.selectbox("VAT rate", list(RATES), key=form.key("rate"), persist_state="page")]
    with right:
        currency = st.selectbox(
            "Currency", CURRENCIES, key=form.key("currency"), accept_new_options=True, persist_state="page"
        )
        form.takes("currency_code", currency)
    if rate is None:
        typed = st.text_input("VAT amount", key=form.key("vat"), placeholder="0.00", persist_state="page")
        vat = typed_amount(typed)
    else:
        vat, typed = None if subtotal is None else vat_of(subtotal, rate), ""
    form.takes("header_vat", str(vat) if vat is not None else typed)
    form.total = None if subtotal is None or vat is None else subtotal + vat
    with st.container(horizontal=True, horizontal_alignment="distribute", border=True):
        for label, amount in (("VAT", vat), ("Total", form.total)):
            shown = wording.money(amount, say.plain(currency or "EUR")) if amount is not None else "–"
            st.markdown(f"{label} **{shown}**", width="content")
    form.takes("header_total", str(form.total) if form.total is not None else None)


def _draw_rehearsal(form: Form) -> Any:
    rehearsals = runtime.current().rehearsals
    if not rehearsals:
        return None
    return st.selectbox(
        "TOC Online answers: …",
        rehearsals,
        format_func=lambda behaviour: behaviour.label,
        key=form.key("behaviour"),
        help="Only in the sandbox: what the rehearsal does with this invoice the first time.",
        persist_state="page",
    )


def _draw_buttons(form: Form, behaviour: Any) -> None:
    environment = runtime.current().environment
    label = "Create invoice" if environment.sandbox else f"Issue in {say.plain(environment.label)}"
    if st.button(label, type="primary", icon=":material/send:", key=form.key("create")):
        _create(form, behaviour, even_if_similar=False)
    warned_of, similar = st.session_state.get(_WARNED) or (None, ())
    if warned_of is not None and warned_of == form.twin:
        st.warning(
            f"The same payer, total and date are already on {say.plain(', '.join(similar))}. Is this another invoice?",
            icon=":material/content_copy:",
        )
        if st.button("Create anyway", icon=":material/send:", key=form.key("anyway")):
            _create(form, behaviour, even_if_similar=True)


def _create(form: Form, behaviour: Any, *, even_if_similar: bool) -> None:
    if not even_if_similar and (similar := _similar(form)):
        st.session_state[_WARNED] = (form.twin, similar)
        return
    try:
        invoice_id = runtime.current().create(
            form.payload, actor=actor(), token=one_use(form.draft, form.payload), behaviour=behaviour
        )
    except InvalidInvoice as error:
        st.session_state[_MISTAKES] = _beside_fields(error)
        return
    reads.watch(invoice_id)
    say.later(
        f"{form.payload['p_invoice_number'] or f'Invoice {invoice_id}'} was created and is on its way to TOC Online."
    )
    st.session_state.pop(_DRAFT, None)
    _shut()
    st.rerun()


def _similar(form: Form) -> tuple[str, ...]:
    if form.twin is None:
        return ()
    payer, total, day = form.twin
    return runtime.current().similar_invoices(payer_team_id=payer, total=total, day=day)


def _beside_fields(error: InvalidInvoice) -> Mapping[str, str]:
    """Returns each field's mistakes; where the subtotal is wrong, what is computed from it is not blamed."""
    mistakes: dict[str, str] = {}
    for problem in error.problems:
        mistakes[problem.field] = f"{mistakes.get(problem.field, '')} {problem.message}".strip()
    if "header_subtotal" in mistakes:
        return {name: message for name, message in mistakes.items() if name not in FOLLOW_THE_SUBTOTAL}
    return mistakes
