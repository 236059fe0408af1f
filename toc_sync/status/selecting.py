"""Which invoices a batch acts on, and what acting on them would do: foretold with the conditions by which it starts."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Subquery, and_, case, false, func, or_, select

from toc_sync import policy, wording, wording_batches
from toc_sync.model import SENDABLE_INVOICE_STATUSES, Status
from toc_sync.outbox import read_gate
from toc_sync.outbox.records import DELETED
from toc_sync.status.invoices import matches
from toc_sync.status.overview import read_presence
from toc_sync.tables import batch_items as items
from toc_sync.tables import batches
from toc_sync.tables import sync_attempts as attempts
from toc_sync.tables import sync_records as records
from toc_sync.views import Refused
from toc_sync.views_batches import BatchKind, BatchPreview, ItemState, Pace, Selection

NAMED_AT_MOST = 3
LOOKED_AT_ANSWERS = 50

_INSTANTS = ("created_at", "invoice_created_at", "sendable_since", "last_attempt_at")
_KEYS = ("is_sendable", "status", "invoice_status", "is_locked", "is_due", "busy_batch")


def select_sendable(selection: Selection, *, now: datetime, idempotent: bool) -> Select[Any]:
    """Selects what of a selection may be sent now: position (oldest invoice date first), invoice id, number of tries."""
    found = _found(selection, now, idempotent=idempotent)
    order = (found.c.invoice_date.nulls_last(), found.c.invoice_id)
    position = func.row_number().over(order_by=order).label("position")
    return select(position, found.c.invoice_id, found.c.attempt_count).where(found.c.is_sendable == 1)


def preview_batch(
    conn: Connection, selection: Selection, *, now: datetime, idempotent: bool = False, per_issuer: int = 0
) -> BatchPreview:
    """Returns what acting on a selection would do now."""
    found = _found(selection, now, idempotent=idempotent)
    groups = conn.execute(_grouped(found)).mappings().all()
    sent = [group for group in groups if group["is_sendable"]]
    count = sum(group["count"] for group in sent)
    pace = read_pace(conn, now=now)
    return BatchPreview(
        description=wording_batches.described(selection),
        matching=sum(group["count"] for group in groups),
        count=count,
        amounts=_per_currency(sent, "total"),
        vat=_per_currency(sent, "vat"),
        refused=_refused(conn, found, [group for group in groups if not group["is_sendable"]], now, idempotent),
        in_doubt=sum(group["count"] for group in groups if group["status"] == Status.IN_DOUBT) if not idempotent else 0,
        dated_before=sum(group["dated_before"] for group in sent),
        first_date=min((group["first_date"] for group in sent if group["first_date"]), default=None),
        last_date=max((group["last_date"] for group in sent if group["last_date"]), default=None),
        pace=pace,
        duration_s=_capped(conn, found, pace, per_issuer).seconds_for(count),
        read_at=now,
    )


def read_pace(conn: Connection, *, now: datetime) -> Pace:
    """Returns how fast invoices go out at present."""
    threads = sum(worker.threads for worker in read_presence(conn, now=now) if worker.alive)
    answered = select(attempts.c.duration_ms).where(attempts.c.duration_ms.is_not(None))
    newest = conn.execute(answered.order_by(attempts.c.finished_at.desc()).limit(LOOKED_AT_ANSWERS)).scalars().all()
    answer_s = statistics.median(newest) / 1000 if newest else None
    return Pace(threads=threads, answer_s=answer_s, is_open=read_gate(conn).is_open)


def _capped(conn: Connection, found: Subquery, pace: Pace, per_issuer: int) -> Pace:
    """Returns the pace where each issuer may have only so many on their way at once."""
    if not per_issuer:
        return pace
    issuers = func.count(func.coalesce(found.c.issuer_team_id, 0).distinct())
    count: int = conn.execute(select(issuers).where(found.c.is_sendable == 1)).scalar_one()
    return replace(pace, threads=min(pace.threads, per_issuer * count))


def _found(selection: Selection, now: datetime, *, idempotent: bool) -> Subquery:
    """Selects what a selection finds, each with whether it may be sent now, and what speaks against it."""
    busy, newest = _busy(), _newest_documents()
    issuer = func.coalesce(records.c.issuer_team_id, 0)
    is_locked = and_(records.c.status == Status.NOT_SYNCED, _issued() > now - policy.ADOPTION_LOCK)
    is_due = and_(records.c.status == Status.QUEUED, ~_waits(now))
    in_time = or_(records.c.status.in_(_sendable_statuses(idempotent=idempotent)), _is_later(now))
    is_sendable = and_(
        records.c.invoice_status.in_(SENDABLE_INVOICE_STATUSES), in_time, ~is_locked, busy.c.batch_id.is_(None)
    )
    return (
        select(
            *(records.c[name] for name in ("invoice_id", "invoice_number", "invoice_date", "attempt_count", "status")),
            *(records.c[name] for name in ("invoice_status", "issuer_team_id", "currency_code")),
            records.c.total_amount,
            records.c.vat_amount,
            *(records.c[name] for name in _INSTANTS),
            busy.c.batch_id.label("busy_batch"),
            case((is_sendable, 1), else_=0).label("is_sendable"),
            case((is_locked, 1), else_=0).label("is_locked"),
            case((is_due, 1), else_=0).label("is_due"),
            case((records.c.invoice_date < newest.c.newest, 1), else_=0).label("dated_before"),
        )
        .select_from(
            records.outerjoin(busy, busy.c.invoice_id == records.c.invoice_id).outerjoin(
                newest, newest.c.issuer == issuer
            )
        )
        .where(*_conditions(selection, now))
        .subquery("found")
    )


def _sendable_statuses(*, idempotent: bool) -> tuple[Status, ...]:
    without_doubts = (Status.FAILED, Status.NOT_SYNCED)
    return (*without_doubts, Status.IN_DOUBT) if idempotent else without_doubts


def _conditions(selection: Selection, now: datetime) -> list[ColumnElement[bool]]:
    if selection.kind is BatchKind.IDS:
        return [records.c.invoice_id.in_(selection.invoice_ids)]
    if selection.kind is BatchKind.RETRY:
        return matches(selection.wanted, now)
    if selection.since is None or selection.until is None:
        return [false()]
    tried = records.c.last_attempt_at.between(selection.since, selection.until)
    created = _created().between(selection.since, selection.until)
    stuck = or_(records.c.status.in_((Status.FAILED, Status.IN_DOUBT)), _is_later(now))
    return [or_(and_(stuck, or_(created, tried)), and_(records.c.status == Status.NOT_SYNCED, created))]


def _is_later(now: datetime) -> ColumnElement[bool]:
    return and_(records.c.status == Status.QUEUED, _waits(now))


def _waits(now: datetime) -> ColumnElement[bool]:
    return func.coalesce(records.c.not_before, now) > now


def _created() -> ColumnElement[datetime]:
    return func.coalesce(records.c.invoice_created_at, records.c.created_at)


def _issued() -> ColumnElement[datetime]:
    """When the other application issued an invoice, at the latest, as `policy.facts_of` has it."""
    return func.coalesce(records.c.sendable_since, _created())


def _busy() -> Subquery:
    """Selects the invoices that wait in another batch."""
    waiting = select(items.c.invoice_id, func.max(items.c.batch_id).label("batch_id")).join(
        batches, batches.c.id == items.c.batch_id
    )
    of_open = waiting.where(batches.c.finished_at.is_(None), items.c.state == ItemState.WAITING)
    return of_open.group_by(items.c.invoice_id).subquery("busy")


def _newest_documents() -> Subquery:
    """Selects the newest date of each issuer's documents; invoices without an issuer are one issuer's."""
    newest = func.max(records.c.invoice_date).label("newest")
    query = select(records.c.issuer_team_id, newest).where(records.c.status == Status.SYNCED)
    per_issuer = query.group_by(records.c.issuer_team_id).subquery()
    return select(func.coalesce(per_issuer.c.issuer_team_id, 0).label("issuer"), per_issuer.c.newest).subquery("newest")


def _grouped(found: Subquery) -> Select[Any]:
    keys = [found.c[name] for name in (*_KEYS, "currency_code")]
    sums = (
        func.count().label("count"),
        func.sum(found.c.total_amount).label("total"),
        func.sum(found.c.vat_amount).label("vat"),
        func.sum(found.c.dated_before).label("dated_before"),
        func.min(found.c.invoice_date).label("first_date"),
        func.max(found.c.invoice_date).label("last_date"),
        *(func.max(found.c[name]).label(name) for name in _INSTANTS),
        func.max(found.c.attempt_count).label("attempt_count"),
    )
    return select(*keys, *sums).group_by(*keys)


def _per_currency(groups: Iterable[Mapping[Any, Any]], name: str) -> dict[str, Decimal]:
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    for group in groups:
        amounts[group["currency_code"]] += group[name]
    return dict(amounts)


def _refused(
    conn: Connection, found: Subquery, groups: Iterable[Mapping[Any, Any]], now: datetime, idempotent: bool
) -> tuple[Refused, ...]:
    counts: dict[str, int] = defaultdict(int)
    names: dict[str, list[str]] = defaultdict(list)
    for group in groups:
        why = _why_not(conn, group, now, idempotent=idempotent)
        counts[why] += group["count"]
        if len(names[why]) < NAMED_AT_MOST:
            names[why] += _names(conn, found, group)
    return tuple(
        Refused(why=why, count=count, names=tuple(names[why][:NAMED_AT_MOST]))
        for why, count in sorted(counts.items(), key=lambda each: -each[1])
    )


def _why_not(conn: Connection, group: Mapping[Any, Any], now: datetime, *, idempotent: bool) -> str:
    invoice_status = None if group["invoice_status"] == DELETED else group["invoice_status"]
    facts = policy.facts_of(group, invoice_status=invoice_status)
    why_not = policy.may_send(facts, now=now, idempotent=idempotent).why_not
    if why_not is None and group["busy_batch"] is not None:
        actor = conn.execute(select(batches.c.actor).where(batches.c.id == group["busy_batch"])).scalar_one()
        return wording_batches.in_batch(group["busy_batch"], actor)
    return why_not or wording.already_due()


def _names(conn: Connection, found: Subquery, group: Mapping[Any, Any]) -> list[str]:
    same = [found.c[name].is_not_distinct_from(group[name]) for name in (*_KEYS, "currency_code")]
    query = select(found.c.invoice_number, found.c.invoice_id).where(*same).order_by(found.c.invoice_id)
    return [number or f"Invoice {invoice_id}" for number, invoice_id in conn.execute(query.limit(NAMED_AT_MOST))]
