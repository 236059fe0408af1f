"""Groups of errors: each is written down once, when it is first seen; older failures get theirs in batches.

A group comes last in the order of locks: record, attempt, invoice row, group; several in the order of their keys.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from toc_sync.classify import classify
from toc_sync.database import is_postgresql
from toc_sync.grouping import Group, group_of, group_of_record
from toc_sync.lesson import whole_answer
from toc_sync.model import NEEDS_ATTENTION, Outcome, Refusal
from toc_sync.tables import error_groups as groups
from toc_sync.tables import markers
from toc_sync.tables import sync_attempts as attempts
from toc_sync.tables import sync_records as records

AT_ONCE = 500
"""How many older records and failed attempts one transaction groups: on SQLite nobody else writes meanwhile."""

LOOKED_THROUGH = 5_000
SETTLED_AFTER = timedelta(minutes=15)
"""Attempts younger than this may still be open, or be closed by a program that knows no groups yet."""

_GROUPED_TO = "attempts_grouped_to"
_UNGROUPED = and_(
    records.c.error_group.is_(None), records.c.status.in_(NEEDS_ATTENTION), records.c.error_kind.is_not(None)
)
_INSERT = {
    "postgresql": postgresql.insert(groups).on_conflict_do_nothing(),
    "sqlite": sqlite.insert(groups).on_conflict_do_nothing(),
}


def remember_group(conn: Connection, group: Group | None, *, now: datetime) -> str | None:
    """Writes a group down unless it is known, and returns its key; None for no group."""
    if group is None:
        return None
    conn.execute(_INSERT[conn.dialect.name], _row(group, now))
    return group.key


def remember_groups_of(conn: Connection, rows: Iterable[Mapping[str, Any]], *, now: datetime) -> None:
    """Writes down the groups of these records, which carry their keys already."""
    found = {group.key: group for row in rows if row["error_group"] and (group := group_of_record(row))}
    for key in sorted(found):
        remember_group(conn, found[key], now=now)


def remember_older_groups(conn: Connection, seen: Iterable[tuple[Group | None, datetime]]) -> None:
    """Writes down the groups of what went wrong earlier, each as first seen at its earliest instant."""
    found: dict[str, tuple[datetime, Group]] = {}
    for group, at in seen:
        if group is not None and (group.key not in found or at < found[group.key][0]):
            found[group.key] = (at, group)
    rows = [_row(found[key][1], found[key][0]) for key in sorted(found)]
    insert = postgresql.insert(groups) if is_postgresql(conn) else sqlite.insert(groups)
    earlier = insert.excluded.first_seen_at
    if rows:
        conn.execute(
            insert.on_conflict_do_update(
                index_elements=[groups.c.key],
                set_={"first_seen_at": earlier},
                where=groups.c.first_seen_at > earlier,
            ),
            rows,
        )


def note_on_group(conn: Connection, key: str, note: str | None, *, actor: str, now: datetime) -> bool:
    """Keeps what a person says about a group (None: nothing any more); False where there is no such group."""
    values = {"note": note, "noted_by": actor if note else None, "noted_at": now if note else None}
    return conn.execute(update(groups).where(groups.c.key == key).values(values)).rowcount > 0


def has_ungrouped(conn: Connection, *, now: datetime) -> bool:
    """Tells whether `group_older` would find something to do; writes nothing."""
    if conn.execute(select(records.c.invoice_id).where(_UNGROUPED).limit(1)).first():
        return True
    return bool(_stretch(conn, now))


def group_older(conn: Connection, refusals: Sequence[Refusal], *, now: datetime) -> int:
    """Gives the next older failures without a group theirs, and returns how many."""
    stretch = _stretch(conn, now)
    return (_group_attempts(conn, stretch, refusals) if stretch else 0) + _group_records(conn, now)


def _group_records(conn: Connection, now: datetime) -> int:
    query = select(records).where(_UNGROUPED).order_by(records.c.invoice_id).limit(AT_ONCE)
    found = conn.execute(query.with_for_update(skip_locked=True)).mappings().all()
    seen = [(group_of_record(row), row) for row in found]
    remember_older_groups(conn, [(group, row["doubt_since"] or row["last_attempt_at"] or now) for group, row in seen])
    for key, rows in _by_key(seen).items():
        ids = [row["invoice_id"] for row in rows]
        conn.execute(update(records).where(records.c.invoice_id.in_(ids)).values(error_group=key))
    return len(found)


def _stretch(conn: Connection, now: datetime) -> Sequence[int]:
    """Returns the next attempts to look at; those that may still be open wait until they cannot be any more."""
    query = select(attempts.c.id, attempts.c.started_at).where(attempts.c.id > _grouped_to(conn))
    found = conn.execute(query.order_by(attempts.c.id).limit(LOOKED_THROUGH)).all()
    young = next((position for position, row in enumerate(found) if row[1] > now - SETTLED_AFTER), len(found))
    return [row[0] for row in found[:young]]


def _group_attempts(conn: Connection, stretch: Sequence[int], refusals: Sequence[Refusal]) -> int:
    went_wrong = (
        attempts.c.id.between(stretch[0], stretch[-1]),
        attempts.c.error_group.is_(None),
        attempts.c.outcome != Outcome.SYNCED,
    )
    found = conn.execute(select(attempts).where(*went_wrong).order_by(attempts.c.id).limit(AT_ONCE)).mappings().all()
    seen = [(group_of(row["error_kind"], _refusal_in(row, refusals), row["error"]), row) for row in found]
    remember_older_groups(conn, [(group, row["finished_at"]) for group, row in seen])
    for key, rows in _by_key(seen).items():
        ids = [row["id"] for row in rows]
        conn.execute(update(attempts).where(attempts.c.id.in_(ids)).values(error_group=key))
    _note_grouped_to(conn, found[-1]["id"] if len(found) == AT_ONCE else stretch[-1])
    return len(found)


def _refusal_in(attempt: RowMapping, refusals: Sequence[Refusal]) -> str | None:
    """Returns the refusal that an attempt was read as: its answer is kept, the name is not."""
    if attempt["outcome"] != Outcome.FAILED:
        return None
    reply = whole_answer(attempt["http_status"], attempt["response_headers"], attempt["response_body"])
    return classify(reply, refusals).refusal if reply else None


def _by_key(seen: Sequence[tuple[Group | None, RowMapping]]) -> dict[str, list[RowMapping]]:
    rows: dict[str, list[RowMapping]] = defaultdict(list)
    for group, row in seen:
        if group is not None:
            rows[group.key].append(row)
    return rows


def _grouped_to(conn: Connection) -> int:
    value = conn.execute(select(markers.c.value).where(markers.c.name == _GROUPED_TO)).scalar_one_or_none()
    return int(value or 0)


def _note_grouped_to(conn: Connection, attempt_id: int) -> None:
    this = markers.c.name == _GROUPED_TO
    if not conn.execute(update(markers).where(this).values(value=str(attempt_id))).rowcount:
        conn.execute(markers.insert().values(name=_GROUPED_TO, value=str(attempt_id)))


def _row(group: Group, at: datetime) -> dict[str, Any]:
    return {
        "key": group.key,
        "error_kind": group.error_kind,
        "refusal": group.refusal,
        "example": group.example,
        "normal_form": group.normal_form,
        "first_seen_at": at,
    }
