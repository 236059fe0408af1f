"""Moving batches on, and where the transactions of it begin and end: a few invoices each, so that nobody waits long."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine

from toc_sync import outbox
from toc_sync.database import queueing_time, reading, writing
from toc_sync.model import Refusal


def advance(engine: Engine, refusals: Sequence[Refusal] = (), *, idempotent: bool) -> int:
    """Asks for the next invoices of open batches and returns how many it went through; 0 when none has its turn."""
    with reading(engine) as conn:
        if not outbox.any_open_batch(conn):
            return 0
    with writing(engine) as conn:
        return outbox.advance(conn, now=queueing_time(conn), idempotent=idempotent, refusals=refusals)
