"""How fast a queue drains: what 16 threads manage, as a share of what they could do if nothing but the answers took time."""

from __future__ import annotations

import time

from tests.bench.creating import TODAY, prepared, standalone
from tests.bench.sending import sender
from tests.live_app import wait_until
from tests.stand_in import StandIn
from toc_sync import sync
from toc_sync.worker import Worker

THREADS = 16


def efficiency(url: str, *, latency_s: float, rounds: int) -> float:
    """Returns the rate of draining `rounds` invoices per thread as a percentage of threads ÷ latency."""
    engine = prepared(url)
    for _ in range(THREADS * rounds):
        sync.create_invoice(engine, standalone(), actor="bench", today=TODAY)
    with StandIn(latency_s=latency_s) as function:
        worker = Worker(sender(engine, function.url), threads=THREADS, on_change=lambda: None)
        began = time.monotonic()
        worker.start()
        wait_until(
            lambda: len(function.requests) == THREADS * rounds and worker.in_flight() == 0, within_s=120, every_s=0.005
        )
        took_s = time.monotonic() - began
        worker.stop()
    engine.dispose()
    return 100 * latency_s * rounds / took_s
