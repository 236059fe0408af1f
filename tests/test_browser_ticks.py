"""Ticks, marks and colleagues in a real browser, while the list refreshes and invoices come in."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.live_app import Program, live_app, wait_until
from tests.office import Office, environment_of, open_office
from tests.test_browser_invoices import SLOW, cell, tick, visit
from toc_sync.sandbox import Behaviour

TICKED = 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("ticks")


@pytest.fixture(scope="module")
def office(folder) -> Office:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment_of(folder).items():
            patch.setenv(name, value)
        opened = open_office()
    yield opened
    opened.runtime.close()


@pytest.fixture(scope="module")
def app(office, folder) -> Program:
    with live_app(folder / "app", environment_of(folder)) as program:
        yield program


def refused(office: Office, name: str, count: int) -> list[int]:
    """Creates invoices that the app sends and TOC Online refuses."""
    ids = [office.invoice(f"{name} {number}", Behaviour.REFUSE_SERIES) for number in range(count)]
    wait_until(lambda: office.is_settled(*ids), within_s=60)
    for invoice_id in ids:
        office.correct(invoice_id)  # so that Retry does not ask
    return ids


def test_twenty_ticked_rows_are_retried_and_no_other_while_invoices_arrive(page, app, office):
    ids = refused(office, "OLD", TICKED + 4)
    page.set_viewport_size({"width": 1440, "height": 1800})
    visit(page, app, "?q=OLD")
    expect(page.get_by_text(f"1 to {TICKED + 4} of {TICKED + 4} invoices")).to_be_visible(timeout=SLOW)
    chosen, late = ids[2 : 2 + TICKED], []
    for count, invoice_id in enumerate(reversed(chosen), start=1):
        if count % 5 == 0:
            late.append(office.invoice(f"OLD LATE {count}", Behaviour.REFUSE_SERIES))
            expect(cell(page, 0, 1)).to_contain_text(f"OLD LATE {count}", timeout=SLOW)
        tick(page, TICKED + 3 - ids.index(invoice_id) + len(late))
        expect(page.get_by_text(f"{count} selected", exact=True)).to_be_visible(timeout=SLOW)
    late.append(office.invoice("OLD LAST", Behaviour.REFUSE_SERIES))
    page.get_by_role("button", name=f"Retry {TICKED} selected").click()
    expect(page.get_by_text(f"{TICKED} on their way to TOC Online.")).to_be_visible(timeout=SLOW)

    wait_until(lambda: all(office.is_synced(invoice_id) for invoice_id in chosen), within_s=60)
    untouched = [*ids[:2], *ids[2 + TICKED :], *late]
    wait_until(lambda: office.is_settled(*untouched), within_s=60)
    assert {office.attempts(invoice_id) for invoice_id in chosen} == {2}
    assert {office.attempts(invoice_id) for invoice_id in untouched} == {1}


def test_what_came_or_changed_is_marked_where_it_stands(page, app, office):
    (old,) = refused(office, "MARK", 1)
    visit(page, app, "?q=MARK")
    expect(cell(page, 0, 1)).to_have_text(":material/open_in_full: MARK 0", timeout=SLOW)
    came = office.invoice("MARK NEW", Behaviour.REFUSE_SERIES)
    expect(cell(page, 0, 1)).to_have_text(":material/fiber_new: MARK NEW", timeout=SLOW)
    wait_until(lambda: office.is_settled(came))
    assert office.runtime.retry(old, actor="somebody else").done
    expect(cell(page, 1, 1)).to_have_text(":material/published_with_changes: MARK 0", timeout=SLOW)
    wait_until(lambda: office.is_settled(old))
    expect(cell(page, 1, 1)).to_have_text(":material/open_in_full: MARK 0", timeout=SLOW)


def test_a_colleague_who_has_an_invoice_open_is_seen_until_they_close_it(page, app, office, browser):
    (invoice_id,) = refused(office, "SHARED", 1)
    notice = "A colleague is looking at this invoice (since"
    visit(page, app, f"?q=SHARED&invoice={invoice_id}")
    expect(page.get_by_role("dialog").get_by_text("Failed: refused.")).to_be_visible(timeout=SLOW)
    context = browser.new_context()
    colleague = context.new_page()
    visit(colleague, app, "?q=SHARED")
    expect(cell(colleague, 0, 1)).to_contain_text("👁", timeout=SLOW)
    colleague.goto(f"{app.url}/invoices?q=SHARED&invoice={invoice_id}")
    expect(colleague.get_by_role("dialog").get_by_text(notice)).to_be_visible(timeout=SLOW)
    expect(page.get_by_role("dialog").get_by_text(notice)).to_be_visible(timeout=SLOW)

    colleague.keyboard.press("Escape")
    expect(page.get_by_role("dialog").get_by_text(notice)).to_have_count(0, timeout=SLOW)
    expect(cell(colleague, 0, 1)).to_contain_text("👁", timeout=SLOW)
    page.keyboard.press("Escape")
    expect(cell(colleague, 0, 1)).not_to_contain_text("👁", timeout=SLOW)
    context.close()


def test_an_invoice_s_life_fits_on_a_telephone(page, app, office):
    (invoice_id,) = refused(office, "SMALL", 1)
    page.set_viewport_size({"width": 390, "height": 844})
    visit(page, app, f"?q=SMALL&invoice={invoice_id}")
    line = page.get_by_role("dialog").get_by_text("Failed: refused", exact=True).locator("xpath=ancestor::p")
    expect(line).to_contain_text("Created", timeout=SLOW)
    assert line.evaluate("each => each.scrollWidth <= each.clientWidth")
    assert line.bounding_box()["width"] <= 390


def test_an_attempt_s_row_leads_to_its_evidence_and_to_its_invoice(page, app, office):
    (invoice_id,) = refused(office, "TRAIL", 1)
    page.goto(f"{app.url}/activity?about=TRAIL+0")
    expect(cell(page, 0, 3)).to_have_text("Attempt 1", timeout=SLOW)
    tick(page, 0)
    page.get_by_role("button", name="Details").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(f"Invoice: {invoice_id} (TRAIL 0)")).to_be_visible(timeout=SLOW)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Open invoice").click()
    expect(page).to_have_url(re.compile(f"/invoices.*invoice={invoice_id}"), timeout=SLOW)
    expect(page.get_by_role("dialog").get_by_text("Failed: refused.")).to_be_visible(timeout=SLOW)
