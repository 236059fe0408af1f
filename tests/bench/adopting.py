"""How fast invoices without a record are adopted, what creating one takes meanwhile, and how soon a low id is found."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine, func, select

from tests.bench.creating import prepared, standalone
from tests.bench.sending import sender
from tests.days import day
from tests.live_app import wait_until
from tests.stand_in import StandIn
from toc_sync import samples, sync
from toc_sync.database import reading, writing
from toc_sync.tables import issued_client_invoices, sync_records
from toc_sync.worker import Worker

FIRST_ID = 1_001
LONG_AGO = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
CREATED_EVERY_S = 0.1
CREATED_BETWEEN_LOOKS = 5
IN_TIME_S = 600.0


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """What one run measured."""

    per_s: float
    create_p95_ms: float
    low_id_s: float


def measure(url: str, count: int) -> Adopted:
    """Adopts `count` invoices with a worker of this process, as an app does, while somebody creates others."""
    engine = prepared(url)
    for start in range(0, count, 5_000):
        with writing(engine) as conn:
            rows = [_invoice(FIRST_ID + number) for number in range(start, min(start + 5_000, count))]
            samples._insert(conn, issued_client_invoices, rows)
            samples._let_ids_go_on(conn)
    with StandIn() as function:
        worker = Worker(sender(engine, function.url), threads=4, on_change=lambda: None)
        began = time.monotonic()
        worker.start()
        waits = []
        while _recorded(engine, count) < count:
            for _ in range(CREATED_BETWEEN_LOOKS):
                waits.append(_created_ms(engine))
                worker.wake()
                time.sleep(CREATED_EVERY_S)
        took_s = time.monotonic() - began
        low_id_s = _low_id_s(engine)
        worker.stop()
    engine.dispose()
    return Adopted(per_s=count / took_s, create_p95_ms=statistics.quantiles(waits, n=20)[-1], low_id_s=low_id_s)


def _invoice(invoice_id: int) -> dict[str, Any]:
    found = {"success": True, "synced_at": "2026-01-05T10:00:00Z", "toc_data": {"document_no": f"FT 2026/{invoice_id}"}}
    return {
        "id": invoice_id,
        "invoice_number": f"B-{invoice_id}",
        "invoice_date": date(2026, 1, 5),
        "subtotal_amount": Decimal("100.00"),
        "vat_amount": Decimal("23.00"),
        "total_amount": Decimal("123.00"),
        "currency_code": "EUR",
        "status": "issued",
        "issuer_team_id": 1,
        "payer_team_id": 2,
        "api_response": None if invoice_id % 10 == 0 else found,
        "created_at": LONG_AGO,
        "updated_at": LONG_AGO,
    }


def _recorded(engine: Engine, count: int) -> int:
    """Returns how many of the old invoices have a record."""
    is_old = sync_records.c.invoice_id.between(FIRST_ID, FIRST_ID + count - 1)
    old = select(func.count()).select_from(sync_records).where(is_old)
    with reading(engine) as conn:
        return int(conn.execute(old).scalar_one())


def _created_ms(engine: Engine) -> float:
    before = time.perf_counter()
    sync.create_invoice(engine, standalone(), actor="bench", today=day())
    return (time.perf_counter() - before) * 1000


def _low_id_s(engine: Engine) -> float:
    with writing(engine) as conn:
        conn.execute(issued_client_invoices.insert(), _invoice(7))
    began = time.monotonic()
    wait_until(lambda: _has_record(engine, 7), within_s=IN_TIME_S)
    return time.monotonic() - began


def _has_record(engine: Engine, invoice_id: int) -> bool:
    with reading(engine) as conn:
        found = conn.execute(select(sync_records.c.invoice_id).where(sync_records.c.invoice_id == invoice_id))
        return found.first() is not None
