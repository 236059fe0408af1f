"""How batches go, for everybody: a slim bar while one runs, and one line about the newest that ended."""

from __future__ import annotations

import streamlit as st

from pages.parts import download, invoice_filters, reads, say
from pages.parts.who import actor
from toc_sync import runtime, wording_batches
from toc_sync.views_batches import BatchItem, BatchView

INVOICES = "invoices.py"
_HEADINGS = ("Position", "Id", "Number", "Total", "Currency", "Result", "Document number", "Error", "Answer")


def draw(*, above_list: bool) -> None:
    """Draws what there is to say about batches; nothing where there is nothing. `above_list`: on the list's own page."""
    for batch in reads.current_batches():
        if batch.is_running:
            _draw_running(batch, above_list=above_list)
        else:
            _draw_ended(batch, above_list=above_list)


def _draw_running(batch: BatchView, *, above_list: bool) -> None:
    with st.container(border=True, gap="xsmall", key=f"batch_{batch.batch_id}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f":material/playlist_play: **{say.plain(wording_batches.headline(batch))}**", width="stretch")
            _draw_way(batch, above_list=above_list)
            st.button(
                "Cancel",
                icon=":material/cancel:",
                key=f"cancel_batch_{batch.batch_id}",
                disabled=batch.cancelled_at is not None,
                help="What was not sent yet goes back to where it was. What is on its way is awaited.",
                on_click=_cancel,
                args=(batch.batch_id,),
            )
        said = (wording_batches.counts(batch), wording_batches.remaining(batch))
        st.progress(batch.share, text=say.plain(" · ".join(filter(None, said))))


def _draw_ended(batch: BatchView, *, above_list: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"batch_{batch.batch_id}"):
        st.caption(f":material/playlist_add_check: {say.plain(wording_batches.ended(batch))}", width="stretch")
        _draw_way(batch, above_list=above_list)
        st.download_button(
            "Results",
            data=lambda: _as_csv(batch.batch_id),
            file_name=f"batch-{batch.batch_id}.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
            type="tertiary",
            key=f"results_{batch.batch_id}",
            help="What came of each invoice, as CSV for a spreadsheet.",
        )


def _draw_way(batch: BatchView, *, above_list: bool) -> None:
    """Draws the way to the batch's invoices: a link to a page changes nothing where the page is open already."""
    label, icon = "Show its invoices", ":material/filter_alt:"
    if above_list:
        key = f"show_batch_{batch.batch_id}"
        show = invoice_filters.show_batch
        st.button(label, icon=icon, type="tertiary", key=key, on_click=show, args=(batch.batch_id,))
    else:
        st.page_link(INVOICES, label=label, icon=icon, query_params={"batch": str(batch.batch_id)}, width="content")


@say.safely
def _cancel(batch_id: int) -> None:
    result = runtime.current().batches.cancel(batch_id, actor=actor())
    say.later(result.message, good=result.done)


def _as_csv(batch_id: int) -> bytes:
    return download.csv_of(_HEADINGS, (_cells(item) for item in runtime.current().export_batch(batch_id)))


def _cells(item: BatchItem) -> tuple[str | int, ...]:
    return (
        item.position,
        item.invoice_id,
        download.harmless(item.invoice_number),
        f"{item.total_amount:.2f}",
        download.harmless(item.currency_code),
        wording_batches.result_of(item),
        download.harmless(item.document_no),
        download.harmless(item.error),
        download.harmless(item.message),
    )
