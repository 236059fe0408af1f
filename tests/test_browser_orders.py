"""Invoice orders in a real browser, against the real program: from ticked orders to an invoice in TOC Online."""

from __future__ import annotations

from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as TookTooLong
from sqlalchemy import func, select

from tests.live_app import live_app, wait_until
from tests.office import environment_of, open_office
from toc_sync.database import reading, writing
from toc_sync.tables import invoice_orders, issued_client_invoices, issued_invoice_orders, projects, sync_records

ROW_PX, MARGIN_PX = 35, 17
SLOW_MS = 20_000


@pytest.fixture
def office(tmp_path, monkeypatch):
    for name, value in environment_of(tmp_path).items():
        monkeypatch.setenv(name, value)
    opened = open_office()
    with writing(opened.runtime.engine) as conn:
        conn.execute(projects.insert(), [{"id": 1, "name": "Ponte"}])
        conn.execute(
            invoice_orders.insert(), [order(1, "400.00"), order(2, "1000.00"), order(3, "90.00", currency="USD")]
        )
    yield opened
    opened.runtime.close()


@pytest.fixture
def app(office, tmp_path):
    with live_app(tmp_path, environment_of(tmp_path)) as program:
        yield program


def order(number: int, subtotal: str, *, currency: str = "EUR") -> dict[str, object]:
    vat = (Decimal(subtotal) * 23 / 100).quantize(Decimal("0.01"))
    return {
        "id": number,
        "project_id": 1,
        "subtotal_amount": Decimal(subtotal),
        "vat_amount": vat,
        "total_amount": Decimal(subtotal) + vat,
        "currency_code": currency,
        "status": "sent",
    }


def visit(page: Page, url: str) -> None:
    page.goto(url)
    expect(page.get_by_test_id("stDataFrame")).to_be_visible(timeout=SLOW_MS)
    settle(page)


def settle(page: Page) -> None:
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", timeout=SLOW_MS)


def tick(page: Page, *rows: int) -> None:
    """Ticks rows, counted from 0; the table is drawn on a canvas."""
    for done, row in enumerate(rows, start=1):
        page.get_by_test_id("stDataFrame").click(position={"x": MARGIN_PX, "y": ROW_PX * (row + 1) + MARGIN_PX})
        expect(page.locator(".st-key-order_bar")).to_contain_text(f"{done} selected", timeout=SLOW_MS)


def drawer(page: Page) -> Locator:
    found = page.get_by_role("dialog")
    expect(found.get_by_role("button", name="Create invoice")).to_be_visible(timeout=SLOW_MS)
    return found


def fill(page: Page, label: str, text: str, *, nth: int = 0) -> None:
    field = page.get_by_role("dialog").get_by_label(label, exact=True).nth(nth)
    field.fill(text)
    field.press("Tab")
    settle(page)


def choose(page: Page, label: str, option: str) -> None:
    """Chooses in a select box; a page that is drawn anew meanwhile closes its list, so that it is opened again."""
    field = page.get_by_role("dialog").get_by_role("combobox", name=label)

    def chosen() -> bool:
        field.fill(option)
        try:
            page.get_by_role("option", name=option).click(timeout=2_000)
        except TookTooLong:
            return False
        return True

    wait_until(chosen, within_s=20)
    settle(page)


def row_of(page: Page, number: int) -> list[str]:
    """Returns the words in an order's row. The canvas carries them as a table that is never drawn."""
    rows = (
        page.get_by_test_id("stDataFrame")
        .locator("canvas tr")
        .evaluate_all("rows => rows.map(row => [...row.cells].map(cell => cell.textContent))")
    )
    return next((cells for cells in rows if cells[0] == str(number)), [])


def allocations(office) -> list[tuple[int, Decimal, Decimal]]:
    table = issued_invoice_orders.c
    query = select(table.invoice_order_id, table.amount_override_subtotal, table.amount_override_vat)
    with reading(office.runtime.engine) as conn:
        return [tuple(row) for row in conn.execute(query.order_by(table.invoice_order_id))]


def count(office, table) -> int:
    with reading(office.runtime.engine) as conn:
        return conn.execute(select(func.count()).select_from(table)).scalar_one()


