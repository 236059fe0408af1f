"""In doubt: what it means, how to look the invoice up in TOC Online, and the two ways out. Both are recorded."""

from __future__ import annotations

import streamlit as st

from pages.parts import held, reads, reason, say, teach
from pages.parts.facts import to_copy
from pages.parts.who import actor
from toc_sync import runtime, wording, wording_doubt
from toc_sync.model import Result, Status
from toc_sync.views import InvoiceDetail

THERE, NOT_THERE = "It is in TOC Online", "It is not there: send again"


def draw(detail: InvoiceDetail) -> None:
    """Draws the doubt and how to end it."""
    row = detail.row
    kind = f" {wording.KIND_ADVICE[row.error_kind]}" if row.error_kind else ""
    st.warning(
        f"**In doubt.** {wording.STATUS_MEANINGS[Status.IN_DOUBT]}{kind}", icon=wording.STATUS_ICONS[Status.IN_DOUBT]
    )
    if row.error:
        st.code(row.error, language=None, wrap_lines=True)
    with st.container(border=True, key="resolve"):
        st.markdown("**What to do now**\n1. Open TOC Online and search the issued documents for this invoice:")
        to_copy(
            {
                "Payer": row.payer,
                "Date": row.invoice_date.isoformat() if row.invoice_date else None,
                f"Total in {row.currency_code}": f"{row.total_amount:.2f}",
                "Number": row.invoice_number,
            }
        )
        st.markdown("2. Say here what you found. Sending it again although it is there would issue it twice.")
        found = st.segmented_control("What did you find?", [THERE, NOT_THERE], key=f"found_{row.invoice_id}")
        if found == THERE:
            _draw_there(row.invoice_id)
        elif found == NOT_THERE:
            _draw_not_there(detail)
        draw_answer(row.invoice_id)
    if detail.retried_at:
        sentence = wording_doubt.retried_by_itself(detail.retried_at, detail.read_at)
        st.caption(f":material/schedule: {say.plain(sentence)}")
    teach.draw(detail)


def draw_answer(invoice_id: int) -> None:
    """Draws the refusal that was kept, if there is one."""
    if answer := st.session_state.get(_answer_key(invoice_id)):
        st.error(say.plain(answer), icon=":material/error:")


def keep(result: Result) -> None:
    """Keeps a refusal beside the form, and says what was done (in a callback)."""
    st.session_state[_answer_key(result.invoice_id)] = None if result.done else result.message
    if result.done:
        held.hold()
        say.later(result.message)


def _draw_there(invoice_id: int) -> None:
    with st.form(f"there_{invoice_id}", border=False):
        st.text_input(
            "Document number in TOC Online", key=f"document_{invoice_id}", placeholder="FT 2026/123", max_chars=60
        )
        st.form_submit_button(
            "Record as synced", type="primary", icon=":material/check:", on_click=_declare, args=(invoice_id,)
        )


def _draw_not_there(detail: InvoiceDetail) -> None:
    invoice_id = detail.row.invoice_id
    reason.ask(invoice_id)
    st.button(
        "Send again",
        type="primary",
        icon=":material/send:",
        key=f"again_{invoice_id}",
        disabled=not detail.can_send_again,
        on_click=_send_again,
        args=(invoice_id,),
    )
    if not detail.can_send_again and detail.send_again_at and detail.send_again_at > detail.read_at:
        left = wording.duration((detail.send_again_at - detail.read_at).total_seconds())
        st.caption(
            f":material/lock: {say.plain(wording.refused_still_working(detail.send_again_at))} That is in {left}."
        )
    elif not detail.can_send_again:
        st.caption(f":material/lock: {say.plain(wording.refused_invoice_status(detail.invoice_status))}")


@say.safely
def _declare(invoice_id: int) -> None:
    document = st.session_state[f"document_{invoice_id}"]
    keep(runtime.current().resolve_as_synced(invoice_id, document, actor=actor(), reason=wording.FOUND))


@say.safely
def _send_again(invoice_id: int) -> None:
    result = runtime.current().resolve_send_again(invoice_id, actor=actor(), reason=reason.given(invoice_id))
    if result.done:
        reads.watch(invoice_id)
    keep(result)


def _answer_key(invoice_id: int) -> str:
    return f"_answer_{invoice_id}"
