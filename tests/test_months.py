"""A month's close: what counts as what, that every count is the list behind its link, and the accountant's workbook."""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import openpyxl
import pytest

from tests.core import ISSUED, REJECTED, TIMED_OUT, Desk
from tests.invented_records import insert_invented
from toc_sync import document, status, wording_legal
from toc_sync.database import reading, writing
from toc_sync.model import Outcome, Status, Verdict
from toc_sync.month_workbook import write_workbook
from toc_sync.tables import sync_records
from toc_sync.views import InvoiceFilter, last_day_of, month_filter
from toc_sync.views_legal import MISSING, TO_CHECK, MonthClose, MonthInvoice, MonthLine

NOVEMBER = date(2026, 11, 1)
NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


def read(desk: Desk, month: date = NOVEMBER) -> MonthClose:
    with reading(desk.engine) as conn:
        return status.read_month(conn, month, now=NOW)


def counts(close: MonthClose) -> dict[str, int]:
    return {line: sums.count for line, sums in close.lines.items() if sums.count}


def issued_as(total: object, number: str = "FT 2026/1") -> Verdict:
    """Returns an answer that names the document's total."""
    document = {"document_no": number, "gross_total": total}
    return Verdict(outcome=Outcome.SYNCED, http_status=200, document_no=number, toc_data=document)


def sent(desk: Desk, verdict: Verdict | None = ISSUED, **changes: Any) -> int:
    invoice_id = desk.create(**{"invoice_date": "2026-11-20"} | changes)
    if verdict:
        desk.settle(desk.claim(invoice_id), verdict)
    return invoice_id


# What counts as what --------------------------------------------------------------------------------------------------


def test_a_month_is_complete_when_all_of_it_is_there(desk: Desk) -> None:
    sent(desk, issued_as(123.0))
    sent(desk, issued_as("123.00", "FT 2026/2"), invoice_date="2026-11-01")
    sent(desk, issued_as(123, "FT 2026/3"), invoice_date="2026-11-30")
    for other in ("2026-10-31", "2026-12-01"):
        sent(desk, REJECTED, invoice_date=other)
    close = read(desk)
    assert counts(close) == {MonthLine.ISSUED: 3, MonthLine.THERE: 3}
    assert close.is_complete
    assert (close.compared, close.differences) == (3, ())
    assert dict(close.lines[MonthLine.THERE].vat) == {"EUR": Decimal("69.00")}
    assert wording_legal.month_answer(close) == (
        "November 2026 is complete: all 3 invoices are in TOC Online, €369.00."
    )
    assert not read(desk, date(2026, 12, 17)).is_complete


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        pytest.param({"status": Status.QUEUED}, MonthLine.WAITING, id="waiting"),
        pytest.param({"status": Status.SYNCING}, MonthLine.WAITING, id="being sent"),
        pytest.param({"status": Status.FAILED}, MonthLine.FAILED, id="failed"),
        pytest.param({"status": Status.IN_DOUBT}, MonthLine.IN_DOUBT, id="in doubt"),
        pytest.param({"status": Status.NOT_SYNCED}, MonthLine.NEVER_SENT, id="never sent"),
        pytest.param({"status": Status.NOT_NEEDED}, MonthLine.NEVER_SENT, id="cancelled once, and issued after all"),
    ],
)
def test_each_thing_that_is_missing_has_its_line(desk: Desk, changes: dict[str, Any], line: MonthLine) -> None:
    sent(desk)
    desk.change_record(sent(desk, None), **changes)
    close = read(desk)
    assert counts(close) == {MonthLine.ISSUED: 2, MonthLine.THERE: 1, line: 1}
    assert not close.is_complete
    assert wording_legal.month_answer(close) == "November 2026 is not complete yet: 1 missing."


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"status": Status.NOT_SYNCED, "invoice_status": "draft"}, set(), id="a draft"),
        pytest.param({"status": Status.FAILED, "invoice_status": "cancelled"}, set(), id="cancelled, and not there"),
        pytest.param({"status": Status.NOT_NEEDED, "invoice_status": "deleted"}, set(), id="deleted"),
        pytest.param({"status": Status.IN_DOUBT, "invoice_status": "void"}, {MonthLine.IN_DOUBT}, id="void, in doubt"),
        pytest.param({"invoice_status": "cancelled"}, {MonthLine.CREDIT_NOTE}, id="cancelled after it was synced"),
        pytest.param({"invoice_status": "void"}, {MonthLine.CREDIT_NOTE}, id="void after it was synced"),
        pytest.param({"invoice_status": "deleted"}, {MonthLine.CREDIT_NOTE}, id="deleted after it was synced"),
        pytest.param({"invoice_status": None}, {MonthLine.CREDIT_NOTE}, id="synced, billing's status unknown"),
        pytest.param({"warning": "Two."}, {MonthLine.ISSUED, MonthLine.THERE, MonthLine.WARNING}, id="a warning"),
        pytest.param(
            {"document_no": None}, {MonthLine.ISSUED, MonthLine.THERE, MonthLine.NO_NUMBER}, id="without a number"
        ),
        pytest.param({"invoice_date": None}, set(), id="without a date it is of no month"),
    ],
)
def test_what_billing_does_not_call_issued_is_not_missing(
    desk: Desk, changes: dict[str, Any], expected: set[MonthLine]
) -> None:
    desk.change_record(sent(desk), **changes)
    close = read(desk)
    assert counts(close).keys() == expected
    assert close.is_complete is (MonthLine.IN_DOUBT not in expected)


