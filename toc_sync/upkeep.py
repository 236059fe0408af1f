"""Upkeep: what a worker does every two seconds besides sending, so that records stay true and workers known.

It ends leases that ran out, notices what others wrote, adopts what has no record, and announces the worker. No threads
and no SQL here; each transaction is short.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable

from sqlalchemy import Connection

from toc_sync import outbox, sync
from toc_sync.adopting import Adoption, group_older
from toc_sync.database import current_time, reading, writing
from toc_sync.model import VERSION, DatabaseBusy, GateState, Refusal
from toc_sync.patience import UPKEEP

SWEEP_EVERY_S = 5.0
ANNOUNCE_EVERY_S = 5.0
TELL_EVERY_S = 60.0

log = logging.getLogger("toc_sync")


class Upkeep:
    """One worker's upkeep. Long searches end when `goes_on` says no; `wake` says that a probe may be due.

    Not to be used by two threads.
    """

    def __init__(
        self, sender: sync.Sender, *, threads: int, goes_on: Callable[[], bool], wake: Callable[[], None]
    ) -> None:
        self._sender = sender
        self._engine = sender.engine
        self._refusals = sender.rules.refusals
        self._threads = threads
        self._goes_on = goes_on
        self._wake = wake
        self._adoption = Adoption(self._engine, self._refusals)
        self._swept_to = 0
        self._due_at: dict[str, float] = {}
        self.is_eldest = False
        """Whether no worker has been there longer: one is enough to search through everything."""

    @property
    def behind(self) -> bool:
        """Tells whether so much is to be adopted that the next round should come at once."""
        return self._adoption.behind

    def run(self) -> bool:
        """Does what is due now; tells whether anything changed that may be sent or shown."""
        if self._is_time("announce", ANNOUNCE_EVERY_S):
            self._apart(self._announce)
        self._apart(self._mind_gate)
        changed = sum(self._apart(step) for step in (self._rescue, self._observe, self._retry_doubts))
        if self.is_eldest:  # one worker is enough to search through everything
            changed += self._apart(self._adopt)
            if self._is_time("sweep", SWEEP_EVERY_S):
                changed += self._apart(self._sweep) + self._apart(self._group_older)
        return changed > 0

    def withdraw(self) -> bool:
        """Says that this worker is gone, and that its witness is complete.

        Where another server has taken over, and this worker has not answered for its claims there, its name stays:
        nobody sends before somebody has.
        """
        sync.recognise(self._sender)
        with writing(self._engine, UPKEEP) as conn:
            current_time(conn)  # limits the waiting
            if not outbox.read_gate(conn).database_changed:
                outbox.withdraw(conn, name=self._sender.name)
        if self._sender.watch:
            self._sender.watch.stop()
        return True

    def _apart(self, step: Callable[[], int]) -> int:
        """Does one step; where somebody else holds what it needs, the others are done all the same."""
        try:
            return step()
        except DatabaseBusy:
            name = getattr(step, "__name__", "step").strip("_")
            if self._is_time(f"tell {name}", TELL_EVERY_S):
                log.warning("upkeep-held-up step=%s: somebody else holds what it needs", name)
            return 0

    def _rescue(self) -> int:
        with reading(self._engine) as conn:
            if not outbox.any_lost(conn, now=current_time(conn)):
                return 0
        with writing(self._engine, UPKEEP) as conn:
            now = current_time(conn)
            rescued = outbox.rescue(conn, now=now)
            held = outbox.count_lost(conn, now=now)
        if held and self._is_time("tell held", TELL_EVERY_S):
            log.warning("rescue-held-up invoices=%s: somebody else holds what must be written", held)
        for settled in rescued:
            log.warning("rescued invoice=%s number=%s status=%s", settled.invoice_id, settled.number, settled.status)
        return len(rescued)

    def _observe(self) -> int:
        with reading(self._engine) as conn:
            if not outbox.find_observable(conn, now=current_time(conn), at_most=1):
                return 0
        with writing(self._engine, UPKEEP) as conn:
            now = current_time(conn)
            observed = outbox.observe_recent(conn, self._known(conn), now=now)
        for invoice_id in observed:
            log.info("observed invoice=%s", invoice_id)
        return len(observed)

    def _retry_doubts(self) -> int:
        if not self._sender.rules.idempotent:
            return 0
        with writing(self._engine, UPKEEP) as conn:
            retried = outbox.retry_doubts(conn, now=current_time(conn), refusals=self._refusals)
        for invoice_id in retried:
            log.info("doubt-retried invoice=%s", invoice_id)
        return len(retried)

    def _sweep(self) -> int:
        with reading(self._engine) as conn:
            swept = outbox.survey(conn, after_id=self._swept_to)
        if swept.changed:
            with writing(self._engine, UPKEEP) as conn:
                now = current_time(conn)
                swept = outbox.sweep(conn, self._known(conn), after_id=self._swept_to, now=now)
        self._swept_to = 0 if swept.complete else swept.last_id
        return swept.changed

    def _adopt(self) -> int:
        return self._adoption.step(goes_on=self._goes_on)

    def _group_older(self) -> int:
        return group_older(self._engine, self._refusals, goes_on=self._goes_on)

    def _mind_gate(self) -> int:
        """Notices a good answer that came after the gate had closed, and a pause that stands beside it."""
        with reading(self._engine) as conn:
            gate = outbox.read_gate(conn)
        if gate.state is GateState.CLOSED or gate.is_wished:
            sync.mind_gate(self._engine, UPKEEP)
            self._wake()
        return 0

    def _known(self, conn: Connection) -> tuple[Refusal, ...]:
        return outbox.known_refusals(conn, self._refusals, for_share=True)

    def _announce(self) -> int:
        sync.recognise(self._sender)  # first: who was alive when a history broke off is read from these announcements
        watch = self._sender.watch
        with writing(self._engine, UPKEEP) as conn:
            self.is_eldest = outbox.announce(
                conn,
                name=self._sender.name,
                host=socket.gethostname(),
                version=VERSION,
                threads=self._threads,
                keeper=watch.keeper if watch else None,
                obstacle=watch.obstacle if watch else None,
                now=current_time(conn),
            )
        return 0

    def _is_time(self, what: str, every_s: float) -> bool:
        if time.monotonic() < self._due_at.get(what, 0.0):
            return False
        self._due_at[what] = time.monotonic() + every_s
        return True
