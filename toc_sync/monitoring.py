"""What machines ask this program over HTTP: is it alive, can invoices leave, and the figures.

Answers are shared by all who ask at the same time and remembered for a moment: asking often cannot load the database.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from toc_sync import installation, wording_database, wording_gate
from toc_sync.database import reading
from toc_sync.figures import CONTENT_TYPE, Figures
from toc_sync.model import VERSION, DatabaseUnavailable
from toc_sync.runtime import Runtime
from toc_sync.views import Sending

REMEMBERED_S = 3.0
ANSWERS_WITHIN_S = 5.0

_NO_ANSWER = "The database does not answer."


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is answered over HTTP."""

    http_status: int
    body: bytes
    content_type: str = "application/json"


class Monitoring:
    """The three answers of one program."""

    def __init__(self, runtime: Callable[[], Runtime]) -> None:
        self._runtime = runtime
        self._figures: Figures | None = None
        self._readiness = _OneForAll(self._ask_readiness)
        self._metrics = _OneForAll(self._ask_metrics)

    async def health(self) -> Answer:
        """Says that this process answers; asks nobody else."""
        return _as_json(200, {"status": "ok", "version": VERSION})

    async def readiness(self) -> Answer:
        """Says whether invoices can leave, or with 503 for each thing that stands in the way, why."""
        return await self._readiness.answer()

    async def metrics(self) -> Answer:
        """Returns the figures in Prometheus' text format; 404 where TOC_SYNC_METRICS is false."""
        return await self._metrics.answer()

    def _ask_readiness(self) -> Answer:
        reasons = find_obstacles(self._runtime())
        return _as_json(503 if reasons else 200, {"ready": not reasons, "reasons": reasons})

    def _ask_metrics(self) -> Answer:
        runtime = self._runtime()
        if not runtime.settings.toc_sync_metrics:
            return Answer(http_status=404, body=b"Not Found", content_type="text/plain; charset=utf-8")
        if self._figures is None:
            self._figures = Figures(runtime.engine)
        return Answer(http_status=200, body=self._figures.as_text(), content_type=CONTENT_TYPE)


def find_obstacles(runtime: Runtime) -> dict[str, str]:
    """Returns what keeps invoices from leaving (database, worker, gate, locks) and why, as a sentence each; empty if nothing."""
    try:
        with reading(runtime.engine) as conn:
            if not installation.is_migrated(conn):
                return {"database": "Our own tables are missing or of another version."}
        sending = runtime.sending()
    except DatabaseUnavailable:
        return {"database": _NO_ANSWER}
    return dict(_obstacles(sending))


def _obstacles(sending: Sending) -> Iterator[tuple[str, str]]:
    if not sending.alive:
        yield "worker", "No program that sends invoices is alive."
    elif all(worker.obstacle for worker in sending.alive):
        yield "worker", " ".join(sending.obstacles)
    if not sending.gate.is_open:
        stopped = wording_gate.gate_state(sending.gate.state, sending.gate.since, sending.gate.changed_by)
        yield "gate", f"{stopped} {sending.gate.reason or ''}".strip()
    if not sending.standstill.is_none:
        yield "locks", wording_database.standstill(sending.standstill)


def _as_json(http_status: int, value: object) -> Answer:
    return Answer(http_status=http_status, body=json.dumps(value, ensure_ascii=False).encode())


class _OneForAll:
    """One question at a time, in a thread: whoever asks meanwhile, or a moment later, gets the same answer."""

    def __init__(self, ask: Callable[[], Answer]) -> None:
        self._ask = ask
        self._asked: asyncio.Future[Answer] | None = None
        self._asked_at = 0.0

    async def answer(self) -> Answer:
        """Returns the answer; 503 where none comes in time."""
        is_old = time.monotonic() - self._asked_at > REMEMBERED_S
        if self._asked is None or (self._asked.done() and is_old):
            self._asked = asyncio.ensure_future(asyncio.to_thread(self._ask))
            self._asked_at = time.monotonic()
        try:
            # Shielded: one who leaves must not take the answer away from the others.
            return await asyncio.wait_for(asyncio.shield(self._asked), ANSWERS_WITHIN_S)
        except (TimeoutError, DatabaseUnavailable):
            return _as_json(503, {"ready": False, "reasons": {"database": _NO_ANSWER}})
