"""Connections: a broken one is replaced, writers take turns, and what a server may keep for them is kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack

import pytest
from sqlalchemy import Connection, Engine, event, func, select, text
from sqlalchemy.exc import DBAPIError

from tests.broken_wire import BrokenWire
from tests.core import Desk, at_once
from toc_sync import engines
from toc_sync.database import reading, writing
from toc_sync.engines import open_engine
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
    monkeypatch.setattr(engines, "TRUSTED_FOR_S", 0.0)
    assert _answers(postgres_desk.engine)
    _break_connections(postgres_desk.engine)
    assert _answers(postgres_desk.engine)


def test_one_that_broke_just_now_fails_once_and_is_replaced(postgres_desk: Desk, monkeypatch):
    monkeypatch.setattr(engines, "TRUSTED_FOR_S", math.inf)
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
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_MS", 50)
    engine = open_engine(str(sqlite_desk.engine.url))

    with ThreadPoolExecutor(1) as other:
        with writing(engine), pytest.raises(DatabaseUnavailable):
            other.submit(_write_nothing, engine).result(10)
        other.submit(_write_nothing, engine).result(10)
    engine.dispose()


def test_on_postgresql_too_only_so_many_threads_write_at_once(postgres_desk: Desk, monkeypatch):
    monkeypatch.setattr(engines, "PATIENCE_S", 60.0)
    engine = open_engine(_address(postgres_desk))
    with ThreadPoolExecutor(1) as other, ExitStack() as stack:
        for _ in range(engines.WRITERS_AT_ONCE):
            stack.enter_context(writing(engine))
        third = other.submit(_write_nothing, engine)
        with pytest.raises(TimeoutError):
            third.result(0.3)
        stack.close()
        third.result(10)
    engine.dispose()


def test_on_postgresql_a_thread_whose_turn_does_not_come_writes_nevertheless(postgres_desk: Desk):
    with ExitStack() as stack, ThreadPoolExecutor(1) as other:
        for _ in range(engines.WRITERS_AT_ONCE):
            stack.enter_context(writing(postgres_desk.engine))
        other.submit(_write_nothing, postgres_desk.engine).result(10)


def _write_nothing(engine: Engine) -> None:
    with writing(engine):
        pass


REPEATED = "SELECT api_response FROM issued_client_invoices WHERE id = -1"


def _kept(engine: Engine, transaction: Callable[[Engine], AbstractContextManager[Connection]]) -> int:
    """Repeats one statement in such transactions; returns for how many statements the server keeps a plan then."""
    for _ in range(2 * engines.PREPARED_AFTER):
        with transaction(engine) as conn:
            conn.execute(text(REPEATED))
    with reading(engine) as conn:
        kept = text("SELECT count(*) FROM pg_prepared_statements WHERE statement = :statement")
        return conn.execute(kept, {"statement": REPEATED}).scalar_one()


def test_the_server_keeps_the_plans_of_what_writers_repeat(postgres_desk: Desk):
    engine = open_engine(_address(postgres_desk), pool_size=1)
    assert _kept(engine, writing) == 1
    engine.dispose()


def test_no_plan_is_kept_for_readers_whose_filters_differ(postgres_desk: Desk):
    engine = open_engine(_address(postgres_desk), pool_size=1)
    assert _kept(engine, reading) == 0
    engine.dispose()


def test_no_plan_is_kept_behind_a_pooler_that_hands_each_transaction_another_connection(postgres_desk: Desk):
    with BrokenWire(_address(postgres_desk)) as wire:
        engine = open_engine(wire.url, pool_size=1)
        assert _kept(engine, writing) == 1, "the wire alone hides nothing"
        engine.dispose()
        wire.act_as_pooler()
        assert _kept(engine, writing) == 0
        engine.dispose()


def test_plans_that_do_not_fit_a_changed_table_any_more_fail_once_and_are_made_anew(postgres_desk: Desk):
    engine = open_engine(_address(postgres_desk), pool_size=1)
    assert _kept(engine, writing) == 1
    with writing(postgres_desk.engine) as conn:
        conn.execute(text("ALTER TABLE issued_client_invoices ALTER COLUMN api_response TYPE json"))
    with pytest.raises(DBAPIError), writing(engine) as conn:
        conn.execute(text(REPEATED))
    assert _kept(engine, writing) == 1
    engine.dispose()


def _address(desk: Desk) -> str:
    return desk.engine.url.render_as_string(hide_password=False)
