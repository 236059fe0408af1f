"""The strip above the list: how many invoices have each status, and the money behind them. A click filters."""

from __future__ import annotations

import streamlit as st

from pages.parts import invoice_filters, say
from toc_sync import wording, wording_doubt
from toc_sync.model import Status
from toc_sync.views import InvoicePage

NARROWEST_PX = 132


def draw(page: InvoicePage, chosen: tuple[Status, ...]) -> None:
    """Draws one button per status; those in the filter are filled. Doubts that last too long are counted apart."""
    with st.grid(len(Status), min_column_width=NARROWEST_PX, wrap=False, gap="xsmall", key="strip"):
        for status in Status:
            found = page.sums.get(status)
            old = wording_doubt.old_doubts_shortly(page.old_doubts.count) if status is Status.IN_DOUBT else ""
            st.button(
                f"{wording.STATUS_ICONS[status]} {wording.STATUS_NAMES[status]}  \n"
                f"**{found.count if found else 0:,}**{f' :small[({old})]' if old else ''}  \n"
                f":small[{say.plain(wording.amounts(found.amounts if found else {}))}]",
                key=f"strip_{status}",
                type="primary" if status in chosen else "secondary",
                width="stretch",
                help=wording.STATUS_MEANINGS[status],
                on_click=invoice_filters.toggle_status,
                args=(status,),
            )
