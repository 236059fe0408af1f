"""The real program for tests: `streamlit run app.py`, or `python -m toc_sync …`, in a folder of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import httpx

PROJECT = Path(__file__).parent.parent
STARTED_WITHIN_S = 40.0

T = TypeVar("T")


def wait_until(condition: Callable[[], T], *, within_s: float = 15.0, every_s: float = 0.05) -> T:
    """Returns the first truthy value of `condition`; fails when none came in time."""
    until = time.monotonic() + within_s
    while True:
        if found := condition():
            return found
        assert time.monotonic() < until, f"not within {within_s} s"
        time.sleep(every_s)


def free_port() -> int:
    """Returns a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(kw_only=True)
class Program:
    """A running program and everything it has printed so far."""

    process: subprocess.Popen[bytes]
    log_file: Path
    url: str = ""
    folder: Path = field(default_factory=Path)

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def says(self, text: str, *, within_s: float = 15.0) -> str:
        """Waits until the program has printed `text`."""
        wait_until(lambda: text in self.log or self.process.poll() is not None, within_s=within_s)
        assert text in self.log, f"it ended without saying {text!r}:\n{self.log}"
        return self.log

    def stop(self, with_signal: int = signal.SIGTERM, *, within_s: float = 30.0) -> int:
        """Ends the program and returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        return self.process.wait(timeout=within_s)


@contextmanager
def running(
    arguments: list[str], folder: Path, environment: Mapping[str, str] | None = None, *, name: str = "program"
) -> Iterator[Program]:
    """Runs `python ARGUMENTS` in `folder`; it is killed at the end if it still runs."""
    folder.mkdir(parents=True, exist_ok=True)
    log_file = folder / f"{name}-{time.monotonic_ns()}.log"
    clean = {key: value for key, value in os.environ.items() if not key.startswith("TOC_")}
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=folder,
            env={**clean, "PYTHONPATH": str(PROJECT), "PYTHONUNBUFFERED": "1", **(environment or {})},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    program = Program(process=process, log_file=log_file, folder=folder)
    try:
        yield program
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@contextmanager
def live_app(
    folder: Path, environment: Mapping[str, str] | None = None, *, port: int | None = None
) -> Iterator[Program]:
    """Runs the dashboard as people start it; yields once it answers."""
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / ".streamlit").exists():
        (folder / ".streamlit").symlink_to(PROJECT / ".streamlit")
    arguments = ["-m", "streamlit", "run", str(PROJECT / "app.py"), "--server.port", str(port)]
    with running(arguments, folder, environment, name="app") as program:
        program.url = f"http://127.0.0.1:{port}"
        wait_until(lambda: program.process.poll() is not None or answers(program.url), within_s=STARTED_WITHIN_S)
        assert program.process.poll() is None, f"the app ended at once:\n{program.log}"
        yield program


def answers(url: str) -> bool:
    """Tells whether the server at `url` is up."""
    try:
        return httpx.get(f"{url}/_stcore/health", timeout=2, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
