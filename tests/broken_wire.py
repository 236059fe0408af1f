"""A wire to PostgreSQL that breaks when a test wants it to: a proxy that looks for a word in what the client sends.

with BrokenWire(url) as wire:
    engine = open_engine(wire.url)
    wire.cut_at(b"COMMIT", answered=True)   # the server commits, but the client never hears of it
"""

from __future__ import annotations

import contextlib
import re
import selectors
import socket
import threading
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Self

from sqlalchemy import URL, make_url

_PROCESS_NUMBER = re.compile(rb"(?<=K\x00\x00\x00\x0c).{4}(?=.{4}Z)", re.DOTALL)
_MADE_UP = b"\x7f\xff\xff\xff"


class Unnoticed(Enum):
    """Who does not notice that the wire was cut: that end stays open, and nothing is heard there any more."""

    BY_SERVER = "by the server"
    BY_BOTH = "by both"


class BrokenWire:
    """A proxy on a free port of this machine in front of the server that `url` names."""

    def __init__(self, url: str) -> None:
        self._target = make_url(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._cuts: list[_Cut] = []
        self._is_pooler = False
        self.cut = threading.Event()
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        self._ended.set()

    @property
    def url(self) -> str:
        """The address to connect to; without encryption, so that the proxy can read."""
        query = {name: value for name, value in self._target.query.items() if name != "host"}
        through = self._target.set(host="127.0.0.1", port=self._listener.getsockname()[1], query=query)
        return through.update_query_dict({"sslmode": "disable"}).render_as_string(hide_password=False)

    def cut_at(
        self, word: bytes, *, answered: bool, skip: int = 0, after: bytes = b"", unnoticed: Unnoticed | None = None
    ) -> None:
        """Cuts the wire at the next `word` but `skip`: before it arrives, or after the server has answered it.

        With `after`, only in a transaction in which that was said before. What is `unnoticed` by one side, or by both,
        leaves its end open and silent.
        """
        with self._lock:
            self._cuts.append(_Cut(word=word, answered=answered, skip=skip, after=after, unnoticed=unnoticed))

    @property
    def cuts_left(self) -> int:
        """How many cuts are still to come."""
        with self._lock:
            return len(self._cuts)

    def act_as_pooler(self) -> None:
        """From now on no LISTEN takes effect, and clients are told made-up process numbers of the server."""
        self._is_pooler = True

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            client,
            _connect(self._target) as server,
            selectors.DefaultSelector() as waiting,
        ):
            waiting.register(client, selectors.EVENT_READ)
            waiting.register(server, selectors.EVENT_READ)
            transaction = bytearray()
            while all(self._pass_on(key.fileobj, client, server, transaction) for key, _ in waiting.select()):
                pass

    def _pass_on(self, source: object, client: socket.socket, server: socket.socket, transaction: bytearray) -> bool:
        """Passes on what one side said; False when the wire is cut or one side has left."""
        if source is server:
            said = server.recv(65_536)
            client.sendall(_PROCESS_NUMBER.sub(_MADE_UP, said) if self._is_pooler else said)
            return bool(said)
        said = client.recv(65_536)
        if self._is_pooler:
            said = said.replace(b"LISTEN toc_sync_queued", b"LISTEN toc_sync_nobody")
        cut = self._take_cut(said, transaction)
        transaction += said
        if b"COMMIT" in said or b"ROLLBACK" in said:
            transaction.clear()
        if cut is None:
            server.sendall(said)
            return bool(said)
        if cut.answered:
            server.sendall(said)
            server.recv(65_536)
        self.cut.set()
        if cut.unnoticed is Unnoticed.BY_SERVER:
            client.close()
        if cut.unnoticed:
            self._ended.wait()
        return False

    def _take_cut(self, said: bytes, transaction: bytearray) -> _Cut | None:
        with self._lock:
            if not self._cuts or self._cuts[0].word not in said or self._cuts[0].after not in transaction:
                return None
            if self._cuts[0].skip:
                self._cuts[0].skip -= 1
                return None
            return self._cuts.pop(0)


@dataclass(kw_only=True)
class _Cut:
    word: bytes
    answered: bool
    skip: int
    after: bytes
    unnoticed: Unnoticed | None


def _connect(target: URL) -> socket.socket:
    folder = target.query.get("host", target.host or "127.0.0.1")
    if isinstance(folder, str) and folder.startswith("/"):
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{folder}/.s.PGSQL.{target.port or 5432}")
        return server
    return socket.create_connection((target.host or "127.0.0.1", target.port or 5432))
