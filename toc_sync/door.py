"""The door of the web server: which pages may talk to it, and that none may show it in a frame.

Plain ASGI around Streamlit; knows no page, no database and no setting of ours. A foreign page is turned away before
Streamlit sees it: Streamlit would ask an outside address for its own, and answer nobody meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Server = Callable[[Message, Receive, Send], Awaitable[None]]

POLICY_VIOLATION = 1008
_NAMED_AT_MOST = 20
_USUAL_PORTS = {"http": ":80", "https": ":443"}
_COMPONENTS = "/component/"
_FOR_ALL = {"x-content-type-options": "nosniff", "referrer-policy": "same-origin"}
_NEVER_FRAMED = {"content-security-policy": "frame-ancestors 'none'", "x-frame-options": "DENY"}
_FRAMED_BY_OUR_PAGES = {"content-security-policy": "frame-ancestors 'self'", "x-frame-options": "SAMEORIGIN"}

log = logging.getLogger("toc_sync")


@dataclass(frozen=True, kw_only=True)
class Welcome:
    """Which pages are welcome besides the server's own: whole origins, one host by its name, or everybody's."""

    origins: tuple[str, ...] = ()
    host: str = ""
    everybody: bool = False

    def includes(self, origin: str) -> bool:
        """Tells whether a page of this origin is named."""
        named = _address(self.host if "://" in self.host else f"//{self.host}").name
        # "localhost" is what Streamlit says when nothing was set: it would let in whatever runs on this machine.
        is_named = named not in ("", "localhost") and _address(origin).name == named
        return is_named or _address(origin).without_usual_port in {
            _address(each.strip()).without_usual_port for each in self.origins
        }


class _Address(NamedTuple):
    """What an origin consists of: scheme, host with port, and the host alone; all empty where it is none ("null")."""

    scheme: str
    host: str
    name: str

    @property
    def without_usual_port(self) -> tuple[str, str]:
        return self.scheme, _without_port(self.host, self.scheme)


def headers_for(path: str) -> dict[str, str]:
    """Returns the headers that an answer from `path` carries: a component lives in a frame on our own pages."""
    return _FOR_ALL | (_FRAMED_BY_OUR_PAGES if _COMPONENTS in path else _NEVER_FRAMED)


class Door:
    """ASGI middleware. `welcome` is asked for each WebSocket that another origin opens."""

    def __init__(self, app: Server, *, welcome: Callable[[], Welcome]) -> None:
        self._app = app
        self._welcome = welcome
        self._named: set[str] = set()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Passes on what may pass."""
        if scope["type"] == "http":
            await self._app(scope, receive, _with_headers(send, headers_for(scope["path"])))
        elif scope["type"] == "websocket" and (origins := _values(scope, b"origin")):
            await self._let_in(scope, receive, send, origins)
        else:
            await self._app(scope, receive, send)

    async def _let_in(self, scope: Message, receive: Receive, send: Send, origins: list[str]) -> None:
        origin = origins[0] if len(origins) == 1 else "null"
        welcome = self._welcome()
        if welcome.everybody:
            await self._app(scope, receive, send)
        elif _is_own(origin, [*_values(scope, b"host"), *_forwarded(scope)]) or welcome.includes(origin):
            await self._app(_as_same_origin(scope, origin), receive, send)
        else:
            self._name(origin)
            await receive()
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})

    def _name(self, origin: str) -> None:
        """Says once for each origin, and not for endlessly many, what to do if it should have been let in."""
        if origin not in self._named and len(self._named) < _NAMED_AT_MOST:
            self._named.add(origin)
            log.warning(
                "foreign-page origin=%r: turned away. If it is your proxy, let it pass the Host header on, or name the"
                " origin in server.corsAllowedOrigins.",
                origin[:200],
            )


def _with_headers(send: Send, headers: dict[str, str]) -> Send:
    added = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [
                (name, value)
                for name, value in message.get("headers", ())
                if name.decode("latin-1").lower() not in headers
            ]
            message["headers"] = [*kept, *added]
        await send(message)

    return sending


def _as_same_origin(scope: Message, origin: str) -> Message:
    """Returns the scope with exactly the host that the origin names: with any other, Streamlit asks for its address."""
    host = (b"host", _address(origin).host.encode("latin-1", "ignore"))
    return {**scope, "headers": [host, *((name, value) for name, value in scope["headers"] if name != b"host")]}


def _values(scope: Message, wanted: bytes) -> list[str]:
    return [value.decode("latin-1").strip() for name, value in scope["headers"] if name == wanted]


def _forwarded(scope: Message) -> list[str]:
    """Returns the hosts that proxies on the way were asked for; a web page cannot send this header."""
    return [host.strip() for value in _values(scope, b"x-forwarded-host") for host in value.split(",")]


def _is_own(origin: str, hosts: list[str]) -> bool:
    scheme, address = _address(origin).without_usual_port
    return bool(address) and address in {_without_port(host, scheme) for host in hosts}


def _address(origin: str) -> _Address:
    try:
        parts = urlsplit(origin)
        return _Address(parts.scheme, parts.netloc, parts.hostname or "")
    except ValueError:
        return _Address("", "", "")


def _without_port(host: str, scheme: str) -> str:
    return host.lower().removesuffix(_USUAL_PORTS.get(scheme, ":"))
