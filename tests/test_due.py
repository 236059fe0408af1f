"""Deadlines in the database: every record has its own, and counts equal the lists behind them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.core import ISSUED, REFUSALS, REJECTED, Desk
from tests.invented_records import insert_invented
from toc_sync import outbox, status
from toc_sync.database import reading, writing
from toc_sync.model import Status
from toc_sync.tables import sync_records
from toc_sync.views import InvoiceFilter, InvoiceOrder, InvoiceRow
from toc_sync.views_legal import ASKED_FOR, UNSYNCED, DeadlineState, DueFilter, Sums

# A Friday, late in the evening: in Lisbon it is the same day, and Monday is the next working day.
NOW = datetime(2026, 11, 20, 22, 30, tzinfo=UTC)
TODAY = date(2026, 11, 20)


def rows(desk: Desk, wanted: InvoiceFilter, now: datetime = NOW) -> list[InvoiceRow]:
    with reading(desk.engine) as conn:
        return list(status.export_invoices(conn, wanted, now=now))


def ids(desk: Desk, **wanted: Any) -> list[int]:
    return [row.invoice_id for row in rows(desk, InvoiceFilter(**wanted))]


def deadline(desk: Desk, invoice_id: int) -> date | None:
    found: date | None = desk.record(invoice_id)["issue_deadline"]
    return found


def test_a_record_has_its_deadline_from_the_start_and_it_follows_the_date(desk: Desk) -> None:
    here = desk.create(invoice_date="2026-11-24")
    elsewhere = desk.adopted(invoice_date=date(2026, 11, 20))
    assert (deadline(desk, here), deadline(desk, elsewhere)) == (date(2026, 12, 2), date(2026, 11, 27))
    desk.change_invoice(elsewhere, invoice_date=date(2026, 11, 23))
    desk.sweep()
    assert deadline(desk, elsewhere) == date(2026, 11, 30)
    desk.change_invoice(elsewhere, invoice_date=None)
    desk.sweep()
    assert deadline(desk, elsewhere) is None
    assert desk.sweep() == 0


def test_sending_takes_over_a_date_that_changed_meanwhile(desk: Desk) -> None:
    invoice_id = desk.create(invoice_date="2026-11-24")
    desk.change_invoice(invoice_id, invoice_date=date(2026, 11, 23))
    desk.claim(invoice_id)
    assert deadline(desk, invoice_id) == date(2026, 11, 30)


def test_a_sweep_gives_older_records_their_deadline_batch_by_batch(desk: Desk) -> None:
    # Out of order of what happened: synced, failed, never sent.
    synced, failed = desk.create(), desk.create()
    desk.settle(desk.claim(synced), ISSUED)
    desk.settle(desk.claim(failed), REJECTED)
    undated = desk.adopted(invoice_date=None)
    desk.execute(sync_records.update().values(issue_deadline=None))
    after_id, changed = 0, []
    for _ in range(2):
        with writing(desk.engine) as conn:
            swept = outbox.sweep(conn, REFUSALS, after_id=after_id, now=NOW, batch=1)
        after_id = swept.last_id
        changed.append(swept.changed)
    assert changed == [1, 1]
    assert None not in (deadline(desk, synced), deadline(desk, failed))
    assert deadline(desk, undated) is None
    assert desk.sweep() == 0, "an invoice without a date differs in nothing"
    assert (desk.record(synced)["status"], desk.record(failed)["status"]) == (Status.SYNCED, Status.FAILED)


def dated(desk: Desk, deadline: date, **changes: Any) -> int:
    invoice_id = desk.adopted()
    desk.change_record(invoice_id, issue_deadline=deadline, **changes)
    return invoice_id


def test_each_filter_finds_its_days(desk: Desk) -> None:
    overdue = dated(desk, TODAY - timedelta(days=1))
    today = dated(desk, TODAY)
    monday = dated(desk, TODAY + timedelta(days=3))
    tuesday = dated(desk, TODAY + timedelta(days=4))
    in_a_week = dated(desk, TODAY + timedelta(days=7))
    dated(desk, TODAY + timedelta(days=8))
    assert ids(desk, due=DueFilter.OVERDUE) == [overdue]
    assert ids(desk, due=DueFilter.TODAY) == [today]
    assert ids(desk, due=DueFilter.SOON) == [monday]
    assert ids(desk, due=DueFilter.WEEK) == [in_a_week, tuesday, monday, today]


@pytest.mark.parametrize("of", list(Status))
def test_a_deadline_runs_until_the_invoice_is_in_toc_online(desk: Desk, of: Status) -> None:
    invoice_id = dated(desk, TODAY - timedelta(days=9), status=of)
    runs = of not in (Status.SYNCED, Status.NOT_NEEDED)
    assert ids(desk, due=DueFilter.OVERDUE) == [invoice_id] * runs
    (row,) = rows(desk, InvoiceFilter())
    assert row.deadline_state is (DeadlineState.OVERDUE if runs else DeadlineState.NONE)


def test_what_billing_has_not_issued_has_no_deadline(desk: Desk) -> None:
    statuses = ("draft", "cancelled", "deleted", None)
    for invoice_id, invoice_status in zip([dated(desk, TODAY) for _ in statuses], statuses, strict=True):
        desk.change_record(invoice_id, status=Status.IN_DOUBT, invoice_status=invoice_status)
    assert ids(desk, due=DueFilter.TODAY) == []
    assert {row.deadline_state for row in rows(desk, InvoiceFilter())} == {DeadlineState.NONE}


def test_sorted_by_deadline_the_nearest_comes_first_and_what_has_none_last(desk: Desk) -> None:
    later, first, second = (dated(desk, TODAY + timedelta(days=days)) for days in (5, -20, 1))
    synced = dated(desk, TODAY - timedelta(days=30), status=Status.SYNCED)
    undated = desk.adopted(invoice_date=None)
    assert ids(desk, order=InvoiceOrder.DEADLINE) == [first, second, later, undated, synced]
    assert desk.page(order=InvoiceOrder.DEADLINE).rows[0].invoice_id == first
    assert ids(desk) == [undated, synced, second, first, later]


# Counts equal lists ---------------------------------------------------------------------------------------------------


def summed(found: list[InvoiceRow]) -> tuple[int, dict[str, Decimal]]:
    totals: Counter[str] = Counter()
    for row in found:
        totals[row.currency_code] += row.total_amount  # type: ignore[assignment]
    return len(found), dict(totals)  # type: ignore[arg-type]


def as_counted(sums: Sums) -> tuple[int, dict[str, Decimal]]:
    assert sums.subtotals.keys() == sums.vat.keys() == sums.totals.keys()
    for currency, total in sums.totals.items():
        assert sums.subtotals[currency] + sums.vat[currency] == total
    return sums.count, dict(sums.totals)


@pytest.mark.parametrize("days", range(-3, 4))
def test_counts_of_random_invoices_equal_the_lists_behind_them(desk: Desk, days: int) -> None:
    now = NOW + timedelta(days=days)
    with writing(desk.engine) as conn:
        insert_invented(conn, 300, seed=days)
    with reading(desk.engine) as conn:
        counts = status.count_due(conn, now.date())
    overdue = InvoiceFilter(due=DueFilter.OVERDUE)
    behind = {
        "overdue": replace(overdue, statuses=ASKED_FOR),
        "never_sent": replace(overdue, statuses=(Status.NOT_SYNCED,)),
        "today": InvoiceFilter(due=DueFilter.TODAY),
        "soon": InvoiceFilter(due=DueFilter.SOON),
    }
    for name, wanted in behind.items():
        assert as_counted(getattr(counts, name)) == summed(rows(desk, wanted, now)), name
    assert counts.overdue.count
    assert counts.never_sent.count
    states = Counter(row.deadline_state for row in rows(desk, InvoiceFilter(statuses=UNSYNCED), now))
    assert states[DeadlineState.OVERDUE] == counts.overdue.count + counts.never_sent.count
    assert states[DeadlineState.DUE_TODAY] == counts.today.count
    assert states[DeadlineState.DUE_SOON] == counts.soon.count
