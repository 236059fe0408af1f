"""The situation that alerts are decided from, in a few queries over our own indexes; and what people were told already."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, func, or_, select

from toc_sync.alerting import (
    LOOKED_BACK,
    NEW_GROUP,
    OLD_DOUBT,
    DueDay,
    GroupFacts,
    Incident,
    Situation,
    first_day_of_interest,
    told_groups,
)
from toc_sync.model import NEEDS_ATTENTION, ON_ITS_WAY, ErrorKind, Outcome, Status
from toc_sync.status.gate import read_gate_view
from toc_sync.status.overview import ALIVE_FOR
from toc_sync.tables import error_groups, incidents
from toc_sync.tables import sync_attempts as attempts
from toc_sync.tables import sync_records as records
from toc_sync.tables import sync_workers as workers

NOT_THERE = (Status.NOT_SYNCED, *ON_ITS_WAY, *NEEDS_ATTENTION)
"""Not known to be in TOC Online, and needed there."""

_SUMS = (records.c.currency_code, func.count(), func.sum(records.c.total_amount))


def read_incidents(conn: Connection, *, now: datetime) -> tuple[Incident, ...]:
    """Returns the open incidents, and those that were over recently."""
    recent = or_(incidents.c.closed_at.is_(None), incidents.c.closed_at > now - NEW_GROUP)
    return tuple(
        Incident(subject=row["subject"], message=row["message"], opened_at=row["opened_at"], closed_at=row["closed_at"])
        for row in conn.execute(select(incidents).where(recent)).mappings()
    )


def read_situation(
    conn: Connection, known: Sequence[Incident], *, today: date, due_by: date, now: datetime
) -> Situation:
    """Returns what is so now; `due_by` is the last deadline that is near, `known` are the incidents so far."""
    waiting, oldest_waiting_at = conn.execute(
        select(func.count(), func.min(records.c.queued_at)).where(records.c.status.in_(ON_ITS_WAY))
    ).one()
    old_doubts, doubt_amounts, oldest_doubt_at = _old_doubts(conn, now)
    return Situation(
        groups=_groups(conn, known, now),
        waiting=waiting,
        oldest_waiting_at=oldest_waiting_at,
        attempts=_recent_attempts(conn, now),
        old_doubts=old_doubts,
        doubt_amounts=doubt_amounts,
        oldest_doubt_at=oldest_doubt_at,
        gate=read_gate_view(conn, now=now),
        workers_alive=count_workers(conn, now=now)[0],
        due=_due(conn, first_day_of_interest(known, today=today), due_by),
        today=today,
    )


def count_workers(conn: Connection, *, now: datetime) -> tuple[int, int]:
    """Returns how many programs that send are alive, and how many invoices they can send at once."""
    alive = (workers.c.threads > 0) & (workers.c.last_seen_at > now - ALIVE_FOR)
    count, threads = conn.execute(select(func.count(), func.sum(workers.c.threads)).where(alive)).one()
    return count, threads or 0


def _old_doubts(conn: Connection, now: datetime) -> tuple[int, dict[str, Decimal], datetime | None]:
    old = (records.c.status == Status.IN_DOUBT) & (records.c.doubt_since <= now - OLD_DOUBT)
    query = select(
        records.c.currency_code, func.count(), func.sum(records.c.total_amount), func.min(records.c.doubt_since)
    )
    found = conn.execute(query.where(old).group_by(records.c.currency_code)).all()
    return sum(row[1] for row in found), {row[0]: row[2] for row in found}, min((row[3] for row in found), default=None)


def _recent_attempts(conn: Connection, now: datetime) -> dict[Outcome, int]:
    recent = (attempts.c.finished_at > now - LOOKED_BACK) & attempts.c.outcome.is_not(None)
    query = select(attempts.c.outcome, func.count()).where(recent).group_by(attempts.c.outcome)
    return {Outcome(outcome): count for outcome, count in conn.execute(query)}


def _groups(conn: Connection, known: Sequence[Incident], now: datetime) -> tuple[GroupFacts, ...]:
    """Returns the groups that are new, and those that were told and are not over, with the invoices they still hold."""
    new = conn.execute(select(error_groups.c.key).where(error_groups.c.first_seen_at > now - NEW_GROUP)).scalars()
    keys = {*new, *told_groups(known)}
    return _grouped(conn, keys)


def _grouped(conn: Connection, keys: Collection[str]) -> tuple[GroupFacts, ...]:
    of_group = (error_groups.c.key, error_groups.c.error_kind, error_groups.c.refusal, error_groups.c.first_seen_at)
    query = (
        select(*of_group, *_SUMS)
        .select_from(records.join(error_groups, error_groups.c.key == records.c.error_group))
        .where(records.c.error_group.in_(keys), records.c.status.in_(NEEDS_ATTENTION))
        .group_by(*of_group, records.c.currency_code)
    )
    return _as_groups(conn.execute(query)) if keys else ()


def _as_groups(rows: Iterable[Sequence[Any]]) -> tuple[GroupFacts, ...]:
    """Turns rows, one per group and currency, into one value per group."""
    found: dict[str, GroupFacts] = {}
    for key, kind, refusal, first_seen_at, currency, count, amount in rows:
        before = found.get(key)
        found[key] = GroupFacts(
            key=key,
            error_kind=ErrorKind(kind),
            refusal=refusal,
            first_seen_at=min(first_seen_at, before.first_seen_at) if before else first_seen_at,
            count=count + (before.count if before else 0),
            amounts={**(before.amounts if before else {}), currency: amount},
        )
    return tuple(found.values())


def _due(conn: Connection, first: date, last: date) -> tuple[DueDay, ...]:
    day = records.c.issue_deadline
    query = (
        select(day, records.c.currency_code, func.count(), func.sum(records.c.total_amount))
        .where(records.c.status.in_(NOT_THERE), day >= first, day <= last)
        .group_by(day, records.c.currency_code)
        .order_by(day)
    )
    days: dict[date, list[tuple[str, int, Decimal]]] = {}
    for due, currency, count, amount in conn.execute(query):
        days.setdefault(due, []).append((currency, count, amount))
    return tuple(
        DueDay(day=due, count=sum(part[1] for part in parts), amounts={part[0]: part[2] for part in parts})
        for due, parts in days.items()
    )
