"""How fast a queue drains: what 16 threads manage, as a share of what they could do if nothing but the answers took time."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import Engine, func, select

from tests.bench.creating import prepared, standalone
from tests.bench.judge import Judge
from tests.bench.sending import sender
from tests.days import day
from tests.live_app import wait_until
from toc_sync import sync
from toc_sync.database import reading
from toc_sync.model import Status
from toc_sync.tables import sync_records as records
from toc_sync.worker import Worker

THREADS = 16


@dataclass(frozen=True, kw_only=True)
class Drained:
    """The rate as a percentage of threads ÷ latency, and this process's own work per invoice in milliseconds."""

    share: float
    cpu_ms: float


def drain(url: str, *, latency_s: float, rounds: int) -> Drained:
    """Measures draining `rounds` invoices per thread, from the first request until the last outcome is written down."""
    engine = prepared(url)
    created = [sync.create_invoice(engine, standalone(), actor="bench", today=day()) for _ in range(THREADS * rounds)]
    with Judge(latency_s=latency_s) as judge:
        worker = Worker(sender(engine, judge.url), threads=THREADS, on_change=lambda: None)
        cpu_s = time.process_time()
        worker.start()
        wait_until(lambda: worker.in_flight() == 0 and _is_empty(engine), within_s=300, every_s=0.01)
        ended = time.monotonic()
        cpu_s = time.process_time() - cpu_s
        asked = judge.close()
        worker.stop()
    engine.dispose()
    assert sorted(invoice_id for _, invoice_id in asked) == sorted(created), "each invoice is asked for once"
    return Drained(share=100 * latency_s * rounds / (ended - asked[0][0]), cpu_ms=1000 * cpu_s / len(created))


def _is_empty(engine: Engine) -> bool:
    with reading(engine) as conn:
        waiting = records.c.status.in_([Status.QUEUED, Status.SYNCING])
        return conn.execute(select(func.count()).select_from(records).where(waiting)).scalar_one() == 0
