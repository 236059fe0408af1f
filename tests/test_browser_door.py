"""The door in a real browser: no foreign page shows the desk in a frame, and the desk's own pages go on ticking."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.live_app import live_app
from tests.office import Office, environment_of, open_office

SLOW = 20_000


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


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Another web server of this machine, on a port of its own, and the folder whose pages it shows."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    server.server_close()


def test_a_foreign_page_cannot_show_the_desk_in_a_frame(app, elsewhere, page: Page):
    address, folder = elsewhere
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text) if "frame-ancestors" in message.text else None)
    component = f"{app.url}/component/streamlit_autorefresh.st_autorefresh/index.html"
    (folder / "index.html").write_text(
        "<h1>Win a prize</h1>"
        + "".join(f"<iframe src='{src}'></iframe>" for src in (app.url, f"{app.url}/invoices", component))
    )
    page.goto(f"{address}/index.html", wait_until="load")
    expect(page.get_by_role("heading", name="Win a prize")).to_be_visible()
    shown = [frame.url for frame in page.frames if frame.url.startswith(app.url)]
    assert shown == []
    assert len(refused) == 3


def test_the_desks_own_page_goes_on_ticking(office: Office, app, page: Page, browser_errors):
    page.goto(app.url)
    page.get_by_role("link", name="Invoices", exact=True).click(timeout=SLOW)
    expect(page.get_by_role("heading", name="Invoices", exact=True)).to_be_visible(timeout=SLOW)
    office.sent("T-1")  # nobody clicks: only a tick can bring it
    expect(page.get_by_text("T-1").first).to_be_attached(timeout=SLOW)
    assert [frame for frame in page.frames if "streamlit_autorefresh" in frame.url]
    assert browser_errors == []


@pytest.mark.parametrize(("address", "title"), [("/?range=", "Overview"), ("/invoices?batch=inf", "Invoices")])
def test_an_address_that_means_nothing_shows_its_page(app, page: Page, address, title):
    page.goto(f"{app.url}{address}")
    expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible(timeout=SLOW)
    expect(page.locator("iframe").first, "drawn to its end, where the tick stands").to_be_attached(timeout=SLOW)
    expect(page.get_by_test_id("stException")).to_have_count(0)
