"""One invoice in detail, in a drawer on the right: where it stands, what to do about it, and everything that happened.

Texts that come from outside are shown as code, as cells or letter by letter, never as Markdown.
"""

from __future__ import annotations

import streamlit as st

from pages.parts import acts, company, history, life, reopen, resolve, say
from pages.parts.facts import facts
from pages.parts.live import live
from toc_sync import runtime, wording, wording_groups, wording_legal
from toc_sync.model import ErrorKind, Status
from toc_sync.views import InvoiceDetail, InvoiceRow

WIDTH_PX = 700


def draw(invoice_id: str) -> None:
    """Opens the drawer of the invoice that the address names; it refreshes by itself while it is open."""

    @st.dialog("Invoice", width=WIDTH_PX, position="right", icon=":material/receipt_long:", on_dismiss=_close)
    def drawer() -> None:
        live("invoice", lambda: _draw_opened(invoice_id))

    drawer()


def _close() -> None:
    st.query_params.pop("invoice", None)
    company.leave()


def _draw_opened(invoice_id: str) -> None:
    detail = runtime.current().invoice_detail(invoice_id)
    _draw_detail(detail)
    company.announce(detail.row.invoice_id)


def _draw_detail(detail: InvoiceDetail) -> None:
    row = detail.row
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title(say.plain(acts.name_of(row)), anchor=False, width="content")
        st.markdown(
            f":{wording.STATUS_COLORS[row.status]}-badge[{wording.STATUS_NAMES[row.status]}]",
            width="content",
            help=wording.STATUS_MEANINGS[row.status],
        )
    life.draw(detail)
    company.draw(row.invoice_id)
    if row.warning:
        st.error(f"**{say.plain(row.warning)}**", icon=":material/warning:")
    if detail.caution:
        st.warning(say.plain(detail.caution), icon=":material/event_busy:")
    _draw_deadline(detail)
    _draw_status(detail)
    facts(
        {
            "Payer": row.payer,
            "Issuer": row.issuer,
            "Date": row.invoice_date.isoformat() if row.invoice_date else None,
            "Subtotal": wording.money(detail.subtotal_amount, row.currency_code),
            "VAT": wording.money(detail.vat_amount, row.currency_code),
            "Total": wording.money(row.total_amount, row.currency_code),
            "Status in billing": detail.invoice_status or "deleted",
            "External id": detail.external_invoice_id,
            "Created": wording.day_and_time(detail.created_at) if detail.created_at else None,
        }
    )
    life.draw_certification(detail.certification)
    if detail.notes:
        st.caption("Notes")
        st.code(detail.notes, language=None, wrap_lines=True)
    history.draw(detail)


def _draw_deadline(detail: InvoiceDetail) -> None:
    row, today = detail.row, wording.day_of(detail.read_at)
    if line := wording_legal.deadline_line(row, detail.communicate_by, today):
        look = f":{wording_legal.DEADLINE_COLORS[row.deadline_state]}[:material/{wording_legal.DEADLINE_ICONS[row.deadline_state]}:]"
        st.markdown(f"{look} {say.plain(line)}", help=wording_legal.RULE)


def _draw_status(detail: InvoiceDetail) -> None:
    status = detail.row.status
    if status is Status.IN_DOUBT:
        resolve.draw(detail)
    elif status is Status.SYNCED:
        _draw_synced(detail)
    elif status is Status.FAILED:
        _draw_failed(detail)
    elif status is Status.NOT_SYNCED:
        _draw_not_synced(detail.row)
    elif status is Status.NOT_NEEDED:
        st.info(say.plain(detail.row.error or wording.STATUS_MEANINGS[status]), icon=wording.STATUS_ICONS[status])
    else:
        _draw_on_its_way(detail)


def _draw_synced(detail: InvoiceDetail) -> None:
    row = detail.row
    when = f" since {wording.day_and_time(row.synced_at)}" if row.synced_at else ""
    document = f" as **{say.plain(row.document_no)}**" if row.document_no else ""
    st.success(f"**In TOC Online**{document}{when}.", icon=wording.STATUS_ICONS[Status.SYNCED])
    if not row.document_no:
        st.caption(wording.NO_NUMBER)
    if detail.declared_by:
        st.caption(f"Declared by {say.plain(detail.declared_by)}; the reason is below.")
    if detail.can_reopen:
        reopen.draw(row.invoice_id)


def _draw_failed(detail: InvoiceDetail) -> None:
    row = detail.row
    kind = f": {wording.KIND_NAMES[row.error_kind].lower()}" if row.error_kind else ""
    st.error(f"**Failed{kind}.** {wording.STATUS_MEANINGS[Status.FAILED]}", icon=wording.STATUS_ICONS[Status.FAILED])
    if row.error:
        st.code(row.error, language=None, wrap_lines=True)
    remedy = _draw_remedy(detail.refusal, row.error_kind)
    if row.error_kind is ErrorKind.REJECTED and (named := wording_groups.named_in(row.error)):
        st.markdown(f"**Named in the answer:** {', '.join(f'**{say.plain(words)}**' for words in named)}")
    _draw_send(row, "Retry", ":material/refresh:")
    acts.ask_in_drawer(row.invoice_id, why=remedy or row.error)


def _draw_remedy(refusal: str | None, kind: ErrorKind | None) -> str | None:
    """Draws what to do, and returns what a recognised refusal asks for."""
    remedy = runtime.current().remedy(refusal)
    if remedy is not None:
        st.markdown(f"**What to do:** {say.plain(remedy.remedy)}  \n**Who:** {wording.FIXER_NAMES[remedy.fixer]}.")
    elif kind is not None:
        st.markdown(f"**What to do:** {wording.KIND_ADVICE[kind]}")
    return remedy.remedy if remedy else None


def _draw_not_synced(row: InvoiceRow) -> None:
    st.warning(
        f"**Not synced.** {wording.STATUS_MEANINGS[Status.NOT_SYNCED]}", icon=wording.STATUS_ICONS[Status.NOT_SYNCED]
    )
    _draw_send(row, "Sync now", ":material/sync:")


def _draw_on_its_way(detail: InvoiceDetail) -> None:
    row = detail.row
    if row.status is Status.SYNCING and row.last_attempt_at:
        passed = wording.duration((detail.read_at - row.last_attempt_at).total_seconds())
        line = f"**Sending** since {passed}. {wording.STATUS_MEANINGS[Status.SYNCING]}"
    else:
        line = f"**{wording.waiting_line(row.not_before, detail.read_at)}.** {wording.STATUS_MEANINGS[Status.QUEUED]}"
        if detail.obstacle:
            line = f"**Waiting.** {say.plain(detail.obstacle)}"
    st.info(line, icon=wording.STATUS_ICONS[row.status])
    if row.error:
        st.code(row.error, language=None, wrap_lines=True)
    if row.can_retry:
        _draw_send(row, "Retry now", ":material/refresh:")


def _draw_send(row: InvoiceRow, label: str, icon: str) -> None:
    st.button(
        label,
        icon=icon,
        type="primary",
        key=f"send_{row.invoice_id}",
        disabled=not row.can_retry,
        on_click=acts.send,
        args=([row],),
    )
    if not row.can_retry and row.why_not:
        st.caption(f":material/lock: {say.plain(row.why_not)}")
