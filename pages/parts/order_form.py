"""The form of an invoice from orders, in a drawer. What it does outside the sandbox is legal, and it says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from pages.parts import order_draft, order_lines, reads, say
from pages.parts.header import actor
from pages.parts.order_draft import Draft, Form
from pages.parts.order_table import ticks
from pages.parts.tokens import one_use
from toc_sync import runtime, wording
from toc_sync.model import InvalidInvoice
from toc_sync.views import OrderRow

WIDTH_PX = 620
PARTIES = {
    "issuer_team_id": ("Issuer", "Choose who issues the invoice."),
    "payer_team_id": ("Payer", "Choose who pays the invoice."),
}


def draw(draft: Draft) -> None:
    """Draws the form in a drawer."""

    @st.dialog(
        "Create invoice", width=WIDTH_PX, position="right", icon=":material/receipt_long:", on_dismiss=order_draft.end
    )
    def drawer() -> None:
        with say.friendly("order_form"):
            rows = runtime.current().orders(draft.order_ids)
            if not rows:
                st.error("None of these orders exists any more.", icon=":material/error:")
            elif len({row.currency_code for row in rows}) > 1:
                st.error(wording.mixed_currencies(), icon=":material/error:")
            else:
                _draw_form(Form(draft=draft), rows)

    drawer()


def _draw_form(form: Form, rows: Sequence[OrderRow]) -> None:
    order_lines.draw(form, rows)
    if runtime.current().environment.chooses_teams:
        _draw_parties(form, rows[0].project_id)
    _draw_number_and_date(form)
    form.takes("external_invoice_id", st.text_input("External id", key=form.key("external")))
    form.takes("notes", st.text_area("Notes", key=form.key("notes"), height=80))
    behaviour = _draw_rehearsal(form)
    form.places[""] = form.places["invoice_order_ids"] = st.empty()
    environment = runtime.current().environment
    label = "Create invoice" if environment.sandbox else f"Issue in {say.plain(environment.label)}"
    if st.button(label, type="primary", icon=":material/send:", key=form.key("create")):
        _create(form, behaviour)
    for name, message in (form.mistakes | _mistakes_of_the_last_try(form)).items():
        form.places.get(name, form.places[""]).markdown(f":red[:material/error: {say.plain(message)}]")


def _draw_parties(form: Form, project_id: int | None) -> None:
    names = {team.id: team.name for team in reads.teams()}
    usual = reads.teams_of_project(project_id)
    columns = st.columns(2)
    for (name, (label, _)), team_id, column in zip(PARTIES.items(), usual, columns, strict=True):
        with column:
            chosen = st.selectbox(
                label,
                list(names),
                index=list(names).index(team_id) if team_id in names else None,
                format_func=lambda team: names.get(team, f"No. {team}"),
                placeholder=f"Choose the {label.lower()}",
                key=form.key(name),
            )
            form.takes(name, chosen)


def _draw_number_and_date(form: Form) -> None:
    left, right = st.columns(2)
    with left:
        form.takes("invoice_number", st.text_input("Invoice number", key=form.key("number"), placeholder="2026/123"))
    with right:
        today = runtime.current().today()
        day = st.date_input("Invoice date", value=today, key=form.key("date"), format="YYYY-MM-DD", required=True)
        form.takes("invoice_date", day)


def _draw_rehearsal(form: Form) -> object:
    rehearsals = runtime.current().rehearsals
    if not rehearsals:
        return None
    return st.selectbox(
        "TOC Online answers: …",
        rehearsals,
        format_func=lambda behaviour: behaviour.label,
        key=form.key("behaviour"),
        help="Only in the sandbox: what the rehearsal does with this invoice the first time.",
    )


def _create(form: Form, behaviour: object) -> None:
    mistakes = form.mistakes | _missing(form)
    if mistakes:
        _remember(form, mistakes)
        return
    try:
        invoice_id = runtime.current().create(
            form.payload,
            actor=actor(),
            token=one_use(form.draft.token, form.payload),
            behaviour=behaviour,  # type: ignore[arg-type]
        )
    except InvalidInvoice as error:
        _remember(form, _beside_fields(error))
        return
    reads.watch(invoice_id)
    name = form.payload["p_invoice_number"] or f"Invoice {invoice_id}"
    say.later(f"{name} was created and is on its way to TOC Online.", link=f"invoices?invoice={invoice_id}")
    ticks.clear()
    order_draft.end()
    st.rerun()


def _missing(form: Form) -> dict[str, str]:
    wanted = {name: sentence for name, (_, sentence) in PARTIES.items() if f"p_{name}" in form.payload}
    return {name: sentence for name, sentence in wanted.items() if form.payload[f"p_{name}"] is None}


def _beside_fields(error: InvalidInvoice) -> dict[str, str]:
    mistakes: dict[str, str] = {}
    for problem in error.problems:
        mistakes[problem.field] = f"{mistakes.get(problem.field, '')} {problem.message}".strip()
    return mistakes


def _remember(form: Form, mistakes: Mapping[str, str]) -> None:
    """Keeps why the last try was refused, for as long as nothing in the form changes."""
    st.session_state[form.key("refused")] = (dict(form.payload), dict(mistakes))


def _mistakes_of_the_last_try(form: Form) -> dict[str, str]:
    payload, mistakes = st.session_state.get(form.key("refused"), (None, {}))
    return dict(mistakes) if payload == form.payload else {}
