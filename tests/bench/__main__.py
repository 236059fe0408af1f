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
from functools import partial
from pathlib import Path

import psycopg
from sqlalchemy import URL

from tests.bench import adopting, batching, creating, draining, idling, pages, sending, takeover, witnessing
from tests.postgres import ServerOfThisRun, fresh_database, server_url


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: what was measured, and the `limit` it may not pass or the `least` it must reach, if any."""

    what: str
    database: str
    measured: float
    limit: float | None = None
    least: float | None = None
    unit: str = "ms"

    @property
    def good(self) -> bool:
        """Tells whether both limits are kept."""
        is_low_enough = self.limit is None or self.measured <= self.limit
        return is_low_enough and (self.least is None or self.measured >= self.least)

    def __str__(self) -> str:
        limits = (("", self.limit), ("at least ", self.least))
        allowed = ", ".join(f"{word}{limit:g} {self.unit}" for word, limit in limits if limit is not None)
        missed = "" if self.good else ": MISSED"
        measured = f"{self.measured:,.1f} {self.unit}".strip()
        return f"| {self.what} | {self.database} | {measured} | {allowed}{missed} |"


def main() -> int:
    """Runs all measurements and returns 1 when one misses its limit."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--invoices", type=int, default=100_000, help="how many invoices the pages are measured with")
    parser.add_argument("--adopt", type=int, default=100_000, help="how many invoices without a record are adopted")
    wanted = parser.parse_args()
    logging.getLogger("toc_sync").setLevel(logging.CRITICAL)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}\n")
    print("| what | database | measured | allowed |\n|---|---|---|---|")
    rows = []
    with databases() as urls:
        for name, url in urls.items():
            for row in measure(name, url, wanted.invoices, wanted.adopt):
                print(row, flush=True)
                rows.append(row)
    return int(not all(row.good for row in rows))


def measure(database: str, url: Callable[[], str], invoices: int, adopt: int) -> Iterator[Row]:
    """Yields one row after the other for one database."""
    row = partial(Row, database=database)
    yield row(what="Creating with sync, more than without (median)", measured=creating.extra_ms(url()), limit=1)
    waited = sending.commit_to_request_ms(url())
    yield row(what="Commit to request, same process (p95)", measured=waited, limit=50)
    if database == "PostgreSQL":
        waited = idling.across_processes_ms(url(), Path.cwd())
        yield row(what="Commit to request, another process (p95)", measured=waited, limit=100)
    yield row(what="The witness, per attempt (median)", measured=witnessing.extra_ms(url()), limit=1)
    for latency_s, rounds, least in ((0.5, 30, 95), (0.1, 150, 80)):
        what = f"Draining with 16 threads, answers of {latency_s * 1000:.0f} ms"
        drained = draining.drain(url(), latency_s=latency_s, rounds=rounds)
        yield row(what=f"{what}: share of the ideal", measured=drained.share, least=least, unit="%")
        yield row(what=f"{what}: the worker's processor time per invoice", measured=drained.cpu_ms)
    waiting_s, doubted_s = takeover.after_kill_s(url(), Path.cwd())
    yield row(what="A dead worker's waiting invoices go on within", measured=waiting_s, limit=5, unit="s")
    yield row(
        what="… and what it had in flight is in doubt, after its lease, within", measured=doubted_s, limit=10, unit="s"
    )
    adopted = adopting.measure(url(), adopt)
    yield row(what=f"Adopting {adopt:,} invoices: records per second", measured=adopted.per_s, unit="")
    yield row(what="Creating an invoice meanwhile (p95)", measured=adopted.create_p95_ms)
    yield row(what="An invoice with a low id gets its record within", measured=adopted.low_id_s, limit=60, unit="s")
    idle = idling.idle_percent(url(), Path.cwd())
    yield row(what="An idle worker: share of one core", measured=idle, limit=1, unit="%")
    filled = url()
    for page, milliseconds in pages.warm_ms(filled, invoices):
        yield row(what=f"Script of {page}, warm, {invoices:,} invoices (median)", measured=milliseconds, limit=50)
    for act, milliseconds in batching.milliseconds(filled):
        yield row(what=f"{act} of {batching.MATCHING:,} of {invoices:,} invoices", measured=milliseconds, limit=1_000)


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
