"""Whether invoices leave: a banner where they do not, with the way on, and the red button that stops them."""

from __future__ import annotations

import streamlit as st

from pages.parts import say
from pages.parts.who import actor
from toc_sync import runtime, wording, wording_database, wording_gate
from toc_sync.model import GateCause
from toc_sync.views import GateView, Sending

REASON_LENGTH = 500
_REASON, _ANSWER, _PAUSES = "pause_reason", "_pause_answer", "_pauses"
_NOTE = "resume_note"


def banner(sending: Sending) -> None:
    """Says what keeps invoices from leaving, or how those fared that had to wait."""
    if not sending.alive:
        st.warning("Nothing is sending: no worker is alive.", icon=":material/power_off:")
    for obstacle in sending.obstacles:
        st.error(say.plain(obstacle), icon=":material/front_hand:")
    if not sending.standstill.is_none:
        st.warning(say.plain(wording_database.standstill(sending.standstill)), icon=":material/lock_clock:")
    if not sending.gate.is_open:
        _draw_closed(sending.gate)
    elif sending.gate.reopening:
        st.caption(f":material/history: {say.plain(wording_gate.reopening_line(sending.gate.reopening))}")


def pause_button() -> None:
    """Draws the red button; what it opens asks for the reason."""
    # Another key after each pause: a popover that is drawn anew is shut.
    key = f"pause_{st.session_state.get(_PAUSES, 0)}"
    with st.popover("Pause", icon=":material/pause_circle:", key=key):
        st.markdown(
            "**Stop sending on all machines**  \nInvoices can still be created; they wait. What is on its way is awaited."
        )
        with st.form(f"{key}_form", border=False, clear_on_submit=False):
            st.text_input("Why?", key=_REASON, max_chars=REASON_LENGTH, placeholder="TOC Online is being maintained")
            st.form_submit_button("Pause sending", type="primary", icon=":material/pause:", on_click=_pause)
        if answer := st.session_state.get(_ANSWER):
            st.error(say.plain(answer), icon=":material/error:")


def _draw_closed(gate: GateView) -> None:
    with st.container(border=True, key="gate_banner"):
        stopped = wording_gate.gate_state(gate.state, gate.since, gate.changed_by)
        st.error(f"**{say.plain(stopped)}** {say.plain(wording_gate.gate_details(gate))}", icon=":material/front_hand:")
        if gate.cause is GateCause.CLOCK:  # ends by itself, and by nobody's word
            return
        with st.popover("Resume", icon=":material/play_arrow:", type="primary", key="resume"):
            st.markdown(say.plain(_before_resuming(gate)))
            with st.form("resume_form", border=False):
                st.text_input("Note for the log (optional)", key=_NOTE, max_chars=REASON_LENGTH)
                st.form_submit_button("Resume sending", type="primary", icon=":material/play_arrow:", on_click=_resume)


def _before_resuming(gate: GateView) -> str:
    if gate.cause is GateCause.DATABASE:
        return wording_gate.LOOK_BEFORE_RESUMING
    return f"{wording.invoices(gate.waiting)} would go out now." if gate.waiting else "Nothing waits."


@say.safely
def _pause() -> None:
    result = runtime.current().gate.pause(actor=actor(), reason=st.session_state[_REASON])
    st.session_state[_ANSWER] = None if result.done else result.message
    if result.done:
        st.session_state[_PAUSES] = st.session_state.get(_PAUSES, 0) + 1
        st.session_state[_REASON] = ""
        say.later(result.message)


@say.safely
def _resume() -> None:
    result = runtime.current().gate.resume(actor=actor(), reason=st.session_state[_NOTE])
    say.later(result.message, good=result.done)
