"""The red button: stopping the sending on all machines, and letting it go on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from toc_sync import clock, outbox, wording_gate
from toc_sync.answer import clean_text
from toc_sync.database import current_time, later_step, queueing_time, reading, writing
from toc_sync.model import DatabaseUnavailable, GateCause, GateResult, Status
from toc_sync.patience import MANY, PERSON, Patience
from toc_sync.typed import cleaned_reason
from toc_sync.witness import Watch

FIRST_TRY = Patience(lock_s=1.0, answer_s=2.0, in_all_s=2.0)
"""How long *Pause* waits for the gate's row before it does without."""

SECOND_TRY = Patience(lock_s=1.0, answer_s=2.5, in_all_s=2.5)

log = logging.getLogger("toc_sync")


class GateVerbs:
    """What people do about the gate; `changed` is called after everything that was written."""

    def __init__(self, engine: Engine, changed: Callable[[], None], *, watch: Watch | None = None) -> None:
        self._engine = engine
        self._changed = changed
        self._watch = watch

    def pause(self, *, actor: str, reason: str) -> GateResult:
        """Stops the sending until somebody resumes it; a reason is needed. What is on its way is awaited."""
        if not cleaned_reason(reason):
            return GateResult(done=False, message=wording_gate.PAUSE_NEEDS_A_REASON)
        try:
            return self._turn(outbox.pause, wording_gate.PAUSED_NOW, actor=actor, reason=reason, patience=FIRST_TRY)
        except DatabaseUnavailable as error:
            log.warning("gate verb=pause is-wished-for error=%s", type(error.__cause__).__name__)
        self._wish_pause(clean_text(actor), cleaned_reason(reason))
        self._changed()
        return GateResult(done=True, message=wording_gate.PAUSED_BESIDE)

    def resume(self, *, actor: str, reason: str = "") -> GateResult:
        """Lets invoices leave again, whatever stopped them."""
        return self._turn(outbox.resume, wording_gate.RESUMED_NOW, actor=actor, reason=reason)

    def suspects(self, *, until: datetime | None = None) -> dict[Status, int]:
        """Returns how many invoices of each status `distrust` would put in doubt."""
        with reading(self._engine) as conn:
            return outbox.count_suspects(conn, until=until or self._lost_until(conn, current_time(conn)))

    def distrust(self, *, since: datetime, until: datetime | None = None, actor: str) -> GateResult:
        """Puts in doubt what may have been sent between `since` and `until` without a trace, and pauses the sending.

        `until` is when the database turned out to be another one, if it did, else now. Works in batches; what a broken
        connection interrupts is finished by asking again.
        """
        with writing(self._engine, MANY) as conn:
            now = queueing_time(conn)
            until = until or self._lost_until(conn, now)
            if not since < until <= now:
                return GateResult(done=False, message=wording_gate.NO_INTERVAL)
            outbox.pause(conn, actor=clean_text(actor), reason=wording_gate.distrusted(since), now=now)
        with later_step():
            total = self._distrust_all(since, until, clean_text(actor))
            result = wording_gate.distrusted_count(total)
            self._accept(actor, result, stays_paused_for=wording_gate.distrusted(since))
        return GateResult(done=True, message=result)

    def accept_copy(self, *, actor: str, moved: bool) -> GateResult:
        """Makes a database that was not recognised an original of its own, and lets invoices leave again.

        What waits or failed in it is put in doubt first, because the original may have sent it; not where the original
        merely `moved` and nothing was lost. Raises Unwitnessed.
        """
        with writing(self._engine, PERSON) as conn:
            gate, now = outbox.read_gate(conn), queueing_time(conn)
            is_strange = gate.is_unrecognised or (self._watch is not None and self._watch.obstacle is not None)
            if not is_strange:
                return GateResult(done=False, message=wording_gate.NOTHING_TO_ACCEPT)
            if moved and self._watch and outbox.lacks_claims(conn, self._watch):
                return GateResult(done=False, message=wording_gate.MOVED_ONLY)
        total = 0 if moved else self._distrust_all(None, now, clean_text(actor))
        result = wording_gate.ACCEPTED if moved else wording_gate.accepted(total)
        self._accept(actor, result, stays_paused_for=None)
        return GateResult(done=True, message=result)

    def _distrust_all(self, since: datetime | None, until: datetime, actor: str) -> int:
        total = 0
        while count := self._distrust_some(since, until, actor):
            total += count
            log.warning("distrusted total=%s since=%s", total, since.isoformat() if since else "-")
        return total

    def _accept(self, actor: str, result: str, *, stays_paused_for: str | None) -> None:
        who = clean_text(actor)
        with writing(self._engine, PERSON) as conn:
            now = queueing_time(conn)
            outbox.accept(conn, self._watch, actor=who, result=result, stays_paused_for=stays_paused_for, now=now)
        self._changed()

    def _distrust_some(self, since: datetime | None, until: datetime, actor: str) -> int:
        with writing(self._engine, MANY) as conn:
            return outbox.distrust(conn, since=since, until=until, actor=actor, now=current_time(conn))

    def _lost_until(self, conn: Connection, now: datetime) -> datetime:
        gate = outbox.read_gate(conn)
        return gate.since if gate.cause is GateCause.DATABASE else now

    def _wish_pause(self, actor: str, reason: str) -> None:
        """Pauses where no lock is to be had. Raises DatabaseUnavailable where even that cannot be told to all."""
        try:
            if self._engine.dialect.name == "sqlite":
                outbox.write_file(self._engine, outbox.Wish(at=clock.now(), actor=actor, reason=reason))
                return
            with writing(self._engine, SECOND_TRY) as conn:
                outbox.wish_pause(conn, actor=actor, reason=reason, now=queueing_time(conn))
        except (DatabaseUnavailable, DBAPIError, OSError) as error:
            raise DatabaseUnavailable(wording_gate.NOT_PAUSED) from error

    def _turn(
        self,
        turn: Callable[..., str | None],
        done: str,
        *,
        actor: str,
        reason: str,
        patience: Patience = PERSON,
    ) -> GateResult:
        with writing(self._engine, patience) as conn:
            refusal = turn(
                conn, actor=clean_text(actor), reason=cleaned_reason(reason) or None, now=queueing_time(conn)
            )
        log.warning("gate verb=%s done=%s actor=%r reason=%r", turn.__name__, refusal is None, actor, reason)
        self._changed()
        return GateResult(done=refusal is None, message=refusal or done)
