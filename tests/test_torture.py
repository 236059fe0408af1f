"""The faults that the sync must survive, in their short form; `make torture` runs them long."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.core import copied_database, prepare
from tests.torture import outages, storage
from tests.torture.answering import bad_bodies, every_answer
from tests.torture.arena import Arena, open_arena
from tests.torture.clocks import clocks_apart
from tests.torture.deploying import rolling_deploy
from tests.torture.freezing import frozen_before_sending, frozen_while_waiting
from tests.torture.killing import random_kills
from tests.torture.neighbours import others_interfere
from tests.torture.outages import server_stops
from tests.torture.own_server import OwnServer, own_server
from tests.torture.people import everybody_presses
from tests.torture.running import Scenario, survive
from tests.torture.scale import SHORT
from toc_sync.database import writing
from toc_sync.engines import open_engine


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


@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(outages.cut_connections, id="cut by the server"),
        pytest.param(outages.statement_and_lock_timeouts, id="statements time out"),
        pytest.param(outages.cut_at_commit, id="lost exactly at a commit"),
    ],
)
def test_connections_to_postgresql_break(postgres_arena: Arena, scenario: Scenario) -> None:
    assert_survived(scenario, postgres_arena)


@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(storage.locked_by_another_writer, id="locked by another writer"),
        pytest.param(storage.disk_is_full, id="the disk is full"),
        pytest.param(storage.file_is_read_only, id="the file is read-only"),
    ],
)
def test_an_sqlite_file_refuses_to_be_written(sqlite_arena: Arena, scenario: Scenario) -> None:
    assert_survived(scenario, sqlite_arena)


def test_every_answer_of_the_catalogue_comes_at_random(arena: Arena) -> None:
    assert_survived(every_answer, arena)


def test_bodies_drip_never_end_burst_and_contradict_themselves(arena: Arena) -> None:
    assert_survived(bad_bodies, arena)


def test_machines_clocks_are_ten_minutes_off(postgres_arena: Arena) -> None:
    assert_survived(clocks_apart, postgres_arena)


def test_fifty_people_press_everything_on_twenty_invoices(arena: Arena) -> None:
    assert_survived(everybody_presses, arena)


@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(frozen_before_sending, id="before it sends"),
        pytest.param(frozen_while_waiting, id="while it waits"),
    ],
)
def test_a_process_freezes_past_its_lease_and_wakes_up(arena: Arena, scenario: Scenario) -> None:
    assert_survived(scenario, arena)


def test_the_other_application_does_everything_at_the_same_moments(arena: Arena) -> None:
    assert_survived(others_interfere, arena)


def test_a_new_version_takes_over_while_the_old_one_works(arena: Arena) -> None:
    assert_survived(rolling_deploy, arena)
