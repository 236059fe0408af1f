"""Which orders are being invoiced. It lives in the URL, so that the drawer survives a refresh and a server restart.

The URL also carries the one-use token: whatever is pressed twice, by a double click or after a reconnect, makes one
invoice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from pages.parts import say
from pages.parts.tokens import is_draft, new_draft
from toc_sync.model import InvalidInvoiceId, parse_invoice_id

AT_MOST = 50
_ORDERS, _TOKEN = "create", "draft"


@dataclass(frozen=True, kw_only=True)
class Draft:
    """An invoice being made: the ids of its orders, and the token that it may be created with once."""

    order_ids: tuple[int, ...]
    token: str


def current() -> Draft | None:
    """Returns what the URL asks to invoice, or None where it asks for nothing that could be an order."""
    if _ORDERS not in st.query_params:
        return None
    order_ids = _ids(st.query_params[_ORDERS])
    if not order_ids:
        end()
        say.later("The address asked for an invoice from orders, but names none.", good=False)
        return None
    if not is_draft(st.query_params.get(_TOKEN, "")):
        st.query_params[_TOKEN] = new_draft()
    return Draft(order_ids=order_ids, token=st.query_params[_TOKEN])


def start(order_ids: Sequence[int]) -> None:
    """Begins an invoice from these orders; the next full run opens the drawer."""
    st.query_params[_ORDERS] = ",".join(str(order_id) for order_id in order_ids)
    st.query_params[_TOKEN] = new_draft()


def end() -> None:
    """Closes the drawer at the next full run (also a callback)."""
    for name in (_ORDERS, _TOKEN):
        st.query_params.pop(name, None)


def _ids(text: str) -> tuple[int, ...]:
    found: dict[int, None] = {}
    for part in text.split(",")[:AT_MOST]:
        try:
            found[parse_invoice_id(part)] = None
        except InvalidInvoiceId:
            continue
    return tuple(found)
