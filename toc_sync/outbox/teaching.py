"""Taught refusals: what people declared to mean "nothing was issued", and what follows for the invoices in doubt.

An attempt and its answer stay as they are, as evidence; only the record and `api_response` change. Work on many
invoices comes in batches, so that no lock is held for long; each batch sees whether the refusal still holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, and_, exists, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from toc_sync import api_response, billing, policy
from toc_sync import wording_teaching as words
from toc_sync.account import earlier_account_of
from toc_sync.answer import read_body
from toc_sync.classify import classify
from toc_sync.database import is_postgresql
from toc_sync.lesson import Lesson, whole_answer
from toc_sync.model import ErrorKind, Outcome, Refusal, Reply, Status, Trigger, Verdict
from toc_sync.outbox.actions import log_action
from toc_sync.outbox.records import (
    ended_values,
    held_values,
    lock_record,
    remember_api_response,
    update_record,
)
from toc_sync.outbox.unclear import unclear_after, unclear_one
from toc_sync.refusals import taught_refusal
from toc_sync.tables import sync_attempts as attempts
from toc_sync.tables import sync_records as records
from toc_sync.tables import taught_refusals as table

BATCH = 100
"""How many invoices one transaction looks at: on SQLite nobody else writes meanwhile."""

_ON_ITS_WAY = (Status.QUEUED, Status.SYNCING)
_NOT_THERE = (Status.FAILED, Status.NOT_NEEDED, Status.NOT_SYNCED, *_ON_ITS_WAY)
_MAY_FIT = or_(
    and_(attempts.c.outcome == Outcome.IN_DOUBT, attempts.c.error_kind == ErrorKind.SERVER_ERROR),
    and_(attempts.c.outcome == Outcome.FAILED, attempts.c.error_kind == ErrorKind.REJECTED),
)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """How far a pass over the invoices came, and how many it changed; `last_id` is None at the end."""

    last_id: int | None
    changed: int


def taught(conn: Connection, *, for_share: bool = False) -> tuple[Refusal, ...]:
    """Returns the refusals that people taught and nobody withdrew, the oldest first.

    With `for_share` a withdrawal waits until this transaction is over, so that it finds what was written here.
    """
    query = select(table.c.name, table.c.pattern, table.c.remedy, table.c.fixer).where(table.c.withdrawn_at.is_(None))
    query = query.order_by(table.c.id)
    rows = conn.execute(query.with_for_update(read=True) if for_share else query)
    return tuple(_as_refusal(*row) for row in rows)


def known_refusals(conn: Connection, shipped: Sequence[Refusal], *, for_share: bool = False) -> tuple[Refusal, ...]:
    """Returns all refusals that are recognised now: the shipped ones, the operator's and the taught ones."""
    return (*shipped, *taught(conn, for_share=for_share))


def taught_once(conn: Connection, name: str) -> Refusal | None:
    """Returns the newest refusal that was ever taught under this name, withdrawn or not."""
    query = select(table.c.name, table.c.pattern, table.c.remedy, table.c.fixer).where(table.c.name == name)
    row = conn.execute(query.order_by(table.c.id.desc()).limit(1)).one_or_none()
    return _as_refusal(*row) if row else None


def write_taught(
    conn: Connection,
    lesson: Lesson,
    *,
    name: str,
    remedy: str,
    fixer: str,
    reason: str,
    actor: str,
    now: datetime,
) -> bool:
    """Writes down a new refusal; False when the name was taken meanwhile."""
    insert = postgresql.insert(table) if is_postgresql(conn) else sqlite.insert(table)
    values = {
        "name": name,
        "pattern": lesson.pattern,
        "example": lesson.example,
        "remedy": remedy,
        "fixer": fixer,
        "reason": reason,
        "taught_by": actor,
        "taught_at": now,
    }
    return conn.execute(insert.values(values).on_conflict_do_nothing().returning(table.c.id)).first() is not None


def apply_taught(
    conn: Connection, name: str, shipped: Sequence[Refusal], *, after_id: int, actor: str, now: datetime
) -> Batch | None:
    """Turns the next invoices in doubt whose answer is this refusal into failed; None when it was withdrawn."""
    known = known_refusals(conn, shipped, for_share=True)
    if name not in {refusal.name for refusal in known}:
        return None
    found = unclear_after(conn, after_id, at_most=BATCH)
    # In ascending order, as everywhere where several records are locked.
    fitting = [each.invoice_id for each in found if _refusal_in(each.verdict(known)) == name]
    changed = sum(_fail(conn, invoice_id, name, known, actor, now) for invoice_id in fitting)
    return Batch(last_id=found[-1].invoice_id if len(found) == BATCH else None, changed=changed)


