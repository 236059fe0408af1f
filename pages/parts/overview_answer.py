"""The overview's answer: one sentence that tells whether everything is in TOC Online, and whether anything is sending."""

from __future__ import annotations

import streamlit as st

from pages.parts import invoice_filters, new_invoice, say
from toc_sync import wording, wording_legal, wording_overview
from toc_sync.model import NEEDS_ATTENTION, ON_ITS_WAY, Status
from toc_sync.views import Sending
from toc_sync.views_health import Overview
from toc_sync.views_legal import DueCounts

INVOICES = "invoices.py"

# The colour and icon of the answer: the first that has one of these statuses.
LOOKS: tuple[tuple[tuple[Status, ...], tuple[str, str]], ...] = (
    (NEEDS_ATTENTION, ("red", "error")),
    ((Status.NOT_SYNCED,), ("yellow", "warning")),
    (ON_ITS_WAY, ("blue", "sync")),
    ((Status.SYNCED,), ("green", "check_circle")),
    ((), ("gray", "inbox")),
)


def draw(overview: Overview, due: DueCounts, sending: Sending) -> None:
    """Answers the page's one question in one sentence, with the rest in small print."""
    sums = overview.sums
    sentence = wording_overview.is_everything_there(
        sums,
        overview.oldest_attention_at,
        overview.read_at,
        old_doubts=overview.doubts_that_last.count,
        deadlines=wording_legal.due_parts(due),
        stopped=not sending.gate.is_open,
    )
    colour, icon = next(look for statuses, look in LOOKS if sums.keys() & set(statuses) or not statuses)
    with st.container(border=True, gap="xxsmall", key="answer"):
        st.header(f":{colour}[:material/{icon}:] {say.plain(sentence)}", anchor=False)
        rest = (wording_overview.besides(sums), wording_legal.never_sent_part(due))
        read_at = f"As of {wording.clock_time(overview.read_at)}."
        st.caption(f"{say.plain(' '.join(filter(None, (*rest, read_at))))} {_who_sends(sending)}".strip())
        if overview.never_sent.count:
            st.page_link(
                INVOICES,
                label=f"Show {overview.never_sent.count:,} never sent",
                icon=":material/arrow_forward:",
                query_params=invoice_filters.address(overview.never_sent.wanted),
            )


def invite() -> None:
    """Leads to the first invoice where there is none yet."""
    st.page_link(
        INVOICES, label="Create the first invoice", icon=":material/add:", query_params={new_invoice.ASKED: "first"}
    )


def _who_sends(sending: Sending) -> str:
    """Says who sends; where nothing is sent, the banner above says so."""
    if not sending.alive or not sending.gate.is_open:
        return ""
    return f":green[:material/sensors:] {say.plain(f'Sending: {wording.workers_alive(sending.workers)}')}"
