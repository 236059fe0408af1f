"""What people do to invoices from a page: thin callbacks around the runtime's verbs, which check again and refuse."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.parts import reads, say
from pages.parts.who import actor
from toc_sync import runtime, wording_gate, wording_groups
from toc_sync.model import Result, UnknownInvoice
from toc_sync.views import InvoiceRow

_UNCHANGED = "_refused_as_unchanged"


@say.safely
def send(rows: Sequence[InvoiceRow], *, although_unchanged: bool = False) -> None:
    """Sends the given invoices (Retry and Sync), as they were seen, and keeps what came of it as one sentence.

    Those that were refused and not corrected since are kept, to be asked about.
    """
    results = [_send(row, although_unchanged=although_unchanged) for row in rows]
    unchanged = tuple(row for row, result in zip(rows, results, strict=True) if result.needs_confirmation)
    st.session_state[_UNCHANGED] = unchanged
    if len(results) > 1:
        gate = reads.sending().gate
        outcomes = [(name_of(row), result) for row, result in zip(rows, results, strict=True)]
        say.results(outcomes, lambda count: wording_gate.sent_together(count, gate))
    elif not unchanged:
        for row, result in zip(rows, results, strict=True):
            say.result(result, name_of(row))


def ask_about_unchanged(place: str, invoice_id: int | None = None, why: str | None = None) -> None:
    """Draws the question whether to retry what nobody corrected, where a Retry was refused for it.

    With `invoice_id` only where that one was, alone; `place` tells two drawings of it apart.
    """
    rows: tuple[InvoiceRow, ...] = st.session_state.get(_UNCHANGED, ())
    if not rows or (invoice_id is not None and [row.invoice_id for row in rows] != [invoice_id]):
        return
    with st.container(border=True, key=f"unchanged_{place}"):
        name = name_of(rows[0]) if len(rows) == 1 and invoice_id is None else ""
        st.warning(say.plain(wording_groups.retry_anyway(len(rows), name, why)), icon=":material/edit_note:")
        with st.container(horizontal=True):
            st.button(
                "Retry anyway" if len(rows) == 1 else f"Retry {len(rows)} anyway",
                icon=":material/refresh:",
                key=f"anyway_{place}",
                on_click=send,
                args=(rows,),
                kwargs={"although_unchanged": True},
            )
            st.button("Leave it", type="tertiary", key=f"leave_{place}", on_click=_leave)


def name_of(row: InvoiceRow) -> str:
    """Returns what people call an invoice: its number, or its id where it has none."""
    return row.invoice_number or f"Invoice {row.invoice_id}"


def open_invoice(invoice_id: int) -> None:
    """Opens the drawer of an invoice (a callback); it lives in the URL, so that a link opens it too."""
    st.query_params["invoice"] = str(invoice_id)
    st.rerun()


def _leave() -> None:
    st.session_state[_UNCHANGED] = ()


def _send(row: InvoiceRow, *, although_unchanged: bool) -> Result:
    try:
        result = runtime.current().retry(
            row.invoice_id, actor=actor(), seen_attempts=row.attempts, although_unchanged=although_unchanged
        )
    except UnknownInvoice as error:
        return Result(done=False, message=str(error), invoice_id=row.invoice_id)
    if result.done:
        reads.watch(row.invoice_id)
    return result
