"""One attempt in detail: what the platform calls it, and the answer as it came, to copy for support."""

from __future__ import annotations

from typing import NoReturn

import streamlit as st

from pages.parts import say
from pages.parts.facts import facts
from toc_sync import runtime, wording, wording_activity
from toc_sync.views_activity import AttemptEvidence

ASKED = "attempt"
WIDTH_PX = 700
SHORT, LONG_PX = 1_500, 400
"""A longer answer gets a box that scrolls."""


def ask(attempt_id: int) -> NoReturn:
    """Opens the dialog (a callback); it lives in the URL, so that a link opens it too."""
    st.query_params[ASKED] = str(attempt_id)
    st.rerun()


def draw(attempt_id: str) -> None:
    """Opens the dialog of the attempt that the address names."""

    @st.dialog("Attempt", width=WIDTH_PX, position="right", icon=":material/manage_search:", on_dismiss=_close)
    def dialog() -> None:
        with say.friendly("attempt"):
            _draw_evidence(runtime.current().activity.evidence(attempt_id))

    dialog()


def _close() -> None:
    st.query_params.pop(ASKED, None)


def _draw_evidence(evidence: AttemptEvidence) -> None:
    row = evidence.row
    st.subheader(say.plain(wording_activity.what(row)), anchor=False)
    facts(
        {
            "Invoice": row.invoice_number or f"Invoice {row.invoice_id}",
            "Who": row.who,
            "Why": wording_activity.why(row),
            "Sent": wording.day_and_time(row.at),
            "Ended": wording.day_and_time(evidence.finished_at) if evidence.finished_at else None,
            "HTTP": str(row.http_status) if row.http_status else None,
        }
    )
    st.caption("Copy for support")
    st.code(wording_activity.support_text_of_attempt(evidence), language=None, wrap_lines=True)
    st.caption("The answer as it came")
    if evidence.body:
        st.code(
            evidence.body, language=None, wrap_lines=True, height=LONG_PX if len(evidence.body) > SHORT else "content"
        )
    else:
        st.caption("None was kept.")
