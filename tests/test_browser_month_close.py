"""Month close in a real browser: from what is missing to the very invoices, and the workbook on a click."""

from __future__ import annotations

import openpyxl
import pytest
from playwright.sync_api import expect

from tests.days import month
from tests.live_app import live_app
from tests.office import environment_of, open_office
from toc_sync.sandbox import Behaviour

SLOW_MS = 20_000


@pytest.fixture
def office(tmp_path, monkeypatch):
    for name, value in environment_of(tmp_path).items():
        monkeypatch.setenv(name, value)
    opened = open_office()
    yield opened
    opened.runtime.close()


def test_a_missing_invoice_is_one_click_away_and_the_workbook_another(office, tmp_path, page):
    office.sent("A 1")
    office.sent("A 2", Behaviour.REFUSE_SERIES)
    office.sent("A 3", Behaviour.REFUSE_SERIES, p_invoice_date=str(month(-1)))
    with live_app(tmp_path, environment_of(tmp_path) | {"TOC_SYNC_THREADS": "0"}) as app:
        page.goto(f"{app.url}/month-close?month={month():%Y-%m}")
        expect(page.locator(".st-key-month_answer")).to_contain_text("1 missing", timeout=SLOW_MS)
        with page.expect_download(timeout=SLOW_MS) as download:
            page.get_by_role("button", name="Workbook for the accountant").click()
        assert download.value.suggested_filename == f"toc-online-{month():%Y-%m}.xlsx"
        download.value.save_as(tmp_path / "month.xlsx")
        sheet = openpyxl.load_workbook(tmp_path / "month.xlsx")["Missing"]
        assert [cell.value for cell in sheet["A"]] == ["Number", "A 2"]
        page.get_by_role("link", name="Show 1 invoice").click()
        table = page.get_by_test_id("stDataFrame")
        expect(table.get_by_test_id("glide-cell-1-0")).to_contain_text("A 2", timeout=SLOW_MS)
        expect(table.get_by_test_id("glide-cell-6-0")).not_to_be_empty()
        expect(page.get_by_text("1 to 1 of 1 invoice.")).to_be_visible()
