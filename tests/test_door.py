"""The web server's door: foreign pages are turned away before Streamlit asks anybody, and none shows the desk in a frame."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.live_app import PROJECT, Program, free_port, live_app, running, wait_until
from toc_sync.door import Door, Message, Welcome

ANSWERS_WITHIN_S = 1.0
KNOCKS = 20
FOREIGN = "http://elsewhere.example"
HOOK = """
import os, socket
_connect, _send, _find = socket.socket.connect, socket.socket.sendto, socket.getaddrinfo
def _note(what, host):
    if str(host) not in ("127.0.0.1", "localhost", "::1", "None", "") and not str(host).startswith("/"):
        with open(os.environ["WHO_LEFT"], "a") as file:
            file.write(f"{what} {host}\\n")
def connect(self, address):
    if isinstance(address, tuple):
        _note("connect", address[0])
    return _connect(self, address)
def sendto(self, data, *rest):
    if isinstance(rest[-1], tuple):
        _note("sendto", rest[-1][0])
    return _send(self, data, *rest)
def getaddrinfo(host, *rest, **more):
    _note("find", host)
    return _find(host, *rest, **more)
socket.socket.connect, socket.socket.sendto, socket.getaddrinfo = connect, sendto, getaddrinfo
"""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A server in which every attempt to leave this machine is written down."""

    program: Program
    who_left: Path

    @property
    def url(self) -> str:
        return self.program.url

    @property
    def left(self) -> str:
        return self.who_left.read_text() if self.who_left.exists() else ""


@contextmanager
def watched(folder: Path, how: str) -> Iterator[Watched]:
    hooks = folder / "hooks"
    hooks.mkdir(parents=True)
    (hooks / "sitecustomize.py").write_text(HOOK)
    who_left = folder / "who-left.txt"
    port = free_port()
    variables = {"PYTHONPATH": f"{hooks}:{PROJECT}", "WHO_LEFT": str(who_left), "TOC_SYNC_THREADS": "0"}
    if how == "streamlit":
        with live_app(folder / "app", variables, port=port) as program:
            yield Watched(program=program, who_left=who_left)
        return
    arguments = ["-m", "uvicorn", "app:app", "--app-dir", str(PROJECT), "--port", str(port)]
    with running(arguments, folder / "app", variables) as program:
        program.url = f"http://127.0.0.1:{port}"
        wait_until(lambda: "Uvicorn running" in program.log or program.process.poll() is not None, within_s=40)
        yield Watched(program=program, who_left=who_left)


