"""Being seen: who has an invoice open says so, so that colleagues do not work on the same one unknowingly."""

from __future__ import annotations

from sqlalchemy import Engine

from toc_sync import outbox
from toc_sync.answer import clean_text
from toc_sync.database import current_time, writing
from toc_sync.model import parse_invoice_id
from toc_sync.patience import PERSON


class OnlookerVerbs:
    """What an open drawer says about itself; no sync state changes, so nobody is told to read anew."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def look(self, session: str, invoice_id: object, *, actor: str) -> None:
        """Says that this browser session has this invoice open. Raises InvalidInvoiceId."""
        number = parse_invoice_id(invoice_id)
        with writing(self._engine, PERSON) as conn:
            now = current_time(conn)
            outbox.look(conn, session=session, invoice_id=number, actor=clean_text(actor), now=now)

    def look_away(self, session: str) -> None:
        """Says that this browser session has closed what it had open."""
        with writing(self._engine, PERSON) as conn:
            current_time(conn)  # limits the waiting
            outbox.look_away(conn, session=session)
