"""Incidents: what people are told about, and the right to tell it, which exactly one of several machines gets.

Taking a message marks it as told before it is sent. A program that dies in between has told nobody until the reminder;
the other order would tell everybody again and again while a channel is slow. A message that no channel accepted is given
back, so that this or another machine tries again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, RowMapping, func, or_, select

from toc_sync.alerting import Decisions, telling_delay
from toc_sync.database import is_postgresql
from toc_sync.tables import incidents

REMIND_AFTER = timedelta(hours=24)
OVER_IS_NEWS_FOR = timedelta(hours=24)
"""How long it is tried to tell that something is over."""

AT_MOST = 10
"""How many messages are taken at once: chats refuse more in a row."""


class Moment(StrEnum):
    """Which of an incident's messages it is."""

    BEGINS = "begins"
    LASTS = "lasts"
    ENDS = "ends"


@dataclass(frozen=True, kw_only=True)
class Telling:
    """The right to tell one thing once; `told_before` is when this incident was told of before, if it was."""

    incident_id: int
    subject: str
    message: str
    moment: Moment
    taken_at: datetime
    told_before: datetime | None


def win_telling(conn: Connection) -> bool:
    """Tells whether this transaction is the one that decides about alerts now; whoever is not need not wait."""
    if not is_postgresql(conn):
        return True  # SQLite has one writer
    turn = func.hashtextextended("toc_sync alerts", 0)
    return bool(conn.execute(select(func.pg_try_advisory_xact_lock(turn))).scalar_one())


def note_incidents(conn: Connection, decisions: Decisions, *, now: datetime) -> None:
    """Opens and closes incidents as decided; only for who has won the telling."""
    for alert in decisions.begins:
        conn.execute(incidents.insert().values(subject=alert.subject, message=alert.message, opened_at=now))
    for alert in decisions.ends:
        this = (incidents.c.subject == alert.subject) & incidents.c.closed_at.is_(None)
        conn.execute(incidents.update().where(this).values(message=alert.message, closed_at=now))


def take_messages(conn: Connection, decisions: Decisions, *, now: datetime) -> tuple[Telling, ...]:
    """Marks what is to be told now as told, and returns it, the oldest first; only for who has won the telling.

    Nothing is said about an incident that was over before anybody was told.
    """
    news = or_(incidents.c.closed_at.is_(None), incidents.c.closed_at > now - OVER_IS_NEWS_FOR)
    untold = or_(incidents.c.told_at.is_(None), incidents.c.told_at <= now - REMIND_AFTER)
    is_due = or_(incidents.c.closed_at.is_not(None), untold)
    query = select(incidents).where(news, is_due, incidents.c.closing_told_at.is_(None)).order_by(incidents.c.id)
    worded = {alert.subject: alert.message for alert in decisions.lasts}
    found = [(row, moment) for row in conn.execute(query).mappings() if (moment := _moment(row, now))]
    return tuple(_take(conn, row, moment, worded, now) for row, moment in found[:AT_MOST])


def give_back(conn: Connection, telling: Telling) -> None:
    """Makes a message that nobody could be told untold again."""
    column = incidents.c.closing_told_at if telling.moment is Moment.ENDS else incidents.c.told_at
    before = None if telling.moment is Moment.ENDS else telling.told_before
    this = (incidents.c.id == telling.incident_id) & (column == telling.taken_at)
    conn.execute(incidents.update().where(this).values({column: before}))


def _moment(row: RowMapping, now: datetime) -> Moment | None:
    if row["closed_at"] is not None:
        return Moment.ENDS if row["told_at"] is not None else None
    if row["told_at"] is not None:
        return Moment.LASTS
    return Moment.BEGINS if now - row["opened_at"] >= telling_delay(row["subject"]) else None


def _take(conn: Connection, row: RowMapping, moment: Moment, worded: dict[str, str], now: datetime) -> Telling:
    # What lasts is told in the words of today.
    message = row["message"] if moment is Moment.ENDS else worded.get(row["subject"], row["message"])
    told = {"closing_told_at": now} if moment is Moment.ENDS else {"told_at": now}
    conn.execute(incidents.update().where(incidents.c.id == row["id"]).values(told | {"message": message}))
    return Telling(
        incident_id=row["id"],
        subject=row["subject"],
        message=message,
        moment=moment,
        taken_at=now,
        told_before=row["told_at"],
    )
