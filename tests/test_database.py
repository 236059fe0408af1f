"""Connections and turns: a broken connection is replaced after a rest, and SQLite's writers wait without polling."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, event, func, select, text

from tests.core import Desk, at_once
from toc_sync import database
from toc_sync.database import open_engine, reading, writing
from toc_sync.model import DatabaseUnavailable
from toc_sync.tables import markers


def _break_connections(engine: Engine) -> None:
    other = open_engine(engine.url.render_as_string(hide_password=False))
    mine = "datname = current_database() AND pid <> pg_backend_pid()"
    with writing(other) as conn:
        conn.execute(text(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {mine}"))
    other.dispose()


def _answers(engine: Engine) -> bool:
    with reading(engine) as conn:
        return conn.execute(select(1)).scalar_one() == 1


def test_a_connection_that_broke_while_it_rested_is_replaced(postgres_desk: Desk, monkeypatch):
    monkeypatch.setattr(database, "TRUSTED_FOR_S", 0.0)
    assert _answers(postgres_desk.engine)
    _break_connections(postgres_desk.engine)
    assert _answers(postgres_desk.engine)


def test_one_that_broke_just_now_fails_once_and_is_replaced(postgres_desk: Desk, monkeypatch):
    monkeypatch.setattr(database, "TRUSTED_FOR_S", math.inf)
    assert _answers(postgres_desk.engine)
    _break_connections(postgres_desk.engine)
    with pytest.raises(DatabaseUnavailable):
        _answers(postgres_desk.engine)
    assert _answers(postgres_desk.engine)


def test_threads_of_one_process_write_in_turn_without_waiting_inside_sqlite(sqlite_desk: Desk):
    engine = open_engine(str(sqlite_desk.engine.url))
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout=0"))

    def write(number: int) -> None:
        with writing(engine) as conn:
            conn.execute(markers.insert().values(name=f"turn {number}", value="x"))

    at_once(12, write)
    with reading(engine) as conn:
        turns = select(func.count()).select_from(markers).where(markers.c.name.like("turn %"))
        assert conn.execute(turns).scalar_one() == 12
    engine.dispose()


def test_a_turn_that_does_not_come_is_a_database_that_does_not_answer(sqlite_desk: Desk, monkeypatch):
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 50)

    def write() -> None:
        with writing(sqlite_desk.engine):
            pass

    with ThreadPoolExecutor(1) as other:
        with writing(sqlite_desk.engine), pytest.raises(DatabaseUnavailable):
            other.submit(write).result(10)
        other.submit(write).result(10)
