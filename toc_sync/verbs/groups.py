"""What people do about a group of errors as a whole: a note that everybody sees."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sqlalchemy import Engine

from toc_sync import outbox, wording_groups
from toc_sync.answer import clean_text
from toc_sync.database import current_time, writing
from toc_sync.patience import PERSON
from toc_sync.typed import cleaned_reason
from toc_sync.views_groups import NoteResult

log = logging.getLogger("toc_sync")


class GroupVerbs:
    """What people do about groups of errors; `changed` is called after everything that was written."""

    def __init__(self, engine: Engine, changed: Callable[[], None]) -> None:
        self._engine = engine
        self._changed = changed

    def note(self, key: str, text: str, actor: str) -> NoteResult:
        """Keeps a note on a group, with who wrote it and when; an empty text removes it."""
        note, who = cleaned_reason(text) or None, clean_text(actor)
        with writing(self._engine, PERSON) as conn:
            now = current_time(conn)
            done = outbox.note_on_group(conn, key, note, actor=who, now=now)
            kept = wording_groups.NOTED if note else wording_groups.NOTE_REMOVED
            message = kept if done else wording_groups.NO_SUCH_GROUP
            result = f"{key}: {message}"
            outbox.log_action(
                conn, actor=who, action="note_group", invoice_id=None, reason=note, done=done, result=result, now=now
            )
        log.info("note group=%r done=%s actor=%r", key, done, who)
        self._changed()
        return NoteResult(done=done, message=message)
