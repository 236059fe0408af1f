"""What pages show and ask for: filters, rows and sums, as frozen values. Standard library and `model` only."""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from toc_sync.model import Certification, ErrorKind, GateCause, GateState, Outcome, Status, Trigger
from toc_sync.views_legal import COUNTED_AS, DeadlineState, DueFilter, Finding, MonthLine
from toc_sync.views_locks import Standstill

PAGE_SIZE = 50


class RowAction(StrEnum):
    """The one button of a row."""

    RETRY = "Retry"
    SYNC = "Sync"
    RESOLVE = "Resolve"


class InvoiceOrder(StrEnum):
    """How the invoice list is sorted."""

    NEWEST = "newest"
    DEADLINE = "deadline"
    """The nearest legal deadline first; at the end, newest first, those for which none runs."""


@dataclass(frozen=True, kw_only=True)
class Attempted:
    """Attempts that began within a time, its end not included, and ended in one of the ways; no way means any end."""

    since_at: datetime
    until_at: datetime
    outcomes: tuple[Outcome, ...] = ()


@dataclass(frozen=True, kw_only=True)
class InvoiceFilter:
    """Which invoices to list; empty means all. Dates are invoice dates, both ends included."""

    statuses: tuple[Status, ...] = ()
    error_kinds: tuple[ErrorKind, ...] = ()
    since: date | None = None
    until: date | None = None
    issuer_team_id: int | None = None
    payer_team_id: int | None = None
    text: str = ""
    smallest: Decimal | None = None
    largest: Decimal | None = None
    old_doubts: bool = False
    """Only what has been in doubt for too long; compared with the time of the reading."""
    error_group: str | None = None
    """Only what needs attention for this reason: the key of a group of errors."""
    due: DueFilter | None = None
    finding: Finding | None = None
    order: InvoiceOrder = InvoiceOrder.NEWEST
    batch_id: int | None = None
    """Only the invoices of this batch."""
    at_risk: bool = False
    """Only what needs attention, and what waits past its legal deadline: VAT may be owed on it that nobody declares."""
    attempted: Attempted | None = None
    """Only what was tried within a time."""


@dataclass(frozen=True, kw_only=True)
class InvoiceRow:
    """One line of the invoice list."""

    invoice_id: int
    invoice_number: str | None
    payer: str | None
    issuer: str | None
    invoice_date: date | None
    total_amount: Decimal
    currency_code: str
    status: Status
    error_kind: ErrorKind | None
    error: str | None
    document_no: str | None
    attempts: int
    last_attempt_at: datetime | None
    not_before: datetime | None
    doubt_since: datetime | None
    synced_at: datetime | None
    warning: str | None
    can_retry: bool
    can_resolve: bool
    why_not: str | None
    deadline: date | None
    """The last day on which it may be issued; None where the invoice has no date."""
    deadline_state: DeadlineState
    working_days_left: int
    """Until the deadline; 0 when it is today or was before, and where there is none."""

    @property
    def action(self) -> RowAction | None:
        """The row's button, or None where nothing can be done."""
        if self.can_resolve:
            return RowAction.RESOLVE
        if not self.can_retry:
            return None
        return RowAction.SYNC if self.status is Status.NOT_SYNCED else RowAction.RETRY


@dataclass(frozen=True, kw_only=True)
class StatusSum:
    """How many invoices have a status and what they are worth, per currency."""

    status: Status
    count: int
    amounts: Mapping[str, Decimal]


@dataclass(frozen=True, kw_only=True)
class InvoicePage:
    """One page of the list, how many match in all, and the sums per status under the same filter without its status.

    `old_doubts` are those of the doubts among the sums that have lasted too long.
    """

    rows: tuple[InvoiceRow, ...]
    total: int
    sums: Mapping[Status, StatusSum]
    old_doubts: StatusSum
    read_at: datetime


@dataclass(frozen=True, kw_only=True)
class AttemptRow:
    """One attempt in the timeline."""

    number: int
    trigger: Trigger
    requested_by: str
    started_at: datetime
    finished_at: datetime | None
    outcome: Outcome | None
    error_kind: ErrorKind | None
    error: str | None
    http_status: int | None
    duration_ms: int | None
    request_id: str
    document_no: str | None
    worker: str
    platform_ids: Mapping[str, str]
    """By what names the platform's support finds this request."""


@dataclass(frozen=True, kw_only=True)
class ActionRow:
    """One thing that a person did."""

    at: datetime
    actor: str
    action: str
    reason: str | None
    done: bool
    result: str


@dataclass(frozen=True, kw_only=True)
class AllocationRow:
    """What one order contributes to an invoice."""

    order_id: int
    project: str | None
    subtotal: Decimal
    vat: Decimal
    total: Decimal


@dataclass(frozen=True, kw_only=True)
class InvoiceDetail:
    """Everything the drawer shows about one invoice."""

    row: InvoiceRow
    caution: str | None
    """What a person should know before sending it, as a sentence."""
    obstacle: str | None
    """What keeps it from leaving while it is queued, as a sentence."""
    communicate_by: date | None
    """The last day on which it may be communicated to the tax authority; None where the invoice has no date."""
    invoice_status: str | None
    external_invoice_id: str | None
    subtotal_amount: Decimal
    vat_amount: Decimal
    notes: str | None
    created_at: datetime | None
    declared_by: str | None
    refusal: str | None
    send_again_at: datetime | None
    can_send_again: bool
    can_reopen: bool
    retried_at: datetime | None
    """When a doubt is retried by itself; None where it never is."""
    certification: Certification
    api_response: object
    attempts: tuple[AttemptRow, ...]
    actions: tuple[ActionRow, ...]
    allocations: tuple[AllocationRow, ...]
    read_at: datetime