def test_months_are_listed_newest_first_each_once(desk: Desk) -> None:
    for day in ("2026-11-20", "2026-11-01", "2025-12-31", "2026-02-28", "2027-01-01"):
        sent(desk, None, invoice_date=day)
    desk.adopted(invoice_date=None)
    with reading(desk.engine) as conn:
        found = status.list_months(conn)
    assert found == (date(2027, 1, 1), NOVEMBER, date(2026, 2, 1), date(2025, 12, 1))


def test_an_empty_database_has_no_months(desk: Desk) -> None:
    with reading(desk.engine) as conn:
        assert status.list_months(conn) == ()
    assert wording_legal.month_answer(read(desk)) == "November 2026 is complete: nothing was issued here."


# Totals in the answers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "total"),
    [
        pytest.param({"gross_total": 123.0}, "123.00", id="flat"),
        pytest.param({"toc_data": {"gross_total": "123.45"}}, "123.45", id="under toc_data, as a text"),
        pytest.param({"toc_data": {"data": {"attributes": {"gross_total": 1}}}}, "1.00", id="JSON:API"),
        pytest.param({"toc_data": '{"gross_total": 0.1}'}, "0.10", id="JSON that is a text"),
        pytest.param({"gross_total": 1234567.89}, "1234567.89", id="a large binary float"),
        pytest.param({"gross_total": -5}, "-5.00", id="negative"),
        pytest.param({"gross_total": 0}, "0.00", id="zero"),
        pytest.param({"gross_total": None, "toc_data": {"gross_total": 7}}, "7.00", id="null at the top"),
        pytest.param({"document_no": "FT 1"}, None, id="none"),
        pytest.param({"lines": [{"gross_total": 5}]}, None, id="only of a line"),
        pytest.param({"gross_total": "€ 5"}, None, id="no number"),
        pytest.param({"gross_total": "NaN"}, None, id="NaN"),
        pytest.param({"gross_total": float("inf")}, None, id="infinite"),
        pytest.param({"gross_total": "1e999999"}, None, id="beyond all"),
        pytest.param({"gross_total": True}, None, id="a boolean"),
        pytest.param({"gross_total": "9" * 5_000}, None, id="5,000 digits"),
        pytest.param({"gross_total": [5]}, None, id="a list"),
        pytest.param(None, None, id="nothing"),
    ],
)
def test_the_total_that_an_answer_names(value: object, total: str | None) -> None:
    assert document.gross_total(value) == (Decimal(total) if total else None)


def test_a_total_that_differs_by_a_cent_is_named_and_keeps_the_month_open(desk: Desk) -> None:
    sent(desk, issued_as(123.00))
    wrong = sent(desk, issued_as(123.01, "FT 2026/2"), invoice_number="A 2")
    sent(desk, ISSUED)  # an answer that names no total
    close = read(desk)
    (found,) = close.differences
    assert (found.invoice_id, found.document_no, found.ours, found.theirs) == (
        wrong,
        "FT 2026/2",
        Decimal("123.00"),
        Decimal("123.01"),
    )
    assert (close.compared, close.missing, close.is_complete) == (2, 0, False)
    assert "1 with another total in TOC Online" in wording_legal.month_answer(close)


# Counts equal lists ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_counts_of_random_invoices_equal_the_lists_behind_their_links(desk: Desk, seed: int) -> None:
    with writing(desk.engine) as conn:
        insert_invented(conn, 400, seed=seed)
    with reading(desk.engine) as conn:
        close = status.read_month(conn, date(2026, 11, 17), now=NOW)
        for line, sums in close.lines.items():
            wanted = month_filter(line, NOVEMBER)
            behind = list(status.export_invoices(conn, wanted, now=NOW))
            assert sums.count == len(behind) == status.list_invoices(conn, wanted, page=1, now=NOW).total, line
            totals: dict[str, Decimal] = {}
            for row in behind:
                totals[row.currency_code] = totals.get(row.currency_code, Decimal(0)) + row.total_amount
            assert dict(sums.totals) == totals, line
            assert {c: sums.subtotals[c] + sums.vat[c] for c in totals} == totals, line
            assert sums.count, "the invention left a line out"
        listed = list(status.month_invoices(conn, NOVEMBER))
    assert Counter(each.missing for each in listed if each.missing) == {
        line: close.lines[line].count for line in MISSING
    }
    everything = InvoiceFilter(since=NOVEMBER, until=last_day_of(NOVEMBER))
    assert len({each.invoice_id for each in listed}) == len(listed) < desk.page(**vars(everything)).total
    to_be_issued = [each for each in listed if each.invoice_status in ("issued", "partially_paid", "paid")]
    there = sum(each.status is Status.SYNCED for each in to_be_issued)
    missing = sum(each.missing is not None for each in to_be_issued)
    assert there + missing == len(to_be_issued) == close.lines[MonthLine.ISSUED].count


