"""Sync records: how one comes into being, and the few ways in which one changes that others build on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, Update, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite

from toc_sync import api_response, policy, wording
from toc_sync.billing import fingerprint_of
from toc_sync.database import is_postgresql
from toc_sync.deadlines import issue_deadline
from toc_sync.grouping import group_of_record
from toc_sync.model import Claim, ErrorKind, Invoice, Outcome, Refusal, Status, Trigger, fold
from toc_sync.outbox.groups import remember_group, remember_groups_of
from toc_sync.tables import creation_tokens
from toc_sync.tables import issued_client_invoices as invoices
from toc_sync.tables import sync_attempts as attempts
from toc_sync.tables import sync_records as records

COPIED = (
    "invoice_number",
    "invoice_date",
    "subtotal_amount",
    "vat_amount",
    "total_amount",
    "currency_code",
    "issuer_team_id",
    "issuer",
    "payer_team_id",
    "payer",
)
"""The invoice's facts that a record repeats under the same name."""

DELETED = "deleted"
"""What stands as the invoice's status in a record whose invoice is gone."""

_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_SEARCHED = (records.c.invoice_number, records.c.payer, records.c.document_no, records.c.error)

OF_SENDERS = tuple(
    records.c[name]
    for name in (
        "invoice_id",
        "status",
        "error_kind",
        "error",
        "refusal",
        "attempt_count",
        "undelivered_tries",
        "trigger",
        "requested_by",
        "not_before",
        "claim_id",
        "open_doubt",
        "doubt_since",
        "document_no",
        "warning",
        "queued_at",
        "issuer_team_id",
        "invoice_number",
        "payer",
        "api_fingerprint",
    )
)
"""What a claim and a settlement look at: not half of the columns, each of which takes time to be described and read."""

# Written once: writing a statement anew takes as long as running it.
_THIS = records.c.invoice_id == bindparam("wanted")
_FINGERPRINT_NOW = (
    select(fingerprint_of(invoices.c.api_response)).where(invoices.c.id == records.c.invoice_id).scalar_subquery()
)
_HIGHEST_NUMBER = (
    select(func.max(attempts.c.number)).where(attempts.c.invoice_id == records.c.invoice_id).scalar_subquery()
)
_LOCKED = select(records).where(_THIS).with_for_update()
_LOCKED_IF_FREE = select(records).where(_THIS).with_for_update(skip_locked=True)
_LOCKED_TO_SETTLE = select(*OF_SENDERS).where(_THIS).with_for_update()
_CHANGED = records.update().where(_THIS)
_SETTLED = _CHANGED.values(attempt_count=_HIGHEST_NUMBER, api_fingerprint=_FINGERPRINT_NOW)


def enqueue(conn: Connection, invoice: Invoice, *, actor: str, now: datetime) -> None:
    """Writes the record of an invoice that was just created here: queued, to be sent at once."""
    request = {"status": Status.QUEUED, "trigger": Trigger.CREATED, "requested_by": actor, "queued_at": now}
    conn.execute(records.insert(), new_record(invoice, now) | request)


def adopt(conn: Connection, invoice: Invoice, refusals: Sequence[Refusal], *, now: datetime) -> None:
    """Writes the record of an invoice that has none, as its `api_response` says; somebody else's record stays."""
    insert = postgresql.insert(records) if is_postgresql(conn) else sqlite.insert(records)
    record = adopted_record(invoice, refusals, now=now)
    if conn.execute(insert.on_conflict_do_nothing().returning(records.c.invoice_id), record).first():
        remember_groups_of(conn, [record], now=now)


def adopted_record(invoice: Invoice, refusals: Sequence[Refusal], *, now: datetime) -> dict[str, Any]:
    """Returns the columns of a record that follows from what the invoice's `api_response` says."""
    # Rows that are inserted together have the same columns.
    unknown = dict.fromkeys(
        (
            "document_no",
            "synced_at",
            "success_value",
            "last_attempt_at",
            "open_doubt",
            "rests_on",
        )
    )
    values = new_record(invoice, now) | unknown | reading_of(invoice, refusals, now=now)
    values["doubt_since"] = (values["last_attempt_at"] or now) if values["status"] == Status.IN_DOUBT else None
    group = group_of_record(values)
    values["error_group"] = group.key if group else None
    return values | {"search_text": searchable(*(values[column.name] for column in _SEARCHED))}


