"""Adoption: finding invoices that have no record, and giving each one, as its `api_response` says.

Finding only reads and writing only inserts, in transactions of their own: what costs time is done before anybody has to
wait. What others write in between differs from the record's fingerprint, so that observation notices it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, and_, case, cast, exists, func, literal, literal_column, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB

from toc_sync import billing
from toc_sync.database import is_postgresql
from toc_sync.model import Refusal
from toc_sync.outbox.groups import remember_groups_of
from toc_sync.outbox.records import adopted_record
from toc_sync.tables import issued_client_invoices as invoices
from toc_sync.tables import sync_records as records


@dataclass(frozen=True, kw_only=True)
class Looked:
    """How far a look for invoices without a record came; `first_missing` is the first that it found, or None."""

    first_missing: int | None
    last_id: int
    seen: int
    complete: bool


def newest_recorded(conn: Connection) -> int:
    """Returns the highest id that has a record, or 0."""
    newest: int = conn.execute(select(func.coalesce(func.max(records.c.invoice_id), 0))).scalar_one()
    return newest


def look_for_missing(conn: Connection, *, after_id: int, at_most: int) -> Looked:
    """Looks whether one of the next `at_most` invoices after `after_id` has no record: one walk along two keys."""
    stretch = select(invoices.c.id).where(invoices.c.id > after_id).order_by(invoices.c.id).limit(at_most).subquery()
    # The second condition spares PostgreSQL the walk through all earlier records.
    recorded = and_(records.c.invoice_id == stretch.c.id, records.c.invoice_id > after_id)
    missing = case((records.c.invoice_id.is_(None), stretch.c.id))
    query = select(func.count(), func.max(stretch.c.id), func.min(missing))
    seen, last_id, first = conn.execute(query.select_from(stretch.outerjoin(records, recorded))).one()
    return Looked(first_missing=first, last_id=last_id or after_id, seen=seen, complete=seen < at_most)


def missing_records(
    conn: Connection,
    refusals: Sequence[Refusal],
    *,
    after_id: int,
    until_id: int | None = None,
    at_most: int,
    now: datetime,
) -> list[dict[str, Any]]:
    """Returns the records to be written for the next `at_most` invoices without one, in the order of their ids."""
    recorded = exists().where(records.c.invoice_id == invoices.c.id)
    query = billing.select_invoices().where(invoices.c.id > after_id, ~recorded)
    if until_id is not None:
        query = query.where(invoices.c.id <= until_id)
    found = conn.execute(query.order_by(invoices.c.id).limit(at_most)).mappings().all()
    return [adopted_record(billing.as_invoice(row), refusals, now=now) for row in found]


def write_adopted(conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Writes records that `missing_records` returned; where somebody else was faster, theirs stays."""
    if not rows:
        return
    _insert(conn, rows)
    remember_groups_of(conn, rows, now=rows[0]["created_at"])


def _insert(conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
    if not is_postgresql(conn):
        conn.execute(sqlite.insert(records).on_conflict_do_nothing(), list(rows))
        return
    # One statement with one value: many statements, never prepared, would each be parsed anew.
    as_json = cast(literal(json.dumps(rows, default=str, ensure_ascii=False), Text), JSONB)
    table: ColumnElement[Any] = literal_column(f"CAST(NULL AS {records.fullname})")
    columns = [records.c[name] for name in rows[0]]
    given = func.jsonb_populate_recordset(table, as_json).table_valued(*(column.name for column in columns))
    insert = postgresql.insert(records).from_select(columns, select(given))
    conn.execute(insert.on_conflict_do_nothing())


def count_missing(conn: Connection) -> int:
    """Returns about how many invoices have no record: records whose invoice is gone are counted against it."""
    theirs, ours = select(func.count()).select_from(invoices), select(func.count()).select_from(records)
    return max(0, conn.execute(theirs).scalar_one() - conn.execute(ours).scalar_one())
