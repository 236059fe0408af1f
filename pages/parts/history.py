"""What happened to one invoice: its attempts, what people did, its orders, and what stands in the billing database."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.parts import say
from toc_sync import wording, wording_activity
from toc_sync.model import Outcome
from toc_sync.views import ActionRow, AttemptRow, InvoiceDetail

SHOWN = 10
_ICONS = {
    None: ":material/sync:",
    Outcome.SYNCED: ":material/check_circle:",
    Outcome.FAILED: ":material/cancel:",
    Outcome.IN_DOUBT: ":material/help:",
    Outcome.UNDELIVERED: ":material/cloud_off:",
}


def draw(detail: InvoiceDetail) -> None:
    """Draws attempts, actions, orders and the raw `api_response`."""
    _draw_attempts(detail.attempts)
    if detail.actions:
        st.header("What people did", anchor=False)
        for action in detail.actions[:SHOWN]:
            _draw_action(action)
    if detail.allocations:
        st.header("Invoice orders", anchor=False)
        _draw_allocations(detail)
    with st.expander("Copy for support", icon=":material/support_agent:", key=f"support_{detail.row.invoice_id}"):
        st.caption("Everything a supporter needs to know. No key is in it, and no note.")
        st.code(wording_activity.support_text(detail), language=None, wrap_lines=True)
    with st.expander(
        "What stands in `api_response`", icon=":material/data_object:", key=f"raw_{detail.row.invoice_id}"
    ):
        if isinstance(detail.api_response, dict | list):
            st.json(detail.api_response)
        else:
            st.code(
                "null" if detail.api_response is None else repr(detail.api_response), language=None, wrap_lines=True
            )


def _draw_attempts(attempts: tuple[AttemptRow, ...]) -> None:
    st.header("Attempts", anchor=False)
    if not attempts:
        st.caption("None from here.")
    for attempt in attempts[:SHOWN]:
        _draw_attempt(attempt)
    if len(attempts) > SHOWN:
        with st.expander(f"{len(attempts) - SHOWN} earlier", key="earlier_attempts"):
            _draw_earlier(attempts[SHOWN:])


def _draw_attempt(attempt: AttemptRow) -> None:
    outcome = wording.OUTCOME_NAMES[attempt.outcome] if attempt.outcome else "Under way"
    color = wording.OUTCOME_COLORS[attempt.outcome] if attempt.outcome else "blue"
    facts = [
        wording.day_and_time(attempt.started_at),
        f"{wording.TRIGGER_NAMES[attempt.trigger]} ({say.plain(attempt.requested_by)})",
        f"HTTP {attempt.http_status}" if attempt.http_status else None,
        f"{attempt.duration_ms / 1000:.1f} s" if attempt.duration_ms is not None else None,
        say.plain(attempt.document_no) if attempt.document_no else None,
    ]
    with st.container(border=True, gap="xsmall"):
        st.markdown(
            f"**{attempt.number}** :{color}[{_ICONS[attempt.outcome]} **{outcome}**] · {' · '.join(fact for fact in facts if fact)}"
        )
        if attempt.error:
            st.text(attempt.error)


def _draw_earlier(attempts: tuple[AttemptRow, ...]) -> None:
    frame = pd.DataFrame(
        {
            "#": [attempt.number for attempt in attempts],
            "When": [wording.day_and_time(attempt.started_at) for attempt in attempts],
            "Why": [f"{wording.TRIGGER_NAMES[attempt.trigger]} ({attempt.requested_by})" for attempt in attempts],
            "Outcome": [wording.OUTCOME_NAMES[attempt.outcome] if attempt.outcome else "" for attempt in attempts],
            "Answer": [attempt.error for attempt in attempts],
        }
    )
    st.dataframe(frame, hide_index=True, placeholder="")


def _draw_action(action: ActionRow) -> None:
    name = wording.ACTION_NAMES.get(action.action, action.action)
    icon = ":material/person:" if action.done else ":material/block:"
    reason = f"  \nReason: {say.plain(action.reason)}" if action.reason else ""
    st.markdown(
        f"{icon} {wording.day_and_time(action.at)} · {say.plain(action.actor)} · **{say.plain(name)}**  \n"
        f"{say.plain(action.result)}{reason}"
    )


def _draw_allocations(detail: InvoiceDetail) -> None:
    currency, rows = detail.row.currency_code, detail.allocations
    frame = pd.DataFrame(
        {
            "Order": [row.order_id for row in rows],
            "Project": [row.project for row in rows],
            "Subtotal": [wording.money(row.subtotal, currency) for row in rows],
            "VAT": [wording.money(row.vat, currency) for row in rows],
            "Total": [wording.money(row.total, currency) for row in rows],
        }
    )
    right = {name: st.column_config.TextColumn(alignment="right") for name in ("Subtotal", "VAT", "Total")}
    st.dataframe(frame, hide_index=True, placeholder="", column_config=right)
