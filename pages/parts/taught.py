"""The answers that people taught: which, by whom, what they led to, and taking one back."""

from __future__ import annotations

import streamlit as st

from pages.parts import reads, say
from pages.parts.who import actor
from toc_sync import runtime, wording
from toc_sync.views_teaching import TaughtRow

LENGTH = 500


def draw() -> None:
    """Draws the taught answers, folded up; nothing where there are none."""
    rows = reads.taught()
    if not rows:
        return
    with st.expander(f"Taught answers ({len(rows)})", icon=":material/school:", key="taught"):
        st.caption("After each of these answers an invoice counts as failed, because somebody declared what it means.")
        for row in rows:
            _draw_row(row)


def _draw_row(row: TaughtRow) -> None:
    with st.container(border=True):
        st.markdown(f"**{say.plain(row.name)}**")
        st.code(row.example, language=None, wrap_lines=True)
        st.markdown(f"**What to do:** {say.plain(row.remedy)}  \n**Who:** {wording.FIXER_NAMES[row.fixer]}.")
        taught = f"Taught by {row.taught_by}, {wording.day_and_time(row.taught_at)}: {row.reason}"
        st.caption(say.plain(f"{taught} · {wording.invoices(row.failed)} failed because of it now."))
        with st.form(f"withdraw_{row.name}", border=False):
            st.text_input("Why does it not hold?", key=f"withdraw_reason_{row.name}", max_chars=LENGTH)
            st.form_submit_button("Withdraw", icon=":material/undo:", on_click=_withdraw, args=(row.name,))


@say.safely
def _withdraw(name: str) -> None:
    reason = st.session_state[f"withdraw_reason_{name}"]
    result = runtime.current().withdraw_refusal(name, reason=reason, actor=actor())
    say.later(result.message, good=result.done)
