"""Installation: our tables in the shape the code expects, theirs untouched, and no mix of real and invented."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, MetaData, Table, inspect, select, text
from sqlalchemy.exc import OperationalError

from tests.core import Desk, at_once, prepare, standalone
from tests.existing_database import Existing, existing
from tests.live_app import wait_until
from tests.stand_in import StandIn
from toc_sync import installation, outbox, runtime
from toc_sync.database import is_postgresql, reading, writing
from toc_sync.engines import open_engine
from toc_sync.model import Confirmed, SettingsError, Status
from toc_sync.settings import Settings, load_settings
from toc_sync.tables import OUR_SCHEMA, issued_client_invoices, markers, ours, sync_records

CREATED_AT, TRIED_AT, UPDATED_AT = (datetime(2026, 11, 20, hour, tzinfo=UTC) for hour in (9, 10, 11))

PREPARE = """
import sys
from toc_sync import installation
from toc_sync.database import writing
from toc_sync.engines import open_engine
engine = open_engine(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
with writing(engine) as conn:
    installation.migrate(conn)
    if not installation.has_billing_tables(conn):
        installation.create_billing_tables(conn)
    installation.check_environment(conn, function_url="https://f.example.org/toc")
print("done", flush=True)
"""


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on an empty database."""
    opened = open_engine(database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def database(postgres_url: str) -> Iterator[Existing]:
    """The other application's database."""
    with existing(postgres_url) as found:
        yield found


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch, database: Existing, function: StandIn) -> Settings:
    """The settings of an installation on the other application's database."""
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("TOC_FUNCTION_URL", function.url)
    monkeypatch.setenv("TOC_FUNCTION_KEY", "key")
    return load_settings()


# Migrations -----------------------------------------------------------------------------------------------------------


def test_the_migrations_make_exactly_the_tables_that_the_code_expects(engine: Engine) -> None:
    with writing(engine) as conn:
        installation.migrate(conn)
        is_there = is_postgresql(conn)
        options = {
            "version_table_schema": OUR_SCHEMA if is_there else None,
            "include_schemas": is_there,
            "compare_type": True,
            "compare_server_default": False,
            "include_name": lambda name, kind, _: kind != "schema" or name == (OUR_SCHEMA if is_there else None),
        }
        context = MigrationContext.configure(conn, opts=options)
        expected = ours if is_there else without_schema()
        assert compare_metadata(context, expected) == []


def without_schema() -> Any:
    metadata = MetaData()
    for table in ours.sorted_tables:
        table.to_metadata(metadata, schema=None)
    return metadata


def test_the_indexes_that_carry_the_invariants_are_partial_and_unique(desk: Desk) -> None:
    with reading(desk.engine) as conn:
        schema = OUR_SCHEMA if is_postgresql(conn) else None
        found = {index["name"]: index for index in inspect(conn).get_indexes("sync_attempts", schema=schema)}
        assert found["uq_attempts_open"]["unique"]
        assert found["uq_attempts_number"]["unique"]
        conditions = [str(option) for option in found["uq_attempts_open"]["dialect_options"].values()]
        assert [one.strip("()") for one in conditions if "IS" in one] == ["finished_at IS NULL"]


def test_a_second_start_changes_nothing(engine: Engine) -> None:
    statements = []
    with writing(engine) as conn:
        prepare(conn)
        from sqlalchemy import event

        event.listen(engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
        installation.migrate(conn)
    changing = ("CREATE", "ALTER", "DROP", "INSERT", "UPDATE", "DELETE")
    assert statements
    assert [one for one in statements if one.lstrip().upper().startswith(changing)] == []


def test_a_program_starts_on_a_database_of_a_later_version(engine: Engine) -> None:
    with writing(engine) as conn:
        prepare(conn)
        schema = f"{OUR_SCHEMA}." if is_postgresql(conn) else ""
        conn.execute(text(f"UPDATE {schema}alembic_version SET version_num = 'later'"))
        installation.prepare(conn, may_create_billing=False)
        assert installation.is_migrated(conn)


def test_a_database_of_an_earlier_version_is_not_migrated_yet(engine: Engine) -> None:
    with writing(engine) as conn:
        prepare(conn)
        schema = f"{OUR_SCHEMA}." if is_postgresql(conn) else ""
        conn.execute(text(f"UPDATE {schema}alembic_version SET version_num = '0001'"))
        assert not installation.is_migrated(conn)
        conn.execute(text(f"DELETE FROM {schema}alembic_version"))
        assert not installation.is_migrated(conn)


@pytest.mark.processes
def test_four_processes_that_start_at_once_prepare_one_database(database_url: str) -> None:
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", PREPARE, database_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for starter in starters:
        assert starter.stdout is not None
        assert starter.stdout.readline() == "ready\n"
        assert starter.stdin is not None
    for starter in starters:
        starter.stdin.write("go\n")  # type: ignore[union-attr]
        starter.stdin.flush()  # type: ignore[union-attr]
    said = [starter.communicate(timeout=60) for starter in starters]
    assert [out for out, _ in said] == ["done\n"] * 4, said
    engine = open_engine(database_url)
    with reading(engine) as conn:
        assert installation.is_migrated(conn)
        assert installation.get_marker(conn, installation.FUNCTION_HOST) == "f.example.org"
    engine.dispose()


def test_many_threads_remember_the_functions_host_once(desk: Desk) -> None:
    def start(number: int) -> str:
        try:
            with writing(desk.engine) as conn:
                installation.check_environment(conn, function_url=f"https://{number % 2}.example.org/f")
        except SettingsError as error:
            return str(error)
        return "started"

    said = at_once(8, start)
    with reading(desk.engine) as conn:
        known = installation.get_marker(conn, installation.FUNCTION_HOST)
    assert known in ("0.example.org", "1.example.org")
    assert said.count("started") == 4
    assert all(f"was used with the function at {known}" in one for one in said if one != "started")


def fill_first_shape(conn: Connection) -> None:
    """Makes a database of the version before the gate, with a doubt that was tried, one that was not, and a success."""
    command.upgrade(installation._alembic(conn), "0001")
    schema = OUR_SCHEMA if is_postgresql(conn) else None
    first_shape = MetaData()
    records, attempts = (
        Table(name, first_shape, autoload_with=conn, schema=schema) for name in ("sync_records", "sync_attempts")
    )
    row = {"created_at": CREATED_AT, "updated_at": UPDATED_AT, "currency_code": "EUR"}
    row |= dict.fromkeys(("subtotal_amount", "vat_amount", "total_amount"), 1)
    conn.execute(
        records.insert(),
        [
            row | {"invoice_id": 1, "status": "in_doubt", "last_attempt_at": TRIED_AT},
            row | {"invoice_id": 2, "status": "in_doubt", "last_attempt_at": None},
            row | {"invoice_id": 3, "status": "synced", "last_attempt_at": TRIED_AT},
        ],
    )
    attempt = {"invoice_id": 1, "number": 1, "trigger": "created", "requested_by": "ana", "started_at": TRIED_AT}
    conn.execute(attempts.insert().values(attempt | {"request_id": "r", "worker": "w", "outcome": "in_doubt"}))


def test_a_filled_database_of_the_version_before_keeps_everything_and_may_send(engine: Engine) -> None:
    with writing(engine) as conn:
        fill_first_shape(conn)
        schema = OUR_SCHEMA if is_postgresql(conn) else None
        before = {name: rows_of(conn, name, schema) for name in ("sync_records", "sync_attempts")}
        installation.migrate(conn)
        after = {name: rows_of(conn, name, schema) for name in before}
        gate = outbox.read_gate(conn)
        doubts = dict(conn.execute(select(sync_records.c.invoice_id, sync_records.c.doubt_since)).all())
    for name, rows in before.items():
        assert [old.items() <= new.items() for old, new in zip(rows, after[name], strict=True)] == [True] * len(rows)
    assert doubts == {1: TRIED_AT, 2: UPDATED_AT, 3: None}
    assert gate.is_open


def rows_of(conn: Connection, name: str, schema: str | None) -> list[dict[str, Any]]:
    table = Table(name, MetaData(), autoload_with=conn, schema=schema)
    return [dict(row) for row in conn.execute(select(table).order_by(*table.primary_key.columns)).mappings()]


def test_only_postgresql_has_an_identity_to_ask_for(postgres_desk: Desk, sqlite_desk: Desk) -> None:
    with reading(postgres_desk.engine) as conn:
        assert "/" in conn.execute(text("SELECT toc_sync.database_identity()")).scalar_one()
    with reading(sqlite_desk.engine) as conn, pytest.raises(OperationalError, match=r"database_identity|syntax"):
        conn.exec_driver_sql("SELECT toc_sync.database_identity()")


def test_without_the_right_to_ask_the_server_there_is_no_identity_and_everything_works(
    configured: Settings, database: Existing, function: StandIn
) -> None:
    with psycopg.connect(database.owner_url.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    running = runtime.open_runtime(configured)
    try:
        invoice_id = running.create(standalone(), actor="ana")
        assert running.send_now(invoice_id, actor="ana").status is Status.SYNCED
        with reading(running.engine) as conn:
            assert conn.execute(text("SELECT toc_sync.database_identity()")).scalar_one() is None
            assert outbox.read_gate(conn).is_open
    finally:
        running.close()


# Mix-ups --------------------------------------------------------------------------------------------------------------


def check(engine: Engine, function_url: str | None) -> None:
    with writing(engine) as conn:
        installation.check_environment(conn, function_url=function_url)


def test_sample_invoices_never_meet_a_real_function(desk: Desk) -> None:
    with writing(desk.engine) as conn:
        installation.set_marker(conn, installation.SAMPLES, "yes")
    check(desk.engine, None)
    with pytest.raises(SettingsError, match="TOC_FUNCTION_URL: this database holds sample invoices"):
        check(desk.engine, "https://real.example.org/f")
    with reading(desk.engine) as conn:
        assert installation.get_marker(conn, installation.FUNCTION_HOST) is None


def test_another_function_host_must_be_accepted_by_a_person(desk: Desk) -> None:
    check(desk.engine, "https://real.example.org/f")
    check(desk.engine, "https://REAL.example.org/another/path")
    with pytest.raises(SettingsError, match=r"at real\.example\.org, now staging\.example\.org is set"):
        check(desk.engine, "https://staging.example.org/f")
    with writing(desk.engine) as conn:
        installation.set_marker(conn, installation.FUNCTION_HOST, "staging.example.org")
    check(desk.engine, "https://staging.example.org/f")


def test_the_sandbox_refuses_billing_tables_that_we_did_not_make(
    monkeypatch: pytest.MonkeyPatch, database: Existing
) -> None:
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("TOC_SYNC_SANDBOX", "true")
    with pytest.raises(
        SettingsError, match="TOC_SYNC_SANDBOX: the sandbox runs only on a database whose billing tables"
    ):
        runtime.open_runtime(load_settings())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param("DROP TABLE issued_invoice_orders", "has no table issued_invoice_orders", id="a table"),
        pytest.param(
            "ALTER TABLE issued_client_invoices DROP COLUMN api_response",
            "the table issued_client_invoices has no column api_response",
            id="a column",
        ),
        pytest.param("DROP TABLE teams CASCADE", "has no table teams", id="the teams"),
    ],
)
def test_what_is_missing_in_billing_is_named(configured: Settings, database: Existing, change: str, says: str) -> None:
    database.execute(change)
    with pytest.raises(SettingsError, match=says) as error:
        runtime.open_runtime(configured)
    assert str(error.value).startswith("DATABASE_URL")


def test_an_empty_database_is_not_filled_without_being_asked(
    monkeypatch: pytest.MonkeyPatch, postgres_url: str, function: StandIn
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    monkeypatch.setenv("TOC_FUNCTION_URL", function.url)
    monkeypatch.setenv("TOC_FUNCTION_KEY", "key")
    with pytest.raises(SettingsError, match="python -m toc_sync init-db"):
        runtime.open_runtime(load_settings())


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("postgresql://ana:s3cr3t-pa55@127.0.0.1:1/billing", id="nobody listens"),
        pytest.param("postgresql://ana:s3cr3t-pa55@127.0.0.1:1/billing?pgbouncer=true", id="an unknown option"),
        pytest.param("postgresql://ana:s3cr3t-pa55@127.0.0.1:port/billing", id="no port"),
        pytest.param("sqlite:////proc/nowhere/x.db", id="an unwritable folder"),
    ],
)
def test_a_database_that_cannot_be_used_is_one_sentence(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("TOC_FUNCTION_URL", "https://f.example.org")
    monkeypatch.setenv("TOC_FUNCTION_KEY", "key")
    with pytest.raises(SettingsError) as error:
        runtime.open_runtime(load_settings())
    sentence = str(error.value)
    assert sentence.startswith("DATABASE_URL")
    assert "\n" not in sentence
    assert "s3cr3t-pa55" not in sentence


# The other application's database -------------------------------------------------------------------------------------


def test_our_tables_lie_in_a_schema_of_their_own(configured: Settings, database: Existing) -> None:
    runtime.open_runtime(configured).close()
    names = {row[0] for row in database.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'toc_sync'")}
    assert names == {table.name for table in ours.sorted_tables} | {"alembic_version"}


def test_everything_we_do_leaves_their_definition_as_it_was(
    configured: Settings, database: Existing, function: StandIn
) -> None:
    """Starting, adopting, creating, sending and retrying, with the few rights that our program needs."""
    database.execute(
        "INSERT INTO issued_client_invoices (subtotal_amount, vat_amount, total_amount, currency_code, status,"
        " payer_team_id, api_response, created_at, updated_at)"
        " SELECT 100, 23, 123, 'EUR', 'issued', 2, answer::jsonb, '2026-01-05', '2026-01-05'"
        " FROM unnest(ARRAY[NULL, 'null', '[]', '\"x\"', '{\"success\": true}', '{\"error\": \"Failed to fetch\"}'])"
        " AS answer"
    )
    database.execute(
        "INSERT INTO invoice_orders (subtotal_amount, vat_amount, total_amount, status) VALUES (100, 23, 123, 'sent')"
    )
    before = database.describe()

    running = runtime.open_runtime(configured)
    worker = running.start_worker()
    try:
        made = [
            running.create(standalone(), actor="ana"),
            running.create({"p_invoice_order_ids": [1]}, actor="ana", token="form"),
        ]
        function.answer(made[1], {"status": 400, "body": {"error": "O NIF português '1' não é válido!"}}, times=1)
        assert wait_until(lambda: running.states(made)[0].synced and not running.states(made)[1].on_its_way)
        wait_until(lambda: count(running.engine) == 8)
        for number in (made[1], 1):
            asked = running.retry(number, actor="rui", confirmed=Confirmed.EVERYTHING)
            assert asked.done, asked.message
        wait_until(lambda: all(state.synced for state in running.states([*made, 1])))
    finally:
        worker.stop()
        running.close()

    assert database.describe() == before
    assert [function.count(number) >= 1 for number in (*made, 1)] == [True] * 3
    statuses = dict(database.execute("SELECT invoice_id, status FROM toc_sync.sync_records WHERE invoice_id <= 6"))
    assert statuses == {
        1: Status.SYNCED,
        2: Status.NOT_SYNCED,
        3: Status.IN_DOUBT,
        4: Status.IN_DOUBT,
        5: Status.SYNCED,
        6: Status.IN_DOUBT,
    }


def count(engine: Engine) -> int:
    with reading(engine) as conn:
        return len(conn.execute(select(sync_records.c.invoice_id)).all())


def test_an_embedded_database_is_made_with_everything_and_marked_as_ours(tmp_path: Path) -> None:
    running = runtime.open_runtime(load_settings())
    with reading(running.engine) as conn:
        found = set(conn.execute(select(markers.c.name)).scalars())
        assert conn.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert conn.execute(text("PRAGMA synchronous")).scalar_one() == 2
        assert conn.execute(select(issued_client_invoices.c.id).limit(1)).first() is not None
    running.close()
    assert {installation.OWN_BILLING, installation.SAMPLES} <= found
    assert (tmp_path / "data" / "toc_sync.db").exists()


def test_a_commit_on_postgresql_is_durable_even_where_the_servers_default_is_not(postgres_desk: Desk) -> None:
    url = postgres_desk.engine.url.update_query_dict({"options": "-c synchronous_commit=off"})
    engine = open_engine(url.render_as_string(hide_password=False))
    from toc_sync.database import current_time

    with writing(engine) as conn:
        assert conn.execute(text("SHOW synchronous_commit")).scalar_one() == "off"
        current_time(conn)
        assert conn.execute(text("SHOW synchronous_commit")).scalar_one() == "on"
    engine.dispose()
