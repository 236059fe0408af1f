"""What teaching an answer would do: how often it was seen, which invoices it frees, and what speaks against it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, exists, func, or_, select

from toc_sync import outbox
from toc_sync import wording_teaching as words
from toc_sync.account import account_of
from toc_sync.answer import read_text
from toc_sync.classify import classify
from toc_sync.lesson import Lesson, lesson_of, why_not
from toc_sync.likeness import words_of
from toc_sync.model import ErrorKind, Fixer, Outcome, Refusal, Status
from toc_sync.refusals import taught_refusal
from toc_sync.tables import sync_attempts as attempts
from toc_sync.tables import sync_records as records
from toc_sync.tables import taught_refusals as table
from toc_sync.views_teaching import TaughtRow, TeachingPreview

LOOKED_AT_MOST = 10_000
"""How many past answers that may be alike are read, the newest first."""

_BATCH = 500
_OBJECTIONS_AT_MOST = 3
_CANDIDATE = "candidate"
_SHOWN_FREE = re.compile(r"<[a-z]+>")
"""What stands in a form for what differs from one answer to the next; no word of the answer."""


def preview_teaching(conn: Connection, invoice_id: int, shipped: Sequence[Refusal]) -> TeachingPreview:
    """Returns what teaching the answer of this invoice would do; changes nothing."""
    unclear = outbox.unclear_one(conn, invoice_id)
    if unclear is None:
        return TeachingPreview(why_not=words.NOT_IN_DOUBT)
    known = outbox.known_refusals(conn, shipped)
    if unclear.reply is None:
        return TeachingPreview(why_not=words.NO_ANSWER)
    lesson = lesson_of(unclear.reply)
    held_by = classify(unclear.reply, known).refusal
    is_taught = any(refusal.taught and refusal.name == held_by for refusal in known)
    if not is_taught and (refused := why_not(unclear.reply, known)):
        return TeachingPreview(why_not=refused, example=lesson.example)
    refusal = taught_refusal(_CANDIDATE, lesson.pattern, "-", Fixer.FINANCE)
    preview = _counted(conn, TeachingPreview(why_not=None, example=lesson.example), (*known, refusal), held_by)
    if unclear.verdict((*known, refusal)) is None:
        preview = replace(preview, why_not=words.WRITTEN_BY_OTHERS)
    seen, objections = _past(conn, lesson, refusal)
    return replace(
        preview,
        known_as=held_by,
        form=lesson.form,
        suggested_name=" ".join(words_of(_SHOWN_FREE.sub(" ", lesson.form))[:5])[:60],
        suggested_remedy=words.suggested_remedy(lesson.form)[0],
        suggested_fixer=words.suggested_remedy(lesson.form)[1],
        past_answers=seen,
        objections=tuple(dict.fromkeys(objections))[:_OBJECTIONS_AT_MOST],
    )


def read_taught(conn: Connection) -> tuple[TaughtRow, ...]:
    """Returns the refusals that people taught and nobody withdrew, the newest first."""
    failed = select(func.count()).where(records.c.status == Status.FAILED, records.c.refusal == table.c.name)
    query = select(table, failed.scalar_subquery().label("failed")).where(table.c.withdrawn_at.is_(None))
    rows = conn.execute(query.order_by(table.c.id.desc())).mappings()
    return tuple(
        TaughtRow(
            name=row["name"],
            example=row["example"],
            remedy=row["remedy"],
            fixer=Fixer(row["fixer"]),
            reason=row["reason"],
            taught_by=row["taught_by"],
            taught_at=row["taught_at"],
            failed=row["failed"],
        )
        for row in rows
    )


def _counted(
    conn: Connection, preview: TeachingPreview, known: Sequence[Refusal], held_by: str | None
) -> TeachingPreview:
    """Adds how many invoices in doubt would become retryable, and what they are worth."""
    name = held_by or _CANDIDATE
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    count = 0
    for unclear in _all_unclear(conn):
        verdict = unclear.verdict(known)
        if verdict and verdict.refusal == name:
            count += 1
            amounts[unclear.currency_code] += unclear.total_amount
    return replace(preview, count=count, amounts=dict(amounts))


def _all_unclear(conn: Connection) -> Iterator[outbox.Unclear]:
    last_id = 0
    while found := outbox.unclear_after(conn, last_id, at_most=_BATCH):
        yield from found
        last_id = found[-1].invoice_id


def _past(conn: Connection, lesson: Lesson, refusal: Refusal) -> tuple[int, list[str]]:
    """Returns how many past answers are like this one, and after which of them a document was found."""
    seen, objections = 0, []
    with conn.execute(_past_answers(lesson), execution_options={"yield_per": _BATCH}) as found:
        for row in found.mappings():
            # A document that followed the same words is an objection, whatever status came with them.
            if refusal.pattern.search(account_of(lesson.http_status, read_text(row["response_body"]))):
                seen += row["http_status"] == lesson.http_status
                objections += _objection(row)
    return seen, objections


def _past_answers(lesson: Lesson) -> Any:
    later = attempts.alias("later")
    issued_later = exists().where(
        later.c.invoice_id == attempts.c.invoice_id,
        later.c.number > attempts.c.number,
        later.c.outcome == Outcome.SYNCED,
    )
    of_interest = or_(
        attempts.c.outcome.in_((Outcome.IN_DOUBT, Outcome.SYNCED)),
        and_(attempts.c.outcome == Outcome.FAILED, attempts.c.error_kind == ErrorKind.REJECTED),
    )
    columns = (
        attempts.c.invoice_id,
        attempts.c.outcome,
        attempts.c.http_status,
        attempts.c.response_body,
        records.c.status,
        records.c.document_no,
        records.c.invoice_number,
        issued_later.label("issued_later"),
    )
    return (
        select(*columns)
        .select_from(attempts.outerjoin(records, records.c.invoice_id == attempts.c.invoice_id))
        .where(of_interest, attempts.c.response_body.icontains(lesson.fragment, autoescape=True))
        .order_by(attempts.c.id.desc())
        .limit(LOOKED_AT_MOST)
    )


def _objection(row: RowMapping) -> list[str]:
    """A document that came with this answer, or that nobody knows to have come from a later try."""
    came_with_it = row["outcome"] == Outcome.SYNCED
    found_after_it = row["status"] == Status.SYNCED and not row["issued_later"]
    if not came_with_it and not found_after_it:
        return []
    return [words.document_followed(row["invoice_number"] or str(row["invoice_id"]), row["document_no"])]
