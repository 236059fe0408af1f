"""The whole program as a process: it starts, is killed, is told to stop, and starts again. Nothing lost, nothing twice."""

from __future__ import annotations

import re
import signal
import socket
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, select

from tests.live_app import live_app, running, wait_until
from tests.stand_in import StandIn
from toc_sync import runtime
from toc_sync.database import writing
from toc_sync.engines import open_engine
from toc_sync.model import Outcome, Status
from toc_sync.settings import Settings
from toc_sync.tables import sync_attempts, sync_records, teams

KEY = "a-secret-key-of-the-function"


@pytest.fixture
def function() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def engine(founded_url: str) -> Iterator[Engine]:
    engine = open_engine(founded_url)
    with writing(engine) as conn:
        conn.execute(teams.insert(), [{"title": "Issuer"}, {"title": "Payer"}])
    yield engine
    engine.dispose()


@pytest.fixture
def environment(founded_url: str, function: StandIn) -> dict[str, str]:
    return {
        "DATABASE_URL": founded_url,
        "TOC_FUNCTION_URL": function.url,
        "TOC_FUNCTION_KEY": KEY,
        "TOC_SYNC_TIMEOUT_SECONDS": "2",
        "TOC_SYNC_LEASE_MARGIN_SECONDS": "0.5",
    }


def create(engine: Engine, count: int) -> list[int]:
    """Creates invoices as a script does: in a process that sends nothing."""
    desk = runtime.Runtime(Settings(), engine, ())
    payload = {
        "p_issuer_team_id": 1,
        "p_payer_team_id": 2,
        "p_currency_code": "EUR",
        "p_header_subtotal": "100.00",
        "p_header_vat": "23.00",
        "p_header_total": "123.00",
    }
    return [desk.create(payload, actor="test") for _ in range(count)]


def statuses(engine: Engine) -> dict[int, str]:
    with engine.connect() as conn:
        return {row.invoice_id: row.status for row in conn.execute(select(sync_records))}


def all_are(engine: Engine, *wanted: Status) -> bool:
    found = statuses(engine)
    return bool(found) and set(found.values()) <= set(wanted)


@pytest.mark.parametrize(
    "founded_url", ["sqlite"], indirect=True
)  # tests/test_torture.py kills on both, and more often
def test_after_kill_9_the_queue_drains_and_what_was_in_flight_is_in_doubt_and_nothing_goes_out_twice(
    tmp_path: Path, engine: Engine, function: StandIn, environment: Mapping[str, str]
) -> None:
    invoice_ids = create(engine, 12)
    function.hold()
    with live_app(tmp_path, environment) as app:
        function.wait_for(count=4)
        in_flight = {request.invoice_id for request in function.requests}
        app.stop(signal.SIGKILL)
    function.release()

    with live_app(tmp_path, environment):
        wait_until(lambda: all_are(engine, Status.SYNCED, Status.IN_DOUBT), within_s=30)

    assert set(statuses(engine)) == set(invoice_ids)
    assert {i for i, status in statuses(engine).items() if status == Status.IN_DOUBT} == in_flight
    assert function.counts() == dict.fromkeys(invoice_ids, 1)
    with engine.connect() as conn:
        attempts = conn.execute(select(sync_attempts)).all()
        assert all(attempt.finished_at for attempt in attempts)
        assert {(a.outcome, a.error_kind) for a in attempts if a.invoice_id in in_flight} == {
            (Outcome.IN_DOUBT, "lost")
        }


@pytest.mark.parametrize("founded_url", ["sqlite"], indirect=True)  # a signal is heard the same way on either database
def test_the_first_signal_claims_nothing_new_and_writes_down_what_is_in_flight(
    tmp_path: Path, engine: Engine, function: StandIn, environment: Mapping[str, str]
) -> None:
    create(engine, 8)
    function.hold()
    with live_app(tmp_path, {**environment, "TOC_SYNC_TIMEOUT_SECONDS": "20"}) as app:
        function.wait_for(count=4)
        app.process.send_signal(signal.SIGTERM)
        app.says("stopping: in_flight=4")
        function.release()
        app.process.wait(timeout=20)

    counted = sorted(statuses(engine).values())
    assert counted == [Status.QUEUED] * 4 + [Status.SYNCED] * 4
    assert len(function.requests) == 4


@pytest.mark.parametrize("founded_url", ["sqlite"], indirect=True)  # a signal is heard the same way on either database
def test_a_second_signal_leaves_at_once_and_the_rescue_does_its_work_later(
    tmp_path: Path, engine: Engine, function: StandIn, environment: Mapping[str, str]
) -> None:
    create(engine, 1)
    function.hold()
    with live_app(tmp_path, {**environment, "TOC_SYNC_TIMEOUT_SECONDS": "3"}) as app:
        function.wait_for(count=1)
        app.process.send_signal(signal.SIGTERM)
        app.says("stopping: in_flight=1")
        assert app.stop(signal.SIGTERM, within_s=2) == 128 + signal.SIGTERM
        assert list(statuses(engine).values()) == [Status.SYNCING]
    with live_app(tmp_path, environment):
        wait_until(lambda: all_are(engine, Status.IN_DOUBT), within_s=15)
    assert len(function.requests) == 1


