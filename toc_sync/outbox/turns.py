"""Turns: which due invoices may go out now, by their dates and by how much of their issuer is in flight.

A certified series refuses a date before its last document, so an issuer's invoices go out in the order of their dates.
Conditions and locks for claims only; writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    or_,
    select,
    tuple_,
)

from toc_sync import wording
from toc_sync.database import is_postgresql
from toc_sync.model import Status
from toc_sync.tables import Instant
from toc_sync.tables import sync_records as records

_NO_ISSUER = 0
"""Stands for the issuer of invoices without one, which are treated as one issuer's."""


@dataclass(frozen=True, kw_only=True)
class Turns:
    """How an issuer's invoices take turns: by date or not, and how many at once (0: no limit)."""

    date_order: bool = True
    per_issuer: int = 0


def has_its_turn(turns: Turns) -> ColumnElement[bool]:
    """Returns the condition that a record is due and neither its date nor its issuer's limit holds it back.

    The instant to compare with is the statement's parameter `now`.
    """
    conditions = [_is_due(records)]
    if turns.date_order:
        # Two conditions joined by OR: the database then looks the dates up once, and walks the queue in its order.
        first_in_line = tuple_(_issuer(records), records.c.invoice_date).in_(_first_dates())
        conditions.append(or_(records.c.invoice_date.is_(None), first_in_line))
    if turns.per_issuer:
        conditions.append(_issuer(records).not_in(_full_issuers(turns.per_issuer)))
    return and_(*conditions)


def is_not_of(issuers: Iterable[int | None]) -> ColumnElement[bool]:
    """Returns the condition that a record is of none of these issuers."""
    return _issuer(records).not_in([_NO_ISSUER if issuer is None else issuer for issuer in issuers])


def take_place(conn: Connection, issuer_team_id: int | None, turns: Turns) -> bool:
    """Tells whether one more of this issuer may be in flight, and keeps others from asking until the commit.

    False also where somebody else is asking at this moment: whoever waited here could wait for a frozen machine.
    """
    if not turns.per_issuer or not is_postgresql(conn):
        return True  # SQLite has one writer, who counted a moment ago
    asking = func.hashtextextended(f"toc_sync claims of issuer {issuer_team_id}", 0)
    if not conn.execute(select(func.pg_try_advisory_xact_lock(asking))).scalar_one():
        return False
    issuer = _NO_ISSUER if issuer_team_id is None else issuer_team_id
    # A statement of its own: it sees what was committed before the lock was free.
    in_flight = (
        select(func.count()).select_from(records).where(records.c.status == Status.SYNCING, _issuer(records) == issuer)
    )
    return bool(conn.execute(in_flight).scalar_one() < turns.per_issuer)


def caution_about(conn: Connection, issuer_team_id: int | None, invoice_date: date | None) -> str | None:
    """Returns what to know before sending an invoice with this date: its issuer has a document dated after it."""
    if invoice_date is None:
        return None
    same_issuer = records.c.issuer_team_id == issuer_team_id  # None becomes IS NULL
    later = select(records.c.document_no, records.c.invoice_date).where(
        records.c.status == Status.SYNCED, same_issuer, records.c.invoice_date > invoice_date
    )
    newest = conn.execute(later.order_by(records.c.invoice_date.desc()).limit(1)).one_or_none()
    return wording.dated_before(*newest) if newest else None


def earlier_date(
    conn: Connection, issuer_team_id: int | None, invoice_date: date | None, turns: Turns, *, now: datetime
) -> date | None:
    """Returns the date of the issuer that goes first, where one before this is due or in flight."""
    if not turns.date_order or invoice_date is None:
        return None
    same_issuer = records.c.issuer_team_id == issuer_team_id  # None becomes IS NULL
    goes_first = or_(records.c.status == Status.SYNCING, _is_due(records))
    query = select(func.min(records.c.invoice_date)).where(
        same_issuer, goes_first, records.c.invoice_date < invoice_date
    )
    found: date | None = conn.execute(query, {"now": now}).scalar_one()
    return found


def _first_dates() -> Select[Any]:
    """Selects the issuers with the date that is next, without reading the whole queue.

    That is the earliest date that is due, unless an earlier one is in flight.
    """
    known = _queued_issuers()
    theirs, nobodys, in_flight = records.alias("theirs"), records.alias("nobodys"), records.alias("in_flight")
    of_issuer = _earliest_due(theirs).where(theirs.c.issuer_team_id == known.c.issuer).scalar_subquery()
    of_nobody = _earliest_due(nobodys).where(nobodys.c.issuer_team_id.is_(None)).scalar_subquery()
    each = select(known.c.issuer, of_issuer.label("first")).where(known.c.issuer.is_not(None))
    found = each.union_all(select(_nobody(), of_nobody)).subquery("found")
    earlier_in_flight = exists().where(
        in_flight.c.status == Status.SYNCING,
        _issuer(in_flight) == found.c.issuer,
        in_flight.c.invoice_date < found.c.first,
    )
    return select(found.c.issuer, found.c.first).where(found.c.first.is_not(None), ~earlier_in_flight)


def _queued_issuers() -> CTE:
    """Selects the issuers of queued invoices, each from the index's next step, and at the end one NULL."""
    queued, following = records.alias("queued"), records.alias("following")
    first = select(func.min(queued.c.issuer_team_id).label("issuer")).where(queued.c.status == Status.QUEUED)
    known = first.cte("issuers", recursive=True)
    after = select(func.min(following.c.issuer_team_id)).where(
        following.c.status == Status.QUEUED, following.c.issuer_team_id > known.c.issuer
    )
    return known.union_all(select(after.scalar_subquery()).where(known.c.issuer.is_not(None)))


def _earliest_due(table: FromClause) -> Select[Any]:
    dated = select(table.c.invoice_date).where(_is_due(table), table.c.invoice_date.is_not(None))
    return dated.order_by(table.c.invoice_date).limit(1)


def _full_issuers(limit: int) -> Select[Any]:
    in_flight = records.alias("counted")
    issuer = _issuer(in_flight)
    return select(issuer).where(in_flight.c.status == Status.SYNCING).group_by(issuer).having(func.count() >= limit)


def _is_due(table: FromClause) -> ColumnElement[bool]:
    its_time_has_come = or_(table.c.not_before.is_(None), table.c.not_before <= bindparam("now", type_=Instant))
    return and_(table.c.status == Status.QUEUED, its_time_has_come)


def _issuer(table: FromClause) -> ColumnElement[int]:
    return func.coalesce(table.c.issuer_team_id, _nobody())


def _nobody() -> ColumnElement[int]:
    return literal_column(str(_NO_ISSUER), BigInteger)
