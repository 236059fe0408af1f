"""How long a page's script runs once the process is warm, with many invoices in the database."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from streamlit.testing.v1 import AppTest

from toc_sync import installation, runtime, samples
from toc_sync.database import current_time, writing
from toc_sync.engines import open_engine

FRAME = Path(__file__).parents[2] / "pages" / "_frame.py"
PAGES = {
    "Overview": None,
    "Invoices": "invoices.py",
    "Invoice orders": "invoice_orders.py",
    "Month close": "month_close.py",
}
ROUNDS = 15


def warm_ms(url: str, invoices: int) -> Iterator[tuple[str, float]]:
    """Yields each page's name and the median time of its script in milliseconds."""
    engine = open_engine(url)
    with writing(engine) as conn:
        installation.migrate(conn)
        installation.create_billing_tables(conn)
        samples.seed(conn, now=current_time(conn), invoices=invoices)
    engine.dispose()
    os.environ |= {"DATABASE_URL": url, "TOC_SYNC_SANDBOX": "true"}
    for name, script in PAGES.items():
        yield name, _median_ms(script)
    runtime.close_current()


def _median_ms(script: str | None) -> float:
    app = AppTest.from_file(str(FRAME), default_timeout=60).run()
    if script:
        app.switch_page(script).run()
    app.run()
    times = []
    for _ in range(ROUNDS):
        before = time.perf_counter()
        app.run()
        times.append((time.perf_counter() - before) * 1000)
    assert not app.exception
    return statistics.median(times)
