"""Twists: what is wrong with one worker process's machine. Applied inside it, before it starts to work."""

from __future__ import annotations

import os
import resource
import signal
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from alembic.config import Config
from sqlalchemy import Connection, Engine, event

from toc_sync import clock, edge, engines, installation

DISK_FULL = signal.SIGUSR1
"""Makes every file of this process refuse to grow; once more, and it has room again."""
READ_ONLY = signal.SIGUSR2
"""Makes its SQLite connections read-only; once more, and they may write again."""

_FOR_GOOD = ExitStack()


@dataclass(frozen=True, kw_only=True)
class Twist:
    """How a process differs from a healthy one.

    - `clock_s`: how far its clock is off, in seconds.
    - `busy_ms`: how long it waits for another writer of an SQLite file, instead of ten seconds.
    - `frozen_sends`: before its first so many requests, after their claims are committed, it stops (SIGSTOP).
    - `migrations`: a folder with later migrations than the program's own, as a newer version has.
    """

    clock_s: float = 0
    busy_ms: int | None = None
    frozen_sends: int = 0
    migrations: Path | None = None

    def apply(self) -> None:
        """Changes this process for good."""
        if self.clock_s:
            _FOR_GOOD.enter_context(clock.set_wrong(timedelta(seconds=self.clock_s)))
        if self.busy_ms is not None:
            engines.BUSY_TIMEOUT_MS = self.busy_ms
        if self.frozen_sends:
            _freeze_before_sending(self.frozen_sends)
        if self.migrations:
            _know_later_migrations(self.migrations)
        _obey_storage_signals()


def _freeze_before_sending(times: int) -> None:
    send = edge.Edge.send
    left = list(range(times))

    def frozen(self: edge.Edge, invoice_id: int, request_id: str, *, not_after: float) -> object:
        if left:
            left.pop()
            os.kill(os.getpid(), signal.SIGSTOP)
        return send(self, invoice_id, request_id, not_after=not_after)

    edge.Edge.send = frozen  # type: ignore[method-assign,assignment]


def _know_later_migrations(folder: Path) -> None:
    configure = installation._alembic

    def later(conn: Connection) -> Config:
        config = configure(conn)
        shipped = Path(installation.__file__).parent / "migrations" / "versions"
        config.set_main_option("version_locations", f"{shipped};{folder}")
        config.set_main_option("path_separator", ";")
        return config

    installation._alembic = later


def _obey_storage_signals() -> None:
    state = {"full": False, "read_only": False}

    def disk_full(_number: int, _frame: object) -> None:
        state["full"] = not state["full"]
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        if state["full"]:
            print("the disk is full", flush=True)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1, most))
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
            print("the disk has room", flush=True)

    def read_only(_number: int, _frame: object) -> None:
        state["read_only"] = not state["read_only"]
        print("the file is read-only" if state["read_only"] else "the file can be written", flush=True)

    @event.listens_for(Engine, "begin", insert=True)
    def be_read_only(conn: Connection) -> None:
        if conn.dialect.name == "sqlite":
            conn.exec_driver_sql(f"PRAGMA query_only={int(state['read_only'])}")

    signal.signal(DISK_FULL, disk_full)
    signal.signal(READ_ONLY, read_only)