def withdraw_refusal(conn: Connection, name: str, *, actor: str, reason: str, now: datetime) -> bool:
    """Ends a taught refusal; answers are no longer recognised by it. False when none of this name is active."""
    ended = {"withdrawn_by": actor, "withdrawn_at": now, "withdrawn_reason": reason}
    active = and_(table.c.name == name, table.c.withdrawn_at.is_(None))
    return conn.execute(table.update().where(active).values(ended)).rowcount > 0


def undo_taught(
    conn: Connection, refusal: Refusal, shipped: Sequence[Refusal], *, after_id: int, actor: str, now: datetime
) -> Batch:
    """Puts the next invoices that count as failed only because of a withdrawn refusal back to in doubt.

    Also those that wait to be sent again, and those whose tries since then certainly arrived nowhere.
    """
    query = _may_rest_on(refusal).where(records.c.invoice_id > after_id)
    ids = conn.execute(query.limit(BATCH)).scalars().all()
    known = known_refusals(conn, shipped)
    changed = sum(_doubt_again(conn, invoice_id, refusal, known, actor, now) for invoice_id in ids)
    return Batch(last_id=ids[-1] if len(ids) == BATCH else None, changed=changed)


def stop_taught(conn: Connection, refusal: Refusal, shipped: Sequence[Refusal], *, actor: str, now: datetime) -> int:
    """Does the same at once for all that wait or are being sent, and returns how many went back to in doubt.

    In the transaction of the withdrawal: afterwards none of them would be known to leave no more.
    """
    query = _may_rest_on(refusal).where(records.c.status.in_(_ON_ITS_WAY))
    known = known_refusals(conn, shipped)
    return sum(
        _doubt_again(conn, invoice_id, refusal, known, actor, now) for invoice_id in conn.execute(query).scalars().all()
    )


def doubt_if_withdrawn(
    conn: Connection, record: Mapping[Any, Any], shipped: Sequence[Refusal], *, actor: str, now: datetime
) -> bool:
    """Puts a failed invoice back to in doubt if it counts as failed because of a refusal that was withdrawn since."""
    names = {record["refusal"], record["rests_on"]} - {None} - {refusal.name for refusal in shipped}
    if record["status"] != Status.FAILED or not names:
        return False
    known = known_refusals(conn, shipped)
    for name in sorted(names - {refusal.name for refusal in known}):
        refusal = taught_once(conn, name)
        if refusal and _doubt_again(conn, record["invoice_id"], refusal, known, actor, now):
            return True
    return False


def _may_rest_on(refusal: Refusal) -> Select[int]:
    """Selects, in the order of their ids, all invoices that may count as not issued because of this refusal.

    In ascending order, as everywhere where several records are locked.
    """
    told = and_(attempts.c.invoice_id == records.c.invoice_id, attempts.c.response_body.is_not(None), _MAY_FIT)
    may_rest_on_it = or_(
        records.c.refusal == refusal.name,
        records.c.rests_on == refusal.name,
        and_(records.c.status.in_((Status.FAILED, *_ON_ITS_WAY)), records.c.attempt_count <= 1),
        exists().where(told),
    )
    query = select(records.c.invoice_id).where(records.c.status.in_(_NOT_THERE), may_rest_on_it)
    return query.order_by(records.c.invoice_id)


@lru_cache(maxsize=256)  # every unclear answer asks for it, and checking a pattern takes longer than using it
def _as_refusal(name: str, pattern: str, remedy: str, fixer: str) -> Refusal:
    return taught_refusal(name, pattern, remedy, fixer)


def _refusal_in(verdict: Verdict | None) -> str | None:
    return verdict.refusal if verdict else None


