"""In which slot of a range an instant lies, as SQL: one whole number, the same on every database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, and_, case, cast, extract, func, literal

from toc_sync.database import is_postgresql
from toc_sync.views_health import Range
from toc_sync.wording import ZONE

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


def is_within(at: ColumnElement[Any], covers: Range) -> ColumnElement[bool]:
    """Returns the condition that an instant lies in the range."""
    return and_(at >= covers.start_at, at < covers.end_at)


def slot_number(conn: Connection, at: ColumnElement[Any], covers: Range) -> ColumnElement[int]:
    """Returns the place in `covers.slots` of an instant that lies in the range."""
    size_s = round((_HOUR if covers.hourly else _DAY).total_seconds())
    passed_s = _epoch(conn, at) - round(covers.start_at.timestamp())
    return cast(func.floor((passed_s + (0 if covers.hourly else _shift_s(at, covers))) / float(size_s)), Integer)


def _epoch(conn: Connection, at: ColumnElement[Any]) -> ColumnElement[int]:
    """Returns whole seconds since 1970, rounded down."""
    if is_postgresql(conn):
        return cast(func.floor(extract("epoch", at)), Integer)
    # Without the fraction, which SQLite would round: 23:59:59.9999 is not the next day yet.
    return cast(func.strftime("%s", func.substr(at, 1, 19)), Integer)


def _shift_s(at: ColumnElement[Any], covers: Range) -> ColumnElement[int]:
    """Returns by how much Lisbon's clock has been moved since the range began: its days have 23 or 25 hours then."""
    moves = []
    before = covers.start_at.astimezone(ZONE).utcoffset() or timedelta()
    began = before
    for slot in covers.slots:
        instant = slot.start_at
        while instant < slot.end_at and slot.end_at - slot.start_at != _DAY:
            offset = instant.astimezone(ZONE).utcoffset() or timedelta()
            if offset != before:
                moves.append((at < instant, round((before - began).total_seconds())))
                before = offset
            instant += _HOUR
    latest = literal(round((before - began).total_seconds()), Integer)
    return case(*moves, else_=latest) if moves else latest
