"""Worker processes: `python -m toc_sync worker` in a process of its own that can be killed, frozen and told to stop.

They are forked from a server that has imported everything already: a start costs a fraction of what it does by itself.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import wait
from pathlib import Path

from tests.live_app import wait_until
from tests.torture.twists import Twist

_forking = multiprocessing.get_context("forkserver")
_forking.set_forkserver_preload(["toc_sync.cli", "toc_sync.console", "psycopg", "tests.torture.twists"])


class WorkerProcess:
    """A process that sends what is due. Its log says what it did."""

    def __init__(self, folder: Path, environment: Mapping[str, str], twist: Twist) -> None:
        self.log_file = folder / f"worker-{time.monotonic_ns()}.log"
        self._process = _forking.Process(target=_work, args=(self.log_file, dict(environment), twist))
        self._process.start()

    @property
    def pid(self) -> int:
        """The number by which the system knows it."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return self.log_file.read_text(encoding="utf-8", errors="replace") if self.log_file.exists() else ""

    @property
    def name(self) -> str:
        """The beginning of the name under which it claims."""
        return f"{os.uname().nodename}-{self.pid}-"

    @property
    def is_alive(self) -> bool:
        """Tells whether it still runs."""
        return self._process.is_alive()

    def says(self, text: str, *, within_s: float = 30.0) -> None:
        """Waits until it has printed `text`."""
        wait_until(lambda: text in self.log or not self.is_alive, within_s=within_s)
        assert text in self.log, f"it ended without saying {text!r}:\n{self.log}"

    def signal(self, number: int) -> None:
        """Sends it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self._process.kill()
        self._process.join()

    def stop(self, *, within_s: float = 30.0) -> int | None:
        """Tells it to stop, and returns its exit status once what was on its way is written down."""
        if self.is_alive:
            self.signal(signal.SIGTERM)
        self._process.join(within_s)
        assert not self.is_alive, f"it did not stop:\n{self.log}"
        return self._process.exitcode


@contextmanager
def started(folder: Path, environment: Mapping[str, str], twist: Twist) -> Iterator[WorkerProcess]:
    """Starts a worker process; it is killed at the end if it still runs."""
    process = WorkerProcess(folder, environment, twist)
    try:
        yield process
    finally:
        if process.is_alive:
            process.kill()


def _work(log_file: Path, environment: Mapping[str, str], twist: Twist) -> None:
    from toc_sync.cli import program
    from toc_sync.console import log_to_console

    _follow_the_parent()
    for stream in (1, 2):
        os.dup2(os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
    for name in [name for name in os.environ if name.startswith("TOC_")]:
        del os.environ[name]
    os.environ.update(environment)
    os.chdir(log_file.parent)
    log_to_console()
    twist.apply()
    program(["worker"], prog_name="worker")


def _follow_the_parent() -> None:
    """Ends this process when the test run has ended, in whatever way it did."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def leave() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=leave, daemon=True).start()
