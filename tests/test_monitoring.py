"""What machines ask: health, readiness and the figures; over real HTTP, and on both databases."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event

from tests.core import ISSUED, REJECTED, TIMED_OUT, UNDELIVERED, Desk
from tests.live_app import live_app, running, wait_until
from tests.postbox import Postbox
from toc_sync import figures as figures_room
from toc_sync import outbox
from toc_sync.database import current_time, writing
from toc_sync.figures import Figures
from toc_sync.model import VERSION
from toc_sync.monitoring import ANSWERS_WITHIN_S, Monitoring, find_obstacles
from toc_sync.outbox import Evidence
from toc_sync.runtime import Runtime
from toc_sync.settings import Settings
from toc_sync.tables import OUR_SCHEMA, sync_attempts, sync_workers


def a_worker(desk: Desk, *, threads: int = 4, seconds_ago: float = 0) -> None:
    seen_at = desk.now() - timedelta(seconds=seconds_ago)
    name = f"worker-{threads}-{seconds_ago}"
    desk.execute(sync_workers.insert().values(name=name, threads=threads, started_at=seen_at, last_seen_at=seen_at))


def runtime_of(desk: Desk, **settings: object) -> Runtime:
    return Runtime(Settings(**settings), desk.engine, ())


def values(text: str) -> dict[str, float]:
    """Reads what Prometheus would, for example {'toc_sync_attempts_total{kind="",outcome="synced"}': 2.0}."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
    return found


def test_invoices_can_leave_when_a_worker_is_alive_and_the_gate_is_open(desk: Desk) -> None:
    a_worker(desk)
    assert find_obstacles(runtime_of(desk)) == {}


@pytest.mark.parametrize(
    ("threads", "seconds_ago"),
    [pytest.param(4, 60, id="not heard of for a minute"), pytest.param(0, 0, id="one without threads")],
)
def test_without_a_worker_that_sends_they_cannot(desk: Desk, threads: int, seconds_ago: float) -> None:
    a_worker(desk, threads=threads, seconds_ago=seconds_ago)
    assert find_obstacles(runtime_of(desk)) == {"worker": "No program that sends invoices is alive."}


def test_a_gate_that_is_not_open_is_told_with_reason_since_and_by_whom(desk: Desk) -> None:
    a_worker(desk)
    with writing(desk.engine) as conn:
        outbox.pause(conn, actor="ana", reason="New key.", now=current_time(conn))
    reasons = find_obstacles(runtime_of(desk))
    assert re.fullmatch(r"Sending is paused since .+, \d\d:\d\d by ana\. New key\.", reasons["gate"])
    assert set(reasons) == {"gate"}


def test_tables_of_another_version_are_an_obstacle(desk: Desk) -> None:
    table = "alembic_version" if desk.engine.dialect.name == "sqlite" else f"{OUR_SCHEMA}.alembic_version"
    with desk.engine.begin() as conn:
        conn.exec_driver_sql(f"UPDATE {table} SET version_num = '0001'")
    assert find_obstacles(runtime_of(desk)) == {"database": "Our own tables are missing or of another version."}


def test_a_database_that_is_away_is_an_obstacle(postgres_desk: Desk) -> None:
    away = postgres_desk.engine.url.set(host="127.0.0.1", port=9).render_as_string(hide_password=False)
    from toc_sync.engines import open_engine

    runtime = Runtime(Settings(), open_engine(away), ())
    assert find_obstacles(runtime) == {"database": "The database does not answer."}


