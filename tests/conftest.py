"""What every test may ask for: a fresh database on either engine, and a browser page. Nothing starts before it is asked for."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from sqlalchemy import URL

from tests.chromium import FLAGS, find_chromium
from tests.core import (  # noqa: F401  # fixtures for every test module
    desk,
    founded_database,
    founded_file,
    founded_url,
    function,
    postgres_desk,
    prepared_database,
    prepared_file,
    reused_database,
    sqlite_desk,
)
from tests.moments import HARD_DAYS
from tests.postgres import ServerOfThisRun, describe_server, fresh_database, server_url
from tests.thrift import _thrift  # noqa: F401  # for every test
from toc_sync import clock

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PROJECT = Path(__file__).parent.parent
_SCREENSHOTS = PROJECT / "build" / "screenshots"
_OUR_VARIABLES = re.compile(r"DATABASE_URL|SUPABASE_URL|TOC_.*", re.IGNORECASE)
_SERVER = pytest.StashKey[ServerOfThisRun]()
_FAILED = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a run in the background; its programs must hear Ctrl-C
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        config.stash[_SERVER] = ServerOfThisRun()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:  # type: ignore[no-untyped-def]  # a hook of pytest-xdist
    node.workerinput["postgres_folder"] = str(node.config.stash[_SERVER].folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    if _SERVER in config.stash:
        config.stash[_SERVER].end()


def pytest_report_header() -> str:
    return describe_server()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs what is marked `hard_days` now, and again on each of them."""
    if metafunc.definition.get_closest_marker("hard_days"):
        another = [pytest.param(name, marks=pytest.mark.another_day, id=name) for name in HARD_DAYS]
        metafunc.parametrize("moment", [pytest.param(None, id="now"), *another], indirect=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    return report


@pytest.fixture(autouse=True)
def _clean_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keeps the developer's settings out: their variables, and the `.env`, secrets and `data/` of the folder they are in."""
    for name in [name for name in os.environ if _OUR_VARIABLES.fullmatch(name)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    # `python -m toc_sync` works from the empty folder too.
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))


@pytest.fixture(autouse=True)
def moment(request: pytest.FixtureRequest) -> Iterator[datetime]:
    """The moment at which the test begins: now, or the hard day that it runs on, to which the clock is set."""
    name = getattr(request, "param", None)
    with clock.set_to(HARD_DAYS[name]) if name else nullcontext():
        yield clock.now()


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> URL:
    """The address of the PostgreSQL server that all tests of this run share."""
    config = request.config
    folder = config.stash[_SERVER].folder if _SERVER in config.stash else Path(config.workerinput["postgres_folder"])
    return server_url(folder)


@pytest.fixture
def postgres_url(postgres_server: URL) -> Iterator[str]:
    """The address of an empty PostgreSQL database that only this test knows."""
    with fresh_database(postgres_server) as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The address of an SQLite database that only this test knows; its file does not exist yet."""
    return f"sqlite:///{tmp_path / 'toc_sync.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of an empty database: the test runs once on each engine."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The path of an installed Chromium."""
    path = find_chromium()
    if path is None:
        pytest.fail("The tests need a Chromium browser: run `make test`, which installs one.", pytrace=False)
    return path


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    """A running Chromium.

    It lives as long as one test module: while Playwright runs, its event loop occupies the main thread, and tests of
    other modules could not use `asyncio.run`.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=chromium_path, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture
def browser_errors() -> list[str]:
    """What went wrong in `page`: console errors, uncaught exceptions, requests that left this machine."""
    return []


@pytest.fixture
def page(browser: Browser, browser_errors: list[str], request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of a browser that remembers nothing; when the test fails, its picture is saved in `build/screenshots`."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    page.on("console", lambda message: browser_errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: browser_errors.append(str(error)))
    page.on(
        "request", lambda sent: browser_errors.append(f"left this machine: {sent.url}") if _leaves(sent.url) else None
    )
    yield page
    if request.node.stash.get(_FAILED, False):
        name = re.sub(r"[^\w.-]+", "_", request.node.name)
        page.screenshot(path=_SCREENSHOTS / f"{name}.png", full_page=True)
        print("In the browser:", *browser_errors, sep="\n  ")
    context.close()


def _leaves(url: str) -> bool:
    address = urlsplit(url)
    return address.scheme in ("http", "https", "ws", "wss") and address.hostname not in ("127.0.0.1", "localhost")
