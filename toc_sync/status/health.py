"""What happened within a range: attempts by outcome, answer times, and how long invoices took to reach TOC Online.

Times are counted by the tenth of a second, which is as exact as they are shown: what the database hands over stays
small, and one query tells both the whole range and each of its slots.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, cast, distinct, extract, func, select

from toc_sync.database import is_postgresql
from toc_sync.model import Outcome, Status
from toc_sync.status.counting import count_matching
from toc_sync.status.ranges import range_of
from toc_sync.status.slots import is_within, slot_number
from toc_sync.tables import sync_attempts as attempts
from toc_sync.tables import sync_records as records
from toc_sync.views import Attempted, InvoiceFilter
from toc_sync.views_health import AttemptCount, Health, Percentiles, Range, RangeAsked, Slot, Times

TO_BE_THERE = tuple(status for status in Status if status is not Status.NOT_NEEDED)
NOT_THERE = tuple(status for status in TO_BE_THERE if status is not Status.SYNCED)
UNSUCCESSFUL = tuple(outcome for outcome in Outcome if outcome is not Outcome.SYNCED)
HALF, MOST = 50, 95


def read_health(conn: Connection, asked: RangeAsked, *, now: datetime) -> Health:
    """Returns what happened within the range, and how many of the invoices dated in it are in TOC Online."""
    covers = range_of(asked, now)
    tried = Attempted(since_at=covers.start_at, until_at=covers.end_at, outcomes=UNSUCCESSFUL)
    return Health(
        covers=covers,
        there=count_matching(conn, _dated(covers, (Status.SYNCED,)), now=now),
        missing=count_matching(conn, _dated(covers, NOT_THERE), now=now),
        unsuccessful=count_matching(conn, InvoiceFilter(attempted=tried), now=now),
        attempts=_attempts(conn, covers),
        answers=_answers(conn, covers),
        to_synced=_to_synced(conn, covers),
        read_at=now,
    )


def nearest_rank(counted: Counter[int], percent: int) -> int:
    """Returns the smallest value at or below which at least `percent` of 100 lie; `counted` holds one at least."""
    passed = 0
    for value in sorted(counted):
        passed += counted[value]
        if passed * 100 >= counted.total() * percent:
            return value
    raise ValueError("nothing was counted")


def _dated(covers: Range, statuses: tuple[Status, ...]) -> InvoiceFilter:
    return InvoiceFilter(statuses=statuses, since=covers.first_day, until=covers.last_day)


def _attempts(conn: Connection, covers: Range) -> tuple[AttemptCount, ...]:
    at = attempts.c.started_at
    # An attempt of an invoice that has no record is in no list.
    listed = attempts.outerjoin(records, records.c.invoice_id == attempts.c.invoice_id)
    each = (
        select(slot_number(conn, at, covers).label("slot"), attempts.c.outcome, records.c.invoice_id)
        .select_from(listed)
        .where(is_within(at, covers), attempts.c.outcome.is_not(None))
        .subquery()
    )
    keys = (each.c.slot, each.c.outcome)
    query = select(*keys, func.count(), func.count(distinct(each.c.invoice_id))).group_by(*keys).order_by(*keys)
    return tuple(
        AttemptCount(slot=covers.slots[number], outcome=Outcome(outcome), attempts=tried, invoices=invoices)
        for number, outcome, tried, invoices in conn.execute(query)
    )


def _answers(conn: Connection, covers: Range) -> Times:
    """Returns how long the function took; what never reached it has no answer to wait for."""
    arrived = attempts.c.outcome != Outcome.UNDELIVERED
    return _times(conn, covers, attempts.c.started_at, attempts.c.duration_ms / 100.0, arrived)


def _to_synced(conn: Connection, covers: Range) -> Times:
    """Returns how long invoices took from their creation in billing until TOC Online had them."""
    created, synced = func.coalesce(records.c.invoice_created_at, records.c.created_at), records.c.synced_at
    if is_postgresql(conn):
        tenths = (extract("epoch", synced) - extract("epoch", created)) * 10
    else:
        tenths = (func.julianday(synced) - func.julianday(created)) * 864_000
    return _times(conn, covers, synced, tenths, records.c.status == Status.SYNCED)


def _times(
    conn: Connection, covers: Range, at: ColumnElement[Any], tenths: ColumnElement[Any], condition: ColumnElement[bool]
) -> Times:
    each = (
        select(slot_number(conn, at, covers).label("slot"), cast(func.round(tenths), Integer).label("tenths"))
        .where(is_within(at, covers), condition, tenths.is_not(None))
        .subquery()
    )
    query = select(each.c.slot, each.c.tenths, func.count()).group_by(each.c.slot, each.c.tenths)
    whole: Counter[int] = Counter()
    by_slot: dict[int, Counter[int]] = {}
    for number, value, count in conn.execute(query):
        whole[max(0, value)] += count
        by_slot.setdefault(number, Counter())[max(0, value)] += count
    return Times(
        whole=_percentiles(Slot(start_at=covers.start_at, end_at=covers.end_at), whole) if whole else None,
        by_slot=tuple(_percentiles(covers.slots[number], by_slot[number]) for number in sorted(by_slot)),
    )


def _percentiles(slot: Slot, tenths: Counter[int]) -> Percentiles:
    return Percentiles(
        slot=slot,
        half_s=nearest_rank(tenths, HALF) / 10,
        most_s=nearest_rank(tenths, MOST) / 10,
        count=tenths.total(),
    )