def write_record_again(conn: Connection, invoice: Invoice, claimed: Claim, *, now: datetime) -> None:
    """Writes the record that a claim once had and that is gone (a restored database), as it was then: syncing."""
    claim = {
        "status": Status.SYNCING,
        "attempt_count": claimed.number,
        "trigger": claimed.trigger,
        "requested_by": claimed.requested_by,
        "lease_until": claimed.lease_until,
        "claimed_by": claimed.worker,
        "claim_id": claimed.request_id,
        "last_attempt_at": claimed.started_at,
    }
    insert = postgresql.insert(records) if is_postgresql(conn) else sqlite.insert(records)
    conn.execute(insert.values(new_record(invoice, now) | claim).on_conflict_do_nothing())


def reading_of(invoice: Invoice, refusals: Sequence[Refusal], *, now: datetime) -> dict[str, Any]:
    """Returns the record's columns that follow from an invoice that others may have sent."""
    verdict = api_response.read(invoice.api_response, refusals)
    if verdict and verdict.outcome is Outcome.SYNCED:
        found_at = _believable(invoice.updated_at, now) or now
        return synced_values(verdict.document_no, invoice.api_response, now=found_at)
    if policy.is_ended(invoice.status) and (verdict is None or verdict.outcome is not Outcome.IN_DOUBT):
        return ended_values() | {"status": Status.NOT_NEEDED, "error": wording.not_needed(invoice.status)}
    if verdict is None:
        return ended_values() | {"status": Status.NOT_SYNCED}
    failed_at = api_response.failed_at(invoice.api_response)
    return ended_values() | {
        "status": Status.IN_DOUBT if verdict.outcome is Outcome.IN_DOUBT else Status.FAILED,
        "error_kind": verdict.error_kind,
        "error": verdict.error,
        "http_status": verdict.http_status,
        "refusal": verdict.refusal,
        "last_attempt_at": _believable(failed_at, now) or _believable(invoice.updated_at, now) or now,
    }


def synced_values(document_no: str | None, success: object, *, now: datetime) -> dict[str, Any]:
    """Returns the columns of a record that is synced because `success` stands in `api_response`."""
    return ended_values() | {
        "status": Status.SYNCED,
        "document_no": document_no,
        "synced_at": _believable(api_response.synced_at(success), now) or now,
        "success_value": api_response.clean(success),
        "open_doubt": None,
        "rests_on": None,
    }


def ended_values() -> dict[str, Any]:
    """Returns the columns that are empty once nothing is waiting, open or wrong any more."""
    empty = ("error_kind", "error", "refusal", "http_status", "not_before", "lease_until", "claimed_by", "queued_at")
    return dict.fromkeys(empty)


def lock_record(conn: Connection, invoice_id: int) -> RowMapping | None:
    """Returns the record, locked against other writers until the commit, or None."""
    return conn.execute(_LOCKED, {"wanted": invoice_id}).mappings().one_or_none()


def lock_record_if_free(conn: Connection, invoice_id: int) -> RowMapping | None:
    """Returns the same, or None where somebody else holds it: for who comes by again."""
    return conn.execute(_LOCKED_IF_FREE, {"wanted": invoice_id}).mappings().one_or_none()


def lock_to_settle(conn: Connection, invoice_id: int) -> RowMapping | None:
    """Returns the same, of its columns only what a settlement looks at."""
    return conn.execute(_LOCKED_TO_SETTLE, {"wanted": invoice_id}).mappings().one_or_none()


def current_status(conn: Connection, invoice_id: int) -> Status:
    """Returns the status of a record that exists."""
    return Status(conn.execute(select(records.c.status).where(records.c.invoice_id == invoice_id)).scalar_one())


def update_record(conn: Connection, invoice_id: int, values: dict[str, Any], *, now: datetime) -> None:
    """Changes a record; what can be searched follows, since when it has been in doubt, and its group of errors.

    Who gives a status that needs attention gives kind, error and refusal with it.
    """
    where = records.c.invoice_id == invoice_id
    if "status" in values:
        group = remember_group(conn, group_of_record(values), now=now)
        values = values | {"doubt_since": _doubt_since(Status(values["status"]), now), "error_group": group}
    conn.execute(records.update().where(where).values(values | {"updated_at": now}))
    if values.keys() & {column.name for column in _SEARCHED}:
        texts = conn.execute(select(*_SEARCHED).where(where)).one()
        conn.execute(records.update().where(where).values(search_text=searchable(*texts)))


def update_locked(conn: Connection, record: RowMapping, values: dict[str, Any], *, now: datetime) -> None:
    """Changes a record as `update_record` does, in one statement: the caller has locked and read it."""
    _change(conn, _CHANGED, record, values, now)


