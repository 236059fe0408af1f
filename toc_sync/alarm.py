"""The alarm: a thread of its own that looks at the situation, and tells people. Neither upkeep nor sending waits for it.

Any number of machines may run one: the database decides which of them tells what (`outbox.incidents`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event, Thread

from sqlalchemy import Engine

from toc_sync import wording
from toc_sync import wording_alerts as words
from toc_sync.alerting import decide
from toc_sync.channels import LIMIT_S, Channel, Message
from toc_sync.database import current_time, writing
from toc_sync.deadlines import working_days_after
from toc_sync.model import DatabaseUnavailable
from toc_sync.outbox import incidents
from toc_sync.outbox.incidents import Moment, Telling
from toc_sync.settings import Settings
from toc_sync.status.situation import read_incidents, read_situation

LOOK_EVERY_S = 15.0
LONGEST_PAUSE_S = 900.0
"""How long it waits at most after nobody could be told: a broken channel is asked four times an hour, no more."""

MOST_DOUBLINGS = 6
STOPS_WITHIN_S = 2.0

log = logging.getLogger("toc_sync")


@dataclass(frozen=True, kw_only=True)
class AlarmRules:
    """What an alarm goes by: the environment's label, when waiting is too long, and how long a channel may take."""

    label: str
    waiting_limit: timedelta
    channel_limit_s: float = LIMIT_S


class Alarm:
    """Tells what goes wrong, once, and that it is over, on every channel."""

    def __init__(self, engine: Engine, channels: tuple[Channel, ...], rules: AlarmRules) -> None:
        self._engine = engine
        self._channels = channels
        self._rules = rules
        self._ended = Event()
        self._failures = 0
        self._thread = Thread(target=self._loop, name="toc-alert", daemon=True)

    def start(self) -> None:
        """Starts looking."""
        log.info("alarm-started channels=%s", ",".join(channel.name for channel in self._channels))
        self._thread.start()

    def stop(self) -> None:
        """Ends, and waits a moment for what is being told; a channel that hangs holds nobody up."""
        self._ended.set()
        self._thread.join(STOPS_WITHIN_S)

    def look(self, *, now: datetime | None = None) -> int:
        """Looks once, tells what is to be told, and returns how many messages were accepted by at least one channel.

        `now` stands in for the database's clock.
        """
        tellings = self._take(now)
        for told, telling in enumerate(tellings):
            if self._ended.is_set() or not self._tell(telling):
                self._give_back(tellings[told:])  # the rest too: another machine may be luckier
                return told
        return len(tellings)

    def _loop(self) -> None:
        # The first look is not at once: a worker that has just started is not yet known to be alive.
        while not self._ended.wait(self._pause_s()):
            try:
                self.look()
            except DatabaseUnavailable as error:
                log.warning("database-away step=alarm error=%s", error)
            except Exception:
                log.exception("failed step=alarm")

    def _pause_s(self) -> float:
        return min(LONGEST_PAUSE_S, LOOK_EVERY_S * float(2**self._failures))

    def _take(self, now: datetime | None) -> tuple[Telling, ...]:
        with writing(self._engine) as conn:
            if not incidents.win_telling(conn):
                return ()
            at = now or current_time(conn)
            today = at.astimezone(wording.ZONE).date()
            known = read_incidents(conn, now=at)
            situation = read_situation(conn, known, today=today, due_by=working_days_after(today, 1), now=at)
            decisions = decide(situation, known, waiting_limit=self._rules.waiting_limit, now=at)
            incidents.note_incidents(conn, decisions, now=at)
            return incidents.take_messages(conn, decisions, now=at)

    def _tell(self, telling: Telling) -> bool:
        """Sends on every channel. It counts as told when one accepted it, so that no other channel gets it twice."""
        title = words.title(
            telling.subject,
            self._rules.label,
            reminder=telling.moment is Moment.LASTS,
            over=telling.moment is Moment.ENDS,
        )
        message = Message(title=title, body=telling.message)
        accepted = sum(self._send(channel, message) for channel in self._channels) > 0
        self._failures = 0 if accepted else min(self._failures + 1, MOST_DOUBLINGS)
        if accepted:
            log.info("told incident=%s subject=%s moment=%s", telling.incident_id, telling.subject, telling.moment)
        return accepted

    def _give_back(self, tellings: Sequence[Telling]) -> None:
        with writing(self._engine) as conn:
            for telling in tellings:
                incidents.give_back(conn, telling)

    def _send(self, channel: Channel, message: Message) -> bool:
        error = channel.send(message, limit_s=self._rules.channel_limit_s)
        if error:
            log.warning("not-told channel=%r error=%s", channel.name, error)
        return error is None


def start_alarm(engine: Engine, channels: tuple[Channel, ...], settings: Settings) -> Alarm | None:
    """Starts an alarm where people are to be told, and returns it."""
    if not channels:
        return None
    waiting_limit = timedelta(minutes=settings.toc_sync_alert_waiting_minutes)
    alarm = Alarm(engine, channels, AlarmRules(label=settings.label, waiting_limit=waiting_limit))
    alarm.start()
    return alarm
