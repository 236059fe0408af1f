"""The wire: one POST to the edge function per attempt, and what came back. The only room that imports httpx.

It repeats nothing, follows nothing, opens a fresh connection each time and ignores proxy variables. It reads no meaning
into an answer; it only knows whether a byte of the request may have left. The key never appears in a text or a log.
"""

from __future__ import annotations

import contextlib
import math
import re
import ssl
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import httpcore
import httpx

from toc_sync.clock import uptime
from toc_sync.model import NoReply, Reply, Unsent
from toc_sync.sockets import Network

BODY_CAP = 1024 * 1024
"""Bytes of a body that are read; the rest is left on the wire."""
STEP_S = 10.0
"""Seconds that connecting or writing may take, unless the deadline is nearer."""

UNSENT: Mapping[type[Exception], Unsent] = {
    httpx.InvalidURL: Unsent.CONFIGURATION,
    httpx.UnsupportedProtocol: Unsent.CONFIGURATION,
    httpx.LocalProtocolError: Unsent.CONFIGURATION,
    httpx.ConnectError: Unsent.UNDELIVERED,
    httpx.ConnectTimeout: Unsent.UNDELIVERED,
    httpx.PoolTimeout: Unsent.UNDELIVERED,
    httpx.ReadTimeout: Unsent.TIMEOUT,
    httpx.WriteTimeout: Unsent.TIMEOUT,
    httpx.ReadError: Unsent.LOST,
    httpx.WriteError: Unsent.LOST,
    httpx.CloseError: Unsent.LOST,
    httpx.RemoteProtocolError: Unsent.LOST,
    httpx.ProxyError: Unsent.LOST,
    httpx.DecodingError: Unsent.LOST,
    httpx.TooManyRedirects: Unsent.LOST,
    # What httpx lets through: a host name that cannot be one, and errors of sockets and TLS.
    UnicodeError: Unsent.CONFIGURATION,
    OSError: Unsent.UNDELIVERED,
}
"""What each error says about the request, as long as the trace does not know better."""

_SENTENCES = {
    Unsent.CONFIGURATION: "Nothing was sent: the function's address, key or certificate is not usable",
    Unsent.UNDELIVERED: "The function could not be reached",
    Unsent.TIMEOUT: "No complete answer came in time",
    Unsent.LOST: "The connection broke before the answer was complete",
}
_SENDABLE_KEY = re.compile(r"[!-~]+")
_BROKEN_OFF_HANDSHAKE = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)


class TooLate(Exception):
    """The moment after which the request must not start has passed; no byte was written."""


@dataclass(frozen=True, kw_only=True)
class Edge:
    """The edge function at `url`. One attempt takes `deadline_s` seconds at most, whatever the other side does."""

    url: str
    key: str = field(repr=False)
    deadline_s: float

    def send(self, invoice_id: int, request_id: str, *, not_after: float) -> Reply | NoReply:
        """Posts one invoice and returns the answer, or why there is none.

        `not_after` is a reading of `uptime()` after which no byte is written any more: a thread that was frozen must
        not wake up and send.
        """
        headers = {
            "Content-Type": "application/json",
            "x-request-id": request_id,
            "idempotency-key": f"toc-invoice-{invoice_id}",
        }
        wire = _Wire(not_after=not_after, began_at=uptime(), deadline_s=self.deadline_s)
        return self._exchange("POST", headers, b'{"invoice_id": %d}' % invoice_id, wire)

    def probe(self) -> Reply | NoReply:
        """Asks whether the function is there and takes the key: a GET without a body.

        It names no invoice, so nothing can be issued, whatever the function does with it. The platform checks address
        and key before the function runs.
        """
        wire = _Wire(not_after=math.inf, began_at=uptime(), deadline_s=self.deadline_s)
        return self._exchange("GET", {}, b"", wire)

    def _exchange(self, method: str, headers: Mapping[str, str], content: bytes, wire: _Wire) -> Reply | NoReply:
        try:
            wire.check_start()
            return self._receive(self._request(method, headers, content, wire), wire)
        except TooLate:
            return wire.no_reply(Unsent.HELD_BACK, "Nothing was sent: this program stood still for too long")
        except TimeoutError:
            why = Unsent.TIMEOUT if wire.started else Unsent.UNDELIVERED
            return wire.no_reply(why, f"{_SENTENCES[why]} ({self.deadline_s:g} s)")
        except (httpx.RequestError, httpx.InvalidURL, UnicodeError, OSError) as error:
            why = why_unsent(error, started=wire.started, completed=wire.completed)
            return wire.no_reply(why, self._explain(why, error))

    def _receive(self, request: httpx.Request, wire: _Wire) -> Reply:
        tls = self._tls if request.url.scheme == "https" else None
        with _Transport(tls, wire) as transport, contextlib.closing(transport.handle_request(request)) as response:
            wire.http_status = response.status_code
            raw, is_cut = _read(response)
            body, is_too_long = _decompress(raw, response.headers.get("content-encoding", ""))
            return Reply(
                http_status=response.status_code,
                headers={name.lower(): value for name, value in response.headers.items()},
                body=body,
                truncated=is_cut or is_too_long,
                duration_ms=wire.duration_ms(),
            )

    def _request(self, method: str, headers: Mapping[str, str], content: bytes, wire: _Wire) -> httpx.Request:
        if not _SENDABLE_KEY.fullmatch(self.key):
            raise httpx.LocalProtocolError("the key is empty or holds characters that no header can carry")
        url = httpx.URL(self.url)
        if not url.host or (url.port or 0) > 65_535:
            raise httpx.InvalidURL("the address has no host, or a port that cannot be")
        step_s = min(STEP_S, self.deadline_s)
        return httpx.Request(
            method,
            url,
            headers={
                "Authorization": f"Bearer {self.key}",
                "apikey": self.key,
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": "toc-sync",
                **headers,
            },
            content=content,
            extensions={
                "timeout": {"connect": step_s, "write": step_s, "pool": step_s, "read": None},
                "trace": wire.trace,
            },
        )

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        # Reading the certificates takes longer than a request: once is enough.
        return httpx.create_ssl_context(trust_env=False)

    def _explain(self, why: Unsent, error: BaseException) -> str:
        details = [text for text in map(str, _causes(error)) if text]
        sentence = f"{_SENTENCES[why]}: {details[-1]}" if details else _SENTENCES[why]
        # No error is known to quote the key; a very short one would only be found in words.
        return sentence.replace(self.key, "…") if len(self.key) >= 8 else sentence


