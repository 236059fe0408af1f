"""The legal clock over all invoices: how many are past their deadline or near it, and what they are worth."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Connection, case

from toc_sync import deadlines
from toc_sync.status.invoices import conditions_of, deadline_runs
from toc_sync.status.sums import grouped_sums
from toc_sync.tables import sync_records as records
from toc_sync.views import InvoiceFilter
from toc_sync.views_legal import ASKED_FOR, DueCounts, DueFilter, Sums

_COUNTED = (DueFilter.OVERDUE, DueFilter.TODAY, DueFilter.SOON)


def count_due(conn: Connection, today: date) -> DueCounts:
    """Returns what must be issued by the next working day or should have been, in one query.

    `today` and `soon` equal the list under the filter of that name; `overdue` and `never_sent` share the third one:
    the statuses of `ASKED_FOR`, and not synced.
    """
    next_working_day = deadlines.working_days_after(today, 1)
    of_state = {due: conditions_of(InvoiceFilter(due=due), today)[0] for due in _COUNTED}
    groups = [
        case(*((condition, due.value) for due, condition in of_state.items())),
        case((records.c.status.in_(ASKED_FOR), 1), else_=0),
    ]
    found = dict.fromkeys(_COUNTED, Sums())
    never_sent = Sums()
    for (due, asked_for), sums in grouped_sums(
        conn, groups, [deadline_runs(), records.c.issue_deadline <= next_working_day]
    ):
        if due == DueFilter.OVERDUE and not asked_for:
            never_sent += sums
        else:
            found[DueFilter(due)] += sums
    return DueCounts(
        overdue=found[DueFilter.OVERDUE],
        never_sent=never_sent,
        today=found[DueFilter.TODAY],
        soon=found[DueFilter.SOON],
        read_on=today,
        next_working_day=next_working_day,
    )
