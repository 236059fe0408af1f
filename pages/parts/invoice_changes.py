"""Which rows of the invoice list have changed since this person last looked: they are marked where they stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import streamlit as st

from toc_sync import runtime
from toc_sync.model import Status
from toc_sync.views import InvoicePage, InvoiceRow

REFRESHES = 2
TICK = "tick_invoices"
_CHANGES = "_invoice_changes"
_Seen = tuple[Status, int, str | None]


class Mark(StrEnum):
    """Why a row is marked."""

    NEW = "new"
    CHANGED = "changed"


@dataclass(kw_only=True)
class Changes:
    """What one person saw in the list when they last looked, and which rows are marked until when."""

    view: object = None
    seen: dict[int, _Seen] = field(default_factory=dict)
    newest: int | None = None
    marked: dict[int, tuple[Mark, datetime]] = field(default_factory=dict)
    tick: object = None

    def look(self, found: InvoicePage, *, lasts: timedelta) -> dict[int, Mark]:
        """Takes over what the list shows now and returns the marks of its rows.

        An invoice is new when its id is above all seen before: one that only moved into the page is not.
        """
        for row in found.rows:
            if mark := self._mark_of(row):
                self.marked[row.invoice_id] = (mark, found.read_at + lasts)
        self.seen = {row.invoice_id: _looks(row) for row in found.rows}
        self.newest = max([*self.seen, self.newest or 0])
        self.marked = {number: (mark, until) for number, (mark, until) in self.marked.items() if until > found.read_at}
        return {number: self.marked[number][0] for number in self.seen if number in self.marked}

    def _mark_of(self, row: InvoiceRow) -> Mark | None:
        before = self.seen.get(row.invoice_id)
        if before is None:
            return Mark.NEW if self.newest is not None and row.invoice_id > self.newest else None
        if before == _looks(row):
            return None
        is_new = self.marked.get(row.invoice_id, (None,))[0] is Mark.NEW
        return Mark.NEW if is_new else Mark.CHANGED


def marks(found: InvoicePage, view: object) -> Mapping[int, Mark]:
    """Returns the marks of this page's rows for this person; they end at the next interaction or after two refreshes.

    Another `view` (filter and page) starts without any.
    """
    changes: Changes = st.session_state.setdefault(_CHANGES, Changes(view=view))
    if view != changes.view:
        changes = st.session_state[_CHANGES] = Changes(view=view, tick=changes.tick)
    tick = st.session_state.get(TICK)
    if tick == changes.tick:  # no refresh drew this, but something that this person did
        changes.marked.clear()
    changes.tick = tick
    return changes.look(found, lasts=timedelta(seconds=REFRESHES * runtime.current().environment.refresh_s))


def _looks(row: InvoiceRow) -> _Seen:
    return row.status, row.attempts, row.document_no
