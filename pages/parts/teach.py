"""In doubt because of an answer nobody knows: declare, once and for all, that it means that nothing was issued."""

from __future__ import annotations

from typing import NoReturn

import streamlit as st

from pages.parts import reads, say
from pages.parts.who import actor
from toc_sync import runtime, wording
from toc_sync.model import ErrorKind, Fixer
from toc_sync.views import InvoiceDetail
from toc_sync.views_teaching import TeachingPreview

LENGTH = 500
NAME_LENGTH = 60
_ASKED, _LAST_REASON = "_teaching", "_teaching_reason"


def draw(detail: InvoiceDetail) -> None:
    """Draws the third way out of a doubt, where the function gave an answer; what it would do is read on demand."""
    invoice_id = detail.row.invoice_id
    if detail.row.error_kind is not ErrorKind.SERVER_ERROR:
        return
    with st.container(border=True, key="teach"):
        if not st.toggle("This answer always means that nothing was issued", key=f"teach_{invoice_id}"):
            return
        _draw_lesson(invoice_id)


def open_for(invoice_id: int) -> NoReturn:
    """Opens the same as a dialog (a callback)."""
    st.session_state[_ASKED] = invoice_id
    st.rerun()


def is_open() -> bool:
    """Tells whether the dialog is open."""
    return st.session_state.get(_ASKED) is not None


def draw_dialog() -> None:
    """Draws the dialog."""

    @st.dialog("What does this answer mean?", width="medium", icon=":material/school:", on_dismiss=_shut)
    def dialog() -> None:
        with say.friendly("teach"):
            st.markdown("**This answer always means that nothing was issued.**")
            _draw_lesson(st.session_state[_ASKED])

    dialog()


def _shut() -> None:
    st.session_state[_ASKED] = None


def _draw_lesson(invoice_id: int) -> None:
    preview = reads.teaching(invoice_id)
    if preview.why_not:
        st.caption(f":material/lock: {say.plain(preview.why_not)}")
        return
    _draw_preview(preview)
    if preview.may_teach:
        _draw_form(invoice_id, preview)
    if refused := st.session_state.get(_refused_key(invoice_id)):
        st.error(say.plain(refused), icon=":material/error:")


def _draw_preview(preview: TeachingPreview) -> None:
    st.caption("The answer")
    st.code(preview.example, language=None, wrap_lines=True)
    st.caption("Recognised by these words; what stands in angle brackets may differ")
    st.code(preview.form, language=None, wrap_lines=True)
    past = f"{preview.past_answers:,} past answer{'' if preview.past_answers == 1 else 's'}"
    worth = wording.amounts(preview.amounts)
    st.markdown(
        f"It matches **{past}**. **{wording.invoices(preview.count)}** in doubt would become retryable:"
        f" {say.plain(worth)}."
    )
    for objection in preview.objections:
        st.error(f"It cannot be taught. {say.plain(objection)}", icon=":material/block:")


def _draw_form(invoice_id: int, preview: TeachingPreview) -> None:
    with st.form(f"teaching_{invoice_id}", border=False):
        if preview.known_as:
            st.markdown(f"It was taught already, as **{say.plain(preview.known_as)}**.")
        else:
            st.warning(
                "Only if you are certain: an answer that is taught wrongly leads to invoices that are issued twice.",
                icon=":material/gavel:",
            )
            _draw_fields(invoice_id, preview)
        st.form_submit_button(
            f"Teach and make {wording.invoices(preview.count)} retryable",
            type="primary",
            icon=":material/school:",
            on_click=_teach,
            args=(invoice_id,),
        )


def _draw_fields(invoice_id: int, preview: TeachingPreview) -> None:
    st.text_input("Name", preview.suggested_name, key=f"teach_name_{invoice_id}", max_chars=NAME_LENGTH)
    st.text_input(
        "What to do before Retry",
        preview.suggested_remedy,
        key=f"teach_remedy_{invoice_id}",
        max_chars=LENGTH,
        placeholder="Correct the unit on the order, then press Retry.",
    )
    st.selectbox(
        "Who does it",
        list(Fixer),
        list(Fixer).index(preview.suggested_fixer),
        format_func=lambda fixer: wording.FIXER_NAMES[fixer],
        key=f"teach_fixer_{invoice_id}",
    )
    st.text_input(
        "How do you know that nothing was issued?",
        st.session_state.get(_LAST_REASON, ""),
        key=f"teach_reason_{invoice_id}",
        max_chars=LENGTH,
    )


@say.safely
def _teach(invoice_id: int) -> None:
    typed = st.session_state
    result = runtime.current().teach_refusal(
        invoice_id,
        name=typed.get(f"teach_name_{invoice_id}", ""),
        remedy=typed.get(f"teach_remedy_{invoice_id}", ""),
        fixer=typed.get(f"teach_fixer_{invoice_id}", Fixer.FINANCE),
        reason=typed.get(f"teach_reason_{invoice_id}", ""),
        actor=actor(),
    )
    typed[_refused_key(invoice_id)] = None if result.done else result.message
    if result.done:
        typed[_LAST_REASON] = typed.get(f"teach_reason_{invoice_id}", "")
        say.later(result.message)
        if is_open():
            _shut()
            st.rerun()


def _refused_key(invoice_id: int) -> str:
    return f"_teaching_refused_{invoice_id}"
