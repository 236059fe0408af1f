"""Adopting: giving a record to every invoice that has none, a few at a time, without keeping anybody waiting.

New invoices are those above every record. An invoice may also come with a lower id (its transaction was committed late,
or its id was chosen), so all ids are searched too, stretch by stretch, round and round. What is known is only where the
search is: a program that starts again begins a new round, and finds at once what is left.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Engine

from toc_sync import outbox
from toc_sync.database import current_time, reading, writing
from toc_sync.model import Refusal

BATCHES = {"sqlite": 250, "postgresql": 1_000}
"""Written in one transaction: on SQLite nobody else writes meanwhile, so few; elsewhere nobody has to wait."""

STRETCH = 100_000
"""Looked through at once; a million invoices take ten looks, so less than a minute."""

LOOK_EVERY_S = 5.0
ROUND_S = 45.0
"""A round of many invoices does not begin earlier than this after the one before it; one of few costs next to nothing."""

FEW = 10_000
STEP_S = 1.0
"""How long one step lasts at most: leases end and workers announce themselves between two steps."""

TELL_EVERY_S = 5.0

log = logging.getLogger("toc_sync")


class Adoption:
    """One process's search for invoices without a record. Not to be used by two threads."""

    def __init__(self, engine: Engine, refusals: Sequence[Refusal]) -> None:
        self._engine = engine
        self._refusals = refusals
        self._batch = BATCHES[engine.dialect.name]
        self._searched_to = 0
        self._gap: outbox.Looked | None = None
        self._round_began = self._look_at = time.monotonic()
        self._seen = 0
        self._adopted = 0
        self._tell_at = 0.0
        self.behind = False
        """Whether more is known to be missing, so that the next step should come at once."""

    def step(self, *, goes_on: Callable[[], bool]) -> int:
        """Adopts what is missing, for at most `STEP_S` and as long as `goes_on` says; returns how many."""
        until = time.monotonic() + STEP_S
        total = 0
        self.behind = True
        while self.behind and goes_on() and time.monotonic() < until:
            adopted = self._adopt_newest() or self._adopt_from_gap()
            self.behind = adopted > 0 or self._look()
            self._tell(adopted)
            total += adopted
        self.behind = self.behind and goes_on()
        return total

    def _adopt_newest(self) -> int:
        with reading(self._engine) as conn:
            rows = self._missing(conn, after_id=outbox.newest_recorded(conn))
        return self._write(rows)

    def _adopt_from_gap(self) -> int:
        if self._gap is None:
            return 0
        with reading(self._engine) as conn:
            rows = self._missing(conn, after_id=self._searched_to, until_id=self._gap.last_id)
        adopted = self._write(rows)
        if adopted == self._batch:
            self._searched_to = rows[-1]["invoice_id"]
        else:
            self._go_on_after(self._gap)
            self._gap = None
        return adopted

    def _look(self) -> bool:
        """Looks through the next stretch, if it is time to; tells whether something is missing there."""
        if time.monotonic() < self._look_at:
            return False
        self._look_at = max(time.monotonic(), self._look_at + LOOK_EVERY_S)
        with reading(self._engine) as conn:
            looked = outbox.look_for_missing(conn, after_id=self._searched_to, at_most=STRETCH)
        self._seen += looked.seen
        if looked.first_missing is None:
            self._go_on_after(looked)
            return False
        self._searched_to, self._gap = looked.first_missing - 1, looked
        return True

    def _go_on_after(self, looked: outbox.Looked) -> None:
        self._searched_to = looked.last_id
        if self._gap and not looked.complete:
            self._look_at = time.monotonic()  # where something was missing, more may be
        if looked.complete:
            if self._seen > FEW:
                self._look_at = max(self._look_at, self._round_began + ROUND_S)
            self._searched_to, self._seen, self._round_began = 0, 0, self._look_at

    def _missing(self, conn: Connection, *, after_id: int, until_id: int | None = None) -> list[dict[str, Any]]:
        now = current_time(conn)
        return outbox.missing_records(
            conn,
            outbox.known_refusals(conn, self._refusals),
            after_id=after_id,
            until_id=until_id,
            at_most=self._batch,
            now=now,
        )

    def _write(self, rows: list[dict[str, Any]]) -> int:
        if rows:
            with writing(self._engine) as conn:
                outbox.write_adopted(conn, rows)
        return len(rows)

    def _tell(self, adopted: int) -> None:
        """Logs how far it came: now and then while there is much to do, and at the end."""
        self._adopted += adopted
        if not self.behind:
            if self._adopted:
                log.info("adopted count=%s", self._adopted)
            self._adopted = 0
        elif adopted == self._batch and time.monotonic() >= self._tell_at:
            with reading(self._engine) as conn:
                left = outbox.count_missing(conn)
            log.info("adopting count=%s left=%s", self._adopted, left)
            self._tell_at = time.monotonic() + TELL_EVERY_S


def group_older(engine: Engine, refusals: Sequence[Refusal], *, goes_on: Callable[[], bool]) -> int:
    """Gives failures of earlier versions their groups, for at most `STEP_S` and as long as `goes_on` says."""
    until, total = time.monotonic() + STEP_S, 0
    while goes_on() and time.monotonic() < until:
        with reading(engine) as conn:
            if not outbox.has_ungrouped(conn, now=current_time(conn)):
                break
        with writing(engine) as conn:
            total += outbox.group_older(conn, outbox.known_refusals(conn, refusals), now=current_time(conn))
    if total:
        log.info("grouped count=%s", total)
    return total
