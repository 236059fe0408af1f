"""The story of one attempt, and where its transactions begin and end.

T1 claims and opens the attempt; then, with no transaction open, one POST; T2 writes down what it came to. Nothing is
sent unless T1 is known to be committed. Knows no threads and no pages.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from toc_sync import billing, creation, outbox, wording
from toc_sync.answer import clean_text
from toc_sync.classify import classify
from toc_sync.clock import uptime
from toc_sync.database import current_time, queueing_time, reading, writing
from toc_sync.edge import Edge
from toc_sync.gating import Answer, concerns_the_gate
from toc_sync.lesson import is_unclear
from toc_sync.model import (
    Claim,
    Confirmed,
    DatabaseUnavailable,
    Invoice,
    NoReply,
    Refusal,
    Reply,
    Result,
    Status,
    UnknownInvoice,
    Unsent,
    Unwitnessed,
    Verdict,
)
from toc_sync.new_invoice import NewInvoice
from toc_sync.patience import PERSON, PROGRAM, Patience
from toc_sync.secrecy import Blanker
from toc_sync.witness import Watch

SEND_WITHIN_S = 5.0
"""A claim older than this is not sent any more: a frozen thread must not wake up and send."""

STORED_BODY_BYTES = 64 * 1024
STORED_HEADERS = (
    "content-type", "retry-after", "sb-error-code", "sb-request-id", "x-deno-execution-id", "x-sb-edge-region",
    "x-relay-error", "cf-ray",
)  # fmt: skip
PAUSES_S = (0.2, 0.5, 1.0, 2.0)
LOOK_AGAIN_S = 0.2

log = logging.getLogger("toc_sync")


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How this installation sends: what refusals it recognises, how long it waits, who goes first."""

    refusals: tuple[Refusal, ...]
    waits_s: Sequence[float]
    lease_s: float
    idempotent: bool
    turns: outbox.Turns = outbox.Turns()  # noqa: RUF009  # it is frozen
    blanker: Blanker = Blanker()  # noqa: RUF009  # the same


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Everything one attempt needs. `pause` waits between tries to write an outcome; False ends the trying.

    `watch` tells this database from a copy; whoever sends for real has one.
    """

    engine: Engine
    edge: Edge
    rules: Rules
    name: str
    pause: Callable[[float], bool]
    watch: Watch | None = None


def create_invoice(
    engine: Engine,
    new: NewInvoice,
    *,
    actor: str,
    today: date,
    token: str | None = None,
    function: str | None = None,
    before_commit: Callable[[int], None] | None = None,
) -> int:
    """Writes invoice, allocations and sync record in one transaction and returns the invoice's id.

    A `token` that made an invoice before returns that one: a double click creates one invoice. Raises InvalidInvoice.
    """
    with writing(engine, PERSON) as conn:
        now = queueing_time(conn)
        if token and (earlier := _made_before(conn, token, now)) is not None:
            return earlier
        if function:
            invoice = _existing(conn, creation.create_by_function(conn, new, function))
        else:
            invoice = creation.create(conn, new, now=now, today=today)
        outbox.enqueue(conn, invoice, actor=clean_text(actor), now=now)
        if token:
            outbox.used_token(conn, token, invoice.invoice_id)
        if before_commit:
            before_commit(invoice.invoice_id)
    return invoice.invoice_id


def _existing(conn: Connection, invoice_id: int) -> Invoice:
    invoice = billing.read_invoice(conn, invoice_id)
    if invoice is None:
        raise UnknownInvoice(wording.unknown_invoice(invoice_id))
    return invoice


def _made_before(conn: Connection, token: str, now: datetime) -> int | None:
    return None if outbox.spend_token(conn, token, now=now) else outbox.used_token(conn, token)


def request_send(
    engine: Engine,
    invoice_id: int,
    rules: Rules,
    *,
    actor: str,
    seen_attempts: int | None = None,
    confirmed: Confirmed = Confirmed.UNCHANGED,
) -> Result:
    """Queues an invoice for sending now, adopting it first if it has no record. Raises UnknownInvoice."""
    with writing(engine, PERSON) as conn:
        now = queueing_time(conn)
        invoice = _existing(conn, invoice_id)
        outbox.adopt(conn, invoice, outbox.known_refusals(conn, rules.refusals, for_share=True), now=now)
        return outbox.request_send(
            conn,
            invoice,
            actor=clean_text(actor),
            now=now,
            refusals=rules.refusals,
            idempotent=rules.idempotent,
            seen_attempts=seen_attempts,
            confirmed=confirmed,
        )


def run_one(sender: Sender, invoice_id: int | None = None) -> bool:
    """Claims, sends and settles the next due invoice (or the one named); False when nothing was due."""
    try:
        started_at, claimed = _claim(sender, invoice_id)
        if claimed is outbox.UNRECOGNISED and recognise(sender):
            started_at, claimed = _claim(sender, invoice_id)
    except Unwitnessed as error:
        _note_obstacle(sender, str(error))
        return False
    if isinstance(claimed, Claim):
        _tell_gate(sender, claimed, _write_outcome(sender, claimed, _send(sender, claimed, started_at)))
    elif isinstance(claimed, outbox.Dropped):
        log.info("dropped invoice=%s status=%s", claimed.invoice_id, claimed.status)
    return isinstance(claimed, Claim | outbox.Dropped)


def _claim(sender: Sender, invoice_id: int | None) -> tuple[float, Claim | outbox.Dropped | str | None]:
    """Makes the claim (T1), and returns it with the reading of `uptime()` when it began."""
    claimed: Claim | outbox.Dropped | str | None = None
    try:
        with writing(sender.engine) as conn:
            started_at = uptime()  # after waiting for the write lock, and not later than the lease begins
            claimed = outbox.claim(
                conn,
                worker=sender.name,
                lease_s=sender.rules.lease_s,
                refusals=sender.rules.refusals,
                turns=sender.rules.turns,
                now=current_time(conn),
                invoice_id=invoice_id,
                idempotent=sender.rules.idempotent,
                watch=sender.watch,
            )
    except (DatabaseUnavailable, DBAPIError):
        if isinstance(claimed, Claim):
            # The commit may or may not have happened, but nothing was sent: if the claim stands, give it back.
            unsent = NoReply(why=Unsent.HELD_BACK, error="The database did not confirm the claim.", duration_ms=0)
            _write_outcome(sender, claimed, unsent)
        raise
    return started_at, claimed


def _send(sender: Sender, claimed: Claim, started_at: float) -> Reply | NoReply:
    """Tells the witness of a claim that is committed, and only then sends it."""
    if sender.watch and claimed.mark:
        try:
            sender.watch.note(claimed.mark)
        except Unwitnessed as error:
            _note_obstacle(sender, str(error))
            return NoReply(why=Unsent.HELD_BACK, error=str(error).rstrip("."), duration_ms=0)
        sender.watch.obstacle = None
    return sender.edge.send(claimed.invoice_id, claimed.request_id, not_after=started_at + SEND_WITHIN_S)


def recognise(sender: Sender) -> bool:
    """Tells whether this process may send from this database, after examining it where anything is not as it was."""
    watch = sender.watch
    if watch is None:
        return True
    before = watch.obstacle
    try:
        with reading(sender.engine) as conn:
            found = outbox.look_at_database(conn, watch)
        if found.is_verified(watch):
            watch.obstacle = None
            if found.told and found.newest != found.told.seen:
                watch.rebind(found.place, found.newest)
            return True
        with writing(sender.engine) as conn:
            is_fine = outbox.examine(conn, watch, now=queueing_time(conn))
    except Unwitnessed as error:
        watch.obstacle, is_fine = before, False
        _note_obstacle(sender, str(error))
    else:
        if watch.obstacle and watch.obstacle != before:
            log.warning("sends-nothing reason=%r", watch.obstacle)
    return is_fine


def _note_obstacle(sender: Sender, obstacle: str) -> None:
    assert sender.watch is not None
    if sender.watch.obstacle != obstacle:
        log.warning("sends-nothing reason=%r", obstacle)
    sender.watch.obstacle = obstacle


def send_now(sender: Sender, invoice_id: int, *, actor: str, confirmed: Confirmed = Confirmed.UNCHANGED) -> Result:
    """Sends one invoice now, in this thread, and returns where it stands afterwards. Raises UnknownInvoice."""
    requested = request_send(sender.engine, invoice_id, sender.rules, actor=actor, confirmed=confirmed)
    if not requested.done and requested.status is not Status.QUEUED:
        return requested
    run_one(sender, invoice_id)
    status = _current_status(sender, invoice_id)
    if status is Status.QUEUED and (obstacle := _obstacle(sender, invoice_id)):
        return Result(done=True, message=obstacle, invoice_id=invoice_id, status=status)
    while status is Status.SYNCING and sender.pause(LOOK_AGAIN_S):  # a worker was faster: its answer is awaited
        status = _current_status(sender, invoice_id)
    return Result(done=True, message=wording.STATUS_MEANINGS[status], invoice_id=invoice_id, status=status)


def _obstacle(sender: Sender, invoice_id: int) -> str | None:
    if sender.watch and sender.watch.obstacle:
        return sender.watch.obstacle
    with reading(sender.engine) as conn:
        return outbox.read_obstacle(conn, invoice_id, turns=sender.rules.turns, now=current_time(conn))


def _current_status(sender: Sender, invoice_id: int) -> Status:
    with reading(sender.engine) as conn:
        return outbox.current_status(conn, invoice_id)


def mind_gate(engine: Engine, patience: Patience = PROGRAM) -> None:
    """Closes or opens the gate as the last answers demand, or as somebody wished beside it; all workers hear of it."""
    with writing(engine, patience) as conn:
        before = outbox.read_gate(conn)
        gate = outbox.mind_gate(conn, now=queueing_time(conn))
    if gate.cause is not before.cause:
        log.warning("gate state=%s cause=%s reason=%r", gate.state, gate.cause or "-", gate.reason)


def _tell_gate(sender: Sender, claimed: Claim, verdict: Verdict) -> None:
    """Lets the gate look at an answer that may change it; if that fails now, the next such answer or the upkeep does."""
    answer = Answer(outcome=verdict.outcome, error_kind=verdict.error_kind, http_status=verdict.http_status)
    if not (claimed.is_probe or concerns_the_gate(answer)):
        return
    try:
        mind_gate(sender.engine)
    except (DatabaseUnavailable, DBAPIError) as error:
        log.warning("gate-not-minded error=%s", type(error).__name__)


def _write_outcome(sender: Sender, claimed: Claim, answer: Reply | NoReply) -> Verdict:
    """Writes what an attempt came to, and keeps trying while the database is away: the answer exists only here."""
    # What it means is read from the answer as it came; from here on its words are without secrets.
    verdict = sender.rules.blanker.verdict(classify(answer, sender.rules.refusals))
    jitter = random.random()
    guarded = False  # the billing database hardly ever refuses
    tries = 0
    while True:
        try:
            return _settle(sender, claimed, answer, verdict, jitter=jitter, guarded=guarded)
        except (DatabaseUnavailable, DBAPIError) as error:
            log.warning(
                "outcome-not-written invoice=%s number=%s outcome=%s document=%r error=%s",
                claimed.invoice_id,
                claimed.number,
                verdict.outcome,
                verdict.document_no,
                type(error).__name__,
            )
            if isinstance(error, DBAPIError) and not guarded:
                guarded = True
                continue
            if not sender.pause(PAUSES_S[min(tries, len(PAUSES_S) - 1)]):
                raise
            tries += 1


def _settle(
    sender: Sender, claimed: Claim, answer: Reply | NoReply, verdict: Verdict, *, jitter: float, guarded: bool
) -> Verdict:
    """Writes the outcome in one transaction (T2), and returns it as what people taught reads it."""
    with writing(sender.engine) as conn:
        verdict = _with_what_was_taught(conn, answer, verdict, sender.rules)
        settled = outbox.settle(
            conn,
            claimed,
            verdict,
            evidence_of(answer),
            waits_s=sender.rules.waits_s,
            jitter=jitter,
            now=current_time(conn),
            idempotent=sender.rules.idempotent,
            refusals=sender.rules.refusals,
            guarded=guarded,
        )
    _log_attempt(claimed, verdict, settled, answer.duration_ms)
    return verdict


def _with_what_was_taught(conn: Connection, answer: Reply | NoReply, verdict: Verdict, rules: Rules) -> Verdict:
    """Returns what an unclear answer means to people; a withdrawal waits for this transaction, or is seen by it."""
    if not is_unclear(verdict):
        return verdict
    known = outbox.known_refusals(conn, rules.refusals, for_share=True)
    # Taught from answers as they are stored: without secrets.
    stored = answer if isinstance(answer, NoReply) else rules.blanker.reply(answer)
    read = classify(stored, known)
    is_taught = any(refusal.taught and refusal.name == read.refusal for refusal in known)
    return rules.blanker.verdict(read) if is_taught else verdict


def evidence_of(answer: Reply | NoReply) -> outbox.Evidence:
    """Returns what is kept of an answer."""
    if isinstance(answer, NoReply):
        # What never left has no answering time, and the gate takes it for no answer.
        return outbox.Evidence(duration_ms=None if answer.why is Unsent.HELD_BACK else answer.duration_ms)
    headers = {name: clean_text(answer.headers[name]) for name in STORED_HEADERS if name in answer.headers}
    text = clean_text(answer.body[:STORED_BODY_BYTES].decode("utf-8", "replace"))
    # What was no UTF-8 has grown: three bytes for one.
    body = text.encode()[:STORED_BODY_BYTES].decode("utf-8", "ignore")
    return outbox.Evidence(headers=headers, body=body, duration_ms=answer.duration_ms)


def _log_attempt(claimed: Claim, verdict: Verdict, settled: outbox.Settled, duration_ms: int) -> None:
    level = logging.INFO if settled.status in (Status.SYNCED, Status.NOT_NEEDED) else logging.WARNING
    log.log(
        level,
        "attempt invoice=%s number=%s trigger=%s outcome=%s kind=%s status=%s http=%s ms=%s document=%r error=%r",
        claimed.invoice_id,
        claimed.number,
        claimed.trigger,
        verdict.outcome,
        verdict.error_kind or "-",
        settled.status or "-",
        verdict.http_status or "-",
        duration_ms,
        verdict.document_no,
        verdict.error[:300] if verdict.error else None,
    )
    if settled.warning:
        log.error("attention invoice=%s number=%s warning=%r", claimed.invoice_id, claimed.number, settled.warning)
