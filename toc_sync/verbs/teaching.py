"""Teaching a refusal and withdrawing it: the transactions, and what is checked before.

What follows for the invoices comes in batches, each in a transaction of its own. A program that stops in between leaves
nothing wrong: the rest stays in doubt, and teaching or withdrawing once more finishes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from toc_sync import outbox, status
from toc_sync import wording_teaching as words
from toc_sync.database import current_time, later_step, reading, writing
from toc_sync.lesson import lesson_of
from toc_sync.model import Fixer, Refusal
from toc_sync.patience import MANY
from toc_sync.views_teaching import TeachingResult

MAX_NAME = 60


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What a person says about an answer: its name, what to do then, who does it, and how they know."""

    name: str
    remedy: str
    fixer: Fixer
    reason: str

    @property
    def missing(self) -> str | None:
        """What is not said yet, as a sentence."""
        if not self.name or len(self.name) > MAX_NAME:
            return words.NAME_NEEDED
        if not self.remedy:
            return words.REMEDY_NEEDED
        return None if self.reason else words.REASON_NEEDED


def teach(
    engine: Engine, invoice_id: int, meaning: Meaning, shipped: Sequence[Refusal], *, actor: str
) -> TeachingResult:
    """Declares that the answer of this invoice always means that nothing was issued, and acts on it."""
    with reading(engine) as conn:
        preview = status.preview_teaching(conn, invoice_id, shipped)
    name = preview.known_as or meaning.name
    refused = preview.why_not or " ".join(preview.objections)
    with writing(engine, MANY) as conn:
        if not refused and preview.known_as is None:
            refused = meaning.missing or _learn(conn, invoice_id, meaning, shipped, actor=actor) or ""
        if refused:
            _log(conn, "teach", invoice_id, meaning.reason, refused, actor=actor, done=False)
            return TeachingResult(done=False, message=refused)
    with later_step():
        count, goes_on = _apply(engine, name, shipped, actor=actor)
    message = words.taught(count) if goes_on else words.stopped(count)
    with later_step(), writing(engine, MANY) as conn:
        _log(conn, "teach", None, meaning.reason, f"{name}: {message}", actor=actor, done=goes_on)
    return TeachingResult(done=goes_on, message=message, count=count)


def withdraw(engine: Engine, name: str, shipped: Sequence[Refusal], *, actor: str, reason: str) -> TeachingResult:
    """Takes a taught refusal back; what was failed because of it and was not sent since is in doubt again."""
    with writing(engine, MANY) as conn:
        refusal = outbox.taught_once(conn, name)
        refused = words.unknown_name(name) if refusal is None else None if reason else words.WITHDRAWAL_REASON_NEEDED
        if refusal is None or refused:
            _log(conn, "withdraw_refusal", None, reason, refused or "", actor=actor, done=False)
            return TeachingResult(done=False, message=refused or "")
        outbox.withdraw_refusal(conn, name, actor=actor, reason=reason, now=current_time(conn))
        stopped = outbox.stop_taught(conn, refusal, shipped, actor=actor, now=current_time(conn))
    with later_step():
        count = stopped + _undo(engine, refusal, shipped, actor=actor)
    message = words.withdrawn(count)
    with later_step(), writing(engine, MANY) as conn:
        _log(conn, "withdraw_refusal", None, reason, f"{name}: {message}", actor=actor, done=True)
    return TeachingResult(done=True, message=message, count=count)


def _learn(
    conn: Connection, invoice_id: int, meaning: Meaning, shipped: Sequence[Refusal], *, actor: str
) -> str | None:
    """Writes the refusal down, or returns why not."""
    unclear = outbox.unclear_one(conn, invoice_id)
    if unclear is None or unclear.reply is None:
        return words.NOT_IN_DOUBT
    if meaning.name in {refusal.name for refusal in shipped}:
        return words.name_taken(meaning.name)
    written = outbox.write_taught(
        conn,
        lesson_of(unclear.reply),
        name=meaning.name,
        remedy=meaning.remedy,
        fixer=meaning.fixer,
        reason=meaning.reason,
        actor=actor,
        now=current_time(conn),
    )
    return None if written else words.name_taken(meaning.name)


def _apply(engine: Engine, name: str, shipped: Sequence[Refusal], *, actor: str) -> tuple[int, bool]:
    """Returns how many invoices became failed, and whether the refusal held to the end."""
    count, last_id = 0, 0
    while True:
        with writing(engine, MANY) as conn:
            batch = outbox.apply_taught(conn, name, shipped, after_id=last_id, actor=actor, now=current_time(conn))
        if batch is None:
            return count, False
        count += batch.changed
        if batch.last_id is None:
            return count, True
        last_id = batch.last_id


def _undo(engine: Engine, refusal: Refusal, shipped: Sequence[Refusal], *, actor: str) -> int:
    count, last_id = 0, 0
    while True:
        with writing(engine, MANY) as conn:
            batch = outbox.undo_taught(conn, refusal, shipped, after_id=last_id, actor=actor, now=current_time(conn))
        count += batch.changed
        if batch.last_id is None:
            return count
        last_id = batch.last_id


def _log(
    conn: Connection, action: str, invoice_id: int | None, reason: str, result: str, *, actor: str, done: bool
) -> None:
    outbox.log_action(
        conn,
        actor=actor,
        action=action,
        invoice_id=invoice_id,
        reason=reason,
        done=done,
        result=result,
        now=current_time(conn),
    )
