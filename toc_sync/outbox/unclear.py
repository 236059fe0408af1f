"""Unclear answers: the invoices that are in doubt because of an answer of the function, and that answer.

Reads only. What is not known for certain to be the last word about an invoice is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, and_, bindparam, func, select

from toc_sync import api_response
from toc_sync.classify import classify
from toc_sync.lesson import whole_answer
from toc_sync.model import ErrorKind, Outcome, Refusal, Reply, Status, Verdict
from toc_sync.tables import issued_client_invoices as invoices
from toc_sync.tables import sync_attempts as attempts
from toc_sync.tables import sync_records as records


@dataclass(frozen=True, kw_only=True)
class Unclear:
    """One invoice in doubt. `reply` is None where no whole answer is known, or where it is not the last word."""

    invoice_id: int
    attempt_count: int
    total_amount: Decimal
    currency_code: str
    reply: Reply | None
    api_response: object

    def verdict(self, refusals: Sequence[Refusal]) -> Verdict | None:
        """Returns what the answer means with these refusals; None where it would leave anything open."""
        if self.reply is None:
            return None
        if self.attempt_count and self._is_open_elsewhere(refusals):
            return None
        return classify(self.reply, refusals)

    def _is_open_elsewhere(self, refusals: Sequence[Refusal]) -> bool:
        """The other application may have sent it too: what it wrote must not be a doubt of its own."""
        if api_response.is_doubt_about(self.api_response, self.attempt_count):
            return False
        written = api_response.read(self.api_response, refusals)
        return written is not None and written.outcome is not Outcome.FAILED


def unclear_after(conn: Connection, invoice_id: int, *, at_most: int) -> list[Unclear]:
    """Returns the next invoices in doubt after this id, in ascending order."""
    query = _unclear().where(records.c.invoice_id > invoice_id).order_by(records.c.invoice_id).limit(at_most)
    return [_as_unclear(row) for row in conn.execute(query).mappings()]


def unclear_one(conn: Connection, invoice_id: int) -> Unclear | None:
    """Returns this invoice, if it is in doubt because of an answer."""
    row = conn.execute(_one(), {"wanted": invoice_id}).mappings().one_or_none()
    return _as_unclear(row) if row else None


@cache  # asked for each of many invoices, and building it takes longer than running it
def _one() -> Select[Any]:
    return _unclear().where(records.c.invoice_id == bindparam("wanted"))


def _unclear() -> Select[Any]:
    highest = select(func.max(attempts.c.number)).where(attempts.c.invoice_id == records.c.invoice_id)
    # The newest attempt, and also the newest claim: a restored database may know only one of the two.
    newest = and_(
        attempts.c.invoice_id == records.c.invoice_id,
        attempts.c.request_id == records.c.claim_id,
        attempts.c.number == highest.correlate(records).scalar_subquery(),
    )
    columns = (
        records.c.invoice_id,
        records.c.attempt_count,
        records.c.total_amount,
        records.c.currency_code,
        attempts.c.http_status,
        attempts.c.response_headers,
        attempts.c.response_body,
        invoices.c.api_response,
    )
    return (
        select(*columns)
        .select_from(
            records.outerjoin(attempts, newest).outerjoin(invoices, invoices.c.id == records.c.invoice_id),
        )
        .where(records.c.status == Status.IN_DOUBT, records.c.error_kind == ErrorKind.SERVER_ERROR)
        .where(records.c.open_doubt.is_(None))
    )


def _as_unclear(row: RowMapping) -> Unclear:
    if row["attempt_count"]:
        reply = whole_answer(row["http_status"], row["response_headers"], row["response_body"])
    else:
        reply = api_response.answer_to_others(row["api_response"])
    return Unclear(
        invoice_id=row["invoice_id"],
        attempt_count=row["attempt_count"],
        total_amount=row["total_amount"],
        currency_code=row["currency_code"],
        reply=reply,
        api_response=row["api_response"],
    )
