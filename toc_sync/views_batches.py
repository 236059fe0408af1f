"""Acting on many: which invoices are meant, what would happen to them, and how a batch goes. Frozen values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from toc_sync.model import Status
from toc_sync.views import InvoiceFilter, Refused


class BatchKind(StrEnum):
    """How the invoices of a batch were chosen."""

    RETRY = "retry"
    """All that match the filter of the list."""
    RECOVER = "recover"
    """Everything that was created, or last tried, in a stretch of time."""
    IDS = "ids"
    """The invoices that somebody named."""


class ItemState(StrEnum):
    """Where one invoice of a batch stands within it."""

    WAITING = "waiting"
    ASKED = "asked"
    """It was asked for; its record says what came of it."""
    REFUSED = "refused"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which invoices to act on: by filter, by a stretch of time (both ends included), or by id; one of the three."""

    kind: BatchKind
    wanted: InvoiceFilter = field(default_factory=InvoiceFilter)
    since: datetime | None = None
    until: datetime | None = None
    invoice_ids: tuple[int, ...] = ()

    @classmethod
    def matching(cls, wanted: InvoiceFilter) -> Selection:
        """Returns all that match a filter."""
        return cls(kind=BatchKind.RETRY, wanted=wanted)

    @classmethod
    def created_or_failed(cls, since: datetime, until: datetime) -> Selection:
        """Returns what was created or last tried between two instants."""
        return cls(kind=BatchKind.RECOVER, since=since, until=until)

    @classmethod
    def named(cls, invoice_ids: tuple[int, ...]) -> Selection:
        """Returns the invoices with these ids."""
        return cls(kind=BatchKind.IDS, invoice_ids=invoice_ids)


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast invoices go out at present: threads that are alive, and the median answer time of the last attempts."""

    threads: int
    answer_s: float | None
    is_open: bool = True
    """Whether invoices may leave at all."""

    def seconds_for(self, count: int) -> float | None:
        """Returns how long `count` invoices take; None where nothing is sending or nothing was answered yet."""
        if not self.is_open or not self.threads or self.answer_s is None:
            return None
        return count * self.answer_s / self.threads


@dataclass(frozen=True, kw_only=True)
class BatchPreview:
    """What acting on a selection would do now. `matching` is what it finds, `count` what would be sent of it."""

    description: str
    matching: int
    count: int
    amounts: Mapping[str, Decimal]
    vat: Mapping[str, Decimal]
    refused: tuple[Refused, ...]
    in_doubt: int
    """How many of the refused are in doubt: they are to be resolved instead."""
    dated_before: int
    """How many would be sent although their issuer has a document with a later date."""
    first_date: date | None
    last_date: date | None
    pace: Pace
    duration_s: float | None
    read_at: datetime


@dataclass(frozen=True, kw_only=True)
class Started:
    """What starting a batch came to; `batch_id` is None where there was nothing to send."""

    batch_id: int | None
    message: str


@dataclass(frozen=True, kw_only=True)
class BatchResult:
    """What cancelling a batch did, or why it was refused, as one sentence for a person."""

    done: bool
    message: str


@dataclass(frozen=True, kw_only=True)
class BatchView:
    """A batch as it stands: how many of its invoices wait, were asked for (by status now), refused or cancelled."""

    batch_id: int
    kind: BatchKind
    description: str
    actor: str
    reason: str | None
    created_at: datetime
    finished_at: datetime | None
    cancelled_at: datetime | None
    cancelled_by: str | None
    total: int
    waiting: int
    refused: int
    cancelled: int
    asked: Mapping[Status, int]
    amounts: Mapping[str, Decimal]
    remaining_s: float | None
    """How long what is left takes at the present pace."""

    @property
    def is_running(self) -> bool:
        """Tells whether it goes on."""
        return self.finished_at is None

    @property
    def left(self) -> int:
        """How many have no result yet."""
        return self.waiting + self.asked.get(Status.QUEUED, 0) + self.asked.get(Status.SYNCING, 0)

    @property
    def share(self) -> float:
        """Returns which share has a result, from 0 to 1."""
        return 1 - self.left / self.total if self.total else 1.0


@dataclass(frozen=True, kw_only=True)
class BatchItem:
    """What came of one invoice of a batch; `status` is the invoice's own, as it is now."""

    position: int
    invoice_id: int
    invoice_number: str | None
    state: ItemState
    message: str | None
    status: Status
    error: str | None
    document_no: str | None
    total_amount: Decimal
    currency_code: str


@dataclass(frozen=True, kw_only=True)
class Outage:
    """A time in which nothing was sent because the function did not work; `until` is None while it lasts."""

    since: datetime
    until: datetime | None
