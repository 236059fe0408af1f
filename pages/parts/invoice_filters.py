"""The filters of the invoice list. They live in the URL, so that a link shows the same list."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import NoReturn, TypeVar

import streamlit as st

from pages.parts import attempt_filter, filters, reads, say
from toc_sync import wording_doubt, wording_groups, wording_overview
from toc_sync.model import Status
from toc_sync.views import Choice, InvoiceFilter, InvoiceOrder
from toc_sync.wording import STATUS_NAMES
from toc_sync.wording_legal import DUE_NAMES, FINDING_NAMES, ORDER_NAMES, RULE

T = TypeVar("T")

LARGEST = 999_999_999.99
MOST_BATCHES = 10**9
_LONGEST_BATCH = 10
OLD_DOUBTS, AT_RISK = "old_doubts", "at_risk"
ERROR_GROUP = "error_group"
STATUSES = {name: status for status, name in STATUS_NAMES.items()}
DUES = {name: due for due, name in DUE_NAMES.items()}
FINDINGS = {name: finding for finding, name in FINDING_NAMES.items()}
ORDERS = {name: order for order, name in ORDER_NAMES.items()}
_EMPTY: dict[str, object] = {
    "status": [],
    "since": None,
    "until": None,
    "issuer": None,
    "payer": None,
    "q": "",
    "min": None,
    "max": None,
    OLD_DOUBTS: False,
    "due": None,
    "finding": None,
    "batch": "",
    AT_RISK: False,
}


def draw() -> InvoiceFilter:
    """Draws the filters and returns what is asked for. The names in the URL are the widgets' keys."""
    teams = filters.by_name(reads.teams())
    filters.note_nonsense(_understood(teams))
    text = filters.search("q", "Number, payer, error or document number")
    with st.popover("Filters", icon=":material/tune:", key="more_filters"):
        chosen = _choose(teams)
    wanted = replace(chosen, text=text, error_group=_error_group(), attempted=attempt_filter.draw())
    if wanted.error_group:
        _draw_error_group(wanted.error_group)
    if not is_empty(wanted):
        st.button("Clear filters", icon=":material/filter_alt_off:", key="clear_filters", on_click=clear)
    return wanted


def _understood(teams: Mapping[str, Choice]) -> dict[str, Callable[[str], bool]]:
    """Returns what each parameter of the address may be."""
    return {
        "status": STATUSES.__contains__,
        "since": filters.is_day,
        "until": filters.is_day,
        "issuer": teams.__contains__,
        "payer": teams.__contains__,
        "min": _is_amount,
        "max": _is_amount,
        "due": DUES.__contains__,
        "finding": FINDINGS.__contains__,
        "order": ORDERS.__contains__,
        "page": filters.is_page,
        OLD_DOUBTS: ("true", "false").__contains__,
        "batch": _is_batch,
        AT_RISK: ("true", "false").__contains__,
        ERROR_GROUP: _is_group,
    }


def _choose(teams: Mapping[str, Choice]) -> InvoiceFilter:
    names = st.multiselect("Status", list(STATUSES), key="status", bind="query-params", placeholder="All")
    old_doubts = st.checkbox(wording_doubt.OLD_DOUBTS, key=OLD_DOUBTS, bind="query-params")
    meaning = wording_overview.AT_RISK_MEANING
    at_risk = st.checkbox(wording_overview.AT_RISK, key=AT_RISK, bind="query-params", help=meaning)
    since, until = filters.period("Invoice date from", "since", "until")
    issuer = _one_of(teams, "Issuer", "issuer")
    payer = _one_of(teams, "Payer", "payer")
    smallest, largest = _amounts()
    due = _one_of(DUES, "Legal deadline", "due", help=RULE)
    finding = _one_of(FINDINGS, "Only", "finding")
    order = st.selectbox("Sort by", list(ORDERS), key="order", bind="query-params")
    batch = _batch()
    return InvoiceFilter(
        statuses=tuple(STATUSES[name] for name in names),
        since=since,
        until=until,
        issuer_team_id=issuer.id if issuer else None,
        payer_team_id=payer.id if payer else None,
        smallest=smallest,
        largest=largest,
        old_doubts=old_doubts,
        due=due,
        finding=finding,
        order=ORDERS[order],
        batch_id=batch,
        at_risk=at_risk,
    )


