"""Distrust: after a failover or a restored backup, what may have been sent without a trace here is put in doubt.

The database went back in time, TOC Online did not. What waits may have been sent in the lost interval; what failed may
have been retried in it. Each would be issued a second time if it were sent now.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select

from toc_sync import api_response, billing, wording_gate
from toc_sync.model import ErrorKind, Outcome, Status, Verdict
from toc_sync.outbox.actions import log_action
from toc_sync.outbox.records import (
    ended_values,
    held_values,
    lock_record,
    remember_api_response,
    synced_values,
    update_record,
)
from toc_sync.tables import sync_records as records

SUSPECTED = (Status.QUEUED, Status.FAILED)


def count_suspects(conn: Connection, *, until: datetime) -> dict[Status, int]:
    """Returns how many invoices of each status may have been sent before `until` without a trace."""
    query = select(records.c.status, func.count()).where(*_suspects(until)).group_by(records.c.status)
    return {Status(status): count for status, count in conn.execute(query)}


def distrust(
    conn: Connection, *, since: datetime | None, until: datetime, actor: str, now: datetime, at_most: int = 500
) -> int:
    """Puts the next suspects in doubt and returns how many; 0 when none is left.

    Without `since` it is not the past that was lost: this is a copy, and the original may have sent them.
    """
    _hold_what_is_sent(conn, until)
    suspects = select(records.c.invoice_id).where(*_suspects(until)).order_by(records.c.invoice_id).limit(at_most)
    ids = conn.execute(suspects).scalars().all()
    for invoice_id in ids:
        _put_in_doubt(conn, invoice_id, since, actor, now)
    return len(ids)


def _suspects(until: datetime) -> tuple[ColumnElement[bool], ...]:
    """Selects what was there in the lost interval; what people asked for since then is no suspect."""
    asked_or_settled = func.coalesce(records.c.queued_at, records.c.updated_at)
    return records.c.status.in_(SUSPECTED), asked_or_settled <= until


def _hold_what_is_sent(conn: Connection, until: datetime) -> None:
    """Lets what is on the wire end in doubt, unless it turns out to be there: it may have been sent before, too."""
    asked_or_claimed = func.coalesce(records.c.queued_at, records.c.updated_at)
    on_the_wire = (records.c.status == Status.SYNCING, asked_or_claimed <= until)
    conn.execute(records.update().where(*on_the_wire).values(held_values(ErrorKind.LOST)))


def _put_in_doubt(conn: Connection, invoice_id: int, since: datetime | None, actor: str, now: datetime) -> None:
    record = lock_record(conn, invoice_id)
    if record is None or record["status"] not in SUSPECTED:
        return
    exists, found = billing.lock_api_response(conn, invoice_id)
    if api_response.is_success(found):
        update_record(conn, invoice_id, synced_values(api_response.document_no(found), found, now=now), now=now)
        remember_api_response(conn, invoice_id)
        return
    error = wording_gate.distrusted(since) if since else wording_gate.COPIED
    doubt = Verdict(outcome=Outcome.IN_DOUBT, error_kind=ErrorKind.LOST, error=error)
    if exists:
        written = api_response.in_doubt(doubt, at=now, attempt=record["attempt_count"])
        billing.write_api_response(conn, invoice_id, written)
    values = ended_values() | {"status": Status.IN_DOUBT, "error_kind": doubt.error_kind, "error": error}
    # The platform may still be working on what was sent a moment before the failover.
    update_record(conn, invoice_id, values | {"last_attempt_at": now, "open_doubt": None}, now=now)
    remember_api_response(conn, invoice_id)
    log_action(
        conn, actor=actor, action="distrust", invoice_id=invoice_id, reason=None, done=True, result=error, now=now
    )
