"""Measures what the README promises, on both databases, and prints a table with the machine it ran on."""

from __future__ import annotations

import argparse
import logging
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from sqlalchemy import URL

from tests.bench import creating, pages, sending
from tests.postgres import ServerOfThisRun, fresh_database, server_url


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table."""

    what: str
    database: str
    measured_ms: float
    allowed_ms: float

    def __str__(self) -> str:
        verdict = "ok" if self.measured_ms <= self.allowed_ms else "TOO SLOW"
        return (
            f"{self.what:<58} {self.database:<11} {self.measured_ms:>8.2f} ms  ≤ {self.allowed_ms:>5.0f} ms  {verdict}"
        )


def main() -> int:
    """Runs all measurements and returns 1 when one is above its limit."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--invoices", type=int, default=100_000, help="how many invoices the pages are measured with")
    wanted = parser.parse_args()
    logging.getLogger("toc_sync").setLevel(logging.CRITICAL)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}")
    rows = []
    with databases() as urls:
        for name, url in urls.items():
            for row in measure(name, url, wanted.invoices):
                print(row, flush=True)
                rows.append(row)
    return int(any(row.measured_ms > row.allowed_ms for row in rows))


def measure(database: str, url: Callable[[], str], invoices: int) -> Iterator[Row]:
    """Yields one row after the other for one database."""

    def row(what: str, measured_ms: float, allowed_ms: float) -> Row:
        return Row(what=what, database=database, measured_ms=measured_ms, allowed_ms=allowed_ms)

    yield row("Creating with sync, more than without (median)", creating.extra_ms(url()), 1)
    yield row("Commit to request, one invoice at a time (p95)", sending.commit_to_request_ms(url()), 50)
    for page, milliseconds in pages.warm_ms(url(), invoices):
        yield row(f"Script of {page}, warm, {invoices:,} invoices (median)", milliseconds, 50)


@contextmanager
def databases() -> Iterator[dict[str, Callable[[], str]]]:
    """Gives a maker of fresh database addresses per engine; PostgreSQL with fsync, as in production."""
    server = ServerOfThisRun()
    here = Path.cwd()
    try:
        address = server_url(server.folder)
        make_durable(address)
        with tempfile.TemporaryDirectory() as folder, ExitStack() as opened:
            os.chdir(folder)
            counter = iter(range(1_000))
            yield {
                "SQLite": lambda: f"sqlite:///{folder}/bench{next(counter)}.db",
                "PostgreSQL": lambda: opened.enter_context(fresh_database(address)),
            }
    finally:
        os.chdir(here)
        server.end()


def make_durable(address: URL) -> None:
    """Switches on what the tests' server leaves out for speed: a figure without fsync would be a lie."""
    with psycopg.connect(
        address.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True
    ) as conn:
        conn.execute("ALTER SYSTEM SET fsync = on")
        conn.execute("ALTER SYSTEM SET full_page_writes = on")
        conn.execute("SELECT pg_reload_conf()")


if __name__ == "__main__":
    sys.exit(main())