def test_an_invoice_from_two_orders_one_of_them_in_part_reaches_toc_online(office, app, page):
    visit(page, f"{app.url}/invoice-orders")
    tick(page, 1, 2)
    page.get_by_role("button", name="Create invoice").click()
    drawer(page)
    fill(page, "Amount without VAT", "150.50", nth=0)
    expect(page.get_by_role("dialog")).to_contain_text("leaves €849.50")
    choose(page, "Issuer", "Aurora")
    choose(page, "Payer", "Café Tulipa")
    fill(page, "Invoice number", "O 1")
    page.get_by_role("dialog").get_by_role("button", name="Create invoice").click()
    expect(page.get_by_role("dialog")).to_have_count(0, timeout=SLOW_MS)
    expect(page.get_by_test_id("stToast")).to_contain_text("O 1 was created and is on its way to TOC Online.")

    [invoice_id] = office.ids("O 1")
    assert allocations(office) == [(1, Decimal("400.00"), Decimal("92.00")), (2, Decimal("150.50"), Decimal("34.62"))]
    wait_until(lambda: office.is_synced(invoice_id))
    wait_until(lambda: row_of(page, 2)[3:] == ["€1,000.00", "€150.50", "€849.50", "Sent", "1", "Synced"])
    wait_until(lambda: row_of(page, 1)[3:] == ["€400.00", "€400.00", "€0.00", "Issued", "1", "Synced"])
    expect(page.locator(".st-key-order_bar")).not_to_contain_text("selected")
    with page.expect_popup() as opened:
        page.get_by_test_id("stToast").get_by_role("link", name="Open").click()
    expect(opened.value).to_have_url(f"{app.url}/invoices?invoice={invoice_id}")


def test_more_than_remains_is_refused_beside_the_field(office, app, page):
    visit(page, f"{app.url}/invoice-orders?create=1")
    fields = drawer(page)
    fill(page, "Amount without VAT", "400.01")
    line = fields.locator(".st-key-line_1")
    expect(line).to_contain_text("Only 400.00 remains of order 1; 400.01 is too much.")
    fields.get_by_role("button", name="Create invoice").click()
    settle(page)
    expect(line).to_contain_text("400.01 is too much.")
    assert count(office, issued_client_invoices) == 0
    fill(page, "Amount without VAT", "400")
    expect(line).to_contain_text("leaves €0.00")


def test_a_double_click_creates_one_invoice(office, app, page):
    visit(page, f"{app.url}/invoice-orders?create=2")
    drawer(page)
    fill(page, "Amount without VAT", "10")
    choose(page, "Issuer", "Aurora")
    choose(page, "Payer", "Café Tulipa")
    create = page.get_by_role("dialog").get_by_role("button", name="Create invoice")
    create.dblclick()
    expect(page.get_by_role("dialog")).to_have_count(0, timeout=SLOW_MS)
    settle(page)
    assert (count(office, issued_client_invoices), count(office, sync_records)) == (1, 1)
    assert allocations(office) == [(2, Decimal("10.00"), Decimal("2.30"))]


def test_ticked_orders_in_two_currencies_are_refused_where_one_ticks(app, page):
    visit(page, f"{app.url}/invoice-orders")
    tick(page, 0, 1)
    expect(page.locator(".st-key-order_bar")).to_contain_text("make one invoice per currency")
    expect(page.get_by_role("button", name="Create invoice")).to_be_disabled()


def test_ticks_stay_on_their_orders_when_others_arrive_above(office, app, page):
    visit(page, f"{app.url}/invoice-orders")
    tick(page, 1)
    with writing(office.runtime.engine) as conn:
        conn.execute(invoice_orders.insert(), order(4, "70.00"))
    wait_until(lambda: row_of(page, 4))
    page.get_by_role("button", name="Create invoice").click()
    drawer(page)
    expect(page.get_by_role("dialog").locator(".st-key-line_2")).to_be_visible()
    expect(page.get_by_role("dialog").get_by_label("Amount without VAT")).to_have_count(1)


def test_a_half_typed_form_survives_the_refresh_and_a_new_server(office, app, page, tmp_path):
    visit(page, f"{app.url}/invoice-orders?create=2")
    drawer(page)
    fill(page, "Invoice number", "HALF 1")
    fill(page, "Amount without VAT", "12.34")
    app.stop()
    expect(page.locator("[data-test-connection-state=CONNECTED]")).not_to_be_attached(timeout=SLOW_MS)
    with live_app(tmp_path, environment_of(tmp_path), port=urlsplit(app.url).port):
        fields = drawer(page)
        expect(fields.get_by_role("button", name="Create invoice")).to_be_enabled(timeout=20_000)  # connected again
        settle(page)
        fill(page, "Notes", "typed later")
        expect(fields.get_by_label("Invoice number")).to_have_value("HALF 1")
        expect(fields.get_by_label("Amount without VAT")).to_have_value("12.34")
        choose(page, "Issuer", "Aurora")
        choose(page, "Payer", "Café Tulipa")
        fields.get_by_role("button", name="Create invoice").click()
        wait_until(lambda: office.ids("HALF 1"))
    assert allocations(office) == [(2, Decimal("12.34"), Decimal("2.84"))]
