"""Originals: whether this database is the one that was sent from, or a copy or an older state of it, before each claim.

The place is compared in the database, the newest claims with the witness outside it. Where both fit, nothing is written.
Otherwise it is examined in a transaction of its own: what people need not see is settled by itself, all else pauses.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, bindparam, exists, false, func, or_, select

from toc_sync import wording_gate
from toc_sync.database import is_postgresql
from toc_sync.gating import Gate
from toc_sync.model import GateCause, Mark
from toc_sync.outbox.actions import log_action
from toc_sync.outbox.gate import gate_in, gate_query, pause_for_changed_database, recognised_again
from toc_sync.outbox.place import as_text, found_place, known_place
from toc_sync.recognition import Movement, Place, Seen, Testimony, as_seen, differing, movement
from toc_sync.tables import gate as gate_table
from toc_sync.tables import sync_attempts as attempts
from toc_sync.tables import sync_workers as workers
from toc_sync.witness import Watch, boot_id

UNRECOGNISED = "unrecognised"
"""What a claim returns where this database has to be examined first."""

ALIVE_BEFORE_THE_CUT = timedelta(seconds=60)
"""Who was heard of so shortly before a history broke off may have sent what it lost."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """The gate, and what the database and the witness say about each other."""

    row: RowMapping
    gate: Gate
    place: Place
    told: Testimony | None

    @property
    def newest(self) -> Seen | None:
        """The newest attempt in the database."""
        row = self.row
        return as_seen(row["newest_id"], row["newest_request"]) if row["newest_id"] is not None else None

    @property
    def is_original(self) -> bool:
        """Tells whether all is as it was when the witness was last written."""
        told = self.told
        return told is not None and not differing(told.place, self.place) and self.holds_newest and not self.is_behind

    @property
    def holds_newest(self) -> bool:
        """Tells whether the newest claim that the witness knows is in the database."""
        assert self.told is not None
        number, request = self.told.newest
        return not number or (self.row["known_request"] or "").startswith(request)

    @property
    def is_behind(self) -> bool:
        """Tells whether answers came to attempts that a witness whom nobody passes by does not know."""
        assert self.told is not None
        return bool(self.row["answered_since"]) and self.told.is_complete(boot_id())

    def is_verified(self, watch: Watch) -> bool:
        """Tells whether this process may send: it has examined this database, and nothing has changed since."""
        is_same = (self.row["database_id"], self.row["server_since"]) == watch.verified
        return is_same and not self.gate.database_changed and self.is_original

    def mark(self, attempt_id: int, request_id: str) -> Mark:
        """Returns what the witness is told about a claim."""
        claim = as_seen(attempt_id, request_id)
        return Mark(database_id=self.row["database_id"], place=self.place, claim=claim, seen=self.newest)


def look(conn: Connection, watch: Watch | None) -> Look:
    """Returns the gate and whether this is the original, in one query. Raises Unwitnessed."""
    told = watch.read() if watch else None  # before the query: what it names is committed, so the query finds it
    row = conn.execute(_query(conn), {"known": told.newest[0] if told else 0}).mappings().one()
    return Look(row=row, gate=gate_in(conn, row), place=found_place(conn, row), told=told)


def examine(conn: Connection, watch: Watch, *, now: datetime) -> bool:
    """Finds out whether this process may send from this database; if not, it says why, to all or about itself.

    Learns a database that nobody knows yet, joins one, and accepts a restart or a failover that lost nothing.
    Raises Unwitnessed.
    """
    found = look(conn, watch)
    if found.row["database_id"] != watch.database_id:
        watch.database_id = found.row["database_id"]
        found = look(conn, watch)
    watch.obstacle = None
    if found.gate.cause is GateCause.DATABASE:
        return False
    if found.row["place"] is None and not found.gate.database_changed:
        _begin(conn, watch, found)
    elif not _is_in_order(conn, watch, found, now):
        return False
    watch.verified = (watch.database_id, found.row["server_since"])
    return True


def forget_place(conn: Connection) -> None:
    """Lets the next program learn this database anew: what was written into it came from no sender."""
    conn.execute(gate_table.update().values(place=None, database_id=None, database_identity=None))


def accept(
    conn: Connection, watch: Watch | None, *, actor: str, result: str, stays_paused_for: str | None, now: datetime
) -> None:
    """Makes this database an original with a name of its own, where it lies now. Raises Unwitnessed."""
    _begin(conn, watch, look(conn, watch))
    recognised_again(conn, actor=actor, stays_paused_for=stays_paused_for, now=now)
    log_action(conn, actor=actor, action="accept_copy", invoice_id=None, reason=None, done=True, result=result, now=now)


def lacks_claims(conn: Connection, watch: Watch) -> bool:
    """Tells whether the witness of this process knows claims that the database does not."""
    found = look(conn, watch)
    if found.row["database_id"] != watch.database_id:
        watch.database_id = found.row["database_id"]
        found = look(conn, watch)
    return found.told is not None and not _holds_all(conn, found.told)


def _is_in_order(conn: Connection, watch: Watch, found: Look, now: datetime) -> bool:
    moved = movement(known_place(found.row) or {}, found.place)
    if moved is Movement.ELSEWHERE:
        return _stop(conn, found.gate.why_changed or wording_gate.GATE_REASONS[GateCause.DATABASE], now)
    if found.told is None:
        return _join(conn, watch, found, moved, now)
    if not _holds_all(conn, found.told):
        return _stop(conn, wording_gate.OLDER, now)
    if found.is_behind:
        return _stop(conn, wording_gate.BEHIND.format(file=watch.file_name), now)
    if moved is Movement.FAILED_OVER and not _all_have_answered(conn, watch, found):
        return False
    if moved is not Movement.NONE or found.row["served_since"] != found.row["server_since"]:
        _remember(conn, found, {"cut_at": None})
    watch.rebind(found.place, found.newest)
    return True


def _join(conn: Connection, watch: Watch, found: Look, moved: Movement, now: datetime) -> bool:
    """Begins a testimony, if somebody who has one says that this is no copy: on PostgreSQL, while the server runs on."""
    if watch.is_beside:
        return _stop(conn, wording_gate.UNWITNESSED.format(file=watch.file_name), now)
    if moved is not Movement.NONE or found.row["served_since"] != found.row["server_since"]:
        return _wait(watch, wording_gate.NOBODY_VOUCHES)
    watch.begin(found.row["database_id"], found.place, found.newest)
    return True


def _all_have_answered(conn: Connection, watch: Watch, found: Look) -> bool:
    """Answers for the claims sent from here, and tells whether all who were alive before the cut have answered."""
    assert found.told is not None
    cut_at = found.row["cut_at"]
    if cut_at is None:
        cut_at = conn.execute(select(func.max(workers.c.last_seen_at))).scalar_one()
        conn.execute(gate_table.update().values(cut_at=cut_at))
    if not found.told.is_complete(boot_id()):
        return _wait(watch, wording_gate.WAITS_FOR_SENDERS)
    if cut_at is None:  # no worker was there at all
        return True
    place = as_text(found.place)
    conn.execute(workers.update().where(workers.c.keeper == found.told.keeper).values(place=place))
    silent = or_(workers.c.place.is_(None), workers.c.place != place)
    was_alive = (workers.c.started_at <= cut_at) & (workers.c.last_seen_at >= cut_at - ALIVE_BEFORE_THE_CUT)
    unanswered = select(workers.c.name).where(silent, was_alive, workers.c.threads > 0).limit(1)
    return conn.execute(unanswered).first() is None or _wait(watch, wording_gate.WAITS_FOR_SENDERS)


def _stop(conn: Connection, reason: str, now: datetime) -> bool:
    pause_for_changed_database(conn, reason=reason, now=now)
    return False


def _wait(watch: Watch, obstacle: str) -> bool:
    watch.obstacle = obstacle
    return False


def _begin(conn: Connection, watch: Watch | None, found: Look) -> None:
    """Gives the database its own name where it lies now. The witness is begun first: without one it may not be known."""
    database_id = str(uuid.uuid4())
    if watch:
        watch.begin(database_id, found.place, found.newest)
        watch.verified = (database_id, found.row["server_since"])
    _remember(conn, found, {"database_id": database_id, "cut_at": None})


def _remember(conn: Connection, found: Look, more: dict[str, Any]) -> None:
    values = {"place": as_text(found.place), "served_since": found.row["server_since"]}
    identity = {"database_identity": found.row["identity"]}  # for programs of the version before
    conn.execute(gate_table.update().values(values | identity | more))


def _holds_all(conn: Connection, told: Testimony) -> bool:
    ids = [number for number, _ in told.known]
    held = conn.execute(select(attempts.c.id, attempts.c.request_id).where(attempts.c.id.in_(ids)))
    return told.known <= {as_seen(number, request) for number, request in held}


def _query(conn: Connection) -> Select[Any]:
    return _ON_POSTGRESQL if is_postgresql(conn) else _ON_SQLITE


def _looked_at(answered: ColumnElement[Any], *, is_on_postgresql: bool) -> Select[Any]:
    newest = select(attempts.c.id).order_by(attempts.c.id.desc()).limit(1)
    known = select(attempts.c.request_id).where(attempts.c.id == bindparam("known"))
    return gate_query(
        is_on_postgresql,
        newest.scalar_subquery().label("newest_id"),
        newest.with_only_columns(attempts.c.request_id).scalar_subquery().label("newest_request"),
        known.scalar_subquery().label("known_request"),
        answered.label("answered_since"),
    )


_ANSWERED = exists().where(attempts.c.id > bindparam("known"), attempts.c.duration_ms.is_not(None))
# Several machines send from PostgreSQL, each with a witness of its own: attempts that one does not know are no surprise.
_ON_POSTGRESQL = _looked_at(false(), is_on_postgresql=True)
_ON_SQLITE = _looked_at(_ANSWERED, is_on_postgresql=False)
