"""A real HTTP server in place of the edge function: it answers what a test tells it to and remembers what it was asked.

    with StandIn() as function:
        function.answer(12, {"status": 500, "body": {"error": "…"}})
        ... send to function.url ...
        assert function.count(12) == 1

Left alone it issues a new document for every request, as TOC Online does: repeating a request is seen at once.
"""

from __future__ import annotations

import json
import select
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from toc_sync import clock

PATIENCE_S = 10.0
Answer = Mapping[str, Any]
"""What to answer, one of:

- `status`, `headers`, `body`: a whole answer. A body that is text or bytes goes out as it is; a function is called for
  pieces that are sent one by one, without a length; anything else goes out as JSON.
- `transport`: "close" (no answer), "cut" (half of one), "silence" (until the client leaves), "refused" (nobody listens
  any more, for whichever invoice; the next `answer` listens again).
"""


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request: the invoice it names (None where it names none), lower-case header names, the body, and when."""

    invoice_id: int | None
    headers: Mapping[str, str]
    body: bytes
    path: str
    at: datetime


@dataclass
class _Told:
    """What was said about one invoice: answers that count a few times, then the standing one."""

    next: list[Answer] = field(default_factory=list)
    standing: Answer | None = None

    def take(self) -> Answer | None:
        return self.next.pop(0) if self.next else self.standing


class StandIn:
    """A server on a free port of this machine. `latency_s` passes before each answer; with `tls` it speaks HTTPS."""

    def __init__(self, *, latency_s: float = 0, tls: ssl.SSLContext | None = None) -> None:
        self._latency_s = latency_s
        self._tls = tls
        self._changed = threading.Condition()
        self._received: list[Received] = []
        self._told: dict[int | None, _Told] = {}
        self._held: set[int | None] = set()
        self._issued = 0
        self._is_over = False
        self._port = 0
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        self._stop_listening()

    @property
    def url(self) -> str:
        """The address to post to; "localhost", so that looking a name up belongs to every test."""
        return f"{'https' if self._tls else 'http'}://localhost:{self._port}/functions/v1/toc_invoice"

    @property
    def requests(self) -> list[Received]:
        """Every request so far, in the order of arrival."""
        with self._changed:
            return list(self._received)

    def count(self, invoice_id: int) -> int:
        """Returns how many requests named this invoice."""
        return self.counts()[invoice_id]

    def counts(self) -> Counter[int | None]:
        """Returns how many requests named each invoice."""
        return Counter(request.invoice_id for request in self.requests)

    def answer(self, invoice_id: int | None, answer: Answer, *, times: int | None = None) -> None:
        """From now on answers `invoice_id` (None: every invoice without an answer of its own) like this.

        With `times`, that often, and then as before.
        """
        is_refused = answer.get("transport") == "refused"
        with self._changed:
            told = self._told.setdefault(invoice_id, _Told())
            if is_refused:
                pass
            elif times is None:
                told.standing = answer
            else:
                told.next.extend([answer] * times)
        if is_refused:
            self._stop_listening()
        elif self._server is None:
            self._listen()

    def hold(self, invoice_id: int | None = None) -> None:
        """Keeps requests of this invoice (None: of all) unanswered until `release`."""
        with self._changed:
            self._held.add(invoice_id)

    def release(self, invoice_id: int | None = None) -> None:
        """Answers what was held for this invoice (None: for all)."""
        with self._changed:
            self._held = self._held - {invoice_id} if invoice_id is not None else set()
            self._changed.notify_all()

    def wait_for(self, invoice_id: int | None = None, *, count: int = 1, timeout_s: float = PATIENCE_S) -> None:
        """Waits until `count` requests of this invoice (None: of any) have arrived."""

        def arrived() -> bool:
            return sum(invoice_id in (None, request.invoice_id) for request in self._received) >= count

        with self._changed:
            assert self._changed.wait_for(arrived, timeout_s), f"no {count} requests of {invoice_id} arrived"

    def _listen(self) -> None:
        # The port stays the same when it listens again: the address is known to others by then.
        self._server = _Server(("127.0.0.1", self._port), self)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _next_answer(self, request: Received) -> Answer:
        """Notes a request, keeps it waiting as long as it must, and returns what to answer."""
        with self._changed:
            self._received.append(request)
            self._changed.notify_all()
            answer = self._chosen(request)
            self._changed.wait_for(lambda: self._is_over, self._pause_s())
            self._changed.wait_for(lambda: self._is_over or not self._held & {None, request.invoice_id})
            return answer

    def _pause_s(self) -> float:
        return self._latency_s

    def _chosen(self, request: Received) -> Answer:
        for key in (request.invoice_id, None):
            answer = self._told[key].take() if key in self._told else None
            if answer is not None:
                return answer
        self._issued += 1
        document = {"id": self._issued, "document_no": f"FT 2026/{self._issued}"}
        return {"status": 200, "body": {"success": True, "toc_data": document}}

    def _keep_silent(self, connection: socket.socket) -> None:
        while not self._is_over:
            readable, _, _ = select.select([connection], [], [], 0.05)
            if readable:
                return


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], stand_in: StandIn) -> None:
        self.stand_in = stand_in
        super().__init__(address, _Connection)
        if stand_in._tls:
            # The handshake belongs to the connection's own thread: a failed one must not stop the server.
            self.socket = stand_in._tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing: clients that leave early are what the tests are about."""


class _Connection(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Received(invoice_id=_invoice_id(body), headers=headers, body=body, path=self.path, at=clock.now())
        self._send(self.server.stand_in._next_answer(request))

    def _send(self, answer: Answer) -> None:
        transport = answer.get("transport")
        if transport == "silence":
            self.server.stand_in._keep_silent(self.connection)
        elif transport == "cut":
            self._send_head(200, {"content-type": "application/json", "content-length": "500"})
            self.wfile.write(b'{"success": true, "toc_data": {"document_no": "FT 20')
        elif transport is None:
            self._send_whole(answer.get("status", 200), answer.get("headers", {}), answer.get("body", ""))

    def _send_whole(self, status: int, headers: Mapping[str, str], body: Any) -> None:
        if callable(body):
            self._send_head(status, headers)
            self._send_pieces(body())
            return
        content = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
        length = {} if status == 204 else {"content-length": str(len(content))}
        self._send_head(status, {"content-type": "application/json"} | length | dict(headers))
        self.wfile.write(content)

    def _send_pieces(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self.wfile.write(piece)
            if self.server.stand_in._is_over:
                return

    def _send_head(self, status: int, headers: Mapping[str, str]) -> None:
        lines = [
            f"HTTP/1.1 {status} Answer",
            *(f"{name}: {value}" for name, value in headers.items()),
            "connection: close",
        ]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode())

    do_GET = do_POST  # noqa: N815  # where a redirect would lead

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
        """Says nothing."""


def _invoice_id(body: bytes) -> int | None:
    try:
        found = json.loads(body)["invoice_id"]
    except (ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, int) else None
