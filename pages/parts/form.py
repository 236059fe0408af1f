"""One opened form for an invoice: what it asks for, what is wrong with it, and the fields that every such form has.

What was typed stays for as long as the page is open, also while the drawer is shut or the database is away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NoReturn

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.parts import reads, say
from pages.parts.tokens import one_use
from pages.parts.who import actor
from toc_sync import runtime, wording_gate
from toc_sync.model import InvalidInvoice

WIDTH_PX = 620
NO_AMOUNT = "Enter an amount such as 1234.50."


@dataclass(kw_only=True)
class Form:
    """What one form asks for, what is wrong with it, and the places beside the fields to say so.

    `draft` is its name: it stands in the URL, so that the form is the same one after a server restart.
    """

    draft: str
    payload: dict[str, object] = field(default_factory=dict)
    mistakes: dict[str, str] = field(default_factory=dict)
    places: dict[str, DeltaGenerator] = field(default_factory=dict)
    behaviour: Any = None

    def key(self, name: str) -> str:
        """Returns the key of a field."""
        return f"{name}_{self.draft}"

    def takes(self, name: str, value: object) -> None:
        """Takes over a field's value and leaves room for a mistake below it."""
        self.payload[f"p_{name}"] = value
        self.places[name] = st.empty()

    def refuse(self, mistakes: Mapping[str, str]) -> None:
        """Keeps why this try was refused, each reason for as long as its field does not change."""
        st.session_state[self.key("refused")] = (dict(self.payload), dict(mistakes))

    def show_mistakes(self) -> None:
        """Says beside each field what is wrong with it; what belongs to none stands at the end."""
        for name, message in (self.mistakes | self._mistakes_that_stand()).items():
            self.places.get(name, self.places[""]).markdown(f":red[:material/error: {say.plain(message)}]")

    def _mistakes_that_stand(self) -> dict[str, str]:
        refused, mistakes = st.session_state.get(self.key("refused"), ({}, {}))
        changed = {name for name, value in self.payload.items() if refused.get(name) != value}
        return {
            name: message
            for name, message in mistakes.items()
            if (f"p_{name}" not in changed if f"p_{name}" in self.payload else not changed)
        }


def parties(form: Form, usual: tuple[int | None, int | None] = (None, None)) -> None:
    """Draws who issues and who pays, with the usual ones chosen."""
    names = {team.id: team.name for team in reads.teams()}
    columns = st.columns(2)
    for label, name, team_id, column in zip(
        ("Issuer", "Payer"), ("issuer_team_id", "payer_team_id"), usual, columns, strict=True
    ):
        with column:
            chosen = st.selectbox(
                label,
                list(names),
                index=list(names).index(team_id) if team_id in names else None,
                format_func=lambda team: names.get(team, f"No. {team}"),
                placeholder=f"Choose the {label.lower()}",
                key=form.key(name),
                persist_state="page",
            )
            form.takes(name, chosen)


def number_and_date(form: Form) -> None:
    """Draws the invoice's number and its date: today, until another is chosen."""
    left, right = st.columns(2)
    with left:
        number = st.text_input("Invoice number", key=form.key("number"), placeholder="2026/123", persist_state="page")
        form.takes("invoice_number", number)
    with right:
        _follow_the_day(form, runtime.current().today())
        day = st.date_input(
            "Invoice date", key=form.key("date"), format="YYYY-MM-DD", required=True, persist_state="page"
        )
        form.takes("invoice_date", day)


def _follow_the_day(form: Form, today: date) -> None:
    """Proposes today, also in a form that is still open after midnight; a day that somebody chose stays."""
    chosen, proposed = form.key("date"), form.key("proposed_date")
    if st.session_state.get(chosen) in (None, st.session_state.get(proposed)):
        st.session_state[chosen] = st.session_state[proposed] = today


def remarks(form: Form) -> None:
    """Draws the external id and the notes."""
    form.takes("external_invoice_id", st.text_input("External id", key=form.key("external"), persist_state="page"))
    form.takes("notes", st.text_area("Notes", key=form.key("notes"), height=80, persist_state="page"))


def rehearsal(form: Form) -> None:
    """Draws what the sandbox shall answer; nothing outside the sandbox."""
    if rehearsals := runtime.current().rehearsals:
        form.behaviour = st.selectbox(
            "TOC Online answers: …",
            rehearsals,
            format_func=lambda behaviour: behaviour.label,
            key=form.key("behaviour"),
            help="Only in the sandbox: what the rehearsal does with this invoice the first time.",
            persist_state="page",
        )


def create_button(form: Form, *, anyway: bool = False) -> bool:
    """Draws the button that creates, which says where; tells whether it was pressed."""
    environment = runtime.current().environment
    where = "" if environment.sandbox else f"Issue in {say.plain(environment.label)}"
    if anyway:
        return st.button(f"{where or 'Create'} anyway", icon=":material/send:", key=form.key("anyway"))
    return st.button(where or "Create invoice", type="primary", icon=":material/send:", key=form.key("create"))


def create(form: Form, *, close: Callable[[], None]) -> NoReturn:
    """Creates the invoice, calls `close` and draws the page anew. Raises InvalidInvoice."""
    invoice_id = runtime.current().create(
        form.payload, actor=actor(), token=one_use(form.draft, form.payload), behaviour=form.behaviour
    )
    reads.watch(invoice_id)
    name = form.payload["p_invoice_number"] or f"Invoice {invoice_id}"
    say.later(wording_gate.created(str(name), reads.sending().gate), link=f"invoices?invoice={invoice_id}")
    close()
    st.rerun()


def beside_fields(error: InvalidInvoice) -> dict[str, str]:
    """Returns the mistakes of each field in one text."""
    mistakes: dict[str, str] = {}
    for problem in error.problems:
        mistakes[problem.field] = f"{mistakes.get(problem.field, '')} {problem.message}".strip()
    return mistakes
