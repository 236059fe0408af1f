"""The worker: threads and their seats, the wake-up, and the loops that send, keep up, advance batches and listen.

Threads never touch pages; a thread that fails leaves its attempt open for the rescue. No SQL and no HTTP here.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock, Thread
from types import FrameType

from toc_sync import batching, deadlines, outbox, signals, sync, wording
from toc_sync.asking import Asking
from toc_sync.database import current_time, reading
from toc_sync.model import DatabaseUnavailable
from toc_sync.upkeep import Upkeep

POLL_S = 1.0
"""How often the queue is looked at when nobody wakes the worker: signals may not get through, and retries fall due."""

UPKEEP_S = 2.0
PAUSE_AFTER_FAILURE_S = 1.0
ASK_EVERY_S = 15.0
"""How often the function is asked during an outage whether it is there again."""

GIVE_UP_AFTER_S = 600.0
"""A worker that could use the database for none of its tasks this long had better be started anew."""

log = logging.getLogger("toc_sync")


class Worker:
    """Sends what is due with `threads` threads and keeps records true; with 0 threads it only does the latter.

    `on_change` is called after everything it wrote, from its own threads.
    """

    def __init__(self, sender: sync.Sender, *, threads: int, on_change: Callable[[], None]) -> None:
        self._sender = sender
        self._engine = sender.engine
        self._threads = threads
        self._on_change = on_change
        self._claiming = True
        self._wake = Event()
        self._ended = Event()
        self._lock = Lock()
        self._busy = 0
        self._seat_wanted = False
        self._upkeep = Upkeep(sender, threads=threads, goes_on=lambda: self._claiming, wake=self.wake)
        self._worked_at = time.monotonic()
        self._asking = Asking(sender)
        self._pool = ThreadPoolExecutor(max_workers=max(1, threads), thread_name_prefix="toc-send")
        self._loops = (
            Thread(target=self._dispatch_loop, name="toc-dispatch", daemon=True),
            Thread(target=self._upkeep_loop, name="toc-upkeep", daemon=True),
            Thread(target=self._batch_loop, name="toc-batches", daemon=True),
            Thread(target=self._ask_loop, name="toc-ask", daemon=True),
        )
        self._hears = sender.engine.dialect.name == "postgresql"
        # Not one of the loops: nothing is lost when it ends later, so the end need not wait for it.
        self._listener = Thread(target=self._listen_loop, name="toc-listen", daemon=True)

    def start(self) -> None:
        """Starts sending."""
        log.info("worker-started name=%s threads=%s", self._sender.name, self._threads)
        for loop in (*self._loops, self._listener):
            loop.start()

    def wake(self) -> None:
        """Says that something may be due now."""
        self._wake.set()

    @property
    def claiming(self) -> bool:
        """Tells whether it still takes new invoices."""
        return self._claiming

    def stop_claiming(self) -> None:
        """Claims nothing new from now on. Safe in a signal handler: it takes no lock."""
        self._claiming = False

    def in_flight(self) -> int:
        """Returns how many threads are at work on an invoice."""
        return self._busy

    def why_broken(self) -> str | None:
        """Says, as a sentence, why it cannot work any more although nobody stopped it; None while it can."""
        ended = [loop.name for loop in self._loops if not loop.is_alive()]
        if ended and self._claiming:
            return f"The worker's thread {ended[0]} ended by itself. Start it again."
        if time.monotonic() - self._worked_at > GIVE_UP_AFTER_S:
            return (
                f"The database could not be used for {wording.duration(GIVE_UP_AFTER_S)}. See the log, start it again."
            )
        return None

    def stop(self) -> None:
        """Claims nothing new, waits until what is in flight is answered and written down, and ends."""
        self.stop_claiming()
        self._ended.set()
        self._wake.set()
        for loop in self._loops:
            loop.join()
        self._pool.shutdown(wait=True)
        self._guarded(self._upkeep.withdraw)
        log.info("worker-stopped name=%s", self._sender.name)

    def _dispatch_loop(self) -> None:
        while self._claiming:
            self._wake.clear()
            self._guarded(self._dispatch)
            self._wake.wait(POLL_S)

    def _upkeep_loop(self) -> None:
        deadlines.load_calendar()
        while not self._ended.is_set():
            done = self._guarded(self._keep_up)
            if not (done and self._upkeep.behind):
                self._ended.wait(UPKEEP_S)

    def _keep_up(self) -> bool:
        changed = self._upkeep.run()
        if changed:
            self._on_change()
            self.wake()
        return changed

    def _batch_loop(self) -> None:
        while not self._ended.is_set():
            if not (self._claiming and self._guarded(self._advance_batches, shows_work=False)):
                self._ended.wait(POLL_S)

    def _ask_loop(self) -> None:
        while not self._ended.wait(ASK_EVERY_S):
            if self._threads and self._guarded(self._ask, shows_work=False):
                self._on_change()
                self.wake()

    def _ask(self) -> bool:
        return self._asking.step()

    def _advance_batches(self) -> bool:
        if not batching.advance(self._engine, self._sender.rules.refusals, idempotent=self._sender.rules.idempotent):
            return False
        self._on_change()
        self.wake()
        return True

    def _listen_loop(self) -> None:
        while self._hears and not self._ended.is_set():
            self._guarded(self._listen, shows_work=False)

    def _listen(self) -> bool:
        try:
            signals.listen(self._engine, self.wake, goes_on=lambda: not self._ended.is_set())
        except signals.NotHeard:
            log.warning("signals-not-heard: the queue is looked at every %g s instead (transaction pooler?)", POLL_S)
            self._hears = False
        return self._hears

    def _dispatch(self) -> bool:
        free = self._threads - self._busy
        if free <= 0:
            self._seat_wanted = True
            return False
        with reading(self._engine) as conn:
            due = outbox.count_due(conn, turns=self._sender.rules.turns, now=current_time(conn), at_most=free)
        for _ in range(due):
            with self._lock:
                self._busy += 1
            self._pool.submit(self._drain)
        return due > 0

    def _drain(self) -> None:
        """One seat: sends one invoice after the other until nothing is due."""
        try:
            while self._claiming and self._guarded(self._send_one):
                self._on_change()
                self._wake.set()  # what this one held back, by its date or its issuer, has its turn now
        finally:
            with self._lock:
                self._busy -= 1
            # Only if a seat was wanted meanwhile: while a frozen process elsewhere holds the one record that is due, a
            # wake-up after every vain claim would never come to rest.
            if self._seat_wanted:
                self._seat_wanted = False
                self._wake.set()

    def _send_one(self) -> bool:
        return sync.run_one(self._sender)

    def _guarded(self, step: Callable[[], bool], *, shows_work: bool = True) -> bool:
        """The outermost frame of every thread: a failure is logged, the attempt stays open, and the rescue ends it.

        A step without failure shows that sending and upkeep can work, unless it needs none of their tables.
        """
        try:
            went_on = step()
            if shows_work:
                self._worked_at = time.monotonic()
            return went_on
        except DatabaseUnavailable as error:
            log.warning("database-away step=%s error=%s", step.__name__, error)
        except Exception:
            log.exception("failed step=%s", step.__name__)
        self._ended.wait(PAUSE_AFTER_FAILURE_S)
        return False


def obey_signals(worker: Worker) -> None:
    """Makes the first SIGTERM or SIGINT stop new claims at once, and the second leave at once (the rescue comes later).

    What somebody else does on such a signal, a server that drains its connections for example, goes on as before.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)
        others = before if callable(before) and before is not signal.default_int_handler else None

        def stop(number: int, frame: FrameType | None, others: Callable[..., object] | None = others) -> None:
            if not worker.claiming:
                os._exit(128 + number)
            worker.stop_claiming()
            log.info("stopping: in_flight=%s (once more to leave at once)", worker.in_flight())
            if others:
                others(number, frame)

        signal.signal(number, stop)
