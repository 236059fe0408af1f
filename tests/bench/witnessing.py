"""What the witness adds to an attempt: comparing it with the database in the claim, and writing the claim down."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from tests.bench.creating import prepared
from toc_sync import outbox
from toc_sync.database import current_time, reading, writing
from toc_sync.witness import KEPT, Watch

ROUNDS = 400


def extra_ms(url: str) -> float:
    """Returns the median time of looking with a witness and noting a claim, less that of reading the gate alone."""
    engine = prepared(url)
    file = Path(engine.url.database or "") if engine.dialect.name == "sqlite" else None
    with tempfile.TemporaryDirectory() as folder:
        watch = Watch(folder=Path(folder), database_file=file)
        with writing(engine) as conn:
            assert outbox.examine(conn, watch, now=current_time(conn))
        with_witness: list[float] = []
        without: list[float] = []
        for number in range(ROUNDS + KEPT):
            with reading(engine) as conn:
                before = time.perf_counter()
                outbox.read_gate(conn)
                without.append(time.perf_counter() - before)
                before = time.perf_counter()
                found = outbox.look_at_database(conn, watch)
                watch.note(found.mark(number + 1, f"{number:08d}"))
                with_witness.append(time.perf_counter() - before)
    engine.dispose()
    # The first ones find a witness that knows less than it usually does.
    return 1000 * (statistics.median(with_witness[KEPT:]) - statistics.median(without[KEPT:]))
