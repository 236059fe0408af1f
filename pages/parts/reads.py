"""Reads that all viewers share: one query per refresh, and none twice for what nobody changed.

A key carries the version that every write of this process raises (a click is seen at once) and a slice of time (what
other processes wrote is seen soon after).
"""

from __future__ import annotations

from datetime import date, timedelta

import streamlit as st

from toc_sync import clock, runtime
from toc_sync.model import DatabaseUnavailable, SyncState, UnknownInvoice
from toc_sync.views import Choice, InvoiceFilter, InvoicePage, InvoiceRow, OrderFilter, OrderPage, Sending
from toc_sync.views_activity import ActivityFilter, ActivityPage, Onlooker
from toc_sync.views_batches import BatchView, Outage
from toc_sync.views_groups import ErrorGroup
from toc_sync.views_health import Health, Overview, RangeAsked, RangeKind
from toc_sync.views_legal import DueCounts, MonthClose
from toc_sync.views_teaching import TaughtRow, TeachingPreview

KEEP_S = 120
LONG_RANGE_KEPT_S = 10.0
"""A month of a hundred thousand attempts takes a second to count: all who look at it share one reading."""
MONTH_KEPT_S = 30.0
"""A month of tens of thousands of invoices takes a second to compare; it says as of when."""
SOON = timedelta(minutes=1)
_WATCHED = "_watched"
_FOLLOWED = "_followed_batches"


def invoices(wanted: InvoiceFilter, page: int) -> InvoicePage:
    """Returns one page of the invoice list."""
    return _invoices(wanted, page, *_key())


def invoice_rows(invoice_ids: tuple[int, ...]) -> tuple[InvoiceRow, ...]:
    """Returns these invoices as lines of the list, in this order."""
    return _invoice_rows(invoice_ids, *_key())


def overview() -> Overview:
    """Returns where every invoice stands now."""
    return _overview(*_key())


def due() -> DueCounts:
    """Returns what is past its legal deadline or near it."""
    return _due(*_key())


def months() -> tuple[date, ...]:
    """Returns the first day of each month that has invoices, newest first."""
    return _months(*_key())


def month(month: date) -> MonthClose:
    """Returns how a month stands."""
    return _month(month, *_key(MONTH_KEPT_S))


def health(asked: RangeAsked) -> Health:
    """Returns what happened within a range; a long one as it was a few seconds ago, whatever was written since."""
    is_short = asked.kind is RangeKind.DAY
    return _health(asked, *(_key() if is_short else (0, _slice(LONG_RANGE_KEPT_S))))


def error_groups() -> tuple[ErrorGroup, ...]:
    """Returns what went wrong with the invoices that need attention."""
    return _error_groups(*_key())


def orders(wanted: OrderFilter, page: int) -> OrderPage:
    """Returns one page of the order list."""
    return _orders(wanted, page, *_key())


def sending() -> Sending:
    """Returns whether anything is sending."""
    return _sending(*_key())


def activity(wanted: ActivityFilter, page: int) -> ActivityPage:
    """Returns one page of what happened."""
    return _activity(wanted, page, *_key())


def onlookers(invoice_ids: tuple[int, ...]) -> tuple[Onlooker, ...]:
    """Returns everybody who has one of these invoices open."""
    return _onlookers(invoice_ids, *_key())


def current_batches() -> tuple[BatchView, ...]:
    """Returns the batches that are running, and the newest one that ended a short while ago."""
    return _current_batches(*_key())


def last_outage() -> Outage | None:
    """Returns the newest time in which the function did not work, if it is recent."""
    return _last_outage(*_key())


def teams() -> tuple[Choice, ...]:
    """Returns all teams."""
    return _teams(*_key())


def projects() -> tuple[Choice, ...]:
    """Returns all projects."""
    return _projects(*_key())


def teams_of_project(project_id: int | None) -> tuple[int | None, int | None]:
    """Returns the usual issuer and payer of a project's invoices."""
    return _teams_of_project(project_id, *_key())


def taught() -> tuple[TaughtRow, ...]:
    """Returns the answers that people taught."""
    return _taught(*_key())


def teaching(invoice_id: int) -> TeachingPreview:
    """Returns what teaching the answer of an invoice would do."""
    return _teaching(invoice_id, *_key())


def busy() -> bool:
    """Tells whether something that this person started is still on its way, or soon will be."""
    return _follows_a_batch() or _watches_an_invoice()


def _follows_a_batch() -> bool:
    followed: set[int] = st.session_state.get(_FOLLOWED, set())
    if not followed:
        return False
    try:
        running = {batch.batch_id for batch in current_batches() if batch.is_running}
    except DatabaseUnavailable:
        return False
    st.session_state[_FOLLOWED] = followed & running
    return bool(followed & running)


def _watches_an_invoice() -> bool:
    watched: set[int] = st.session_state.get(_WATCHED, set())
    if not watched:
        return False
    try:
        states = runtime.current().states(sorted(watched))
    except DatabaseUnavailable:
        return False
    except UnknownInvoice:
        states = []
    st.session_state[_WATCHED] = {state.invoice_id for state in states if _moves_soon(state)}
    return bool(st.session_state[_WATCHED])


