"""Marks in the invoice list: what came or changed since the last look, for two refreshes, where it stands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pages.parts.invoice_changes import Changes, Mark
from pages.parts.invoice_columns import MARKS, OPEN, WATCHED, names_of
from tests.core import ISSUED, REJECTED, Desk
from toc_sync.views import InvoicePage

LASTS = timedelta(seconds=60)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def look(sqlite_desk: Desk):
    """Looks at the list some seconds after noon, and returns the marks by the invoices' ids."""
    changes = Changes()

    def looking(seconds: float = 0, **wanted) -> dict[int, Mark]:
        page = sqlite_desk.page(**wanted)
        at = NOON + timedelta(seconds=seconds)
        found = InvoicePage(rows=page.rows, total=page.total, sums=page.sums, old_doubts=page.old_doubts, read_at=at)
        return changes.look(found, lasts=LASTS)

    return looking


def test_nothing_is_marked_at_the_first_look_nor_where_nothing_changed(sqlite_desk, look):
    sqlite_desk.create()
    assert look() == {}
    assert look(1) == {}


def test_what_changed_and_what_came_is_marked_until_its_time_is_over(sqlite_desk, look):
    changed, other = sqlite_desk.create(), sqlite_desk.create()
    look()
    sqlite_desk.settle(sqlite_desk.claim(changed), REJECTED)
    came = sqlite_desk.create()
    expected = {changed: Mark.CHANGED, came: Mark.NEW}
    assert look(30) == expected
    assert look(60) == expected
    assert look(91) == {}
    assert other not in expected


def test_a_new_row_stays_new_while_it_moves_on_and_its_time_begins_again(sqlite_desk, look):
    sqlite_desk.create()
    look()
    came = sqlite_desk.create()
    look(30)
    sqlite_desk.settle(sqlite_desk.claim(came), ISSUED)
    assert look(80) == {came: Mark.NEW}
    assert look(120) == {came: Mark.NEW}
    assert look(141) == {}


def test_an_old_row_that_moves_into_the_list_is_not_called_new(sqlite_desk, look):
    old, newest = sqlite_desk.create(invoice_number="old"), sqlite_desk.create(invoice_number="newest")
    look(text="newest")
    assert look(1) == {}
    assert old < newest


def test_the_mark_and_the_eye_stand_beside_the_number(sqlite_desk):
    ids = [sqlite_desk.create(invoice_number=f"A {number}") for number in range(3)]
    rows = sqlite_desk.page().rows
    names = names_of(rows, {ids[2]: Mark.NEW, ids[0]: Mark.CHANGED}, frozenset({ids[0]}))
    assert names == [f"{MARKS[Mark.NEW]} A 2", f"{OPEN} A 1", f"{MARKS[Mark.CHANGED]} A 0 {WATCHED}"]
