"""The runtime: builds everything once from the settings, and offers the verbs that pages, scripts and the CLI use.

No business rules: it passes each question to the room that answers it. Verbs that change something take `actor`.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import date
from threading import Lock

from sqlalchemy import Engine

from toc_sync import clock, installation, outbox, resolving, samples, sync, wording_database, wording_doubt
from toc_sync.alarm import Alarm, start_alarm
from toc_sync.answer import clean_text
from toc_sync.channels import open_channels
from toc_sync.console import keep_out_of_the_log
from toc_sync.database import current_time, writing
from toc_sync.function import Function
from toc_sync.model import (
    CommitUncertain,
    Confirmed,
    Fixer,
    Refusal,
    Result,
    Unwitnessed,
    parse_invoice_id,
)
from toc_sync.new_invoice import parse_payload
from toc_sync.opening import load_refusals, naming_the_database, open_database, open_watch
from toc_sync.patience import SET_UP
from toc_sync.reads import Reads
from toc_sync.sandbox import Behaviour
from toc_sync.secrecy import Blanker
from toc_sync.settings import Settings, load_settings
from toc_sync.typed import cleaned_reason, wrong_document_no
from toc_sync.verbs import teaching
from toc_sync.verbs.batches import BatchVerbs
from toc_sync.verbs.gate import GateVerbs
from toc_sync.verbs.groups import GroupVerbs
from toc_sync.verbs.onlookers import OnlookerVerbs
from toc_sync.views_teaching import TeachingResult
from toc_sync.worker import Worker

SCRIPT_TRIES_FOR_S = 60.0

log = logging.getLogger("toc_sync")


class Runtime(Reads):
    """One process's access to the sync: its database, its way to the function, its verbs and its worker."""

    def __init__(self, settings: Settings, engine: Engine, refusals: tuple[Refusal, ...]) -> None:
        super().__init__(settings, engine, refusals)
        self.function = Function(settings, engine.url.database if engine.dialect.name == "sqlite" else None)
        self._channels = open_channels(settings.alert_addresses)
        self.watch = open_watch(settings, engine)
        self.gate = GateVerbs(engine, self.changed, watch=self.watch)
        self.onlookers = OnlookerVerbs(engine)
        self.batches = BatchVerbs(
            engine, self.changed, idempotent=settings.toc_function_is_idempotent, refusals=refusals
        )
        self.groups = GroupVerbs(engine, self.changed)
        self.version = 0
        """Grows with everything this process writes: what pages remember under an older version is out of date."""
        self._worker: Worker | None = None
        self._alarm: Alarm | None = None
        self._lock = Lock()

    @property
    def rehearsals(self) -> tuple[Behaviour, ...]:
        """What the sandbox can be asked to answer (each with a `label`); empty outside the sandbox."""
        return self.function.rehearsals

    # What people and scripts ask for ---------------------------------------------------------------------------------

    def create(
        self,
        payload: Mapping[str, object],
        *,
        actor: str,
        token: str | None = None,
        behaviour: Behaviour | None = None,
    ) -> int:
        """Creates and issues an invoice, wakes the worker and returns the new id at once. Raises InvalidInvoice.

        CommitUncertain means that it may exist: with a `token`, asking again is safe; without, look for it first.
        `behaviour` is what the sandbox answers the first time; it is ignored outside the sandbox.
        """
        try:
            invoice_id = sync.create_invoice(
                self.engine,
                parse_payload(payload),
                actor=actor,
                today=self.today(),
                token=token,
                function=self.settings.toc_create_invoice_rpc,
                before_commit=self.function.rehearsal(behaviour),
            )
        except CommitUncertain as error:
            raise CommitUncertain(wording_database.creation_uncertain(token), why=error.why) from error
        log.info("created invoice=%s actor=%r", invoice_id, actor)
        self.changed()
        return invoice_id

    def retry(
        self,
        invoice_id: object,
        *,
        actor: str,
        seen_attempts: int | None = None,
        confirmed: Confirmed = Confirmed.NOTHING,
    ) -> Result:
        """Queues an invoice for sending and wakes the worker. Raises InvalidInvoiceId or UnknownInvoice.

        Where something is to be asked first that is not `confirmed`, nothing is queued and the answer asks.
        """
        number = parse_invoice_id(invoice_id)
        result = sync.request_send(
            self.engine,
            number,
            self._rules(),
            actor=actor,
            seen_attempts=seen_attempts,
            confirmed=confirmed,
        )
        log.info("retry invoice=%s done=%s actor=%r message=%r", number, result.done, actor, result.message)
        self.changed()
        return result

    def send_now(self, invoice_id: object, *, actor: str, confirmed: Confirmed = Confirmed.UNCHANGED) -> Result:
        """Sends one invoice in this thread and waits for the outcome. Raises InvalidInvoiceId or UnknownInvoice."""
        number = parse_invoice_id(invoice_id)
        sender = self._sender("script", _limited_pause())
        result = sync.send_now(sender, number, actor=actor, confirmed=confirmed)
        self.changed()
        return result

    def resolve_as_synced(self, invoice_id: object, document_no: str, *, actor: str, reason: str) -> Result:
        """Declares that an invoice in doubt is in TOC Online under this document number."""
        number = parse_invoice_id(invoice_id)
        if problem := wrong_document_no(document_no):
            return Result(done=False, message=problem, invoice_id=number)
        document = " ".join(document_no.split())
        result = resolving.resolve_as_synced(
            self.engine, number, document, self.refusals, actor=actor, reason=cleaned_reason(reason)
        )
        log.info("declared-synced invoice=%s done=%s actor=%r document=%r", number, result.done, actor, document)
        self.changed()
        return result

    def resolve_send_again(self, invoice_id: object, *, actor: str, reason: str) -> Result:
        """Queues an invoice in doubt again because a person looked it up and it is not there."""
        (result,) = self.resolve_many_send_again([invoice_id], actor=actor, reason=reason)
        return result

    def resolve_many_send_again(self, invoice_ids: Iterable[object], *, actor: str, reason: str) -> tuple[Result, ...]:
        """Queues these doubts again, each checked for itself; returns a sentence for each, in the order of their ids.

        Raises InvalidInvoiceId before anything is changed.
        """
        numbers = sorted({parse_invoice_id(invoice_id) for invoice_id in invoice_ids})
        why = cleaned_reason(reason)
        if not why:
            return tuple(
                Result(done=False, message=wording_doubt.NEEDS_A_REASON, invoice_id=number) for number in numbers
            )
        try:
            results = resolving.resolve_many_send_again(self.engine, numbers, self.refusals, actor=actor, reason=why)
        finally:
            self.changed()  # also what was queued before the database went away
        for result in results:
            log.info("send-again invoice=%s done=%s actor=%r", result.invoice_id, result.done, actor)
        return results

    def reopen(self, invoice_id: object, *, actor: str, reason: str) -> Result:
        """Makes an invoice that a person declared synced in doubt again."""
        number = parse_invoice_id(invoice_id)
        why = cleaned_reason(reason)
        if not why:
            return Result(done=False, message=wording_doubt.NEEDS_A_REASON, invoice_id=number)
        result = resolving.reopen(self.engine, number, self.refusals, actor=actor, reason=why)
        log.info("reopened invoice=%s done=%s actor=%r", number, result.done, actor)
        self.changed()
        return result

    def teach_refusal(
        self, invoice_id: object, *, name: str, remedy: str, fixer: Fixer, reason: str, actor: str
    ) -> TeachingResult:
        """Declares that the answer of this invoice always means that nothing was issued. Raises InvalidInvoiceId."""
        number = parse_invoice_id(invoice_id)
        meaning = teaching.Meaning(
            name=cleaned_reason(name), remedy=cleaned_reason(remedy), fixer=fixer, reason=cleaned_reason(reason)
        )
        result = teaching.teach(self.engine, number, meaning, self.refusals, actor=clean_text(actor))
        log.info("taught invoice=%s name=%r done=%s actor=%r", number, meaning.name, result.done, actor)
        self.changed()
        return result

    def withdraw_refusal(self, name: str, *, reason: str, actor: str) -> TeachingResult:
        """Takes back what was taught under this name."""
        words = cleaned_reason(reason)
        result = teaching.withdraw(
            self.engine, cleaned_reason(name), self.refusals, actor=clean_text(actor), reason=words
        )
        log.info("withdrawn name=%r done=%s count=%s actor=%r", name, result.done, result.count, actor)
        self.changed()
        return result

    def today(self) -> date:
        """Returns the day in Lisbon, where the law applies."""
        return clock.today()

    # Life ------------------------------------------------------------------------------------------------------------

    def start_worker(self, *, threads: int | None = None) -> Worker:
        """Starts sending in the background, and the alarm if people are to be told; a second call returns the same worker."""
        with self._lock:
            if self._worker is None:
                chosen = self.settings.toc_sync_threads if threads is None else threads
                sender = self._sender(worker_name(), _endless_pause)
                self._worker = Worker(sender, threads=chosen, on_change=self._bump)
                self._worker.start()
                self._alarm = start_alarm(self.engine, self._channels, self.settings)
            return self._worker

    @property
    def worker(self) -> Worker | None:
        """The worker of this process, if it has one."""
        return self._worker

    def changed(self) -> None:
        """Says that something was written: pages read anew, the worker looks at the queue."""
        self._bump()
        if self._worker is not None:
            self._worker.wake()

    def close(self) -> None:
        """Stops the alarm, the worker and the sandbox and gives back connections; what is in flight is awaited first."""
        if self._alarm is not None:
            self._alarm.stop()  # first: that this worker stops is no incident
        if self._worker is not None:
            self._worker.stop()
        self.function.stop()
        self.watch.stop()
        self.engine.dispose()

    def _bump(self) -> None:
        self.version += 1

    def _rules(self) -> sync.Rules:
        return sync.Rules(
            refusals=self.refusals,
            waits_s=self.settings.toc_sync_retry_waits,
            lease_s=self.settings.lease_s,
            idempotent=self.settings.toc_function_is_idempotent,
            turns=self.turns,
            blanker=self.blanker,
        )

    def _sender(self, name: str, pause: Callable[[float], bool]) -> sync.Sender:
        return sync.Sender(
            engine=self.engine,
            edge=self.function.edge(),
            rules=self._rules(),
            name=name,
            pause=pause,
            watch=self.watch,
        )


