"""Acting on many in a real browser, on the real program: start, watch, leave, come back, cancel."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.live_app import Program, live_app, wait_until
from tests.office import Office, environment_of, open_office
from toc_sync.model import ErrorKind, Status

SLOW = 20_000
COUNT = 40


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    return environment_of(tmp_path_factory.mktemp("many")) | {"TOC_SYNC_THREADS": "1"}


@pytest.fixture(scope="module")
def office(environment) -> Office:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        opened = open_office()
    opened.sent("BEFORE")  # how long an answer takes is known from it
    refused = {"status": Status.FAILED, "error_kind": ErrorKind.REJECTED, "error": "Refused.", "queued_at": None}
    for number in range(COUNT):
        opened.age(opened.invoice(f"MANY {number}"), **refused)
    yield opened
    opened.runtime.close()


@pytest.fixture(scope="module")
def app(office, environment, tmp_path_factory) -> Program:
    with live_app(tmp_path_factory.mktemp("app"), environment) as program:
        yield program


def test_a_batch_goes_on_without_the_browser_and_is_cancelled_from_another_page(
    page: Page, app: Program, office: Office
):
    page.goto(f"{app.url}/invoices?status=Failed")
    page.get_by_role("button", name=f"Retry all that match ({COUNT})").click(timeout=SLOW)
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(f"{COUNT} invoices will be sent, €4,920.00")).to_be_visible(timeout=SLOW)
    expect(dialog.get_by_text("with 1 thread")).to_be_visible()
    dialog.get_by_role("button", name=f"Retry {COUNT} invoices").click()
    expect(dialog).to_have_count(0, timeout=SLOW)
    expect(page.get_by_text("Batch 1 by dashboard")).to_be_visible(timeout=SLOW)
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_text(re.compile(rf"[1-9]\d* of {COUNT} done: [1-9]\d* synced"))).to_be_visible(timeout=SLOW)

    page.goto("about:blank")
    seen = office.runtime.batch(1)
    wait_until(lambda: office.runtime.batch(1).left < seen.left)

    page.goto(app.url)
    page.get_by_role("button", name="Cancel").click(timeout=SLOW)
    expect(page.get_by_text("Batch 1 by dashboard was cancelled by dashboard")).to_be_visible(timeout=SLOW)
    batch = office.runtime.batch(1)
    assert batch.cancelled > 0
    assert batch.cancelled + batch.asked[Status.SYNCED] == COUNT
    assert set(batch.asked) == {Status.SYNCED}

    page.get_by_role("link", name="Show its invoices").click()
    expect(page).to_have_url(re.compile("/invoices.*batch=1"), timeout=SLOW)
    expect(page.get_by_text(f"1 to {COUNT} of {COUNT} invoices")).to_be_visible(timeout=SLOW)

    page.goto(f"{app.url}/invoices?q=nothing")
    expect(page.get_by_text("Nothing matches these filters")).to_be_visible(timeout=SLOW)
    page.get_by_role("button", name="Show its invoices").click()
    expect(page.get_by_text(f"1 to {COUNT} of {COUNT} invoices")).to_be_visible(timeout=SLOW)
