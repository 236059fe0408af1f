"""What happened: every attempt and every action of a person in one list, newest first.

Which rows make a page is found on narrow rows of keys, so that paging costs little; only those of one page are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    Table,
    func,
    literal_column,
    select,
    union_all,
)

from toc_sync.answer import clean_text
from toc_sync.model import MAX_INVOICE_ID, ErrorKind, Outcome, Trigger
from toc_sync.tables import sync_actions, sync_attempts
from toc_sync.tables import sync_records as records
from toc_sync.views import PAGE_SIZE
from toc_sync.views_activity import (
    EXPORTED_AT_MOST,
    ActivityFilter,
    ActivityPage,
    ActivityRow,
    AttemptEvidence,
    Source,
)

PLATFORM_IDS = ("sb-request-id", "x-deno-execution-id", "cf-ray", "x-sb-edge-region", "sb-error-code")
"""The headers of an answer by which the platform's support finds a request."""

_CHUNK = 1_000
_SAME_NUMBER_AT_MOST = 1_000
_Key = tuple[Source, int]
_ATTEMPT = [column for column in sync_attempts.c if column.name not in ("response_body", "response_headers")]


def list_activity(conn: Connection, wanted: ActivityFilter, *, page: int, now: datetime) -> ActivityPage:
    """Returns page `page` (from 1) of what happened, newest first; a page beyond the last one is the last one."""
    parts = _parts(conn, wanted)
    total = sum(conn.execute(select(func.count()).select_from(part.subquery())).scalar_one() for part in parts)
    shown_page = max(1, min(page, -(-total // PAGE_SIZE)))
    keys = _keys(conn, parts, first=(shown_page - 1) * PAGE_SIZE, count=PAGE_SIZE)
    return ActivityPage(rows=tuple(_rows(conn, keys)), total=total, read_at=now)


def export_activity(conn: Connection, wanted: ActivityFilter) -> Iterator[ActivityRow]:
    """Yields what matches, newest first, at most `EXPORTED_AT_MOST` rows."""
    keys = _keys(conn, _parts(conn, wanted), first=0, count=EXPORTED_AT_MOST)
    for start in range(0, len(keys), _CHUNK):
        yield from _rows(conn, keys[start : start + _CHUNK])


def read_evidence(conn: Connection, attempt_id: int) -> AttemptEvidence | None:
    """Returns what is kept of one attempt, or None where there is no such attempt."""
    rows = _rows(conn, [(Source.ATTEMPT, attempt_id)])
    if not rows:
        return None
    query = select(sync_attempts).where(sync_attempts.c.id == attempt_id)
    attempt = conn.execute(query).mappings().one()
    return AttemptEvidence(
        row=rows[0],
        worker=attempt["worker"],
        finished_at=attempt["finished_at"],
        platform_ids=platform_ids(attempt["response_headers"]),
        body=attempt["response_body"],
    )


def platform_ids(headers: object) -> dict[str, str]:
    """Returns by what names the platform's support finds a request, as far as its answer said."""
    if not isinstance(headers, dict):
        return {}
    return {name: str(headers[name]) for name in PLATFORM_IDS if headers.get(name)}


def _keys(conn: Connection, parts: Sequence[Select[Any]], *, first: int, count: int) -> list[_Key]:
    needed = [
        # Each part in its own order and no longer than needed: an index gives that without reading all.
        part.order_by(part.selected_columns["at"].desc(), part.selected_columns["id"].desc())
        .limit(first + count)
        .subquery()
        for part in parts
    ]
    if not needed:
        return []
    both = union_all(*(select(part) for part in needed)).subquery()
    order = (both.c.at.desc(), both.c.source, both.c.id.desc())
    query = select(both.c.source, both.c.id).order_by(*order).offset(first).limit(count)
    return [(Source(source), number) for source, number in conn.execute(query)]


def _parts(conn: Connection, wanted: ActivityFilter) -> list[Select[Any]]:
    """Returns the queries for the keys of the attempts and of the actions that match; without what cannot match."""
    named = bool(wanted.outcomes or wanted.actions)
    invoice = clean_text(wanted.invoice).strip()
    invoice_ids = _named(conn, invoice) if invoice else None
    parts = []
    if wanted.source is not Source.PERSON and (wanted.outcomes or not named):
        at, who = sync_attempts.c.started_at, sync_attempts.c.requested_by
        parts.append(_part(sync_attempts, Source.ATTEMPT, at, who, wanted, invoice_ids))
    if wanted.source is not Source.ATTEMPT and (wanted.actions or not named):
        parts.append(_part(sync_actions, Source.PERSON, sync_actions.c.at, sync_actions.c.actor, wanted, invoice_ids))
    return parts


def _part(
    table: Table,
    source: Source,
    at: ColumnElement[datetime],
    who: ColumnElement[str],
    wanted: ActivityFilter,
    invoice_ids: Sequence[int] | None,
) -> Select[Any]:
    key = select(literal_column(f"'{source}'").label("source"), table.c.id.label("id"), at.label("at"))
    conditions = []
    if wanted.since:
        conditions.append(at >= wanted.since)
    if wanted.until:
        conditions.append(at < wanted.until)
    if name := clean_text(wanted.who).strip():
        conditions.append(func.lower(who).contains(name.lower(), autoescape=True))
    if invoice_ids is not None:
        conditions.append(table.c.invoice_id.in_(invoice_ids))
    if source is Source.ATTEMPT and wanted.outcomes:
        conditions.append(sync_attempts.c.outcome.in_(wanted.outcomes))
    if source is Source.PERSON and wanted.actions:
        conditions.append(sync_actions.c.action.in_(wanted.actions))
    return key.where(*conditions)


def _named(conn: Connection, text: str) -> list[int]:
    """Returns the ids of the invoices that have this number or id; asked first, so that indexes find what is about them."""
    numbered = select(records.c.invoice_id).where(records.c.invoice_number == text).limit(_SAME_NUMBER_AT_MOST)
    is_id = text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= MAX_INVOICE_ID
    return [*conn.execute(numbered).scalars(), *([int(text)] if is_id else [])]


def _rows(conn: Connection, keys: Sequence[_Key]) -> list[ActivityRow]:
    """Returns the rows with these keys, in their order."""
    attempts = _read(conn, sync_attempts, _ATTEMPT, [number for source, number in keys if source is Source.ATTEMPT])
    actions = _read(
        conn, sync_actions, list(sync_actions.c), [number for source, number in keys if source is Source.PERSON]
    )
    found = {(Source.ATTEMPT, row["id"]): _attempt(row) for row in attempts}
    found |= {(Source.PERSON, row["id"]): _action(row) for row in actions}
    return [found[key] for key in keys if key in found]


def _read(conn: Connection, table: Table, columns: Sequence[Any], ids: Sequence[int]) -> Sequence[RowMapping]:
    if not ids:
        return []
    joined = table.outerjoin(records, records.c.invoice_id == table.c.invoice_id)
    query = select(*columns, records.c.invoice_number).select_from(joined).where(table.c.id.in_(ids))
    return conn.execute(query).mappings().all()


def _attempt(row: RowMapping) -> ActivityRow:
    return ActivityRow(
        source=Source.ATTEMPT,
        id=row["id"],
        at=row["started_at"],
        who=row["requested_by"],
        invoice_id=row["invoice_id"],
        invoice_number=row["invoice_number"],
        attempt=row["number"],
        trigger=Trigger(row["trigger"]),
        outcome=Outcome(row["outcome"]) if row["outcome"] else None,
        error_kind=ErrorKind(row["error_kind"]) if row["error_kind"] else None,
        action=None,
        batch_id=None,
        done=None,
        reason=None,
        result=row["error"] or row["document_no"],
        http_status=row["http_status"],
        duration_ms=row["duration_ms"],
        request_id=row["request_id"],
    )


def _action(row: RowMapping) -> ActivityRow:
    return ActivityRow(
        source=Source.PERSON,
        id=row["id"],
        at=row["at"],
        who=row["actor"],
        invoice_id=row["invoice_id"],
        invoice_number=row["invoice_number"],
        attempt=None,
        trigger=None,
        outcome=None,
        error_kind=None,
        action=row["action"],
        batch_id=row["batch_id"],
        done=row["done"],
        reason=row["reason"],
        result=row["result"],
        http_status=None,
        duration_ms=None,
        request_id=None,
    )
