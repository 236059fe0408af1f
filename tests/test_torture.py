"""The faults that the sync must survive, in their short form; `make torture` runs them long."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.core import copied_database, prepare
from tests.torture.arena import Arena, open_arena
from tests.torture import outages
from tests.torture.own_server import OwnServer, own_server
from tests.torture.outages import server_stops
from toc_sync.database import open_engine, writing
from tests.torture.running import Scenario
from tests.torture.killing import random_kills
from tests.torture.running import survive
from tests.torture.scale import SHORT


@pytest.fixture
def sqlite_arena(prepared_file: Path, tmp_path: Path) -> Iterator[Arena]:
    shutil.copy(prepared_file, tmp_path / "arena.db")
    with open_arena(f"sqlite:///{tmp_path / 'arena.db'}", tmp_path) as arena:
        yield arena


@pytest.fixture
def postgres_arena(prepared_database: URL, tmp_path: Path) -> Iterator[Arena]:
    with copied_database(prepared_database) as url, open_arena(url, tmp_path) as arena:
        yield arena


@pytest.fixture(params=["sqlite", "postgresql"])
def arena(request: pytest.FixtureRequest) -> Arena:
    found: Arena = request.getfixturevalue("sqlite_arena" if request.param == "sqlite" else "postgres_arena")
    return found


@pytest.fixture
def stopping_server() -> Iterator[OwnServer]:
    with own_server() as server:
        yield server


@pytest.fixture
def stopping_arena(stopping_server: OwnServer, tmp_path: Path) -> Iterator[Arena]:
    """An arena on a server that nobody else uses."""
    url = stopping_server.url.render_as_string(hide_password=False)
    engine = open_engine(url)
    with writing(engine) as conn:
        prepare(conn)
    engine.dispose()
    with open_arena(url, tmp_path) as arena:
        yield arena


def assert_survived(scenario: Scenario, arena: Arena) -> None:
    story, faults = survive(scenario, arena, SHORT)
    print(story.happened)
    assert faults.all == ()


def test_workers_are_killed_while_requests_are_on_the_wire(arena: Arena) -> None:
    assert_survived(random_kills, arena)


def test_postgresql_stops_and_comes_back(stopping_arena: Arena, stopping_server: OwnServer) -> None:
    assert_survived(server_stops(stopping_server), stopping_arena)


@pytest.mark.parametrize("scenario", [
 outages.cut_connections, outages.statement_and_lock_timeouts, outages.cut_at_commit])
def test_postgresql_connections_break(postgres_arena: Arena, scenario: Scenario) -> None:
    assert_survived(scenario, postgres_arena)