def update_settled(conn: Connection, record: RowMapping, values: dict[str, Any], *, now: datetime) -> None:
    """Changes a locked record after an attempt was closed: its count of attempts and `api_fingerprint` follow too.

    Only while the invoice's row is locked, if there is one: see `remember_api_response`.
    """
    _change(conn, _SETTLED, record, values, now)


def _change(conn: Connection, statement: Update, record: RowMapping, values: dict[str, Any], now: datetime) -> None:
    after = dict(record) | values
    if "status" in values:
        is_in_doubt = values["status"] == Status.IN_DOUBT
        group = remember_group(conn, group_of_record(after), now=now)
        values = values | {"doubt_since": (record["doubt_since"] or now) if is_in_doubt else None, "error_group": group}
    followed = {"search_text": searchable(*(after[column.name] for column in _SEARCHED)), "updated_at": now}
    conn.execute(statement, values | followed | {"wanted": record["invoice_id"]})


def _doubt_since(status: Status, now: datetime) -> Any:
    return func.coalesce(records.c.doubt_since, now) if status is Status.IN_DOUBT else None


def searchable(*texts: str | None) -> str:
    """Returns the text that searches look through."""
    return fold(" ".join(text for text in texts if text))[:2_000]


def remember_api_response(conn: Connection, invoice_id: int) -> None:
    """Notes how `api_response` looks now, so that observation notices only what others change.

    Only for an invoice whose row is locked: what somebody wrote in between would never be noticed.
    """
    this = records.c.invoice_id == invoice_id
    conn.execute(records.update().where(this).values(api_fingerprint=_FINGERPRINT_NOW))


def copies_of(invoice: Invoice) -> dict[str, Any]:
    """Returns the facts of the invoice that its record repeats, and what follows from them alone."""
    return {name: getattr(invoice, name) for name in COPIED} | {
        "invoice_status": invoice.status,
        "invoice_created_at": invoice.created_at,
        "issue_deadline": issue_deadline(invoice.invoice_date) if invoice.invoice_date else None,
    }


def spend_token(conn: Connection, token: str, *, now: datetime) -> bool:
    """Uses up a creation form's one-use token; False when it was used before (a double click)."""
    insert = postgresql.insert(creation_tokens) if is_postgresql(conn) else sqlite.insert(creation_tokens)
    # The row comes back only where it is new; the number of rows is not known for an INSERT on PostgreSQL.
    spent = insert.values(token=token, created_at=now).on_conflict_do_nothing().returning(creation_tokens.c.token)
    return conn.execute(spent).first() is not None


def used_token(conn: Connection, token: str, invoice_id: int | None = None) -> int | None:
    """Returns which invoice a token made; with `invoice_id`, notes that first."""
    if invoice_id is not None:
        conn.execute(creation_tokens.update().where(creation_tokens.c.token == token).values(invoice_id=invoice_id))
    return conn.execute(
        select(creation_tokens.c.invoice_id).where(creation_tokens.c.token == token)
    ).scalar_one_or_none()


def new_record(invoice: Invoice, now: datetime) -> dict[str, Any]:
    """Returns the columns of a record before anything is known about its sync."""
    copies = copies_of(invoice)
    return copies | {
        "invoice_id": invoice.invoice_id,
        "attempt_count": 0,
        "undelivered_tries": 0,
        "doubt_retries": 0,
        "sendable_since": _issued_at(invoice, now),
        "created_at": now,
        "updated_at": now,
        "api_fingerprint": invoice.api_fingerprint,
        "search_text": searchable(invoice.invoice_number, invoice.payer),
    }


def _issued_at(invoice: Invoice, now: datetime) -> datetime | None:
    """Returns when an invoice that is new here was issued, at the latest; None where its row does not tell."""
    changed_at = _believable(invoice.updated_at, now) if policy.is_sendable(invoice.status) else None
    if changed_at is None:
        return None
    return min(now, max(changed_at, _believable(invoice.created_at, now) or changed_at))


def held_values(doubt: ErrorKind) -> dict[str, Any]:
    """Returns the columns by which the try that is under way is the last one, because what it rests on was taken back.

    Unless it finds the invoice in TOC Online, it ends in doubt, and nothing follows by itself.
    """
    return {
        "open_doubt": doubt,
        "undelivered_tries": policy.NO_MORE_TRIES,
        "doubt_retries": policy.DOUBT_RETRIES,
    }


def _believable(instant: datetime | None, now: datetime) -> datetime | None:
    """Returns an instant that others wrote, unless it cannot be one: no clock is a day ahead."""
    return instant if instant and _EARLIEST <= instant <= now + timedelta(days=1) else None