def _fail(conn: Connection, invoice_id: int, name: str, known: Sequence[Refusal], actor: str, now: datetime) -> bool:
    """Turns one invoice into failed, if its answer still is its last word."""
    lock_record(conn, invoice_id)
    is_there, current = billing.lock_api_response(conn, invoice_id)
    unclear = unclear_one(conn, invoice_id)
    verdict = unclear.verdict(known) if unclear else None
    if unclear is None or verdict is None or verdict.refusal != name or api_response.is_success(current):
        return False
    _rewrite(conn, invoice_id, verdict, Status.FAILED, now)
    if is_there and unclear.attempt_count:  # what others wrote about their own try stays as they wrote it
        value = api_response.failed(verdict, at=now, attempt=unclear.attempt_count)
        billing.write_api_response(conn, invoice_id, value)
        remember_api_response(conn, invoice_id)
    _log(conn, invoice_id, "teach", words.taught_as(name), actor, now)
    return True


def _doubt_again(
    conn: Connection, invoice_id: int, refusal: Refusal, known: Sequence[Refusal], actor: str, now: datetime
) -> bool:
    """Puts one invoice back to in doubt, if nothing but the refusal says that it is not in TOC Online."""
    record = lock_record(conn, invoice_id)
    is_there, current = billing.lock_api_response(conn, invoice_id)
    if record is None or api_response.is_success(current) or not _rests_on(conn, record, current, refusal, known):
        return False
    reply = next(_words(conn, record, current), None)
    said = classify(reply, ()) if reply else None
    verdict = Verdict(
        outcome=Outcome.IN_DOUBT,
        error_kind=ErrorKind.SERVER_ERROR,
        error=said.error if said else record["error"],
        http_status=said.http_status if said else record["http_status"],
    )
    is_on_the_wire = record["status"] == Status.SYNCING
    if is_on_the_wire:
        update_record(conn, invoice_id, held_values(ErrorKind.SERVER_ERROR), now=now)
    else:
        _rewrite(conn, invoice_id, verdict, Status.IN_DOUBT, now, doubt_retries=policy.DOUBT_RETRIES)
    if is_there and record["attempt_count"]:
        value = api_response.in_doubt(verdict, at=now, attempt=record["attempt_count"])
        billing.write_api_response(conn, invoice_id, value)
        remember_api_response(conn, invoice_id)
    said_now = words.withdrawn_while_sent(refusal.name) if is_on_the_wire else words.withdrawn_from(refusal.name)
    _log(conn, invoice_id, "withdraw_refusal", said_now, actor, now)
    return not is_on_the_wire


def _rests_on(
    conn: Connection, record: RowMapping, current: object, refusal: Refusal, known: Sequence[Refusal]
) -> bool:
    status = Status(record["status"])
    if status not in _NOT_THERE or record["open_doubt"]:
        return False
    if status is Status.FAILED and record["refusal"] == refusal.name:
        return True
    if record["rests_on"] == refusal.name:
        return True
    replies = _words(conn, record, current)
    return any(_is_said_by(refusal, reply, known) for reply in replies)


def _is_said_by(refusal: Refusal, reply: Reply, known: Sequence[Refusal]) -> bool:
    """Tells whether an answer is this refusal; also where an earlier version took it for that."""
    is_earlier = refusal.pattern.search(earlier_account_of(read_body(reply.body))) is not None
    return is_earlier or classify(reply, (*known, refusal)).refusal == refusal.name


def _words(conn: Connection, record: RowMapping, current: object) -> Iterator[Reply]:
    """Yields the function's answers since a person last looked the invoice up, the newest first.

    All of them: that a later try issued nothing says nothing about an earlier one.
    """
    if record["status"] == Status.QUEUED and record["trigger"] == Trigger.SEND_AGAIN:
        return
    of_invoice = select(attempts).where(attempts.c.invoice_id == record["invoice_id"])
    for attempt in conn.execute(of_invoice.order_by(attempts.c.number.desc())).mappings().all():
        if reply := whole_answer(attempt["http_status"], attempt["response_headers"], attempt["response_body"]):
            yield reply
        if attempt["trigger"] == Trigger.SEND_AGAIN:
            return
    if theirs := api_response.answer_to_others(current):
        yield theirs


def _rewrite(
    conn: Connection, invoice_id: int, verdict: Verdict, status: Status, now: datetime, **more: object
) -> None:
    values = ended_values() | {
        "status": status,
        "error_kind": verdict.error_kind,
        "error": verdict.error,
        "refusal": verdict.refusal,
        "http_status": verdict.http_status,
    }
    update_record(conn, invoice_id, values | more, now=now)


def _log(conn: Connection, invoice_id: int, action: str, result: str, actor: str, now: datetime) -> None:
    log_action(conn, actor=actor, action=action, invoice_id=invoice_id, reason=None, done=True, result=result, now=now)