def test_a_question_that_takes_too_long_is_answered_and_not_asked_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten ask at once while the database hangs: one thread waits, and all are told in time."""
    monkeypatch.setattr("toc_sync.monitoring.ANSWERS_WITHIN_S", 0.2)
    asked = []

    async def ask() -> list[int]:
        import threading

        released = threading.Event()

        def runtime() -> Runtime:
            asked.append(1)
            released.wait(10)
            return runtime_of(desk)

        monitoring = Monitoring(runtime)
        answers = await asyncio.gather(*(monitoring.readiness() for _ in range(10)))
        released.set()
        return [answer.http_status for answer in answers]

    assert asyncio.run(ask()) == [503] * 10
    assert asked == [1]
    assert ANSWERS_WITHIN_S >= 1


@pytest.fixture
def history(desk: Desk) -> Desk:
    """Five attempts: two synced (12 ms, 30 s), one refused, one in doubt for an hour, one never delivered and queued."""
    outcomes = ((ISSUED, 12), (ISSUED, 30_000), (REJECTED, 300), (TIMED_OUT, 170_000), (UNDELIVERED, 5))
    for verdict, duration_ms in outcomes:
        invoice_id = desk.create()
        desk.settle(desk.claim(invoice_id), verdict, Evidence(duration_ms=duration_ms))
        if verdict is TIMED_OUT:
            desk.change_record(invoice_id, doubt_since=desk.now() - timedelta(hours=1))
    a_worker(desk)
    a_worker(desk, threads=2)
    a_worker(desk, threads=8, seconds_ago=60)
    return desk


def test_the_figures_say_what_happened_and_what_is_so(history: Desk) -> None:
    found = values(Figures(history.engine).as_text().decode())
    attempts = {name: value for name, value in found.items() if name.startswith("toc_sync_attempts_total")}
    assert attempts == {
        'toc_sync_attempts_total{kind="",outcome="synced"}': 2,
        'toc_sync_attempts_total{kind="rejected",outcome="failed"}': 1,
        'toc_sync_attempts_total{kind="timeout",outcome="in_doubt"}': 1,
        'toc_sync_attempts_total{kind="unreachable",outcome="undelivered"}': 1,
    }
    buckets = {bound: found[f'toc_sync_answer_seconds_bucket{{le="{bound}"}}'] for bound in ("0.25", "0.5", "20.0")}
    assert buckets == {"0.25": 2, "0.5": 3, "20.0": 3}
    assert found['toc_sync_answer_seconds_bucket{le="40.0"}'] == 4
    assert found['toc_sync_answer_seconds_bucket{le="+Inf"}'] == found["toc_sync_answer_seconds_count"] == 5
    assert found["toc_sync_answer_seconds_sum"] == pytest.approx(200.317)
    now = {name: found[f"toc_sync_{name}"] for name in ("backlog", "in_doubt", "in_doubt_old", "workers_alive")}
    assert now == {"backlog": 1, "in_doubt": 1, "in_doubt_old": 1, "workers_alive": 2}
    assert found["toc_sync_threads"] == 6
    assert 0 < found["toc_sync_oldest_waiting_seconds"] < 60
    gate = [found[f'toc_sync_gate{{state="{state}"}}'] for state in ("open", "closed", "paused")]
    assert gate == [1, 0, 0]


def test_an_empty_database_has_figures_too(desk: Desk) -> None:
    found = values(Figures(desk.engine).as_text().decode())
    assert found["toc_sync_answer_seconds_count"] == found["toc_sync_backlog"] == 0


def test_attempts_are_counted_once_whenever_one_asks(history: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour is a moment here: what is counted for good moves on with each question."""
    monkeypatch.setattr(figures_room, "STILL_MOVING", timedelta(milliseconds=1))
    figures = Figures(history.engine)
    for expected in (5, 5, 6, 6):
        if expected == 6 and history.count(sync_attempts) == 5:
            history.settle(history.claim(history.create()), ISSUED, Evidence(duration_ms=7))
        found = values(figures.as_text().decode())
        assert sum(value for name, value in found.items() if name.startswith("toc_sync_attempts_total")) == expected


def test_what_is_counted_for_good_is_not_read_again(history: Desk) -> None:
    history.execute(sync_attempts.update().values(finished_at=history.now() - timedelta(hours=3)))
    figures = Figures(history.engine)
    first = values(figures.as_text().decode())
    asked: list[str] = []
    event.listen(history.engine, "before_cursor_execute", lambda *step: asked.append(step[2]))
    assert values(figures.as_text().decode())["toc_sync_answer_seconds_count"] == 5
    counts = [statement for statement in asked if "duration_ms" in statement]
    assert len(counts) == 1
    assert "finished_at >" in counts[0]
    assert first["toc_sync_answer_seconds_count"] == 5


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("monitored")
    with Postbox() as postbox, live_app(folder, {"TOC_SYNC_ALERT_URLS": postbox.url}) as program:
        program.says("alarm-started channels=json 1")
        yield program.url
        assert "hush" not in program.log


def get(url: str) -> httpx.Response:
    return httpx.get(url, trust_env=False, timeout=10)


@pytest.mark.processes
def test_the_app_says_that_it_is_healthy(app: str) -> None:
    answer = get(f"{app}/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "version": VERSION})
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.processes
def test_the_app_says_that_it_is_ready(app: str) -> None:
    answer = wait_until(lambda: found if (found := get(f"{app}/readyz")).status_code == 200 else None)
    assert answer.json() == {"ready": True, "reasons": {}}


@pytest.mark.processes
def test_the_app_has_figures_that_prometheus_can_read(app: str) -> None:
    answer = get(f"{app}/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert 'toc_sync_gate{state="open"} 1.0' in answer.text


@pytest.mark.processes
def test_pages_are_served_beside_them(app: str) -> None:
    assert "<title>Streamlit</title>" in get(f"{app}/invoices").text


@pytest.mark.processes
@pytest.mark.parametrize(
    ("environment", "path", "status", "text"),
    [
        pytest.param({"TOC_SYNC_METRICS": "false"}, "/metrics", 404, "Not Found", id="no figures wanted"),
        pytest.param({"TOC_SYNC_THREADS": "0"}, "/readyz", 503, '"worker"', id="nobody sends"),
    ],
)
def test_the_app_under_uvicorn(
    tmp_path: Path, environment: Mapping[str, str], path: str, status: int, text: str
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with running(["-m", "uvicorn", "app:app", "--port", str(port)], tmp_path, environment) as program:
        program.says("Application startup complete", within_s=40)
        answer = get(f"http://127.0.0.1:{port}{path}")
        assert answer.status_code == status
        assert text in answer.text
        assert get(f"http://127.0.0.1:{port}/healthz").status_code == 200
        program.stop()


@pytest.mark.processes
def test_an_address_that_apprise_does_not_know_stops_the_start(tmp_path: Path) -> None:
    arguments = ["-m", "toc_sync", "worker"]
    with running(arguments, tmp_path, {"TOC_SYNC_ALERT_URLS": "slack://hush-hush"}) as program:
        assert program.process.wait(timeout=40) == 1
        assert program.log.strip() == ("Error: TOC_SYNC_ALERT_URLS: address no. 1 is not one that Apprise understands.")