# The workbook ---------------------------------------------------------------------------------------------------------


def workbook(close: MonthClose, invoices: Iterator[MonthInvoice]) -> openpyxl.Workbook:
    content = io.BytesIO()
    write_workbook(content, close, invoices)
    return openpyxl.load_workbook(content)


def test_the_workbook_holds_totals_every_invoice_and_what_is_missing(desk: Desk) -> None:
    sent(desk, issued_as(123.01), invoice_number="A 1")
    sent(desk, REJECTED, invoice_number="A 2", currency_code="USD", invoice_date="2026-11-21")
    sent(desk, TIMED_OUT, invoice_number="=1+1", invoice_date="2026-11-22")
    with reading(desk.engine) as conn:
        close = status.read_month(conn, NOVEMBER, now=NOW)
        book = workbook(close, status.month_invoices(conn, NOVEMBER))
    totals, listed, missing = (list(sheet.iter_rows(values_only=True)) for sheet in book)
    assert book.sheetnames == ["Totals", "Invoices", "Missing"]
    assert totals[1][0] == wording_legal.month_answer(close)
    assert ("Issued here", "EUR", 3, 200, 46, 246) in totals
    assert ("Issued here", "USD", None, 100, 23, 123) in totals
    assert ("In TOC Online", "EUR", 1, 100, 23, 123) in totals
    assert [row[0] for row in listed] == ["Number", "A 1", "A 2", "=1+1"]
    (number, document, day, payer, subtotal, vat, total, currency, where, billing, synced_at, deadline, _id) = listed[1]
    assert (number, document, payer, currency, where, billing) == (
        *("A 1", "FT 2026/1", "Câmara de Évora", "EUR", "Synced", "issued"),
    )
    assert (subtotal, vat, total) == (100, 23, 123)
    assert (day, deadline) == (datetime(2026, 11, 20), datetime(2026, 11, 27))  # noqa: DTZ001  # as openpyxl reads days
    assert isinstance(synced_at, datetime)
    assert [(row[0], row[7]) for row in missing[1:]] == [
        ("A 2", "Failed"),
        ("=1+1", "In doubt"),
        ("A 1", "Another total in TOC Online (FT 2026/1): 123.01"),
    ]


def test_no_text_of_the_workbook_is_a_formula_or_a_link_and_amounts_have_two_places(desk: Desk) -> None:
    texts = ["=1+1", "@SUM(A1)", "+1", "-1", "https://example.org/x", "{=1}", "x" * 40_000]
    for text in texts:
        desk.change_record(sent(desk), invoice_number=text, payer=text)
    desk.change_record(sent(desk), invoice_number="\x00\x07"[1:], payer=None)
    with reading(desk.engine) as conn:
        book = workbook(read(desk), status.month_invoices(conn, NOVEMBER))
    sheet = book["Invoices"]
    cells = [cell for row in sheet.iter_rows(min_row=2) for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"s", "n", "d"}
    assert [sheet.cell(row=2 + number, column=1).value for number in range(6)] == texts[:6]
    assert not [cell for cell in cells if cell.hyperlink]
    amounts = [sheet.cell(row=2, column=column) for column in (5, 6, 7)]
    assert {cell.number_format for cell in amounts} == {"#,##0.00"}
    assert sheet.cell(row=2, column=3).number_format == "yyyy-mm-dd"


def test_the_workbook_takes_fifty_thousand_invoices(sqlite_desk: Desk) -> None:
    with writing(sqlite_desk.engine) as conn:
        insert_invented(conn, 200)
        conn.execute(sync_records.update().values(invoice_date=NOVEMBER))
    with reading(sqlite_desk.engine) as conn:
        close = status.read_month(conn, NOVEMBER, now=NOW)
        some = list(status.month_invoices(conn, NOVEMBER))
    content = io.BytesIO()
    started = time.monotonic()
    write_workbook(content, close, (some[number % len(some)] for number in range(50_000)))
    print(f"50,000 rows: {time.monotonic() - started:.1f} s, {len(content.getvalue()):,} bytes")
    sheet = openpyxl.load_workbook(content, read_only=True)["Invoices"]
    assert sheet.max_row == 50_001


def test_days_before_spreadsheets_began_are_texts(desk: Desk) -> None:
    desk.change_record(sent(desk), invoice_date=date(1815, 6, 18), issue_deadline=None)
    with reading(desk.engine) as conn:
        month = date(1815, 6, 1)
        book = workbook(status.read_month(conn, month, now=NOW), status.month_invoices(conn, month))
    assert book["Invoices"].cell(row=2, column=3).value == "1815-06-18"


def test_what_is_to_check_does_not_keep_a_month_open(desk: Desk) -> None:
    desk.change_record(sent(desk), warning="Possible duplicate.", document_no=None)
    close = read(desk)
    assert {line for line in TO_CHECK if close.lines[line].count} == {MonthLine.WARNING, MonthLine.NO_NUMBER}
    assert (close.to_check, close.is_complete) == (2, True)
