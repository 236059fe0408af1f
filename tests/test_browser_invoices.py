"""The Invoices page in a real browser, on the real program: what only clicks, ticks and time can show."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as TookTooLong

from tests.days import day
from tests.live_app import Program, live_app, wait_until
from tests.office import Office, environment_of, open_office
from toc_sync.sandbox import Behaviour

ROW_PX = 35
HOSTILE = (
    "<b>x</b> **y** [z](https://example.com/) ![i](https://example.com/i.png)"
    " :red[r] $t$ :material/home: :smile: www.example.com a@example.com"
)
SLOW = 15_000
LONG_AGO = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("office")


@pytest.fixture(scope="module")
def office(folder) -> Office:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment_of(folder).items():
            patch.setenv(name, value)
        opened = open_office(hostile=HOSTILE)
    yield opened
    opened.runtime.close()


@pytest.fixture(scope="module")
def app(office, folder) -> Program:
    with live_app(folder / "app", environment_of(folder)) as program:
        yield program


def visit(page: Page, app: Program, address: str) -> None:
    page.goto(f"{app.url}/invoices{address}")
    expect(page.get_by_role("heading", name="Invoices", exact=True)).to_be_visible(timeout=SLOW)


def table(page: Page) -> Locator:
    return page.get_by_test_id("stDataFrame").first


def cell(page: Page, row: int, column: int) -> Locator:
    """Returns a cell of what screen readers get; the picture itself is one canvas."""
    return table(page).get_by_test_id(f"glide-cell-{column}-{row}")


def click_row(page: Page, row: int, *, x: float) -> None:
    """Clicks into a row; a negative `x` counts from the right."""
    box = table(page).bounding_box()
    assert box
    page.mouse.click(box["x"] + (x if x > 0 else box["width"] + x), box["y"] + ROW_PX * (row + 1.5))


def tick(page: Page, row: int) -> None:
    click_row(page, row, x=18)


def press_in_row(page: Page, row: int) -> None:
    click_row(page, row, x=-45)


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option, exact=True).click()


def fill_new_invoice(page: Page, number: str, *, answers: str = "Issues it") -> Locator:
    """Opens the form, fills it in and returns the button that creates."""
    page.get_by_role("button", name="New invoice").click()
    drawer = page.get_by_role("dialog")
    choose(page, "Issuer", "Aurora Têxteis, Lda")
    choose(page, "Payer", "Café Tulipa")
    drawer.get_by_label("Invoice number").fill(number)
    drawer.get_by_label("Subtotal").fill(f"{100 + len(number)},50")
    drawer.get_by_label("Subtotal").press("Tab")
    choose(page, "TOC Online answers", answers)
    return drawer.get_by_role("button", name="Create invoice")


def letters(shown: Locator) -> str:
    """Returns what can be read, without the invisible joiners."""
    return shown.inner_text().replace("\u2060", "")


def test_an_invoice_goes_from_the_form_over_a_failure_and_its_retry_to_toc_online(page, app, office):
    visit(page, app, "?q=STORY")
    fill_new_invoice(page, "STORY 1", answers="Refuses it: tax number not valid").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_text("STORY 1 was created and is on its way to TOC Online.")).to_be_visible()

    (invoice_id,) = office.ids("STORY 1")
    app.says(f"attempt invoice={invoice_id} number=1 trigger=created outcome=failed")
    expect(cell(page, 0, 5)).to_have_text("Failed", timeout=SLOW)

    click_row(page, 0, x=90)
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_text("Failed: refused.")).to_be_visible()
    expect(drawer.get_by_text("não é válido!").first).to_be_visible()
    assert page.url.endswith(f"invoice={invoice_id}")
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    expect(page).not_to_have_url(re.compile("invoice="))

    press_in_row(page, 0)
    page.get_by_role("button", name="Retry anyway").click()
    app.says(f"attempt invoice={invoice_id} number=2 trigger=retry outcome=synced")
    expect(cell(page, 0, 5)).to_have_text("Synced", timeout=SLOW)
    stored = office.api_response(invoice_id)
    assert stored["success"] is True
    assert stored["synced_at"]
    assert stored["toc_data"]


def test_three_ticked_rows_stay_the_same_invoices_while_others_arrive_above(page, app, office):
    ids = [office.sent(f"TICK {number}", Behaviour.REFUSE_SERIES) for number in range(6)]
    visit(page, app, "?q=TICK")
    expect(cell(page, 5, 1)).to_contain_text("TICK 0", timeout=SLOW)
    for row in (1, 2, 4):
        tick(page, row)
    retry = page.get_by_role("button", name="Retry 3 selected")
    expect(retry).to_be_visible()

    late = [office.sent(f"TICK LATE {number}", Behaviour.REFUSE_SERIES) for number in range(2)]
    expect(cell(page, 7, 1)).to_contain_text("TICK 0", timeout=SLOW)
    expect(retry).to_be_visible()
    retry.click()
    page.get_by_role("button", name="Retry 3 anyway").click()

    chosen = [ids[4], ids[3], ids[1]]
    wait_until(lambda: all(office.is_synced(invoice_id) for invoice_id in chosen))
    assert [office.attempts(invoice_id) for invoice_id in ids] == [1, 2, 1, 2, 2, 1]
    assert [office.attempts(invoice_id) for invoice_id in late] == [1, 1]
    expect(page.get_by_text("3 on their way to TOC Online.")).to_be_visible()
    expect(retry).to_have_count(0)


def test_of_several_ticked_rows_those_that_may_not_be_sent_are_named(page, app, office):
    office.sent("MIX 1")
    office.correct(office.sent("MIX 2", Behaviour.REFUSE_SERIES))
    visit(page, app, "?q=MIX")
    expect(cell(page, 1, 1)).to_contain_text("MIX 1", timeout=SLOW)
    tick(page, 0)
    tick(page, 1)
    page.get_by_role("button", name="Retry 2 selected").click()
    expect(
        page.get_by_text("1 on their way to TOC Online, 1 refused: MIX 1: It is already in TOC Online.")
    ).to_be_visible()


def test_many_doubts_are_sent_again_together_and_no_other_whatever_moves_meanwhile(page, app, office):
    ids = [office.sent(f"MANY {number}", Behaviour.HTML) for number in range(3)]
    for invoice_id in ids:
        office.age(invoice_id, last_attempt_at=LONG_AGO, doubt_since=LONG_AGO)
    visit(page, app, "?q=MANY")
    expect(cell(page, 2, 1)).to_contain_text("MANY 0", timeout=SLOW)
    expect(cell(page, 2, 11)).to_have_text("since 5 Jan 2026, 09:30")
    tick(page, 0)
    tick(page, 1)
    expect(page.get_by_text("2 selected", exact=True)).to_be_visible(timeout=SLOW)
    page.get_by_role("button", name="They are not in TOC Online").click()
    dialog = page.get_by_role("dialog")
    lines = dialog.get_by_test_id("stDataFrame")
    expect(lines.get_by_test_id("glide-cell-1-1")).to_have_text("MANY 2", timeout=SLOW)
    expect(dialog.get_by_role("button", name="Send 0 again")).to_be_disabled()
    for row in (0, 1):
        lines.click(position={"x": 18, "y": ROW_PX * (row + 1.5)})
        expect(dialog.get_by_text(f"{row + 1} invoice{'s' if row else ''} will be sent again")).to_be_visible(
            timeout=SLOW
        )
    dialog.get_by_text("Looked it up in TOC Online: it is not there.").click()

    late = office.sent("MANY LATE", Behaviour.HTML)
    office.age(late, last_attempt_at=LONG_AGO)
    expect(cell(page, 3, 1)).to_contain_text("MANY 0", timeout=SLOW)
    expect(dialog.get_by_text("2 invoices will be sent again")).to_be_visible()
    dialog.get_by_role("button", name="Send 2 again").click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_text("2 on their way to TOC Online.")).to_be_visible(timeout=SLOW)
    wait_until(lambda: office.is_synced(ids[1]) and office.is_synced(ids[2]))
    assert [office.attempts(invoice_id) for invoice_id in (*ids, late)] == [1, 2, 2, 1]


@pytest.mark.parametrize("gap_ms", [100, 300, 600, 1000])
def test_two_quick_clicks_on_one_spot_mean_one_invoice(page, app, office, gap_ms):
    ids = [office.sent(f"QUICK{gap_ms} {number}", Behaviour.REFUSE_SERIES) for number in range(4)]
    for invoice_id in ids:
        office.correct(invoice_id)
    visit(page, app, f"?q=QUICK{gap_ms}&status=Failed")
    expect(cell(page, 3, 1)).to_contain_text(f"QUICK{gap_ms} 0", timeout=SLOW)
    press_in_row(page, 1)
    page.wait_for_timeout(gap_ms)
    press_in_row(page, 1)
    expect(cell(page, 1, 5)).to_have_text("Synced", timeout=SLOW)
    wait_until(lambda: office.is_settled(*ids))
    assert [office.attempts(invoice_id) for invoice_id in ids] == [1, 1, 2, 1]
    expect(cell(page, 1, 1)).to_contain_text(f"QUICK{gap_ms} 2")
    expect(cell(page, 1, 7)).to_contain_text("FT ")
    expect(cell(page, 3, 1)).to_contain_text(f"QUICK{gap_ms} 0")


def test_the_question_about_an_unchanged_invoice_does_not_move_the_list_under_the_finger(page, app, office):
    ids = [office.sent(f"ASKED {number}", Behaviour.REFUSE_SERIES) for number in range(4)]
    office.correct(ids[3])
    visit(page, app, "?q=ASKED&status=Failed")
    expect(cell(page, 3, 1)).to_contain_text("ASKED 0", timeout=SLOW)
    before = table(page).bounding_box()
    press_in_row(page, 1)
    expect(page.get_by_role("dialog").get_by_text("Nothing about ASKED 2 has changed")).to_be_visible(timeout=SLOW)
    assert table(page).bounding_box() == before
    page.get_by_role("button", name="Leave it").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert [office.attempts(invoice_id) for invoice_id in ids] == [1, 1, 1, 1]


def test_a_double_click_on_create_makes_one_invoice(page, app, office):
    visit(page, app, "?q=DOUBLE")
    create = fill_new_invoice(page, "DOUBLE 1")
    create.dblclick()
    expect(page.get_by_role("dialog")).to_have_count(0)
    wait_until(lambda: office.ids("DOUBLE 1"))
    wait_until(lambda: office.is_settled(*office.ids("DOUBLE 1")))
    assert len(office.ids("DOUBLE 1")) == 1


def test_a_double_click_on_retry_sends_once(page, app, office):
    invoice_id = office.sent("TWICE 1", Behaviour.REFUSE_SERIES)
    office.correct(invoice_id)
    visit(page, app, "?q=TWICE")
    expect(cell(page, 0, 5)).to_have_text("Failed", timeout=SLOW)
    press_in_row(page, 0)
    press_in_row(page, 0)
    wait_until(lambda: office.is_synced(invoice_id))
    assert office.triggers(invoice_id) == ["created", "retry"]


def test_a_half_typed_answer_and_the_open_drawer_survive_the_refresh(page, app, office):
    doubtful = office.sent("HALF 1", Behaviour.HTML)
    visit(page, app, f"?q=HALF&invoice={doubtful}")
    drawer = page.get_by_role("dialog")
    drawer.get_by_text("It is in TOC Online").click()
    field = drawer.get_by_label("Document number in TOC Online")
    field.press_sequentially("FT 2026/7")
    office.sent("HALF 2", p_invoice_date=str(day(1)))
    expect(page.get_by_text("1 to 2 of 2 invoices")).to_be_attached(timeout=SLOW)
    expect(field).to_have_value("FT 2026/7")
    field.press_sequentially("77")
    drawer.get_by_role("button", name="Record as synced").click()
    expect(drawer.get_by_test_id("stAlert").get_by_text("In TOC Online as FT 2026/777")).to_be_visible(timeout=SLOW)


def test_a_link_to_an_invoice_opens_its_drawer_as_the_first_thing_after_a_start(page, tmp_path, monkeypatch):
    for name, value in environment_of(tmp_path).items():
        monkeypatch.setenv(name, value)
    office = open_office()
    invoice_id = office.sent("FIRST 1")
    office.runtime.close()
    with live_app(tmp_path / "app", environment_of(tmp_path)) as app:
        page.goto(f"{app.url}/invoices?invoice={invoice_id}")
        expect(page.get_by_role("dialog").get_by_text(f"In TOC Online as FT {day().year}/1")).to_be_visible(
            timeout=SLOW
        )


def test_a_half_filled_form_survives_a_new_server(page, tmp_path, monkeypatch):
    for name, value in environment_of(tmp_path).items():
        monkeypatch.setenv(name, value)
    office = open_office()
    with live_app(tmp_path / "app", environment_of(tmp_path)) as app:
        visit(page, app, "")
        create = fill_new_invoice(page, "SURVIVOR 1")
        idle = page.locator("[data-testid=stApp][data-test-script-state=notRunning]")
        expect(page.get_by_role("dialog").get_by_text("Total €135.92")).to_be_visible(timeout=SLOW)
        expect(idle).to_be_attached(timeout=SLOW)
        app.stop()
        expect(page.locator("[data-test-connection-state=CONNECTED]")).not_to_be_attached(timeout=SLOW)
    with live_app(tmp_path / "app", environment_of(tmp_path), port=urlsplit(app.url).port):
        expect(page.locator("[data-test-connection-state=CONNECTED]")).to_be_attached(timeout=SLOW)
        drawer = page.get_by_role("dialog")
        expect(create).to_be_enabled(timeout=SLOW)
        expect(drawer.get_by_text("Total €135.92")).to_be_visible(timeout=SLOW)
        expect(idle).to_be_attached(timeout=SLOW)
        drawer.get_by_label("Notes").fill("typed later")
        drawer.get_by_label("Notes").press("Tab")

        def created() -> list[int]:
            # A click before the new server has drawn the page is lost; who clicks again still creates one invoice.
            with suppress(TookTooLong):
                create.click(timeout=2_000)
            return office.ids("SURVIVOR 1")

        (invoice_id,) = wait_until(created, within_s=60, every_s=2)
    assert office.runtime.invoice_detail(invoice_id).notes == "typed later"
    office.runtime.close()


def test_markup_in_every_text_is_shown_letter_by_letter(page, app, office, browser_errors):
    texts = {"p_notes": HOSTILE, "p_external_invoice_id": HOSTILE, "p_payer_team_id": 4}
    number = f"N {HOSTILE[:45]}"
    invoice_id = office.sent(number, Behaviour.HTML, **texts)
    office.age(invoice_id, error=HOSTILE, warning=HOSTILE)
    visit(page, app, f"?invoice={invoice_id}")
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_text("Attempts")).to_be_visible(timeout=SLOW)
    wait_until(lambda: letters(drawer).count(HOSTILE) == 6)  # warning, error, payer (twice), external id, notes
    assert letters(drawer).count(number) == 2
    assert drawer.locator("a, b, em, img, .katex").count() == 0
    assert not [error for error in browser_errors if "left this machine" in error]


def test_the_status_strip_filters_and_the_address_follows(page, app, office):
    office.sent("STRIP 1")
    office.sent("STRIP 2", Behaviour.REFUSE_SERIES)
    visit(page, app, "?q=STRIP")
    expect(page.get_by_text("1 to 2 of 2 invoices")).to_be_visible(timeout=SLOW)
    page.get_by_role("button", name="Failed").click()
    expect(page.get_by_text("1 to 1 of 1 invoice.")).to_be_visible()
    expect(page).to_have_url(re.compile("status=Failed"))
    page.reload()
    expect(page.get_by_text("1 to 1 of 1 invoice.")).to_be_visible(timeout=SLOW)
    page.get_by_role("button", name="Clear filters").click()
    expect(page).to_have_url(re.compile("/invoices$"))


def test_the_raw_response_is_there_to_read(page, app, office):
    invoice_id = office.sent("RAW 1")
    visit(page, app, f"?invoice={invoice_id}")
    page.get_by_text("What stands in").click()
    document_no = json.loads(json.dumps(office.api_response(invoice_id)))["document_no"]
    expect(page.get_by_test_id("stJson").get_by_text(document_no).first).to_be_visible()