def why_unsent(error: BaseException, *, started: bool, completed: bool) -> Unsent:
    """Returns what an error means for the request, of which writing had `started`, or was `completed`."""
    # An error nobody decided about could mean anything.
    why = next((why for kind, why in UNSENT.items() if isinstance(error, kind)), Unsent.LOST)
    if why is Unsent.UNDELIVERED and _is_about_certificates(error):
        why = Unsent.CONFIGURATION
    # The trace knows better. A request that cannot be put into bytes fails after writing began, before the first byte.
    has_left = completed if isinstance(error, httpx.LocalProtocolError) else started
    return Unsent.LOST if has_left and why in (Unsent.UNDELIVERED, Unsent.CONFIGURATION) else why


@dataclass(kw_only=True)
class _Wire:
    """How far one request got."""

    not_after: float
    began_at: float
    deadline_s: float
    started: bool = False
    completed: bool = False
    http_status: int | None = None

    def trace(self, event: str, _info: object) -> None:
        if event.startswith("connection."):
            return
        if not self.started:
            # The last moment before the first byte. Events of unknown names count too: rather in doubt than sent twice.
            self.check_start()
            self.started = True
        self.completed = self.completed or event == "http11.send_request_headers.complete"

    def check_start(self) -> None:
        if uptime() > self.not_after:
            raise TooLate

    def left_s(self) -> float:
        left_s = self.began_at + self.deadline_s - uptime()
        if left_s <= 0:
            raise TimeoutError
        return left_s

    def duration_ms(self) -> int:
        return round((uptime() - self.began_at) * 1000)

    def no_reply(self, why: Unsent, error: str) -> NoReply:
        return NoReply(why=why, error=error, duration_ms=self.duration_ms(), http_status=self.http_status)


class _Transport(httpx.HTTPTransport):
    """httpx's own way to send a request and to name what went wrong, over one connection that ends by the deadline."""

    def __init__(self, tls: ssl.SSLContext | None, wire: _Wire) -> None:
        # Not httpx's: it reads all certificates each time, and its sockets know no deadline for the whole.
        self._pool = httpcore.ConnectionPool(ssl_context=tls, network_backend=Network(wire.left_s))


def _read(response: httpx.Response) -> tuple[bytes, bool]:
    """Returns the body as it came, and whether it was cut at the cap."""
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > BODY_CAP:
            return bytes(body[:BODY_CAP]), True
    return bytes(body), False


def _decompress(raw: bytes, encoding: str) -> tuple[bytes, bool]:
    """Returns the body without the compression nobody asked for, and whether it was cut at the cap or by the sender."""
    formats = {"gzip": (47,), "x-gzip": (47,), "deflate": (47, -15)}
    for wbits in formats.get(encoding.strip().lower(), ()):
        decompressor = zlib.decompressobj(wbits)
        with contextlib.suppress(zlib.error):
            return decompressor.decompress(raw, BODY_CAP), not decompressor.eof
    return raw, False


def _is_about_certificates(error: BaseException) -> bool:
    return any(
        isinstance(cause, ssl.SSLError) and not isinstance(cause, _BROKEN_OFF_HANDSHAKE) for cause in _causes(error)
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yields an error and what led to it, the first cause last."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__