def test_the_worker_runs_before_any_browser_connects_and_tells_of_each_attempt_without_key_or_body(
    tmp_path: Path, engine: Engine, function: StandIn, environment: Mapping[str, str]
) -> None:
    (invoice_id,) = create(engine, 1)
    answer = {"status": 200, "body": {"success": True, "toc_data": {"document_no": "FT 2026/9", "secret": "body text"}}}
    function.answer(invoice_id, answer)
    with live_app(tmp_path, environment) as app:
        log = app.says(f"attempt invoice={invoice_id} number=1")
    assert re.search(r"outcome=synced .*http=200 ms=\d+ document='FT 2026/9'", log)
    assert KEY not in log
    assert "body text" not in log


@pytest.mark.parametrize("path", ["/", "/invoices", "/invoice-orders", "/invoices?invoice=1"])
def test_a_deep_link_works_as_the_very_first_request_after_a_start(tmp_path: Path, path: str, page) -> None:
    with live_app(tmp_path) as app:
        page.goto(app.url + path)
        page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", timeout=20_000)
        title = {"/": "Overview", "/invoice-orders": "Invoice orders"}.get(path, "Invoices")
        page.get_by_role("heading", name=title, exact=True).wait_for()
        assert page.get_by_text("Page not found").count() == 0


def test_a_second_start_keeps_the_database(tmp_path: Path) -> None:
    with live_app(tmp_path) as app:
        app.says("worker-started")
        app.stop()
    before = _sample_count(tmp_path)
    with live_app(tmp_path) as app:
        app.says("worker-started")
    assert before == _sample_count(tmp_path) > 0


def _sample_count(folder: Path) -> int:
    with sqlite3.connect(folder / "data" / "toc_sync.db") as connection:
        return int(connection.execute("SELECT count(*) FROM issued_client_invoices").fetchone()[0])


REAL = {"TOC_FUNCTION_URL": "https://example.supabase.co/functions/v1/toc_invoice", "TOC_FUNCTION_KEY": KEY}


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        pytest.param({"TOC_SYNC_THREADS": "many"}, "TOC_SYNC_THREADS", id="a number that is none"),
        pytest.param({"TOC_FUNCTION_URL": "nowhere"}, "TOC_FUNCTION_URL", id="a URL that is none"),
        pytest.param({"TOC_FUNCTION_URL": REAL["TOC_FUNCTION_URL"]}, "TOC_FUNCTION_KEY is missing", id="no key"),
        pytest.param(
            {"DATABASE_URL": "sqlite:////proc/nowhere/a.db", **REAL}, "DATABASE_URL: the folder", id="a folder"
        ),
        pytest.param(
            {"DATABASE_URL": "postgresql://u:hidden@127.0.0.1:9/x", **REAL},
            "DATABASE_URL: the database does not answer",
            id="an unreachable database",
        ),
        pytest.param({"DATABASE_URL": "sqlite:///empty.db", **REAL}, "has no table", id="a missing billing table"),
        pytest.param({"DATABASE_URL": "sqlite:///empty.db"}, "TOC_FUNCTION_URL is missing", id="a database alone"),
        pytest.param({"TOC_SYNC_REFUSALS": "nothing.json"}, "TOC_SYNC_REFUSALS", id="a missing refusals file"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_sentence_that_names_it(
    tmp_path: Path, environment: Mapping[str, str], sentence: str
) -> None:
    log = _start_that_fails(tmp_path, environment)
    lines = [line for line in log.splitlines() if "cannot start" in line]
    assert len(lines) == 1
    assert sentence in lines[0]
    assert "Traceback" not in log
    assert "hidden" not in log
    assert KEY not in log


def test_a_real_function_is_refused_on_a_database_with_sample_data(tmp_path: Path) -> None:
    with live_app(tmp_path) as app:
        app.says("worker-started")
    log = _start_that_fails(tmp_path, REAL)
    assert "sample invoices, which must never reach TOC Online" in log


def _start_that_fails(folder: Path, environment: Mapping[str, str]) -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ["-m", "uvicorn", "app:app", "--port", str(port)]
    with running(arguments, folder, environment) as program:
        assert program.process.wait(timeout=30) != 0
        return program.log


def test_it_runs_under_uvicorn_too(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with running(["-m", "uvicorn", "app:app", "--port", str(port)], tmp_path) as program:
        program.says("worker-started", within_s=30)
        program.says("Application startup complete")
        assert httpx.get(f"http://127.0.0.1:{port}/invoices", trust_env=False).status_code == 200
        program.stop()
        assert "worker-stopped" in program.log
