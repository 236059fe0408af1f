"""Where alerts arrive in tests: a real HTTP server behind Apprise's `json://`, which may also refuse, or never answer."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


@dataclass(frozen=True, kw_only=True)
class Letter:
    """One message as it arrived."""

    title: str
    body: str


class Postbox:
    """A channel on a free port of this machine, with a password in its address."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.refuses = False
        self.asked = 0
        self._goes_on = threading.Event()
        self._goes_on.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._slot())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._goes_on.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The address as Apprise wants it."""
        return f"json://ana:hush-hush@127.0.0.1:{self._server.server_port}/secret-path"

    @property
    def titles(self) -> list[str]:
        return [letter.title for letter in self.letters]

    def hang(self) -> None:
        """From now on answers nobody, until the test ends."""
        self._goes_on.clear()

    def _slot(self) -> type[BaseHTTPRequestHandler]:
        postbox = self

        class Slot(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                postbox.asked += 1
                text = self.rfile.read(int(self.headers["content-length"]))
                postbox._goes_on.wait()
                if not postbox.refuses:
                    found = json.loads(text)
                    postbox.letters.append(Letter(title=found["title"], body=found["message"]))
                self.send_response(500 if postbox.refuses else 200)
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                pass

        return Slot
