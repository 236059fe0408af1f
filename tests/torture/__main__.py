"""Runs every scenario at length on both databases, and prints a table of what happened and what was lost, twice or wrong."""

from __future__ import annotations

import argparse
import logging
import os
import platform
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.__main__ import databases
from tests.core import prepare
from tests.torture import answering, clocks, deploying, freezing, killing, neighbours, outages, people, storage
from tests.torture.arena import Arena, open_arena
from tests.torture.judgement import Faults
from tests.torture.own_server import own_server
from tests.torture.running import Scenario, survive
from tests.torture.scale import LONG, SHORT, Scale
from toc_sync.database import writing
from toc_sync.engines import open_engine

BOTH = ("SQLite", "PostgreSQL")
SCENARIOS: tuple[tuple[str, Scenario, tuple[str, ...]], ...] = (
    ("Workers killed (kill -9)", killing.random_kills, BOTH),
    ("Connections cut by the server", outages.cut_connections, ("PostgreSQL",)),
    ("Statements and locks time out", outages.statement_and_lock_timeouts, ("PostgreSQL",)),
    ("Connection lost exactly at a commit", outages.cut_at_commit, ("PostgreSQL",)),
    ("File locked by another writer", storage.locked_by_another_writer, ("SQLite",)),
    ("Disk full when an answer comes", storage.disk_is_full, ("SQLite",)),
    ("File read-only when an answer comes", storage.file_is_read_only, ("SQLite",)),
    ("Every answer of the catalogue", answering.every_answer, BOTH),
    ("Bodies nobody should send", answering.bad_bodies, BOTH),
    ("Clocks ten minutes off", clocks.clocks_apart, ("PostgreSQL",)),
    ("Fifty people at twenty invoices", people.everybody_presses, BOTH),
    ("Frozen before sending", freezing.frozen_before_sending, BOTH),
    ("Frozen while waiting", freezing.frozen_while_waiting, BOTH),
    ("The other application interferes", neighbours.others_interfere, BOTH),
    ("A new version takes over", deploying.rolling_deploy, BOTH),
)
NOTHING = Faults(lost=(), twice=(), wrong=())


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table."""

    what: str
    database: str
    happened: str
    faults: Faults

    def __str__(self) -> str:
        counts = " | ".join(str(len(found)) for found in (self.faults.lost, self.faults.twice, self.faults.wrong))
        return f"| {self.what} | {self.database} | {self.happened} | {counts} |"


def main() -> int:
    """Runs all scenarios and returns 1 when anything was lost, twice or wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--short", action="store_true", help="as short as inside the tests")
    parser.add_argument("--only", default="", metavar="WORD", help="only the scenarios whose name contains this")
    wanted = parser.parse_args()
    logging.getLogger("toc_sync").setLevel(logging.CRITICAL)
    os.environ["PYTHONPATH"] = str(Path.cwd())  # for the worker processes
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}\n")
    print("| what | database | what happened | lost | twice | wrong |\n|---|---|---|---|---|---|")
    rows = []
    for row in run_all(SHORT if wanted.short else LONG, wanted.only.lower()):
        print(row, flush=True)
        rows.append(row)
    faults = [f"{row.what}, {row.database}: {fault}" for row in rows for fault in row.faults.all]
    print("", *faults, sep="\n")
    return int(bool(faults))


def run_all(scale: Scale, only: str) -> Iterator[Row]:
    """Yields one row after the other."""
    with databases() as urls:
        for what, scenario, names in SCENARIOS:
            for database in names:
                if only in what.lower():
                    yield run(what, database, urls[database], scenario, scale)
        what = "Server stopped (fast, immediate)"
        if only in what.lower():
            with own_server() as server:
                url = server.url.render_as_string(hide_password=False)
                yield run(what, "PostgreSQL", lambda: url, outages.server_stops(server), scale)


def run(what: str, database: str, url: Callable[[], str], scenario: Scenario, scale: Scale) -> Row:
    """Runs one scenario on a database of its own; a scenario that breaks off counts as wrong."""
    happened, faults = "broke off", NOTHING
    try:
        with prepared_arena(url()) as arena:
            story, faults = survive(scenario, arena, scale)
            happened = story.happened
    except Exception as error:  # noqa: BLE001  # the others still have their turn
        traceback.print_exc()
        faults = Faults(lost=(), twice=(), wrong=(f"{type(error).__name__}: {error}",))
    return Row(what=what, database=database, happened=happened, faults=faults)


@contextmanager
def prepared_arena(url: str) -> Iterator[Arena]:
    """Opens an arena at an empty database."""
    engine = open_engine(url)
    with writing(engine) as conn:
        prepare(conn)
    engine.dispose()
    folder = Path.cwd() / f"arena{len(list(Path.cwd().glob('arena*')))}"
    folder.mkdir()
    with open_arena(url, folder) as arena:
        yield arena


if __name__ == "__main__":
    sys.exit(main())
