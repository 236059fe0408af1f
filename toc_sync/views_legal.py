"""What pages show about the legal clock and about a month's close, as frozen values. Standard library and `model` only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from toc_sync.model import Status

UNSYNCED = (Status.NOT_SYNCED, Status.QUEUED, Status.SYNCING, Status.FAILED, Status.IN_DOUBT)
"""Statuses in which the legal deadline still runs."""

ASKED_FOR = (Status.QUEUED, Status.SYNCING, Status.FAILED, Status.IN_DOUBT)
"""Those of them in which somebody has asked for the invoice to be sent."""


class DeadlineState(StrEnum):
    """How near the legal deadline of an invoice is."""

    OVERDUE = "overdue"
    DUE_TODAY = "due_today"
    DUE_SOON = "due_soon"
    """Due on the next working day."""
    LATER = "later"
    NONE = "none"
    """It is in TOC Online, need not be there, or has no date."""


class DueFilter(StrEnum):
    """Which legal deadlines to list, of invoices that are to be issued and not in TOC Online."""

    OVERDUE = "overdue"
    TODAY = "today"
    SOON = "soon"
    """After today, on the next working day at the latest."""
    WEEK = "week"
    """Today or within seven days."""


class Finding(StrEnum):
    """What may be special about an invoice when its month is closed."""

    TO_BE_ISSUED = "to_be_issued"
    """Issued, partially paid or paid in billing."""
    CREDIT_NOTE = "credit_note"
    """In TOC Online, but cancelled, void or deleted in billing."""
    WARNING = "warning"
    """A warning hangs on it: a possible duplicate, mostly."""
    NO_NUMBER = "no_number"
    """In TOC Online, but the answer named no document number."""


@dataclass(frozen=True, kw_only=True)
class Sums:
    """How many invoices, and their subtotals, VAT and totals, per currency."""

    count: int = 0
    subtotals: Mapping[str, Decimal] = field(default_factory=dict)
    vat: Mapping[str, Decimal] = field(default_factory=dict)
    totals: Mapping[str, Decimal] = field(default_factory=dict)

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            count=self.count + other.count,
            subtotals=_added(self.subtotals, other.subtotals),
            vat=_added(self.vat, other.vat),
            totals=_added(self.totals, other.totals),
        )


@dataclass(frozen=True, kw_only=True)
class DueCounts:
    """What must be issued soon or should have been, and is not in TOC Online.

    `overdue` and `never_sent` are past their deadline: the first were asked for (waiting, failed, in doubt), the second
    never (created elsewhere, perhaps long ago). `today` and `soon` (on `next_working_day`) hold both.
    """

    overdue: Sums
    never_sent: Sums
    today: Sums
    soon: Sums
    read_on: date
    next_working_day: date


class MonthLine(StrEnum):
    """What a month's invoices are counted as."""

    ISSUED = "issued"
    THERE = "there"
    IN_DOUBT = "in_doubt"
    WAITING = "waiting"
    FAILED = "failed"
    NEVER_SENT = "never_sent"
    WARNING = "warning"
    CREDIT_NOTE = "credit_note"
    NO_NUMBER = "no_number"


COUNTED_AS: Mapping[MonthLine, tuple[tuple[Status, ...], Finding | None]] = {
    MonthLine.ISSUED: ((), Finding.TO_BE_ISSUED),
    MonthLine.THERE: ((Status.SYNCED,), Finding.TO_BE_ISSUED),
    MonthLine.IN_DOUBT: ((Status.IN_DOUBT,), None),
    MonthLine.WAITING: ((Status.QUEUED, Status.SYNCING), None),
    MonthLine.FAILED: ((Status.FAILED,), Finding.TO_BE_ISSUED),
    # "Not needed" too: an invoice that was cancelled and then issued after all is one, until observation notices.
    MonthLine.NEVER_SENT: ((Status.NOT_SYNCED, Status.NOT_NEEDED), Finding.TO_BE_ISSUED),
    MonthLine.WARNING: ((), Finding.WARNING),
    MonthLine.CREDIT_NOTE: ((), Finding.CREDIT_NOTE),
    MonthLine.NO_NUMBER: ((), Finding.NO_NUMBER),
}
"""With which status and finding an invoice is counted as what. An invoice in doubt counts whatever billing says."""

MISSING = (MonthLine.IN_DOUBT, MonthLine.WAITING, MonthLine.FAILED, MonthLine.NEVER_SENT)
"""What keeps a month from being complete."""

TO_CHECK = (MonthLine.WARNING, MonthLine.CREDIT_NOTE, MonthLine.NO_NUMBER)
"""What a person should look at before the month is closed; TOC Online has these."""


@dataclass(frozen=True, kw_only=True)
class AmountDifference:
    """An invoice whose total in TOC Online's answer is not ours."""

    invoice_id: int
    invoice_number: str | None
    document_no: str | None
    currency_code: str
    ours: Decimal
    theirs: Decimal


@dataclass(frozen=True, kw_only=True)
class MonthClose:
    """How one month (its first day) stands, by invoice date."""

    month: date
    lines: Mapping[MonthLine, Sums]
    compared: int
    """How many answers named a total that could be compared with ours."""
    differences: tuple[AmountDifference, ...]
    read_at: datetime

    @property
    def missing(self) -> int:
        """How many invoices are not, or not certainly, in TOC Online."""
        return sum(self.lines[line].count for line in MISSING)

    @property
    def to_check(self) -> int:
        """How many remarks there are about invoices that are in TOC Online."""
        return sum(self.lines[line].count for line in TO_CHECK)

    @property
    def is_complete(self) -> bool:
        """Tells whether both sides agree: every invoice is there, and every amount that can be compared is equal."""
        agree = self.lines[MonthLine.ISSUED] == self.lines[MonthLine.THERE]
        return agree and not self.missing and not self.differences


@dataclass(frozen=True, kw_only=True)
class MonthInvoice:
    """One line of the accountant's list."""

    invoice_id: int
    invoice_number: str | None
    document_no: str | None
    invoice_date: date | None
    payer: str | None
    subtotal_amount: Decimal
    vat_amount: Decimal
    total_amount: Decimal
    currency_code: str
    status: Status
    invoice_status: str | None
    synced_at: datetime | None
    deadline: date | None
    error: str | None
    missing: MonthLine | None
    """Why it keeps the month from being complete; None where it does not."""


def _added(one: Mapping[str, Decimal], other: Mapping[str, Decimal]) -> dict[str, Decimal]:
    return {
        currency: one.get(currency, Decimal(0)) + other.get(currency, Decimal(0))
        for currency in sorted(one.keys() | other.keys())
    }
