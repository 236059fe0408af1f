"""Groups of errors: what went wrong, how often, what it is worth, who can put it right, and whether it is growing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import ColumnElement, Connection, Integer, RowMapping, cast, extract, func, select

from toc_sync import wording_groups as words
from toc_sync.database import is_postgresql
from toc_sync.model import NEEDS_ATTENTION, ErrorKind, Fixer, Refusal, Status
from toc_sync.tables import error_groups as groups
from toc_sync.tables import sync_attempts as attempts
from toc_sync.tables import sync_records as records
from toc_sync.views_groups import ErrorGroup

TREND_FOR = timedelta(days=7)
TREND_STEP = timedelta(hours=6)

_SEEN_AT = func.coalesce(records.c.last_attempt_at, records.c.doubt_since)


@dataclass(kw_only=True)
class _Count:
    """What is added up about one group."""

    statuses: dict[Status, int] = field(default_factory=lambda: defaultdict(int))
    amounts: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    vat: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    newest_doubt: int | None = None


def read_groups(conn: Connection, refusals: Sequence[Refusal], *, now: datetime) -> tuple[ErrorGroup, ...]:
    """Returns the groups of all failures and doubts, those with most invoices first, then those worth most."""
    counts = _counted(conn)
    known = {row["key"]: row for row in conn.execute(select(groups).where(groups.c.key.in_(counts))).mappings()}
    trends = _trends(conn, counts, now)
    by_name = {refusal.name: refusal for refusal in refusals}
    found = [
        _as_group(known[key], count, trends.get(key, {}), by_name) for key, count in counts.items() if key in known
    ]
    return tuple(sorted(found, key=lambda group: (-group.count, -group.worth, group.key)))


def _counted(conn: Connection) -> dict[str, _Count]:
    columns = (
        records.c.error_group,
        records.c.status,
        records.c.currency_code,
        func.count().label("count"),
        func.sum(records.c.total_amount).label("total"),
        func.sum(records.c.vat_amount).label("vat"),
        func.min(_SEEN_AT).label("first"),
        func.max(_SEEN_AT).label("last"),
        func.max(records.c.invoice_id).label("newest"),
    )
    query = select(*columns).where(records.c.status.in_(NEEDS_ATTENTION), records.c.error_group.is_not(None))
    found: dict[str, _Count] = defaultdict(_Count)
    for row in conn.execute(query.group_by(*columns[:3])).mappings():
        _add(found[row["error_group"]], row)
    return found


def _add(count: _Count, row: RowMapping) -> None:
    count.statuses[Status(row["status"])] += row["count"]
    count.amounts[row["currency_code"]] += row["total"]
    count.vat[row["currency_code"]] += row["vat"]
    count.first_seen_at = min(filter(None, (count.first_seen_at, row["first"])), default=None)
    count.last_seen_at = max(filter(None, (count.last_seen_at, row["last"])), default=None)
    if row["status"] == Status.IN_DOUBT:
        count.newest_doubt = max(count.newest_doubt or 0, row["newest"])


def _trends(conn: Connection, keys: Iterable[str], now: datetime) -> dict[str, dict[int, int]]:
    """Returns how many attempts of each group ended within each step of the last week."""
    since = now - TREND_FOR
    step = _step_of(conn, since).label("step")
    recent = attempts.c.error_group.in_(list(keys)), attempts.c.finished_at > since
    query = select(attempts.c.error_group, step, func.count()).where(*recent).group_by(attempts.c.error_group, step)
    found: dict[str, dict[int, int]] = defaultdict(dict)
    for key, number, count in conn.execute(query):
        found[key][number] = count
    return found


def _step_of(conn: Connection, since: datetime) -> ColumnElement[int]:
    step_s = int(TREND_STEP.total_seconds())
    if is_postgresql(conn):
        return cast(func.floor(extract("epoch", attempts.c.finished_at - since) / step_s), Integer)
    return (cast(func.strftime("%s", attempts.c.finished_at), Integer) - int(since.timestamp())) // step_s


def _as_group(row: RowMapping, count: _Count, trend: Mapping[int, int], refusals: Mapping[str, Refusal]) -> ErrorGroup:
    kind = ErrorKind(row["error_kind"])
    refusal = refusals.get(row["refusal"] or "")
    return ErrorGroup(
        key=row["key"],
        name=words.group_name(kind, row["refusal"], row["example"]),
        error_kind=kind,
        refusal=row["refusal"],
        example=row["example"],
        fixer=refusal.fixer if refusal else words.KIND_FIXERS.get(kind, Fixer.FINANCE),
        advice=refusal.remedy if refusal else words.group_advice(kind),
        failed=count.statuses[Status.FAILED],
        in_doubt=count.statuses[Status.IN_DOUBT],
        amounts=dict(count.amounts),
        vat=dict(count.vat),
        # What was taught is older than its group.
        first_seen_at=min(filter(None, (row["first_seen_at"], count.first_seen_at))),
        last_seen_at=count.last_seen_at,
        trend=tuple(trend.get(number, 0) for number in range(TREND_FOR // TREND_STEP)),
        newest_doubt=count.newest_doubt if kind is ErrorKind.SERVER_ERROR else None,
        note=row["note"],
        noted_by=row["noted_by"],
        noted_at=row["noted_at"],
    )
