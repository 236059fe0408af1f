"""How soon after the commit the request arrives at the function: one invoice at a time, the worker otherwise idle."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from sqlalchemy import Engine

from tests.bench.creating import prepared, standalone
from tests.days import day
from tests.live_app import wait_until
from tests.stand_in import StandIn
from toc_sync import clock, sync
from toc_sync.edge import Edge
from toc_sync.refusals import shipped_refusals
from toc_sync.witness import Watch
from toc_sync.worker import Worker

ROUNDS = 100


def commit_to_request_ms(url: str) -> float:
    """Returns the 95th percentile of the time from commit to the request's arrival, in milliseconds."""
    engine = prepared(url)
    with StandIn() as function:
        worker = Worker(sender(engine, function.url), threads=4, on_change=lambda: None)
        worker.start()
        waits = [_one(engine, function, worker) for _ in range(ROUNDS)]
        worker.stop()
    engine.dispose()
    return statistics.quantiles(waits, n=20)[-1]


def sender(engine: Engine, url: str) -> sync.Sender:
    """Returns what a worker sends with."""
    rules = sync.Rules(refusals=shipped_refusals(), waits_s=(30.0,), lease_s=200.0, idempotent=False)
    edge = Edge(url=url, key="bench", deadline_s=170)
    file = Path(engine.url.database or "") if engine.dialect.name == "sqlite" else None
    watch = Watch(folder=Path(tempfile.mkdtemp()), database_file=file)
    return sync.Sender(engine=engine, edge=edge, rules=rules, name="bench", pause=lambda _seconds: False, watch=watch)


def _one(engine: Engine, function: StandIn, worker: Worker) -> float:
    invoice_id = sync.create_invoice(engine, standalone(), actor="bench", today=day())
    committed_at = clock.now()
    worker.wake()
    function.wait_for(invoice_id)
    arrived_at = next(request.at for request in function.requests if request.invoice_id == invoice_id)
    wait_until(lambda: worker.in_flight() == 0, every_s=0.005)
    return (arrived_at - committed_at).total_seconds() * 1000
