"""Which orders are being invoiced. It lives in the URL, so that the drawer survives a refresh and a server restart.

The URL also carries the one-use token: whatever is pressed twice, by a double click or after a reconnect, makes one
invoice.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from toc_sync.model import InvalidInvoiceId, parse_invoice_id

AT_MOST = 50
_ORDERS, _TOKEN = "create", "draft"


@dataclass(frozen=True, kw_only=True)
class Draft:
    """An invoice being made: the ids of its orders, and the token that it may be created with once."""

    order_ids: tuple[int, ...]
    token: str


@dataclass(kw_only=True)
class Form:
    """One opened form: what it asks for, what is wrong with it, and the places beside the fields to say so."""

    draft: Draft
    payload: dict[str, object] = field(default_factory=dict)
    mistakes: dict[str, str] = field(default_factory=dict)
    places: dict[str, DeltaGenerator] = field(default_factory=dict)

    def key(self, name: str) -> str:
        """Returns the key of a field; the same after a server restart."""
        return f"{name}_{self.draft.token}"

    def takes(self, name: str, value: object) -> None:
        """Takes over a field's value and leaves room for a mistake below it."""
        self.payload[f"p_{name}"] = value
        self.places[name] = st.empty()


def current() -> Draft | None:
    """Returns what the URL asks to invoice, or None where it asks for nothing that could be an order."""
    order_ids = _ids(st.query_params.get(_ORDERS, ""))
    if not order_ids:
        return None
    token = st.query_params.get(_TOKEN, "")
    if not re.fullmatch(r"[0-9a-f]{32}", token):
        token = uuid.uuid4().hex
        st.query_params[_TOKEN] = token
    return Draft(order_ids=order_ids, token=token)


def start(order_ids: Sequence[int]) -> None:
    """Begins an invoice from these orders; the next full run opens the drawer."""
    st.query_params[_ORDERS] = ",".join(str(order_id) for order_id in order_ids)
    st.query_params[_TOKEN] = uuid.uuid4().hex


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
