"""One month's close: the answer, both sides' sums, one line per reason that something is missing, and what to check."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal

import pandas as pd
import streamlit as st

from pages.parts import invoice_filters, reads, say
from toc_sync import wording, wording_legal
from toc_sync.views import month_filter
from toc_sync.views_legal import MISSING, TO_CHECK, MonthClose, MonthLine

INVOICES = "invoices.py"
SHOWN_AT_MOST = 200


def draw(month: date | None) -> None:
    """Draws everything about a month."""
    if month is None:
        st.info("No invoices yet.", icon=":material/inbox:")
        return
    close = reads.month(month)
    _draw_answer(close)
    st.subheader("Both sides", anchor=False)
    _draw_both_sides(close)
    st.caption(wording_legal.compared(close))
    _draw_differences(close)
    left, right = st.columns(2)
    with left:
        st.subheader("Missing in TOC Online", anchor=False)
        _draw_lines(close, MISSING, ("red", "cancel"))
    with right:
        st.subheader("To check before closing", anchor=False)
        _draw_lines(close, TO_CHECK, ("orange", "warning"))


def _draw_answer(close: MonthClose) -> None:
    colour, icon = ("green", "check_circle") if close.is_complete else ("orange", "pending_actions")
    with st.container(border=True, gap="xxsmall", key="month_answer"):
        st.header(f":{colour}[:material/{icon}:] {say.plain(wording_legal.month_answer(close))}", anchor=False)
        to_check = f"{close.to_check:,} to check before closing. " if close.to_check else ""
        st.caption(f"{to_check}By invoice date, as of {wording.clock_time(close.read_at)}.")


def _draw_both_sides(close: MonthClose) -> None:
    columns = ["Side", "Invoices", "Currency", "Subtotal", "VAT", "Total"]
    rows = [row for line in (MonthLine.ISSUED, MonthLine.THERE) for row in _side(close, line)]
    aligned = {name: st.column_config.TextColumn(alignment="right") for name in columns if name != "Side"}
    frame = pd.DataFrame([*rows, *_gaps(close)], columns=columns)
    st.dataframe(frame, column_config=aligned, hide_index=True, key="both_sides", alt="Sums of both sides")


def _side(close: MonthClose, line: MonthLine) -> Iterator[tuple[str, ...]]:
    """Yields one row per currency, as texts: a binary float never meets money."""
    sums, name = close.lines[line], wording_legal.LINE_NAMES[line]
    if not sums.count:
        yield (name, "0", "", "", "", "")
    for number, currency in enumerate(sums.totals):
        amounts = (sums.subtotals[currency], sums.vat[currency], sums.totals[currency])
        yield (name, "" if number else f"{sums.count:,}", currency, *(f"{amount:,.2f}" for amount in amounts))


def _gaps(close: MonthClose) -> Iterator[tuple[str, ...]]:
    """Yields what TOC Online lacks, one row per currency."""
    issued, there = close.lines[MonthLine.ISSUED], close.lines[MonthLine.THERE]
    for number, currency in enumerate(issued.totals):
        pairs = ((issued.subtotals, there.subtotals), (issued.vat, there.vat), (issued.totals, there.totals))
        gaps = (here[currency] - yonder.get(currency, Decimal(0)) for here, yonder in pairs)
        count = "" if number else f"{issued.count - there.count:,}"
        yield ("Difference", count, currency, *(f"{gap:,.2f}" for gap in gaps))


def _draw_lines(close: MonthClose, lines: Sequence[MonthLine], look: tuple[str, str]) -> None:
    for line in lines:
        sums, name = close.lines[line], wording_legal.LINE_NAMES[line]
        with st.container(border=True, gap="xxsmall", key=f"line_{line}"):
            if not sums.count:
                st.markdown(f":green[:material/check:] {name}: 0")
                continue
            colour, icon = look
            st.markdown(f":{colour}[:material/{icon}:] **{name}: {sums.count:,}**")
            st.caption(say.plain(f"{wording_legal.line_sums(sums)}. {wording_legal.LINE_ADVICE[line]}"))
            st.page_link(
                INVOICES,
                label=f"Show {wording.invoices(sums.count)}",
                icon="",
                query_params=invoice_filters.address(month_filter(line, close.month)),
            )


def _draw_differences(close: MonthClose) -> None:
    if not close.differences:
        return
    st.subheader("Another total in TOC Online", anchor=False)
    shown = close.differences[:SHOWN_AT_MOST]
    cells = {
        "Id": [one.invoice_id for one in shown],
        "Number": [one.invoice_number for one in shown],
        "Document": [one.document_no for one in shown],
        "Here": [wording.money(one.ours, one.currency_code) for one in shown],
        "In TOC Online": [wording.money(one.theirs, one.currency_code) for one in shown],
    }
    st.dataframe(pd.DataFrame(cells), hide_index=True, key="differences", alt="Totals that differ")
    if len(close.differences) > len(shown):
        st.caption(f"The first {len(shown)} of {len(close.differences):,}; the workbook has them all.")