_current: Runtime | None = None
_current_lock = Lock()


def current() -> Runtime:
    """Returns this process's runtime, built on first use. Raises SettingsError with one sentence."""
    global _current  # noqa: PLW0603  one runtime per process, also when two sessions ask at once
    with _current_lock:
        if _current is None:
            _current = open_runtime(load_settings())
        return _current


def close_current() -> None:
    """Closes this process's runtime, if one was built; the next call of `current` builds another."""
    global _current  # noqa: PLW0603  the counterpart of `current`
    with _current_lock:
        if _current is not None:
            _current.close()
        _current = None


def open_runtime(settings: Settings) -> Runtime:
    """Returns a runtime on a database that was checked and migrated. Raises SettingsError with one sentence.

    An embedded database that did not exist yet is created, with sample data where the sandbox takes TOC Online's place.
    """
    runtime = connect(settings)
    with naming_the_database(), writing(runtime.engine, SET_UP) as conn:
        is_new = installation.prepare(conn, may_create_billing=settings.database_url is None)
        installation.check_environment(conn, function_url=runtime.function.url)
        if is_new and settings.uses_sandbox:
            runtime.function.rehearse(samples.seed(conn, now=current_time(conn)))
        # What cannot be written down outside the database keeps nobody from looking: it keeps invoices from leaving.
        with suppress(Unwitnessed):
            outbox.examine(conn, runtime.watch, now=current_time(conn))
    return runtime


def connect(settings: Settings) -> Runtime:
    """Returns a runtime on a database that nobody has looked at yet: what an administrator does first needs no more."""
    keep_out_of_the_log(Blanker(settings.secrets))
    return Runtime(settings, open_database(settings), load_refusals(settings))


def worker_name() -> str:
    """Returns a name for this process that no other has."""
    return f"{socket.gethostname()}-{os.getpid()}-{int(clock.now().timestamp() * 1000) % 100_000}"


def _endless_pause(seconds: float) -> bool:
    time.sleep(seconds)
    return True


def _limited_pause() -> Callable[[float], bool]:
    until = time.monotonic() + SCRIPT_TRIES_FOR_S

    def pause(seconds: float) -> bool:
        time.sleep(seconds)
        return time.monotonic() < until

    return pause
