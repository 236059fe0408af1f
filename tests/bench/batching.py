"""How long it takes to foretell, to start and to cancel a batch of many invoices among many more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from sqlalchemy import Engine, select

from toc_sync import status
from toc_sync.database import current_time, reading, writing
from toc_sync.engines import open_engine
from toc_sync.model import ErrorKind, Status
from toc_sync.tables import sync_records as records
from toc_sync.verbs.batches import BatchVerbs
from toc_sync.views import InvoiceFilter
from toc_sync.views_batches import Selection

MATCHING = 5_000
FAILED = Selection.matching(InvoiceFilter(statuses=(Status.FAILED,)))


def milliseconds(url: str) -> Iterator[tuple[str, float]]:
    """Yields what was done, in a database that holds many invoices, and how long it took."""
    engine = open_engine(url)
    _fail(engine)
    verbs = BatchVerbs(engine, lambda: None, idempotent=False)
    yield "Preview", _timed(lambda: _preview(engine))
    yield "Start", _timed(lambda: verbs.start(FAILED, actor="bench"))
    with reading(engine) as conn:
        (batch,) = status.current_batches(conn, now=current_time(conn))
    while verbs.advance():
        pass
    yield "Cancel", _timed(lambda: verbs.cancel(batch.batch_id, actor="bench"))
    engine.dispose()


def _fail(engine: Engine) -> None:
    chosen = select(records.c.invoice_id).where(records.c.invoice_status == "issued").limit(MATCHING)
    with writing(engine) as conn:
        conn.execute(records.update().where(records.c.status == Status.FAILED).values(status=Status.NOT_NEEDED))
        failed = {"status": Status.FAILED, "error_kind": ErrorKind.REJECTED, "error": "Refused.", "not_before": None}
        conn.execute(records.update().where(records.c.invoice_id.in_(chosen)).values(failed))


def _preview(engine: Engine) -> None:
    with reading(engine) as conn:
        found = status.preview_batch(conn, FAILED, now=current_time(conn))
    assert found.count == MATCHING, found


def _timed(act: Callable[[], object]) -> float:
    before = time.perf_counter()
    act()
    return (time.perf_counter() - before) * 1000
