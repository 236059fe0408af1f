"""TOC Invoice Sync: creates invoices and brings each to TOC Online exactly once.

The five verbs below are what scripts use. Importing this package starts nothing and connects to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from toc_sync.model import Confirmed, Result, SyncState

if TYPE_CHECKING:
    from toc_sync.runtime import Runtime

__all__ = [
    "create_and_issue_invoice",
    "create_and_issue_invoice_rpc",
    "get_invoice_toc_sync_status",
    "retry_sync_invoice_with_toc",
    "sync_invoice_with_toc",
]


def create_and_issue_invoice(
    invoice_order_ids: Sequence[int],
    subtotal_overrides: Mapping[int, Decimal] | None = None,
    *,
    invoice_number: str | None = None,
    external_invoice_id: str | None = None,
    invoice_date: date | str | None = None,
    pdf_path: str | None = None,
    notes: str | None = None,
    header_subtotal: Decimal | None = None,
    header_vat: Decimal | None = None,
    header_total: Decimal | None = None,
    issuer_team_id: int | None = None,
    payer_team_id: int | None = None,
    actor: str = "script",
    token: str | None = None,
) -> int:
    """Creates and issues an invoice from orders, queues it for TOC Online in the same commit and returns its id.

    An order's amount defaults to what remains of it; header amounts default to the sums of the lines and may differ by
    a cent. A `token` makes a repeated call return the invoice of the first. Raises InvalidInvoice or DatabaseUnavailable:
    nothing is written; CommitUncertain: it may be, so call again with the same token, or look first if there was none.
    """
    payload = {
        "p_invoice_order_ids": list(invoice_order_ids),
        "p_subtotal_overrides": subtotal_overrides,
        "p_invoice_number": invoice_number,
        "p_external_invoice_id": external_invoice_id,
        "p_invoice_date": invoice_date,
        "p_pdf_path": pdf_path,
        "p_notes": notes,
        "p_header_subtotal": header_subtotal,
        "p_header_vat": header_vat,
        "p_header_total": header_total,
        "p_issuer_team_id": issuer_team_id,
        "p_payer_team_id": payer_team_id,
    }
    return create_and_issue_invoice_rpc(payload, actor=actor, token=token)


def create_and_issue_invoice_rpc(
    payload: Mapping[str, object], *, actor: str = "script", token: str | None = None
) -> int:
    """Creates and issues the invoice that `payload` (keys `p_…`, with orders or standalone) describes; returns its id.

    A `token` makes a repeated call return the invoice of the first. Raises InvalidInvoice with one problem per mistake;
    nothing is written. CommitUncertain: it may be, so call again with the same token, or look first.
    """
    return _runtime().create(payload, actor=actor, token=token)


def sync_invoice_with_toc(invoice_id: int, *, actor: str = "script", anyway: bool = False) -> Result:
    """Sends an invoice now, in this process, waits for the outcome and returns where it stands.

    Refuses, with the reason as `message`, what may not be sent; `anyway` also sends what the other application may be
    sending at this moment, as far as anybody can tell. Raises InvalidInvoiceId or UnknownInvoice.
    """
    return _runtime().send_now(invoice_id, actor=actor, confirmed=_confirmed(anyway))


def retry_sync_invoice_with_toc(invoice_id: int, *, actor: str = "script", anyway: bool = False) -> Result:
    """Queues an invoice for the workers and returns at once; on a waiting invoice it means "now".

    Refuses, with the reason as `message`, what may not be sent. A refused invoice that nobody corrected is sent, unlike
    from a page, which asks first: a script means what it says. The message then says so. `anyway` as above. Raises
    InvalidInvoiceId or UnknownInvoice.
    """
    return _runtime().retry(invoice_id, actor=actor, confirmed=_confirmed(anyway))


def get_invoice_toc_sync_status(invoice_id: int) -> SyncState:
    """Returns the state of an invoice; without a record, as its `api_response` says. Writes nothing.

    Raises InvalidInvoiceId or UnknownInvoice.
    """
    return _runtime().states([invoice_id])[0]


def _confirmed(anyway: bool) -> Confirmed:
    return Confirmed.EVERYTHING if anyway else Confirmed.UNCHANGED


def _runtime() -> Runtime:
    from toc_sync import runtime  # noqa: PLC0415  importing the package must not load the database and the web

    return runtime.current()
