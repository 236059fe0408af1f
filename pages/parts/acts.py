"""What people do to invoices from a page: thin callbacks around the runtime's verbs, which check again and refuse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

import streamlit as st

from pages.parts import held, reads, say
from pages.parts.who import actor
from toc_sync import runtime, wording, wording_gate, wording_groups
from toc_sync.model import Confirmed, Result, Status, UnknownInvoice
from toc_sync.views import InvoiceRow

_UNCHANGED = "_refused_as_unchanged"


@say.safely
def send(rows: Sequence[InvoiceRow], *, anyway: bool = False) -> None:
    """Sends the given invoices (Retry and Sync), as they were seen, and keeps what came of it as one sentence.

    Those that were refused and not corrected since are kept, to be asked about. The list stands still from now on.
    """
    held.hold()
    results = [_send(row, anyway=anyway) for row in rows]
    unchanged = tuple(row for row, result in zip(rows, results, strict=True) if result.needs_confirmation)
    was_asking = is_asking()
    st.session_state[_UNCHANGED] = unchanged
    if len(results) > 1:
        gate = reads.sending().gate
        outcomes = [(name_of(row), result) for row, result in zip(rows, results, strict=True)]
        say.results(outcomes, lambda count: wording_gate.sent_together(count, gate))
    elif not unchanged:
        for row, result in zip(rows, results, strict=True):
            say.result(result, name_of(row))
    if unchanged or was_asking:  # a dialog opens or shuts: that takes the whole page
        st.rerun()


def is_asking() -> bool:
    """Tells whether there is a question whether to retry what nobody corrected."""
    return bool(st.session_state.get(_UNCHANGED))


def ask_in_dialog() -> None:
    """Draws the question over the list, which it therefore does not move."""

    @st.dialog("Retry anyway?", width="medium", icon=":material/edit_note:", on_dismiss=_forget)
    def dialog() -> None:
        rows: tuple[InvoiceRow, ...] = st.session_state.get(_UNCHANGED, ())
        _ask(rows, "list", _question(rows, name_of(rows[0]) if len(rows) == 1 else ""))

    dialog()


def ask_in_drawer(invoice_id: int, why: str | None) -> None:
    """Draws the question inside an invoice's drawer, where a Retry of this invoice was refused for it."""
    rows: tuple[InvoiceRow, ...] = st.session_state.get(_UNCHANGED, ())
    if [row.invoice_id for row in rows] == [invoice_id]:
        with st.container(border=True, key="unchanged"):
            _ask(rows, "drawer", _question(rows, "", why))


def _question(rows: Sequence[InvoiceRow], name: str, why: str | None = None) -> str:
    if any(row.status is Status.NOT_SYNCED for row in rows):
        return f"{wording.MAY_BE_SENDING} {wording.SEND_ANYWAY}"
    return wording_groups.retry_anyway(len(rows), name, why)


def _ask(rows: tuple[InvoiceRow, ...], place: str, question: str) -> None:
    st.warning(say.plain(question), icon=":material/edit_note:")
    with st.container(horizontal=True):
        st.button(
            "Retry anyway" if len(rows) == 1 else f"Retry {len(rows)} anyway",
            icon=":material/refresh:",
            key=f"anyway_{place}",
            on_click=send,
            args=(rows,),
            kwargs={"anyway": True},
        )
        st.button("Leave it", type="tertiary", key=f"leave_{place}", on_click=_leave)


def name_of(row: InvoiceRow) -> str:
    """Returns what people call an invoice: its number, or its id where it has none."""
    return row.invoice_number or f"Invoice {row.invoice_id}"


def open_invoice(invoice_id: int) -> NoReturn:
    """Opens the drawer of an invoice (a callback); it lives in the URL, so that a link opens it too."""
    st.query_params["invoice"] = str(invoice_id)
    st.rerun()


def _leave() -> NoReturn:
    _forget()
    st.rerun()


def _forget() -> None:
    st.session_state[_UNCHANGED] = ()


def _send(row: InvoiceRow, *, anyway: bool) -> Result:
    confirmed = Confirmed.EVERYTHING if anyway else Confirmed.NOTHING
    try:
        result = runtime.current().retry(row.invoice_id, actor=actor(), seen_attempts=row.attempts, confirmed=confirmed)
    except UnknownInvoice as error:
        return Result(done=False, message=str(error), invoice_id=row.invoice_id)
    if result.done:
        reads.watch(row.invoice_id)
    return result
