"""Acting on many invoices at once: starting a batch, moving it on and cancelling it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from sqlalchemy import Engine

from toc_sync import batching, outbox, status, wording_batches
from toc_sync.answer import clean_text
from toc_sync.database import current_time, queueing_time, reading, writing
from toc_sync.model import Refusal
from toc_sync.patience import MANY
from toc_sync.typed import cleaned_reason
from toc_sync.views_batches import BatchKind, BatchResult, Selection, Started

log = logging.getLogger("toc_sync")


class BatchVerbs:
    """What people do about many invoices; `changed` is called after everything that was written."""

    def __init__(
        self, engine: Engine, changed: Callable[[], None], *, idempotent: bool, refusals: Sequence[Refusal] = ()
    ) -> None:
        self._engine = engine
        self._changed = changed
        self._idempotent = idempotent
        self._refusals = refusals

    def start(self, selection: Selection, *, actor: str, reason: str = "") -> Started:
        """Starts a batch of everything in the selection that may be sent at this moment; workers do the rest."""
        if selection.kind is BatchKind.RECOVER and not _is_interval(selection):
            return Started(batch_id=None, message=wording_batches.NO_INTERVAL)
        with reading(self._engine) as conn:
            now = current_time(conn)
            chosen = status.select_sendable(selection, now=now, idempotent=self._idempotent)
            if conn.execute(chosen.limit(1)).first() is None:
                return Started(batch_id=None, message=wording_batches.NOTHING_TO_SEND)
        with writing(self._engine, MANY) as conn:
            batch_id, total = outbox.start_batch(
                conn,
                chosen,
                kind=selection.kind,
                description=wording_batches.described(selection),
                actor=clean_text(actor),
                reason=cleaned_reason(reason) or None,
                now=queueing_time(conn),
            )
        log.info("batch-started batch=%s kind=%s invoices=%s actor=%r", batch_id, selection.kind, total, actor)
        self._changed()
        return Started(batch_id=batch_id, message=wording_batches.started(batch_id, total))

    def advance(self) -> int:
        """Asks for the next invoices of open batches, as every worker does; returns how many it went through."""
        gone_through = batching.advance(self._engine, self._refusals, idempotent=self._idempotent)
        if gone_through:
            self._changed()
        return gone_through

    def cancel(self, batch_id: int, *, actor: str) -> BatchResult:
        """Stops a batch: what was not sent yet goes back to where it was; what is on the wire ends normally."""
        with writing(self._engine, MANY) as conn:
            result = outbox.cancel_batch(conn, batch_id, actor=clean_text(actor), now=queueing_time(conn))
        log.info("batch-cancelled batch=%s done=%s actor=%r", batch_id, result.done, actor)
        self._changed()
        return result


def _is_interval(selection: Selection) -> bool:
    return selection.since is not None and selection.until is not None and selection.since < selection.until
