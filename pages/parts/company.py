"""Who else is at work on the same invoices: said by every open drawer, shown to all others."""

from __future__ import annotations

import time
from uuid import uuid4

import streamlit as st

from pages.parts import reads, say
from pages.parts.who import actor
from toc_sync import runtime, wording_activity
from toc_sync.views import InvoicePage

SAID_EVERY_S = 10.0
_SESSION, _SAID = "_session", "_said_open"


def draw(invoice_id: int) -> None:
    """Says who else has this invoice open, and which running batch it is part of."""
    company = runtime.current().activity.company(invoice_id)
    if who := wording_activity.colleagues([each for each in company.onlookers if each.session != _session()]):
        st.info(say.plain(who), icon=":material/visibility:")
    if company.batch:
        st.info(say.plain(wording_activity.held_by(company.batch)), icon=":material/playlist_play:")


def announce(invoice_id: int) -> None:
    """Says that this person has this invoice open; at every tick, but not more often than colleagues need it."""
    said_id, said_at = st.session_state.get(_SAID, (None, 0.0))
    if said_id == invoice_id and time.monotonic() - said_at < SAID_EVERY_S:
        return
    runtime.current().onlookers.look(_session(), invoice_id, actor=actor())
    st.session_state[_SAID] = (invoice_id, time.monotonic())


@say.safely
def leave() -> None:
    """Says that this person has closed the drawer (a callback)."""
    if st.session_state.pop(_SAID, None):
        runtime.current().onlookers.look_away(_session())


def watched(found: InvoicePage) -> frozenset[int]:
    """Returns which of these invoices somebody else has open."""
    others = reads.onlookers(tuple(row.invoice_id for row in found.rows))
    return frozenset(each.invoice_id for each in others if each.session != _session())


def _session() -> str:
    """Returns a name for this browser session that no other has."""
    session: str = st.session_state.setdefault(_SESSION, uuid4().hex)
    return session
