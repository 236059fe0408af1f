"""The red button in a real browser: pause with a reason, an invoice that waits, resume, and the proof of how it ended."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.live_app import live_app, wait_until
from tests.office import environment_of, open_office

SLOW = 20_000
REASON = "TOC Online is being maintained"
NARROW = {"width": 390, "height": 844}


@pytest.fixture
def office(tmp_path, monkeypatch):
    for name, value in environment_of(tmp_path).items():
        monkeypatch.setenv(name, value)
    opened = open_office()
    yield opened
    opened.runtime.close()


@pytest.fixture
def app(office, tmp_path):
    with live_app(tmp_path / "app", environment_of(tmp_path)) as program:
        yield program


def banner(page: Page):
    return page.locator(".st-key-gate_banner")


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option, exact=True).click()


def create_invoice(page: Page, number: str) -> None:
    page.get_by_role("button", name="New invoice").click()
    drawer = page.get_by_role("dialog")
    choose(page, "Issuer", "Aurora Têxteis, Lda")
    choose(page, "Payer", "Café Tulipa")
    drawer.get_by_label("Invoice number").fill(number)
    drawer.get_by_label("Subtotal").fill("100")
    drawer.get_by_label("Subtotal").press("Tab")
    drawer.get_by_role("button", name="Create invoice").click()
    expect(drawer).to_have_count(0, timeout=SLOW)


def test_a_pause_holds_an_invoice_back_until_somebody_resumes(office, app, page, browser_errors):
    page.goto(app.url)
    page.get_by_role("button", name="Pause").click(timeout=SLOW)
    page.get_by_label("Why?").fill(REASON)
    page.get_by_label("Why?").press("Enter")
    expect(banner(page)).to_contain_text(REASON, timeout=SLOW)
    expect(page.get_by_label("Why?"), "the popover shuts and covers nothing").to_have_count(0)

    page.get_by_role("link", name="Invoices", exact=True).click()
    expect(page.get_by_role("heading", name="Invoices")).to_be_visible(timeout=SLOW)
    expect(banner(page)).to_contain_text("Sending is paused since", timeout=SLOW)
    create_invoice(page, "A 1")
    expect(page.get_by_text("It waits: sending is paused since")).to_be_visible(timeout=SLOW)
    expect(banner(page)).to_contain_text("1 invoice waits, €123.00.", timeout=SLOW)
    (waiting,) = office.ids("A 1")
    assert (office.state(waiting).status, office.attempts(waiting)) == ("queued", 0)

    page.get_by_role("button", name="Resume").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 invoice would go out now.")).to_be_visible(timeout=SLOW)
    page.get_by_label("Note for the log").press("Enter")
    expect(banner(page)).to_have_count(0, timeout=SLOW)
    wait_until(lambda: office.is_synced(waiting))
    expect(page.get_by_text("1 waited, 1 synced, 0 in doubt.")).to_be_visible(timeout=SLOW)
    assert browser_errors == []


def test_on_a_narrow_screen_the_banner_and_both_buttons_fit(office, app, page):
    page.set_viewport_size(NARROW)
    office.runtime.gate.pause(actor="ana", reason=REASON)
    page.goto(app.url)
    expect(banner(page)).to_contain_text(REASON, timeout=SLOW)
    for found in (banner(page), *(page.get_by_role("button", name=name) for name in ("Pause", "Resume"))):
        box = found.bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= NARROW["width"]
