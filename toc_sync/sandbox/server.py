"""Serves the sandbox on the loopback address from a background thread of this process.

Owns the thread and the socket. Leaves signals and the logging of the process alone.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from toc_sync.model import SettingsError
from toc_sync.sandbox.application import FUNCTION_NAME, create_application
from toc_sync.sandbox.documents import SandboxDocuments

HOST = "127.0.0.1"
START_TIMEOUT_S = 10
STOP_TIMEOUT_S = 2
THREAD_NAME = "toc-sync-sandbox"


class Sandbox:
    """A sandbox listener on the loopback address; its documents lie in the file `path`.

    `port` 0 takes a free one. Raises SettingsError when the file cannot be used.
    """

    def __init__(
        self, path: Path, key: str = "sandbox", delay_s: tuple[float, float] = (0.4, 1.2), port: int = 0
    ) -> None:
        self.documents = SandboxDocuments(path)
        self._key = key
        self._delay_s = delay_s
        self._port = port
        self._running: _Running | None = None

    def start(self) -> str:
        """Starts listening, unless it listens already, and returns the URL of the function once it accepts requests.

        Raises SettingsError when the port is not free.
        """
        if self._running is None:
            self._running = self._launch()
        return self._running.url

    def stop(self) -> None:
        """Stops listening within about two seconds: requests at work are answered, silent ones are cut."""
        if self._running is None:
            return
        self._running.server.should_exit = True
        self._running.thread.join(STOP_TIMEOUT_S)
        self._running = None

    def serve_forever(self) -> None:
        """Serves until Ctrl-C, or until another thread calls `stop`."""
        self.start()
        try:
            self._wait()
        except KeyboardInterrupt:
            pass  # the normal end
        finally:
            self.stop()

    def _wait(self) -> None:
        # In steps, because Windows does not deliver Ctrl-C to a wait without an end.
        while (running := self._running) is not None and running.thread.is_alive():
            running.thread.join(0.5)

    def _launch(self) -> _Running:
        listener = self._listen()
        stopping = asyncio.Event()
        application = create_application(self.documents, key=self._key, delay_s=self._delay_s, stopping=stopping)
        server = _Server(_config(application), stopping)
        logging.getLogger("uvicorn.error").addFilter(_without_chatter)
        # A daemon, so that a forgotten sandbox never keeps a process alive.
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name=THREAD_NAME, daemon=True)
        thread.start()
        if not server.accepting.wait(START_TIMEOUT_S):
            raise SettingsError(f"The sandbox did not start within {START_TIMEOUT_S} seconds.")
        url = f"http://{HOST}:{listener.getsockname()[1]}/functions/v1/{FUNCTION_NAME}"
        return _Running(server=server, thread=thread, url=url)

    def _listen(self) -> socket.socket:
        try:
            return socket.create_server((HOST, self._port))
        except OSError as error:
            raise SettingsError(f"The sandbox cannot listen on port {self._port}: {error.strerror}.") from error


class _Server(uvicorn.Server):
    """A uvicorn server that tells when it accepts requests, and tells the application when it stops."""

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self.accepting = threading.Event()
        self._stopping = stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.accepting.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping.set()
        await super().shutdown(sockets=sockets)


class _Connection(H11Protocol):
    """A connection that the application can cut, and that writes no access log."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "cut": transport.close}
        self.access_log = False


@dataclass(frozen=True, kw_only=True)
class _Running:
    server: _Server
    thread: threading.Thread
    url: str


def _config(application: object) -> uvicorn.Config:
    return uvicorn.Config(
        application,  # type: ignore[arg-type]
        http=_Connection,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=1,
    )


def _without_chatter(record: logging.LogRecord) -> bool:
    # By thread, because the application around us may be served by uvicorn too, and its log is not ours to thin out.
    return record.threadName != THREAD_NAME or record.levelno >= logging.WARNING
