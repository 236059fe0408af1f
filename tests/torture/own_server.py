"""A PostgreSQL server that belongs to one scenario, which stops and starts it as it likes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL

from tests.postgres import ServerOfThisRun, own_server_url


class OwnServer:
    """The server at `url`, whose data lies in `data`."""

    def __init__(self, url: URL, data: Path) -> None:
        self.url = url
        self._data = data

    def stop(self, mode: str) -> None:
        """Stops it: "fast" breaks off what is open, "immediate" is a crash."""
        self._pg_ctl("stop", "-m", mode)

    def start(self) -> None:
        """Starts it again at the same address."""
        self._pg_ctl("start", "-l", str(self._data / "log"), "-o", f'-h "" -k {self.url.query["host"]}')

    def _pg_ctl(self, *arguments: str) -> None:
        program = Path((self._data / "postmaster.opts").read_text().split()[0]).with_name("pg_ctl")
        command = [str(program), "-w", "-D", str(self._data), *arguments]
        owner = self._data.stat().st_uid
        subprocess.run(
            command,
            check=True,
            user=owner if owner != os.geteuid() else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


@contextmanager
def own_server() -> Iterator[OwnServer]:
    """Starts a server that nobody else uses."""
    server = ServerOfThisRun()
    try:
        yield OwnServer(own_server_url(server.folder), server.folder / "data")
    finally:
        server.end()
