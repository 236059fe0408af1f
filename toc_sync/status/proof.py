"""The proof: each invariant of the outbox as one query that finds the invoices which break it.

Reads only, in the caller's connection. What SQL cannot tell for sure about an `api_response`, the reader of that column
decides, so that nothing is reported that every other room would read differently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, cached_property
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Text, and_, bindparam, case, cast, exists, func, or_, select

from toc_sync import api_response
from toc_sync.billing import fingerprint_of
from toc_sync.database import is_postgresql
from toc_sync.model import Outcome, Status, Trigger
from toc_sync.tables import Instant
from toc_sync.tables import issued_client_invoices as invoices
from toc_sync.tables import sync_attempts as attempts
from toc_sync.tables import sync_records as records
from toc_sync.views import Proof

OVERDUE = timedelta(minutes=1)
"""How long after its lease an attempt may stay open, and an invoice may go without a record."""

_BATCH = 1_000
_LATEST = bindparam("latest", type_=Instant)

_is_open = attempts.c.finished_at.is_(None)
_is_synced = attempts.c.outcome == Outcome.SYNCED
_of_record = attempts.c.invoice_id == records.c.invoice_id


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rule:
    """One invariant: what it looks at, and which of those seem to break it (the id, perhaps with `api_response`)."""

    sentence: str
    among: Select[Any]
    suspects: Select[Any]
    is_broken: Callable[[object], bool] | None = None

    @cached_property
    def counted(self) -> Select[Any]:
        """The query for how many rows are looked at."""
        return select(func.count()).select_from(self.among.subquery())


def prove(conn: Connection, *, now: datetime) -> tuple[Proof, ...]:
    """Returns, for each invariant, how many rows were looked at and which invoices break it."""
    bounds = {_LATEST.key: now - OVERDUE}
    return tuple(_checked(conn, rule, bounds) for rule in _rules(on_postgresql=is_postgresql(conn)))


@cache
def _rules(*, on_postgresql: bool) -> tuple[_Rule, ...]:
    return (*_about_attempts(), *_about_records(), *_about_answers(on_postgresql=on_postgresql), *_about_documents())


def _checked(conn: Connection, rule: _Rule, bounds: dict[str, datetime]) -> Proof:
    checked = conn.execute(rule.counted, bounds).scalar_one()
    with conn.execute(rule.suspects, bounds, execution_options={"yield_per": _BATCH}) as found:
        broken = {row[0] for row in found if rule.is_broken is None or rule.is_broken(row[1])}
    return Proof(sentence=rule.sentence, checked=checked, invoice_ids=tuple(sorted(broken)))


def _about_attempts() -> Iterator[_Rule]:
    open_attempts = select(attempts.c.invoice_id).where(_is_open)
    per_invoice = select(attempts.c.invoice_id).group_by(attempts.c.invoice_id)
    syncing = select(records.c.invoice_id).where(records.c.status == Status.SYNCING)
    number = attempts.c.number
    yield _Rule(
        sentence="An invoice has at most one open attempt.",
        among=open_attempts,
        suspects=per_invoice.where(_is_open).having(func.count() > 1),
    )
    yield _Rule(
        sentence="The attempts of an invoice are numbered 1, 2, 3 without gaps.",
        among=per_invoice,
        suspects=per_invoice.having(
            or_(
                func.min(number) != 1,
                func.max(number) != func.count(),
                func.count(number.distinct()) != func.count(),
            )
        ),
    )
    its_claim = and_(_of_record, _is_open, attempts.c.request_id == records.c.claim_id)
    yield _Rule(
        sentence="What is being sent has its own open attempt and a lease.",
        among=syncing,
        suspects=syncing.where(or_(~exists().where(its_claim), records.c.lease_until.is_(None))),
    )
    yield _Rule(
        sentence="An open attempt belongs to an invoice that is being sent.",
        among=open_attempts,
        suspects=open_attempts.where(~exists().where(_of_record, records.c.status == Status.SYNCING)),
    )
    yield _Rule(
        sentence="No attempt is open after its lease.",
        among=syncing,
        suspects=syncing.where(records.c.lease_until < _LATEST),
    )


def _about_records() -> Iterator[_Rule]:
    highest = select(func.max(attempts.c.number)).where(_of_record).scalar_subquery()
    settled = select(records.c.invoice_id).where(records.c.status != Status.SYNCING)
    yield _Rule(
        sentence="A record counts as many attempts as there are.",
        among=settled,
        suspects=settled.where(records.c.attempt_count != func.coalesce(highest, 0)),
    )
    undelivered = (
        select(records.c.invoice_id)
        .join(attempts, and_(_of_record, attempts.c.number == records.c.attempt_count))
        .where(attempts.c.outcome == Outcome.UNDELIVERED)
    )
    at_once = and_(records.c.trigger == Trigger.AUTOMATIC, records.c.not_before.is_(None))
    yield _Rule(
        sentence="What did not arrive waits for its next try, or no longer needs one.",
        among=undelivered,
        suspects=undelivered.where(
            or_(records.c.status == Status.SYNCING, and_(records.c.status == Status.QUEUED, at_once))
        ),
    )
    queued = select(records.c.invoice_id).where(records.c.status == Status.QUEUED)
    asked_for = and_(*(column.is_not(None) for column in (records.c.trigger, records.c.requested_by)))
    yield _Rule(
        sentence="What waits to be sent says who asked for it.", among=queued, suspects=queued.where(~asked_for)
    )
    is_old = or_(invoices.c.created_at.is_(None), invoices.c.created_at < _LATEST)
    old = select(invoices.c.id).where(is_old)
    yield _Rule(
        sentence="Every invoice older than a minute has a record.",
        among=old,
        suspects=old.where(~exists().where(records.c.invoice_id == invoices.c.id)),
    )


def _about_answers(*, on_postgresql: bool) -> Iterator[_Rule]:
    answer = invoices.c.api_response
    success, written_status, written_attempt = (
        _field(name, on_postgresql=on_postgresql) for name in ("success", "status", "attempt")
    )
    standing = select(records.c.invoice_id, answer).join(invoices, invoices.c.id == records.c.invoice_id)
    synced = standing.where(records.c.status == Status.SYNCED)
    yield _Rule(
        sentence="A synced invoice says so in billing, unless it was deleted there.",
        among=synced,
        suspects=synced.where(success.is_distinct_from("true")),
        is_broken=lambda value: not api_response.is_success(value),
    )
    failed = standing.where(records.c.status == Status.FAILED)
    names_document = cast(answer, Text).contains("document_no")
    yield _Rule(
        sentence="A failed invoice does not say in billing that it succeeded.",
        among=failed,
        suspects=failed.where(answer.is_not(None), or_(success.is_distinct_from("false"), names_document)),
        is_broken=api_response.is_success,
    )
    failed_here = select(records.c.invoice_id).where(records.c.status == Status.FAILED)
    yield _Rule(
        sentence="No attempt of a failed invoice succeeded.",
        among=failed_here,
        suspects=failed_here.where(exists().where(_of_record, _is_synced)),
    )
    in_doubt = standing.where(records.c.status == Status.IN_DOUBT)
    # What we wrote about an attempt that ended in doubt; others may write what they like.
    named = and_(_of_record, cast(attempts.c.number, Text) == written_attempt, attempts.c.outcome == Outcome.IN_DOUBT)
    written_here = and_(fingerprint_of(answer) == records.c.api_fingerprint, exists().where(named))
    yield _Rule(
        sentence="An invoice in doubt is not offered in billing as a plain failure.",
        among=in_doubt,
        suspects=in_doubt.where(written_here, written_status.in_(("failed", "queued"))),
    )


def _about_documents() -> Iterator[_Rule]:
    synced = select(records.c.invoice_id).where(records.c.document_no.is_not(None))
    number, other = func.lower(records.c.document_no), records.alias("other")
    taken = (
        select(records.c.issuer_team_id, number.label("number"))
        .where(records.c.document_no.is_not(None))
        .group_by(records.c.issuer_team_id, number)
        .having(func.count() > 1)
        .subquery()
    )
    same_issuer = taken.c.issuer_team_id.is_not_distinct_from(other.c.issuer_team_id)
    same = and_(taken.c.number == func.lower(other.c.document_no), same_issuer)
    yield _Rule(
        sentence="A document number belongs to one invoice of its issuer.",
        among=synced,
        suspects=select(other.c.invoice_id).join(taken, same),
    )
    successes = select(attempts.c.invoice_id).where(_is_synced).group_by(attempts.c.invoice_id)
    document = func.lower(attempts.c.document_no)
    yield _Rule(
        sentence="An invoice has one document (otherwise: possible duplicate).",
        among=successes,
        suspects=successes.outerjoin(records, _of_record).having(
            or_(func.count(document.distinct()) > 1, func.max(document) != func.max(number))
        ),
    )


def _field(name: str, *, on_postgresql: bool) -> ColumnElement[str | None]:
    """Returns the SQL expression for one field of `api_response` as text; null where it holds no object."""
    column = invoices.c.api_response
    if on_postgresql:
        return func.jsonb_extract_path_text(column, name)
    path = f"$.{name}"
    kind = func.json_type(column, path)
    found = case((kind.in_(("true", "false")), kind), else_=cast(func.json_extract(column, path), Text))
    # SQLite checks no JSON when it is written, and fails on what is none.
    return case((func.json_valid(cast(column, Text)) == 1, found))
