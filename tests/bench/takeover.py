"""How soon others go on after a worker is killed: with what waited, and with what it had in flight."""

from __future__ import annotations

import signal
import time
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine, select

from tests.bench.creating import prepared, standalone
from tests.days import day
from tests.live_app import running, wait_until
from tests.stand_in import StandIn
from toc_sync import sync
from toc_sync.database import current_time, reading
from toc_sync.model import Status
from toc_sync.tables import sync_records

WORKER = ["-m", "toc_sync", "worker", "--threads", "2"]
SEATS = 4
INVOICES = 12
PATIENCE_S = 60.0


def after_kill_s(url: str, folder: Path) -> tuple[float, float]:
    """Kills one of two workers with all seats taken and others waiting.

    Returns the seconds until the last that waited was sent, and from the end of the leases until the last that the
    killed one had in flight was in doubt.
    """
    engine = prepared(url)
    with StandIn() as function:
        environment = {
            "DATABASE_URL": url,
            "TOC_FUNCTION_URL": function.url,
            "TOC_FUNCTION_KEY": "bench",
            "TOC_SYNC_TIMEOUT_SECONDS": "5",
            "TOC_SYNC_LEASE_MARGIN_SECONDS": "1",
        }
        with (
            running(WORKER, folder, environment, name="one") as one,
            running(WORKER, folder, environment, name="two") as two,
        ):
            one.says("worker-started", within_s=PATIENCE_S)
            two.says("worker-started", within_s=PATIENCE_S)
            function.hold()
            for _ in range(INVOICES):
                sync.create_invoice(engine, standalone(), actor="bench", today=day())
            function.wait_for(count=SEATS, timeout_s=PATIENCE_S)
            one.stop(signal.SIGKILL)
            function.release()
            began = time.monotonic()
            wait_until(lambda: len(function.requests) == INVOICES, within_s=PATIENCE_S, every_s=0.01)
            waiting_s = time.monotonic() - began
            wait_until(lambda: _in_flight(engine) and not _waits_for_others(engine), within_s=PATIENCE_S)
            leases_end = max(_in_flight(engine))
            wait_until(lambda: not _in_flight(engine), within_s=PATIENCE_S, every_s=0.01)
            with reading(engine) as conn:
                doubted_s = (current_time(conn) - leases_end).total_seconds()
    engine.dispose()
    return waiting_s, doubted_s


def _in_flight(engine: Engine) -> list[datetime]:
    with reading(engine) as conn:
        query = select(sync_records.c.lease_until).where(sync_records.c.status == Status.SYNCING)
        return list(conn.execute(query).scalars())


def _waits_for_others(engine: Engine) -> bool:
    """Tells whether more is in flight than the killed worker's seats hold."""
    return len(_in_flight(engine)) > SEATS // 2
