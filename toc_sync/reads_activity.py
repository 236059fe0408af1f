"""What pages and scripts may ask about what happened and who is there: one reading transaction each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sqlalchemy import Engine

from toc_sync import status
from toc_sync.database import current_time, reading
from toc_sync.model import TocSyncError, parse_invoice_id
from toc_sync.views_activity import ActivityFilter, ActivityPage, ActivityRow, AttemptEvidence, Company, Onlooker


class ActivityReads:
    """The questions about what happened in one database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def page(self, wanted: ActivityFilter, page: int = 1) -> ActivityPage:
        """Returns one page of what happened, newest first."""
        with reading(self._engine) as conn:
            return status.list_activity(conn, wanted, page=page, now=current_time(conn))

    def export(self, wanted: ActivityFilter) -> Iterator[ActivityRow]:
        """Yields what matches, newest first, up to the limit of a download."""
        with reading(self._engine) as conn:
            yield from status.export_activity(conn, wanted)

    def evidence(self, attempt_id: object) -> AttemptEvidence:
        """Returns what is kept of one attempt. Raises TocSyncError where there is no such attempt."""
        text = str(attempt_id)
        with reading(self._engine) as conn:
            found = status.read_evidence(conn, int(text)) if re.fullmatch(r"[0-9]{1,18}", text) else None
        if found is None:
            raise TocSyncError("There is no such attempt.")
        return found

    def company(self, invoice_id: object) -> Company:
        """Returns who has an invoice open, and the running batch it is part of. Raises InvalidInvoiceId."""
        number = parse_invoice_id(invoice_id)
        with reading(self._engine) as conn:
            return status.read_company(conn, number, now=current_time(conn))

    def onlookers(self, invoice_ids: Sequence[int]) -> tuple[Onlooker, ...]:
        """Returns everybody who has one of these invoices open."""
        with reading(self._engine) as conn:
            return status.read_onlookers(conn, invoice_ids, now=current_time(conn))
