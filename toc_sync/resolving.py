"""What people say about doubts, and where the transactions of it begin and end: one invoice, one transaction.

An invoice that has no record yet is adopted first. Knows no network and no pages.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine

from toc_sync import billing, outbox, wording_database
from toc_sync.answer import clean_text
from toc_sync.database import queueing_time, writing
from toc_sync.model import DatabaseBusy, DatabaseUnavailable, Invoice, Refusal, Result, UnknownInvoice
from toc_sync.patience import PERSON, Patience

ALL_WITHIN_S = 4.0
AFTER_A_LOCKED_ONE = Patience(lock_s=0.1, answer_s=2.0, in_all_s=2.0)


@dataclass(frozen=True, kw_only=True)
class _Desk:
    """One invoice, read in a transaction that may write."""

    conn: Connection
    invoice: Invoice | None
    now: datetime


def resolve_as_synced(
    engine: Engine, invoice_id: int, document_no: str, refusals: Sequence[Refusal], *, actor: str, reason: str
) -> Result:
    """Declares that an invoice in doubt is in TOC Online. Raises UnknownInvoice."""
    with _one(engine, invoice_id, refusals) as desk:
        return outbox.resolve_as_synced(
            desk.conn,
            desk.invoice,
            invoice_id,
            document_no,
            actor=clean_text(actor),
            reason=clean_text(reason),
            now=desk.now,
        )


def resolve_send_again(
    engine: Engine,
    invoice_id: int,
    refusals: Sequence[Refusal],
    *,
    actor: str,
    reason: str,
    patience: Patience = PERSON,
) -> Result:
    """Queues an invoice in doubt again because a person looked it up and it is not there. Raises UnknownInvoice."""
    with _one(engine, invoice_id, refusals, patience) as desk:
        return outbox.resolve_send_again(
            desk.conn,
            desk.invoice,
            invoice_id,
            actor=clean_text(actor),
            reason=clean_text(reason),
            now=desk.now,
            refusals=refusals,
        )


def resolve_many_send_again(
    engine: Engine, invoice_ids: Iterable[int], refusals: Sequence[Refusal], *, actor: str, reason: str
) -> tuple[Result, ...]:
    """Queues each of these doubts again, in the order of their ids; what may not be is refused with its own sentence.

    Each has its own transaction: one that is refused or locked, or a database that goes away half-way, takes nothing
    back. Where some are locked the whole waits no longer for all of them than it would for one.
    """
    results: list[Result] = []
    numbers, patience, until = sorted(set(invoice_ids)), PERSON, time.monotonic() + ALL_WITHIN_S
    for position, invoice_id in enumerate(numbers):
        try:
            results.append(
                resolve_send_again(engine, invoice_id, refusals, actor=actor, reason=reason, patience=patience)
            )
        except UnknownInvoice as error:
            results.append(Result(done=False, message=str(error), invoice_id=invoice_id))
        except DatabaseUnavailable as error:
            is_alone = isinstance(error, DatabaseBusy) and time.monotonic() < until
            if not (results or is_alone):
                raise
            results.append(Result(done=False, message=str(error), invoice_id=invoice_id))
            if not is_alone:
                return (*results, *_left_out(numbers[position + 1 :], error))
            patience = AFTER_A_LOCKED_ONE
    return tuple(results)


def _left_out(invoice_ids: Iterable[int], error: DatabaseUnavailable) -> Iterator[Result]:
    for invoice_id in invoice_ids:
        yield Result(done=False, message=wording_database.not_asked(error.why), invoice_id=invoice_id)


def reopen(engine: Engine, invoice_id: int, refusals: Sequence[Refusal], *, actor: str, reason: str) -> Result:
    """Makes an invoice that a person declared synced in doubt again. Raises UnknownInvoice."""
    with _one(engine, invoice_id, refusals) as desk:
        return outbox.reopen(desk.conn, invoice_id, actor=clean_text(actor), reason=clean_text(reason), now=desk.now)


@contextmanager
def _one(engine: Engine, invoice_id: int, refusals: Sequence[Refusal], patience: Patience = PERSON) -> Iterator[_Desk]:
    with writing(engine, patience) as conn:
        now = queueing_time(conn)
        invoice = billing.read_invoice(conn, invoice_id)
        if invoice:
            outbox.adopt(conn, invoice, outbox.known_refusals(conn, refusals, for_share=True), now=now)
        yield _Desk(conn=conn, invoice=invoice, now=now)
