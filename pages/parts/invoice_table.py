"""The list of invoices: the strip, the bar with what can be done to the ticked ones, the table and its pages."""

from __future__ import annotations

import streamlit as st

from pages.parts import (
    acts,
    batch_dialog,
    company,
    held,
    invoice_changes,
    invoice_filters,
    invoice_strip,
    paging,
    reads,
    resolve_many,
)
from pages.parts.invoice_columns import as_frame, columns, names_of
from pages.parts.ticks import Ticks
from toc_sync import wording
from toc_sync.model import Status
from toc_sync.views import PAGE_SIZE, InvoiceFilter, InvoicePage, InvoiceRow, RowAction

PAGE = "page"
PAGES_PX = 420

ticks: Ticks[InvoiceRow] = Ticks("invoices", lambda row: row.invoice_id)


def draw(wanted: InvoiceFilter) -> None:
    """Draws everything that a refresh reads anew."""
    if paging.is_other_list(PAGE, wanted):
        ticks.clear()
    asked = paging.asked(PAGE)
    matching = reads.invoices(wanted, asked)
    invoice_strip.draw(matching, wanted.statuses)
    shown = held.page((wanted, asked), matching)
    if shown.total == 0:
        _say_that_there_is_nothing(wanted)
        return
    bar, table, foot = st.container(), st.container(), st.container()
    with foot:
        page = paging.choose(PAGE, shown.total, width=PAGES_PX)
    if page != asked:  # the address asked for a page that does not exist
        matching = reads.invoices(wanted, page)
        shown = held.page((wanted, page), matching)
    with table:
        names = names_of(shown.rows, invoice_changes.marks(shown, (wanted, page)), company.watched(shown))
        frame = as_frame(shown, names, reads.sending().gate)
        ticks.table(shown.rows, frame, columns(shown), alt="Invoices")
    with bar:
        _draw_bar(matching, shown, page, wanted)


def _say_that_there_is_nothing(wanted: InvoiceFilter) -> None:
    with st.container(border=True, horizontal_alignment="center", key="nothing"):
        if invoice_filters.is_empty(wanted):
            st.subheader("No invoices yet", anchor=False, width="content")
            st.markdown("Press **New invoice** above to create the first one.", width="content")
        else:
            st.subheader("Nothing matches these filters", anchor=False, width="content")
            st.button(
                "Clear filters", icon=":material/filter_alt_off:", key="clear_in_list", on_click=invoice_filters.clear
            )


def _draw_bar(matching: InvoicePage, shown: InvoicePage, page: int, wanted: InvoiceFilter) -> None:
    rows = ticks.ticked()
    with st.container(horizontal=True, vertical_alignment="center", key="action_bar", gap="small"):
        if not rows:
            if held.is_held((wanted, page)):
                held.draw_notice(matching, shown)
            else:
                first = (page - 1) * PAGE_SIZE
                range_shown = f"{first + 1:,} to {first + len(shown.rows):,} of {wording.invoices(shown.total)}"
                st.caption(f"{range_shown}. Tick rows to send several at once.", width="content")
            if matching.total and not invoice_filters.is_empty(wanted):
                batch_dialog.button(wanted, matching.total)
            return
        drawn = {row.invoice_id for row in shown.rows}
        elsewhere = sum(row.invoice_id not in drawn for row in rows)
        beside = f", {elsewhere} of them on another page" if elsewhere else ""
        st.markdown(f"**{len(rows)} selected**{beside}", width="content")
        _draw_verbs(rows)


def _draw_verbs(rows: tuple[InvoiceRow, ...]) -> None:
    unsent = tuple(row for row in rows if row.status is Status.NOT_SYNCED)
    others = tuple(row for row in rows if row.status is not Status.NOT_SYNCED)
    for verb, those in ((RowAction.RETRY, others), (RowAction.SYNC, unsent)):
        if those:
            st.button(
                f"{verb} {len(those)} selected",
                icon=":material/refresh:" if verb is RowAction.RETRY else ":material/sync:",
                type="primary",
                key=f"{verb.lower()}_selected",
                on_click=_send_selected,
                args=(those,),
            )
    resolve_many.button(rows)
    if len(rows) == 1:
        st.button(
            "Open",
            icon=":material/open_in_full:",
            key="open_selected",
            on_click=acts.open_invoice,
            args=(rows[0].invoice_id,),
        )
    st.button("Clear selection", icon=":material/close:", type="tertiary", key="clear_selection", on_click=ticks.clear)


def _send_selected(rows: tuple[InvoiceRow, ...]) -> None:
    ticks.clear()
    acts.send(rows)
