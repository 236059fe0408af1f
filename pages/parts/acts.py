"""What people do to invoices from a page: thin callbacks around the runtime's verbs, which check again and refuse."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.parts import reads, say
from pages.parts.who import actor
from toc_sync import runtime, wording_gate
from toc_sync.model import Result, UnknownInvoice
from toc_sync.views import InvoiceRow


@say.safely
def send(rows: Sequence[InvoiceRow]) -> None:
    """Sends the given invoices (Retry and Sync), as they were seen, and keeps what came of it as one sentence."""
    outcomes = [(name_of(row), _send(row)) for row in rows]
    if len(outcomes) == 1:
        say.result(outcomes[0][1], outcomes[0][0])
    else:
        gate = reads.sending().gate
        say.results(outcomes, lambda count: wording_gate.sent_together(count, gate))


def name_of(row: InvoiceRow) -> str:
    """Returns what people call an invoice: its number, or its id where it has none."""
    return row.invoice_number or f"Invoice {row.invoice_id}"


def open_invoice(invoice_id: int) -> None:
    """Opens the drawer of an invoice (a callback); it lives in the URL, so that a link opens it too."""
    st.query_params["invoice"] = str(invoice_id)
    st.rerun()


def _send(row: InvoiceRow) -> Result:
    try:
        result = runtime.current().retry(row.invoice_id, actor=actor(), seen_attempts=row.attempts)
    except UnknownInvoice as error:
        return Result(done=False, message=str(error), invoice_id=row.invoice_id)
    if result.done:
        reads.watch(row.invoice_id)
    return result