@dataclass(frozen=True, kw_only=True)
class Refused:
    """Why some of several invoices are refused, how many, and the names of some of them."""

    why: str
    count: int
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DoubtLine:
    """One invoice that somebody looks up: by what it is found, and why it may not be sent again (None: it may)."""

    invoice_id: int
    name: str
    payer: str | None
    invoice_date: date | None
    total_amount: Decimal
    currency_code: str
    why_not: str | None


@dataclass(frozen=True, kw_only=True)
class SendAgainPreview:
    """What "it is not there: send again" would do now to each of several invoices."""

    lines: tuple[DoubtLine, ...]

    @property
    def invoice_ids(self) -> tuple[int, ...]:
        """Those that may be sent again."""
        return tuple(line.invoice_id for line in self.lines if line.why_not is None)

    def only(self, invoice_ids: Collection[int]) -> SendAgainPreview:
        """Returns the same about these invoices only, without those that are refused."""
        return SendAgainPreview(
            lines=tuple(line for line in self.lines if line.why_not is None and line.invoice_id in invoice_ids)
        )

    @property
    def amounts(self) -> dict[str, Decimal]:
        """What those that may be sent again are worth, per currency."""
        amounts: dict[str, Decimal] = defaultdict(Decimal)
        for line in self.lines:
            if line.why_not is None:
                amounts[line.currency_code] += line.total_amount
        return dict(amounts)


@dataclass(frozen=True, kw_only=True)
class OrderFilter:
    """Which orders to list; empty means all. The period is the order's billing period, both ends included."""

    project_id: int | None = None
    statuses: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    has_remaining: bool | None = None
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class OrderRow:
    """One line of the order list."""

    order_id: int
    project_id: int | None
    project: str | None
    period_start: date | None
    period_end: date | None
    subtotal: Decimal
    vat: Decimal
    total: Decimal
    currency_code: str
    status: str
    issued: Decimal
    remaining: Decimal
    invoice_statuses: tuple[Status, ...]
    can_invoice: bool
    why_not: str | None

    def vat_of(self, subtotal: Decimal) -> Decimal:
        """Returns the VAT of an allocation of this order."""
        return share_of_vat(subtotal, self.subtotal, self.vat)


@dataclass(frozen=True, kw_only=True)
class OrderPage:
    """One page of orders and how many match in all."""

    rows: tuple[OrderRow, ...]
    total: int


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One entry of a select box."""

    id: int
    name: str


@dataclass(frozen=True, kw_only=True)
class WorkerRow:
    """One program that sends, and when it was last heard of."""

    name: str
    host: str | None
    """Unknown of programs before 1.1.0, like the version."""
    version: str | None
    threads: int
    started_at: datetime
    last_seen_at: datetime
    alive: bool
    outdated: bool
    """Whether a newer version is alive beside it."""
    obstacle: str | None = None
    """Why it sends nothing although invoices may leave."""


@dataclass(frozen=True, kw_only=True)
class Reopening:
    """The newest time that nothing was sent, and what has become of the invoices that waited then."""

    cause: GateCause
    closed_at: datetime
    opened_at: datetime
    opened_by: str
    waited: int
    statuses: Mapping[Status, int]


@dataclass(frozen=True, kw_only=True)
class GateView:
    """Whether invoices may leave, and what waits meanwhile."""

    state: GateState
    since: datetime
    cause: GateCause | None
    changed_by: str | None
    reason: str | None
    probe_at: datetime | None
    waiting: int
    amounts: Mapping[str, Decimal]
    reopening: Reopening | None
    """The newest opening, if it is recent and somebody had waited for it."""

    @property
    def is_open(self) -> bool:
        """Tells whether invoices may leave."""
        return self.state is GateState.OPEN


@dataclass(frozen=True, kw_only=True)
class Sending:
    """Whether anything is sending: who is alive, and whether invoices may leave."""

    workers: tuple[WorkerRow, ...]
    gate: GateView
    standstill: Standstill
    read_at: datetime

    @property
    def alive(self) -> tuple[WorkerRow, ...]:
        """The programs that send and are alive."""
        return tuple(worker for worker in self.workers if worker.alive)

    @property
    def obstacles(self) -> tuple[str, ...]:
        """Why programs that are alive send nothing although invoices may leave, each reason once."""
        return tuple(dict.fromkeys(worker.obstacle for worker in self.alive if worker.obstacle))


@dataclass(frozen=True, kw_only=True)
class Proof:
    """One invariant in plain words, how many rows were looked at, and which invoices break it."""

    sentence: str
    checked: int
    invoice_ids: tuple[int, ...]


def month_filter(line: MonthLine, month: date) -> InvoiceFilter:
    """Returns the list that stands behind a line of a month's close; `month` is any day of it."""
    statuses, finding = COUNTED_AS[line]
    return InvoiceFilter(statuses=statuses, finding=finding, since=month.replace(day=1), until=last_day_of(month))


def last_day_of(month: date) -> date:
    """Returns the last day of a day's month."""
    return month.replace(day=monthrange(month.year, month.month)[1])


def share_of_vat(subtotal: Decimal, order_subtotal: Decimal, order_vat: Decimal) -> Decimal:
    """Returns the VAT of an allocation: the order's own VAT ratio, rounded half up to the cent."""
    if not order_subtotal:
        return Decimal("0.00")
    return (subtotal * order_vat / order_subtotal).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
