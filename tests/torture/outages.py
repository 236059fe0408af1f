"""PostgreSQL goes away while invoices are being sent: the server stops, connections are cut, statements time out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import psycopg
from sqlalchemy import make_url

from tests.broken_wire import BrokenWire
from tests.live_app import wait_until
from tests.torture.arena import Arena
from tests.torture.judgement import Story
from tests.torture.own_server import OwnServer
from tests.torture.running import Scenario
from tests.torture.scale import Scale
from toc_sync.model import Status

DEADLINE_S = 10.0
"""Of one attempt: nothing here may end in doubt, however slow the machine is."""
CLAIM, OUTCOME = b"INSERT INTO toc_sync.sync_attempts", b"UPDATE toc_sync.sync_attempts"
TERMINATE = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = 'toc_sync' AND pid <> pg_backend_pid()"
)


def server_stops(server: OwnServer) -> Scenario:
    """Returns the scenario in which this server stops, fast and immediate, and comes back."""
    return partial(_server_stops, server=server)


def _server_stops(arena: Arena, scale: Scale, *, server: OwnServer) -> Story:
    arena.judge.latency_s = (0.1, 0.6)
    arena.crew(deadline_s=DEADLINE_S)
    for mode in ("fast", "immediate"):
        for outage_s in scale.outages_s:
            before = len(arena.judge.requests)
            arena.create(scale.invoices // 2)
            wait_until(lambda so_far=before: len(arena.judge.requests) >= so_far + 8, within_s=30, every_s=0.01)
            server.stop(mode)
            _pass(outage_s)
            server.start()
            arena.drain()
    stops = 2 * len(scale.outages_s)
    return _told(arena, f"{stops} stops of {' and '.join(map(str, scale.outages_s))} s, {len(arena.created)} invoices")


def cut_connections(arena: Arena, scale: Scale) -> Story:
    """Ends all connections from the server's side again and again."""
    arena.judge.latency_s = (0.1, 0.4)
    arena.create(max(scale.invoices, 10 * scale.cuts))
    arena.crew(deadline_s=DEADLINE_S)
    ended = 0
    with _administrator(arena) as admin:
        for _ in range(scale.cuts):
            before = len(arena.judge.requests)
            wait_until(lambda so_far=before: len(arena.judge.requests) > so_far, within_s=30, every_s=0.01)
            arena.pause(0, 0.2)
            ended += admin.execute(TERMINATE).fetchone()[0]
    return _told(arena, f"{ended} connections ended, {len(arena.created)} invoices")


def statement_and_lock_timeouts(arena: Arena, scale: Scale) -> Story:
    """Sets short time-outs, and locks the attempts longer than they allow."""
    arena.judge.latency_s = (0.1, 0.4)
    arena.create(max(scale.invoices, 10 * scale.cuts))
    with _administrator(arena) as admin, psycopg.connect(admin.info.dsn) as other:
        database = admin.info.dbname
        for timeout, lasts in (("statement_timeout", "150ms"), ("lock_timeout", "60ms")):
            admin.execute(f"ALTER DATABASE {database} SET {timeout} = '{lasts}'")  # type: ignore[arg-type]
        arena.crew(deadline_s=DEADLINE_S)
        for _ in range(scale.cuts):
            before = len(arena.judge.requests)
            wait_until(lambda so_far=before: len(arena.judge.requests) > so_far, within_s=30, every_s=0.01)
            other.execute("LOCK TABLE toc_sync.sync_attempts IN ACCESS EXCLUSIVE MODE")
            arena.pause(0.3, 0.6)
            other.rollback()
        admin.execute(f"ALTER DATABASE {database} RESET ALL")  # type: ignore[arg-type]
        admin.execute(TERMINATE)
    failed = sum(worker.log.count("outcome-not-written") for worker in arena.workers)
    return _told(arena, f"{scale.cuts} locks, {failed} outcomes written late, {len(arena.created)} invoices")


def cut_at_commit(arena: Arena, scale: Scale) -> Story:
    """Cuts the connection exactly at the commit of a claim or of an outcome, before or after the server has done it."""
    arena.judge.latency_s = (0, 0.2)
    with BrokenWire(arena.url) as wire:
        for number in range(2 * scale.cuts):
            wire.cut_at(b"COMMIT", answered=number % 4 < 2, after=CLAIM if number % 2 else OUTCOME)
        arena.create(max(scale.invoices, 10 * scale.cuts))
        for _ in range(arena.crew_size):
            arena.start(url=wire.url, deadline_s=DEADLINE_S)
        arena.drain()
        assert wire.cuts_left == 0
        arena.stop_all()
    return _told(arena, f"{2 * scale.cuts} commits cut, {len(arena.created)} invoices")


def _told(arena: Arena, happened: str) -> Story:
    """Returns the story; every answer came while its worker lived, so nothing may end in doubt."""
    arena.drain()
    doubts = arena.count(Status.IN_DOUBT)
    return Story(happened=happened, wrong=(f"{doubts} invoices are in doubt",) if doubts else ())


def _pass(seconds: float) -> None:
    until = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= until, within_s=seconds + 1)


@contextmanager
def _administrator(arena: Arena) -> Iterator[psycopg.Connection]:
    address = make_url(arena.url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as admin:
        yield admin
