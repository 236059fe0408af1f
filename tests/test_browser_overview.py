"""The Overview in a real browser: what it counts leads to the invoices, and it follows what happens by itself."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.live_app import live_app
from tests.office import environment_of, open_office
from toc_sync import clock
from toc_sync.database import writing
from toc_sync.sandbox import Behaviour
from toc_sync.tables import sync_workers

SLOW_MS = 20_000
NUMBER_X_PX, ROW_PX = 35, 35


@pytest.fixture
def office(tmp_path, monkeypatch):
    for name, value in environment_of(tmp_path).items():
        monkeypatch.setenv(name, value)
    opened = open_office()
    yield opened
    opened.runtime.close()


@pytest.fixture
def app(office, tmp_path):
    with live_app(tmp_path, environment_of(tmp_path)) as program:
        yield program


def answer(page: Page):
    return page.locator(".st-key-answer")


def test_the_sentence_follows_what_happens_by_itself(office, app, page):
    page.goto(app.url)
    expect(answer(page)).to_contain_text("No invoices yet.", timeout=SLOW_MS)
    office.invoice("A 1")
    expect(answer(page)).to_contain_text("The only invoice is in TOC Online.", timeout=SLOW_MS)
    expect(page.locator(".st-key-count_success")).to_contain_text("1 of 1 attempts")
    expect(page.locator(".st-key-activity").get_by_test_id("stVegaLiteChart")).to_be_visible()


def test_the_first_invoice_is_one_click_away(app, page):
    page.goto(app.url)
    page.get_by_role("link", name="Create the first invoice").click(timeout=SLOW_MS)
    expect(page.get_by_role("dialog")).to_contain_text("New invoice", timeout=SLOW_MS)


def test_the_banner_goes_by_itself_when_a_worker_comes(office, tmp_path, page):
    with live_app(tmp_path, environment_of(tmp_path) | {"TOC_SYNC_THREADS": "0"}) as app:
        page.goto(f"{app.url}/invoices")
        banner = page.get_by_text("Nothing is sending: no worker is alive.")
        expect(banner).to_be_visible(timeout=SLOW_MS)
        now = clock.now()
        with writing(office.runtime.engine) as conn:
            conn.execute(sync_workers.insert().values(name="w", threads=4, started_at=now, last_seen_at=now))
        expect(banner).to_have_count(0, timeout=SLOW_MS)


def test_a_count_leads_to_the_invoices_it_counts(office, app, page):
    office.sent("A 1", Behaviour.REFUSE_TAX_NUMBER)
    office.sent("A 2")
    page.goto(app.url)
    page.locator(".st-key-count_needs_attention").get_by_role("link", name="Show 1 invoice").click(timeout=SLOW_MS)
    expect(page).to_have_url(re.compile(r"/invoices\?status=Failed&status=In(\+|%20)doubt"))
    expect(page.get_by_role("heading", name="Invoices")).to_be_visible(timeout=SLOW_MS)
    expect(page.locator(".st-key-action_bar")).to_contain_text("1 to 1 of 1 invoice", timeout=SLOW_MS)


def test_the_number_of_a_failure_opens_its_invoice(office, app, page):
    failed = office.sent("A 1", Behaviour.REFUSE_TAX_NUMBER)
    page.goto(app.url)
    table = page.get_by_role("region", name="Last failures")
    expect(table.locator("canvas tr")).to_have_count(2, timeout=SLOW_MS)
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    table.click(position={"x": NUMBER_X_PX, "y": ROW_PX + ROW_PX // 2})
    expect(page).to_have_url(f"{app.url}/invoices?invoice={failed}", timeout=SLOW_MS)
    expect(page.get_by_role("dialog")).to_contain_text("A 1", timeout=SLOW_MS)


def test_the_range_lives_in_the_address_and_survives_a_reload(office, app, page):
    office.sent("A 1")
    page.goto(app.url)
    bar = page.locator(".st-key-range_bar")
    bar.get_by_role("radio", name="7d").click(timeout=SLOW_MS)
    expect(page).to_have_url(re.compile(r"\?range=7d$"), timeout=SLOW_MS)
    expect(bar).not_to_contain_text("the last 24 hours", timeout=SLOW_MS)
    page.reload()
    expect(page.locator(".st-key-range_bar").get_by_role("radio", name="7d")).to_be_checked(timeout=SLOW_MS)


def test_a_bar_opens_the_invoices_with_these_attempts(office, app, page):
    office.sent("A 1", Behaviour.REFUSE_TAX_NUMBER)
    page.goto(app.url)
    bar = page.locator(".st-key-activity").get_by_test_id("stVegaLiteChart").locator("path[aria-roledescription=bar]")
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", timeout=SLOW_MS)
    bar.filter(visible=True).first.click(timeout=SLOW_MS)
    expect(page).to_have_url(re.compile(r"/invoices\?.*attempt_outcome=Failed"), timeout=SLOW_MS)
    chip = page.get_by_role("button", name="that failed")
    expect(chip).to_be_visible(timeout=SLOW_MS)
    expect(page.locator(".st-key-action_bar")).to_contain_text("1 to 1 of 1 invoice", timeout=SLOW_MS)
    office.sent("A 2")
    chip.click()
    expect(page).to_have_url(f"{app.url}/invoices", timeout=SLOW_MS)
    expect(page.locator(".st-key-action_bar")).to_contain_text("of 2 invoices", timeout=SLOW_MS)