def _batch() -> int | None:
    """Draws the field for a batch; as text, because a field for whole numbers breaks the page at "inf" in the address."""
    text = (
        st.text_input("Batch", key="batch", bind="query-params", max_chars=10, placeholder="Its number") or ""
    ).strip()
    if text and not _is_batch(text):
        st.warning("A batch is named by a whole number.", icon=":material/tag:")
    return int(text) if _is_batch(text) else None


def _is_batch(text: str) -> bool:
    return filters.is_page(text) and len(text) <= _LONGEST_BATCH and int(text) <= MOST_BATCHES


def _one_of(choices: Mapping[str, T], label: str, key: str, *, help: str | None = None) -> T | None:  # noqa: A002
    """Draws a select box and returns what was chosen, or None for all."""
    name = st.selectbox(label, list(choices), index=None, key=key, bind="query-params", placeholder="All", help=help)
    return choices[name] if name else None


def is_empty(wanted: InvoiceFilter) -> bool:
    """Tells whether nothing narrows the list; its order does not."""
    return replace(wanted, order=InvoiceOrder.NEWEST) == InvoiceFilter()


def address(wanted: InvoiceFilter) -> Mapping[str, str | list[str]]:
    """Returns the parameters of a link to this list: all but teams, amounts and words."""
    given: dict[str, str | list[str]] = {
        "status": [STATUS_NAMES[status] for status in wanted.statuses],
        "since": wanted.since.isoformat() if wanted.since else "",
        "until": wanted.until.isoformat() if wanted.until else "",
        "due": DUE_NAMES[wanted.due] if wanted.due else "",
        "finding": FINDING_NAMES[wanted.finding] if wanted.finding else "",
        OLD_DOUBTS: "true" if wanted.old_doubts else "",
        AT_RISK: "true" if wanted.at_risk else "",
    }
    given |= attempt_filter.address(wanted.attempted)
    return {name: value for name, value in given.items() if value}


def clear() -> NoReturn:
    """Empties all filters (a callback)."""
    _empty()
    st.rerun()


def show_batch(batch_id: int) -> NoReturn:
    """Asks for the invoices of a batch and nothing else (a callback)."""
    _empty()
    st.session_state["batch"] = str(batch_id)
    st.rerun()


def toggle_status(status: Status) -> NoReturn:
    """Adds a status to the filter, or takes it out (a callback)."""
    name, chosen = STATUS_NAMES[status], st.session_state.get("status", [])
    st.session_state["status"] = [each for each in chosen if each != name] if name in chosen else [*chosen, name]
    st.rerun()


def _empty() -> None:
    attempt_filter.clear()
    st.session_state.update(_EMPTY)
    st.query_params.pop(ERROR_GROUP, None)


def _error_group() -> str | None:
    """Returns the group that the address asks for; no widget holds it, because nobody chooses it here."""
    key: str | None = st.query_params.get(ERROR_GROUP)
    return key if key and _is_group(key) else None


def _is_group(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{12}", text) is not None


def _draw_error_group(key: str) -> None:
    name = next((group.name for group in reads.error_groups() if group.key == key), wording_groups.GONE)
    st.button(
        f"Only {say.plain(name)}",
        icon=":material/close:",
        key="clear_error_group",
        help="Show invoices whatever went wrong with them.",
        on_click=_forget_error_group,
    )


def _forget_error_group() -> NoReturn:
    st.query_params.pop(ERROR_GROUP, None)
    st.rerun()


def _amounts() -> tuple[Decimal | None, Decimal | None]:
    left, right = st.columns(2)
    with left:
        smallest = _amount("Total from", "min")
    with right:
        largest = _amount("to", "max")
    return smallest, largest


def _amount(label: str, key: str) -> Decimal | None:
    amount = st.number_input(
        label, min_value=0.0, max_value=LARGEST, value=None, step=0.01, format="%.2f", key=key, bind="query-params"
    )
    return Decimal(f"{amount:.2f}") if amount is not None and math.isfinite(amount) else None


def _is_amount(text: str) -> bool:
    try:
        return 0 <= float(text) <= LARGEST
    except ValueError:
        return False
