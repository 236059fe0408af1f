"""The faults that the sync must survive, in their short form; `make torture` runs them long."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.core import copied_database
from tests.torture.arena import Arena, open_arena
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


def test_kills(arena):
    story, faults = survive(random_kills, arena, SHORT)
    print(story)
    assert faults.all == ()
