"""What an idle worker costs, and how soon a signal wakes one in another process."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import psutil
from sqlalchemy import Engine

from tests.bench.creating import prepared, standalone
from tests.days import day
from tests.live_app import running, wait_until
from tests.stand_in import StandIn
from toc_sync import clock, sync

ROUNDS = 50
IDLE_S = 20.0


def idle_percent(url: str, folder: Path) -> float:
    """Returns how much of one core a worker process uses while nothing is due."""
    prepared(url).dispose()
    with StandIn() as function, running(["-m", "toc_sync", "worker"], folder, _environment(url, function)) as worker:
        worker.says("worker-started")
        time.sleep(3)  # what it does once at the start is not idling
        process = psutil.Process(worker.process.pid)
        before = sum(process.cpu_times()[:2])
        time.sleep(IDLE_S)
        return 100 * (sum(process.cpu_times()[:2]) - before) / IDLE_S


def across_processes_ms(url: str, folder: Path) -> float:
    """Returns the 95th percentile from commit here to the request of a worker in another process, in milliseconds."""
    engine = prepared(url)
    with StandIn() as function, running(["-m", "toc_sync", "worker"], folder, _environment(url, function)) as worker:
        worker.says("worker-started")
        sync.create_invoice(engine, standalone(), actor="bench", today=day())
        function.wait_for(count=1)
        wait_until(lambda: _listens(engine))
        waits = [_one(engine, function) for _ in range(ROUNDS)]
    engine.dispose()
    return statistics.quantiles(waits, n=20)[-1]


def _listens(engine: Engine) -> bool:
    with engine.connect() as conn:
        found = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        return bool(conn.exec_driver_sql(found.replace("%", "%%")).scalar_one())


def _one(engine: Engine, function: StandIn) -> float:
    invoice_id = sync.create_invoice(engine, standalone(), actor="bench", today=day())
    committed_at = clock.now()
    function.wait_for(invoice_id)
    arrived_at = next(request.at for request in function.requests if request.invoice_id == invoice_id)
    time.sleep(0.05)  # so that the worker is idle again
    return (arrived_at - committed_at).total_seconds() * 1000


def _environment(url: str, function: StandIn) -> dict[str, str]:
    return {"DATABASE_URL": url, "TOC_FUNCTION_URL": function.url, "TOC_FUNCTION_KEY": "bench"}