def watch(invoice_id: int) -> None:
    """Remembers that this person started something for this invoice."""
    st.session_state[_WATCHED] = st.session_state.get(_WATCHED, set()) | {invoice_id}


def follow_batch(batch_id: int) -> None:
    """Remembers that this person started a batch."""
    st.session_state[_FOLLOWED] = st.session_state.get(_FOLLOWED, set()) | {batch_id}


def _moves_soon(state: SyncState) -> bool:
    waits = state.not_before is not None and state.not_before > clock.now() + SOON
    return state.on_its_way and not waits


def _key(least_s: float = 1.0) -> tuple[int, int]:
    environment = runtime.current().environment
    is_curious = st.session_state.get(_WATCHED) or st.session_state.get(_FOLLOWED)
    slice_s = 1.0 if is_curious else max(1.0, environment.refresh_s / 3)
    return runtime.current().version, _slice(max(least_s, slice_s))


def _slice(length_s: float) -> int:
    return int(clock.now().timestamp() // length_s)


@st.cache_data(ttl=KEEP_S, max_entries=200, show_spinner=False)
def _invoices(wanted: InvoiceFilter, page: int, version: int, slice_no: int) -> InvoicePage:
    return runtime.current().list_invoices(wanted, page)


@st.cache_data(ttl=KEEP_S, max_entries=200, show_spinner=False)
def _invoice_rows(invoice_ids: tuple[int, ...], version: int, slice_no: int) -> tuple[InvoiceRow, ...]:
    return runtime.current().invoice_rows(invoice_ids)


@st.cache_data(ttl=KEEP_S, max_entries=20, show_spinner=False)
def _overview(version: int, slice_no: int) -> Overview:
    return runtime.current().overview()


@st.cache_data(ttl=KEEP_S, max_entries=20, show_spinner=False)
def _due(version: int, slice_no: int) -> DueCounts:
    return runtime.current().count_due()


@st.cache_data(ttl=KEEP_S, max_entries=20, show_spinner=False)
def _months(version: int, slice_no: int) -> tuple[date, ...]:
    return runtime.current().months()


@st.cache_data(ttl=KEEP_S, max_entries=50, show_spinner=False)
def _month(month: date, version: int, slice_no: int) -> MonthClose:
    return runtime.current().month(month)


@st.cache_data(ttl=KEEP_S, max_entries=100, show_spinner=False)
def _health(asked: RangeAsked, version: int, slice_no: int) -> Health:
    return runtime.current().health(asked)


@st.cache_data(ttl=KEEP_S, max_entries=20, show_spinner=False)
def _error_groups(version: int, slice_no: int) -> tuple[ErrorGroup, ...]:
    return runtime.current().error_groups()


@st.cache_data(ttl=KEEP_S, max_entries=200, show_spinner=False)
def _orders(wanted: OrderFilter, page: int, version: int, slice_no: int) -> OrderPage:
    return runtime.current().list_orders(wanted, page)


@st.cache_data(ttl=KEEP_S, max_entries=50, show_spinner=False)
def _activity(wanted: ActivityFilter, page: int, version: int, slice_no: int) -> ActivityPage:
    return runtime.current().activity.page(wanted, page)


@st.cache_data(ttl=KEEP_S, max_entries=200, show_spinner=False)
def _onlookers(invoice_ids: tuple[int, ...], version: int, slice_no: int) -> tuple[Onlooker, ...]:
    return runtime.current().activity.onlookers(invoice_ids)


@st.cache_data(ttl=KEEP_S, max_entries=20, show_spinner=False)
def _sending(version: int, slice_no: int) -> Sending:
    return runtime.current().sending()


@st.cache_data(ttl=KEEP_S, max_entries=20, show_spinner=False)
def _current_batches(version: int, slice_no: int) -> tuple[BatchView, ...]:
    return runtime.current().current_batches()


@st.cache_data(ttl=KEEP_S, max_entries=20, show_spinner=False)
def _last_outage(version: int, slice_no: int) -> Outage | None:
    return runtime.current().last_outage()


@st.cache_data(ttl=KEEP_S, max_entries=20, show_spinner=False)
def _teams(version: int, slice_no: int) -> tuple[Choice, ...]:
    return runtime.current().teams()


@st.cache_data(ttl=KEEP_S, max_entries=20, show_spinner=False)
def _projects(version: int, slice_no: int) -> tuple[Choice, ...]:
    return runtime.current().projects()


@st.cache_data(ttl=KEEP_S, max_entries=200, show_spinner=False)
def _teams_of_project(project_id: int | None, version: int, slice_no: int) -> tuple[int | None, int | None]:
    return runtime.current().teams_of_project(project_id)


@st.cache_data(ttl=KEEP_S, max_entries=20, show_spinner=False)
def _taught(version: int, slice_no: int) -> tuple[TaughtRow, ...]:
    return runtime.current().taught_refusals()


@st.cache_data(ttl=KEEP_S, max_entries=50, show_spinner=False)
def _teaching(invoice_id: int, version: int, slice_no: int) -> TeachingPreview:
    return runtime.current().preview_teaching(invoice_id)
