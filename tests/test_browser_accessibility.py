"""Every page, drawer and dialog as axe-core sees it, light and dark: nothing of our making keeps anybody out."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.live_app import Program, live_app
from tests.screenshots import SETTLED

SLOW = 20_000
OPTIONS = {
    "light": {"resultTypes": ["violations"]},
    "dark": {"resultTypes": ["violations"], "runOnly": ["color-contrast"]},
}
GATE_REASON = "TOC Online is being maintained"


@dataclass(frozen=True, kw_only=True)
class Exemption:
    """What Streamlit itself draws: a rule, its selector with its HTML, and a place where it is sure to be found."""

    rule: str
    html: str
    seen_on: str
    scheme: str = "light"
    reason: str

    def covers(self, rule: str, html: str) -> bool:
        return rule == self.rule and re.search(self.html, html) is not None


OF_STREAMLIT = (
    Exemption(
        rule="svg-img-alt",
        html=r'<g class="mark-symbol [^"]*metric_chart_\w+_highlighted_points_marks"',
        seen_on="overview",
        reason="The curve of st.metric holds an empty group for the point under the mouse, and takes no alt text.",
    ),
    Exemption(
        rule="color-contrast",
        html=r'^button\[data-selected="true"\] [^<]*<p>[^<]+</p>$',
        seen_on="overview",
        scheme="dark",
        reason="st.segmented_control writes the chosen option in the primary colour on a tint of it, and a primary button"
        " white on it: on a dark page no colour is far enough from both.",
    ),
    Exemption(
        rule="aria-allowed-attr",
        html=r'<div [^>]*(data-testid="stDateInputField"|data-react-aria-pressable="true")',
        seen_on="new invoice",
        reason="st.date_input marks its groups as required and read-only, which groups cannot be.",
    ),
    Exemption(
        rule="aria-dialog-name",
        html=r'<div data-testid="stToast"',
        seen_on="pause",
        reason="st.toast is a dialog without a name, and takes none.",
    ),
)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """The program as a newcomer starts it, with the sample data."""
    with live_app(tmp_path_factory.mktemp("samples")) as program:
        yield program


def one_of(app: Program, status: str) -> int:
    with closing(sqlite3.connect(app.folder / "data" / "toc_sync.db")) as conn:
        query = "SELECT max(invoice_id) FROM sync_records WHERE status = ?"
        return int(conn.execute(query, (status,)).fetchone()[0])


def at(path: str) -> Callable[[Page, Program], None]:
    def arrive(page: Page, app: Program) -> None:
        page.goto(f"{app.url}{path}")
        expect(page.get_by_role("button", name="Pause")).to_be_visible(timeout=SLOW)

    return arrive


def drawer(status: str) -> Callable[[Page, Program], None]:
    def arrive(page: Page, app: Program) -> None:
        page.goto(f"{app.url}/invoices?invoice={one_of(app, status)}")
        expect(page.get_by_role("dialog").get_by_role("heading", name="Attempts")).to_be_visible(timeout=SLOW)

    return arrive


def new_invoice(page: Page, app: Program) -> None:
    page.goto(f"{app.url}/invoices?new=1")
    expect(page.get_by_role("dialog").get_by_role("button", name="Create invoice")).to_be_visible(timeout=SLOW)


def batch_dialog(page: Page, app: Program) -> None:
    page.goto(f"{app.url}/invoices?status=Failed")
    page.get_by_role("button", name="Retry all that match").click(timeout=SLOW)
    expect(page.get_by_role("dialog").get_by_text("will be sent")).to_be_visible(timeout=SLOW)


def pause_dialog(page: Page, app: Program) -> None:
    page.goto(f"{app.url}/activity")
    page.get_by_role("button", name="Pause").click(timeout=SLOW)
    expect(page.get_by_label("Why?")).to_be_visible(timeout=SLOW)


def paused(page: Page, app: Program) -> None:
    pause_dialog(page, app)
    page.get_by_label("Why?").fill(GATE_REASON)
    page.get_by_label("Why?").press("Enter")
    expect(page.locator(".st-key-gate_banner")).to_contain_text(GATE_REASON, timeout=SLOW)
    expect(page.get_by_label("Why?")).to_have_count(0)
    page.get_by_test_id("stToast").hover()  # under the mouse it stays


def resume(page: Page) -> None:
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Resume sending").click()
    expect(page.locator(".st-key-gate_banner")).to_have_count(0, timeout=SLOW)


PLACES: dict[str, Callable[[Page, Program], None]] = {
    "overview": at("/"),
    "invoices": at("/invoices"),
    "drawer of one synced": drawer("synced"),
    "drawer of one in doubt": drawer("in_doubt"),
    "drawer of one that failed": drawer("failed"),
    "new invoice": new_invoice,
    "batch dialog": batch_dialog,
    "invoice orders": at("/invoice-orders"),
    "month close": at("/month-close"),
    "activity": at("/activity"),
    "pause dialog": pause_dialog,
    "pause": paused,
}


def violations(page: Page, scheme: str) -> list[tuple[str, str, str]]:
    """Returns rule, place with HTML, and explanation of what axe-core finds; in the dark only colours are another matter."""
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    expect(page.get_by_test_id("stApp")).to_have_css("color-scheme", scheme, timeout=SLOW)
    page.locator(SETTLED).wait_for()
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=SLOW)
    found = Axe().run(page, options=OPTIONS[scheme]).response["violations"]
    return [
        (rule["id"], f"{node['target'][0]} {node['html']}", node["failureSummary"])
        for rule in found
        for node in rule["nodes"]
    ]


def of_our_making(found: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    return [each for each in found if not any(exemption.covers(*each[:2]) for exemption in OF_STREAMLIT)]


@pytest.fixture
def resumed(page: Page) -> Iterator[None]:
    """Ends the pause of a test, for those that come after it."""
    yield
    if page.get_by_role("button", name="Resume").count():
        resume(page)


@pytest.mark.usefixtures("resumed")
@pytest.mark.parametrize("place", PLACES)
def test_nothing_of_our_making_is_in_the_way_of_anybody(place: str, app: Program, page: Page):
    PLACES[place](page, app)
    for scheme in OPTIONS:
        found = violations(page, scheme)
        assert of_our_making(found) == [], scheme
        for exemption in OF_STREAMLIT:
            if (exemption.seen_on, exemption.scheme) == (place, scheme):
                still = any(exemption.covers(*each[:2]) for each in found)
                assert still, f"Streamlit has mended {exemption.rule}: take it out of the list"


def test_axe_finds_what_is_wrong(app: Program, page: Page):
    at("/month-close")(page, app)
    page.evaluate("document.querySelector('[data-testid=stMain]').append(document.createElement('button'))")
    assert [rule for rule, *_ in of_our_making(violations(page, "light"))] == ["button-name"]