@pytest.fixture(scope="module", params=["streamlit", "uvicorn"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watched(tmp_path_factory.mktemp("door"), request.param) as found:
        yield found


def knock(url: str, path: str = "/_stcore/stream", **headers: str) -> int:
    """Asks for a WebSocket as a browser would, and returns the HTTP status of the answer."""
    address = httpx.URL(url)
    fields = {
        "Host": f"127.0.0.1:{address.port}",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    with socket.create_connection(("127.0.0.1", address.port or 0), timeout=30) as wire:
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        wire.sendall("\r\n".join(lines).encode())
        return int(wire.recv(4096).split()[1])


@pytest.mark.processes
def test_foreign_pages_that_knock_hold_nobody_up_and_nothing_leaves(server: Watched) -> None:
    httpx.get(f"{server.url}/healthz", timeout=30, trust_env=False)
    with ThreadPoolExecutor(KNOCKS) as pool:
        knocks = [pool.submit(knock, server.url, Origin=FOREIGN) for _ in range(KNOCKS)]
        waited = []
        while not all(each.done() for each in knocks):
            began = time.monotonic()
            assert httpx.get(f"{server.url}/healthz", timeout=30, trust_env=False).status_code == 200
            waited.append(time.monotonic() - began)
    assert {each.result() for each in knocks} == {403}
    print(f"/healthz meanwhile: {max(waited, default=0):.3f} s at most")
    assert max(waited, default=0) <= ANSWERS_WITHIN_S
    assert server.left == ""


@pytest.mark.processes
def test_the_server_says_what_to_do_if_it_was_a_proxy(server: Watched) -> None:
    knock(server.url, Origin="https://desk.example.org")
    wait_until(lambda: "foreign-page origin='https://desk.example.org'" in server.program.log)
    assert "server.corsAllowedOrigins" in server.program.log


@pytest.mark.processes
def test_the_servers_own_pages_come_in_and_nothing_leaves(server: Watched) -> None:
    assert knock(server.url, Origin=server.url) == 101
    assert knock(server.url, Origin="https://desk.example.org", X_Forwarded_Host="desk.example.org") == 101
    assert knock(server.url, Origin="https://desk.example.org", Host="desk.example.org:443") == 101
    assert knock(server.url) == 101, "what is no browser names no origin"
    assert server.left == ""


@pytest.mark.processes
def test_what_streamlits_settings_let_in_comes_in_and_nothing_leaves(tmp_path: Path) -> None:
    settings = tmp_path / "app" / ".streamlit" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(
        '[server]\naddress = "127.0.0.1"\nheadless = true\ncorsAllowedOrigins = ["https://named.example.org"]\n'
        '[browser]\nserverAddress = "desk.example.org"\n'
    )
    with watched(tmp_path, "streamlit") as server:
        assert knock(server.url, Origin="https://named.example.org") == 101
        assert knock(server.url, Origin="https://desk.example.org:8443") == 101
        assert knock(server.url, Origin=FOREIGN) == 403
        assert server.left == ""


@dataclass(frozen=True, kw_only=True)
class Page:
    origin: str | tuple[str, ...]
    host: str = "desk:8501"
    forwarded: str = ""
    comes_in: bool


NAMED = Welcome(origins=("https://named.example", "http://dev.example:3000 "), host="desk.example")
PAGES = {
    "its own": Page(origin="http://desk:8501", comes_in=True),
    "its own, in other letters": Page(origin="http://DESK:8501", comes_in=True),
    "its own, by an IPv6 address": Page(origin="http://[::1]:8501", host="[::1]:8501", comes_in=True),
    "its own, the usual port named by the proxy": Page(origin="https://desk", host="desk:443", comes_in=True),
    "its own, the usual port named by the page": Page(origin="http://desk:80", host="desk", comes_in=True),
    "behind a proxy that says so": Page(origin="https://a.example", forwarded="a.example", comes_in=True),
    "behind two proxies": Page(origin="https://a.example", forwarded="a.example, inner:81", comes_in=True),
    "named, the whole origin": Page(origin="https://named.example", comes_in=True),
    "named, with its port": Page(origin="http://dev.example:3000", comes_in=True),
    "named as the browser's address": Page(origin="https://desk.example:8443", comes_in=True),
    "another port of this machine": Page(origin="http://desk:9999", comes_in=False),
    "another port, this machine by its loopback name": Page(origin="http://localhost:8501", comes_in=False),
    "the usual port of the other scheme": Page(origin="http://desk:443", host="desk", comes_in=False),
    "a named host, another port": Page(origin="http://dev.example:3001", comes_in=False),
    "a named host, another scheme": Page(origin="http://named.example", comes_in=False),
    "a longer name": Page(origin="https://named.example.evil.example", comes_in=False),
    "a name within": Page(origin="https://evilnamed.example", comes_in=False),
    "a user in the address": Page(origin="http://desk:8501@evil.example", comes_in=False),
    "a sandboxed frame": Page(origin="null", comes_in=False),
    "nothing": Page(origin="", host="", comes_in=False),
    "no address": Page(origin="http://[::1", comes_in=False),
    "two at once": Page(origin=("http://desk:8501", FOREIGN), comes_in=False),
    "elsewhere": Page(origin=FOREIGN, comes_in=False),
}


def passed_on(page: Page, welcome: Welcome) -> list[tuple[bytes, bytes]] | None:
    """Lets a page open a WebSocket and returns the headers that Streamlit gets to see, or None."""
    seen: list[Message] = []
    said: list[Message] = []
    origins = page.origin if isinstance(page.origin, tuple) else (page.origin,)
    headers = [(b"host", page.host.encode()), *((b"origin", origin.encode()) for origin in origins)]
    headers += [(b"x-forwarded-host", page.forwarded.encode())] if page.forwarded else []

    async def streamlit(scope, receive, send):
        seen.append(scope)

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        said.append(message)

    door = Door(streamlit, welcome=lambda: welcome)
    asyncio.run(door({"type": "websocket", "path": "/_stcore/stream", "headers": headers}, receive, send))
    assert said == ([] if seen else [{"type": "websocket.close", "code": 1008}])
    return seen[0]["headers"] if seen else None


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES.keys())
def test_who_comes_in_is_taken_by_streamlit_for_its_own(page: Page) -> None:
    from streamlit.web.server.starlette.starlette_websocket import _is_origin_allowed

    headers = passed_on(page, NAMED)
    assert (headers is not None) is page.comes_in
    if headers is not None:
        seen = {name: value.decode() for name, value in headers}
        assert seen[b"host"] == httpx_netloc(seen[b"origin"]), "else Streamlit asks outside"
        assert _is_origin_allowed(seen[b"origin"], seen[b"host"])


def httpx_netloc(origin: str) -> str:
    return origin.partition("://")[2]


def test_everybody_comes_in_where_streamlits_protection_is_switched_off() -> None:
    headers = passed_on(PAGES["elsewhere"], Welcome(everybody=True))
    assert headers == [(b"host", b"desk:8501"), (b"origin", FOREIGN.encode())]


def test_origins_are_named_once_and_not_endlessly(caplog: pytest.LogCaptureFixture) -> None:
    async def never(scope, receive, send):
        raise AssertionError

    async def receive():
        return {}

    async def send(message):
        pass

    door = Door(never, welcome=Welcome)
    for number in [*range(100), *range(100)]:
        scope = {"type": "websocket", "path": "/", "headers": [(b"origin", b"http://%d.example" % number + b"x" * 999)]}
        asyncio.run(door(scope, receive, send))
    assert len(caplog.messages) == 20
    assert max(map(len, caplog.messages)) < 500


ANSWERS = {
    "a page": "/",
    "another page": "/invoices",
    "health": "/healthz",
    "readiness": "/readyz",
    "figures": "/metrics",
    "Streamlit's health": "/_stcore/health",
    "a file": "/favicon.png",
    "a medium that is not there": "/media/nothing.png",
    "nothing": "/_stcore/nothing",
    "a path that is refused": "/%2e%2e/%2e%2e/etc/passwd",
}


@pytest.mark.processes
@pytest.mark.parametrize("path", ANSWERS.values(), ids=ANSWERS.keys())
def test_no_answer_may_be_shown_in_a_frame(server: Watched, path: str) -> None:
    answer = httpx.get(f"{server.url}{path}", timeout=30, trust_env=False)
    assert answer.headers["content-security-policy"] == "frame-ancestors 'none'"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"


@pytest.mark.processes
@pytest.mark.parametrize("path", ["/component/streamlit_autorefresh.st_autorefresh/index.html", "/component/nothing/x"])
def test_a_component_is_shown_by_our_own_pages_only(server: Watched, path: str) -> None:
    answer = httpx.get(f"{server.url}{path}", timeout=30, trust_env=False)
    assert answer.headers["content-security-policy"] == "frame-ancestors 'self'"
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
