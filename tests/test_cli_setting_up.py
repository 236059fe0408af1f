"""The commands of an administrator: tables, samples, what a check finds, and accepting another function."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, func, inspect, select

from tests.billing_desk import KEY, Desk, billing_desk
from tests.broken_wire import BrokenWire
from tests.stand_in import StandIn
from toc_sync import clock, installation, samples
from toc_sync.cli import program
from toc_sync.database import writing
from toc_sync.engines import open_engine
from toc_sync.model import Status
from toc_sync.sandbox import Behaviour, SandboxDocuments
from toc_sync.tables import billing, issued_client_invoices, sync_actions, sync_records

MISSING_FUNCTION = {
    "status": 404,
    "headers": {"sb-error-code": "NOT_FOUND"},
    "body": {"code": "NOT_FOUND", "message": "Requested function was not found"},
}
BAD_KEY = {"status": 401, "body": {"code": "UNAUTHORIZED_INVALID_JWT_FORMAT", "message": "Invalid JWT"}}
NOT_STARTED = {
    "status": 503,
    "headers": {"sb-error-code": "BOOT_ERROR"},
    "body": {"code": "BOOT_ERROR", "message": "Function failed to start (please check logs)"},
}
FUNCTION_SAYS_NO = {
    "status": 400,
    "headers": {"x-deno-execution-id": "1"},
    "body": {"error": "invoice_id is required"},
}


@pytest.fixture
def function() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def empty(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An empty database that the settings name, with the sandbox in TOC Online's place."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("TOC_SYNC_SANDBOX", "true")
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def desk(founded_url: str, function: StandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with billing_desk(founded_url, function) as desk:
        for name, value in desk.environment.items():
            monkeypatch.setenv(name, value)
        yield desk


@pytest.fixture
def sqlite_desk(founded_file: str, function: StandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with billing_desk(founded_file, function) as desk:
        for name, value in desk.environment.items():
            monkeypatch.setenv(name, value)
        yield desk


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(program, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def the_error(result: Result) -> str:
    """Returns the one sentence of a command that ended with an error, and nothing but that."""
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    return line.removeprefix("Error: ")


def count(engine: Engine, table) -> int:
    with engine.connect() as conn:
        return conn.execute(select(func.count()).select_from(table)).scalar_one()


def marker(engine: Engine, name: str) -> str | None:
    with engine.connect() as conn:
        return installation.get_marker(conn, name)


def test_init_db_creates_every_table_and_no_sample(empty):
    assert "were created" in run("init-db").stdout
    assert count(empty, issued_client_invoices) == count(empty, sync_records) == 0
    assert "were created" not in run("init-db").stdout
    assert run("status").exit_code == 0
    assert count(empty, issued_client_invoices) == 0


def test_init_db_leaves_billing_tables_of_others_alone(empty):
    with writing(empty) as conn:
        billing.create_all(conn)
    before = inspect(empty).get_indexes("issued_invoice_orders")
    assert run("init-db").exit_code == 0
    assert inspect(empty).get_indexes("issued_invoice_orders") == before
    assert marker(empty, installation.OWN_BILLING) is None


def test_init_db_refuses_half_a_billing_database(empty):
    with writing(empty) as conn:
        billing.tables["teams"].create(conn)
    assert "has no table" in the_error(run("init-db"))
    assert inspect(empty).get_table_names() == ["teams"]


def test_an_embedded_database_made_by_init_db_stays_without_samples():
    run("init-db")
    assert set(json.loads(run("status", "--json").stdout).values()) == {0}


def test_an_embedded_database_that_is_not_there_yet_is_made_with_samples():
    counts = json.loads(run("status", "--json").stdout)
    assert sum(counts[status] for status in Status) == 60


def test_seed_makes_a_database_with_as_many_invoices_as_asked(empty, tmp_path):
    result = run("seed", "--invoices", 30)
    assert result.exit_code == 0
    assert result.stdout.startswith("30 invoices added")
    assert count(empty, issued_client_invoices) == 30
    assert marker(empty, installation.SAMPLES)


def test_seed_tells_the_sandbox_what_was_issued_already(tmp_path):
    run("seed")
    documents = SandboxDocuments(tmp_path / "data" / "sandbox.db")
    taken = {documents.take_plan(invoice_id) for invoice_id in range(1, 61)}
    assert taken == {Behaviour.ISSUE_FLAT, Behaviour.ALREADY_ISSUED}


def test_seed_refuses_a_real_billing_database(empty):
    with writing(empty) as conn:
        billing.create_all(conn)
    assert "real billing database" in the_error(run("seed"))
    assert count(empty, issued_client_invoices) == 0
    assert marker_or_nothing(empty, installation.SAMPLES) is None


def marker_or_nothing(engine: Engine, name: str) -> str | None:
    with engine.connect() as conn:
        return installation.get_marker(conn, name) if installation.is_migrated(conn) else None


def test_seed_refuses_a_database_with_invoices(empty):
    run("seed", "--invoices", 5)
    assert "holds invoices already" in the_error(run("seed"))
    assert count(empty, issued_client_invoices) == 5


def test_seed_refuses_beside_a_real_function(desk, monkeypatch):
    assert the_error(run("seed")).startswith("TOC_FUNCTION_URL:")
    run("status")  # the function's host is remembered
    monkeypatch.setenv("TOC_SYNC_SANDBOX", "true")
    assert "was used with the function at" in the_error(run("seed"))
    assert count(desk.engine, issued_client_invoices) == 0


@pytest.mark.parametrize(
    ("answer", "function_is_good", "key_is_good"),
    [
        pytest.param(FUNCTION_SAYS_NO, True, True, id="the function runs and misses an invoice"),
        pytest.param({"status": 200, "body": "ok"}, True, True, id="ok"),
        pytest.param({"status": 405, "body": "Method Not Allowed"}, True, True, id="takes POST only"),
        pytest.param(
            {"status": 500, "headers": {"x-deno-execution-id": "1"}, "body": "Internal Server Error"},
            True,
            True,
            id="the function trips over a GET",
        ),
        pytest.param(BAD_KEY, True, False, id="wrong key"),
        pytest.param(MISSING_FUNCTION, False, True, id="no such function"),
        pytest.param(NOT_STARTED, False, True, id="it does not start"),
        pytest.param({"status": 502, "body": "<html>"}, False, True, id="a gateway without a platform"),
        pytest.param({"transport": "refused"}, False, False, id="nobody listens"),
        pytest.param({"transport": "close"}, False, False, id="the connection is cut"),
    ],
)
def test_check_asks_the_function_without_an_invoice(desk, answer, function_is_good, key_is_good):
    desk.function.answer(None, answer)
    result = run("check")
    database, of_its_kind, function, key, witness, gate = result.stdout.splitlines()
    assert database.startswith("✓ database: ")
    assert function.startswith("✓" if function_is_good else "✗"), function
    assert key.startswith("✓" if key_is_good else "✗"), key
    assert witness == "✓ witness: What is sent is written down outside the database too."
    assert gate == "✓ gate: Invoices may leave."
    assert result.exit_code == (0 if function_is_good and key_is_good else 1)
    on_postgresql = desk.engine.dialect.name == "postgresql"
    assert of_its_kind == (
        "✓ signals: They reach every worker at once."
        if on_postgresql
        else "✓ clock: This machine's clock is the time by which everything here is measured."
    )
    assert KEY not in result.output
    assert {(request.body, request.headers.get("content-type")) for request in desk.function.requests} <= {(b"", None)}


def test_check_changes_nothing(desk):
    assert run("check").exit_code == 0
    assert marker(desk.engine, installation.FUNCTION_HOST) is None


@pytest.mark.parametrize(
    ("by", "said"),
    [
        pytest.param(1, "60 min ahead of the time kept here. This machine's clock was set forward", id="forward"),
        pytest.param(-1, "60 min behind the time kept here, which goes a tenth slower", id="back"),
    ],
)
def test_check_says_that_the_clock_was_set(sqlite_desk, by, said):
    with clock.set_wrong(timedelta(hours=by)):
        result = run("check")
    line = next(line for line in result.stdout.splitlines() if "clock:" in line)
    assert line.startswith("✗ clock: This machine's clock is ")
    assert said in line
    assert result.exit_code == 1


def test_check_says_what_a_transaction_pooler_costs(postgres_url, monkeypatch):
    monkeypatch.setenv("TOC_SYNC_SANDBOX", "true")
    with BrokenWire(postgres_url) as wire:
        monkeypatch.setenv("DATABASE_URL", wire.url)
        run("init-db")
        wire.act_as_pooler()
        result = run("check")
    assert result.exit_code == 0
    assert "signals: Lost on the way (a transaction pooler?): workers look at the queue every second" in result.stdout


def test_check_finds_that_our_tables_are_missing(empty):
    result = run("check")
    assert result.exit_code == 1
    assert "✗ database: Our own tables are missing" in result.stdout
    assert inspect(empty).get_table_names() == []


def test_check_finds_that_billing_tables_are_missing(empty):
    with writing(empty) as conn:
        installation.migrate(conn)
    assert "✗ database: DATABASE_URL: the database has no table" in run("check").stdout


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("postgresql://nobody:secret@127.0.0.1:1/none", id="nobody listens"),
        pytest.param("sqlite:////proc/none/toc.db", id="a folder that cannot be written"),
    ],
)
@pytest.mark.parametrize("command", ["check", "status", "init-db", "seed", "worker"])
def test_a_database_that_cannot_be_reached_is_one_sentence(monkeypatch, url, command):
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("TOC_SYNC_SANDBOX", "true")
    result = run(command)
    assert result.exit_code == 1
    assert "DATABASE_URL: the" in result.output
    assert "secret" not in result.output


def test_a_file_that_is_no_database_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "notes.db").write_text("shopping list " * 500)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'notes.db'}")
    monkeypatch.setenv("TOC_SYNC_SANDBOX", "true")
    assert the_error(run("status")).startswith("DATABASE_URL: the database ")


def test_a_wrong_setting_is_one_sentence_that_names_it(monkeypatch):
    monkeypatch.setenv("TOC_SYNC_THREADS", "many")
    assert the_error(run("status")).startswith("TOC_SYNC_THREADS: ")


def test_another_function_is_refused_until_a_person_accepts_it(desk, monkeypatch):
    assert run("status").exit_code == 0
    with StandIn() as other:
        monkeypatch.setenv("TOC_FUNCTION_URL", other.url)
        assert "run: python -m toc_sync accept-function" in the_error(run("status"))
        assert "✗ database: TOC_FUNCTION_URL: this database was used with" in run("check").stdout
        host = installation.host_of(other.url)
        assert host in run("accept-function").stdout
        assert run("status").exit_code == 0
    assert marker(desk.engine, installation.FUNCTION_HOST) == host
    with desk.engine.connect() as conn:
        (action,) = conn.execute(select(sync_actions)).mappings().all()
    assert action["action"] == "accept_function"
    assert action["actor"].startswith("cli:")
    assert host in action["result"]


def test_no_function_is_ever_accepted_for_sample_invoices(desk):
    with writing(desk.engine) as conn:
        installation.set_marker(conn, installation.SAMPLES, "yes")
        assert samples.present(conn)
    assert "sample invoices" in the_error(run("accept-function"))
    assert marker(desk.engine, installation.FUNCTION_HOST) is None


def test_without_a_function_there_is_none_to_accept():
    assert the_error(run("accept-function")).startswith("TOC_FUNCTION_URL:")
