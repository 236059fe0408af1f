"""What the overview shows, as frozen values: where every invoice stands now, and what happened within a range.

Each number that leads to a list carries that list's filter. Standard library, `model` and `views` only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from toc_sync.model import Outcome, Status
from toc_sync.views import Attempted, InvoiceFilter, InvoiceRow, StatusSum, WorkerRow

MOST_DAYS = 366
"""The longest range; a longer one is cut to its last days."""


class RangeKind(StrEnum):
    """Which time to look at, as it stands in the address."""

    DAY = "24h"
    WEEK = "7d"
    FOUR_WEEKS = "30d"
    MONTH = "month"
    CUSTOM = "custom"


@dataclass(frozen=True, kw_only=True)
class RangeAsked:
    """The range somebody asks for. `first` is any day of the month, or the first day; where it is missing, today is."""

    kind: RangeKind = RangeKind.DAY
    first: date | None = None
    last: date | None = None


@dataclass(frozen=True, kw_only=True)
class Slot:
    """One bar of a chart: an hour, or a day in Lisbon. The end is not part of it."""

    start_at: datetime
    end_at: datetime


@dataclass(frozen=True, kw_only=True)
class Range:
    """The time looked at, in slots without gaps; both days included, the instant at the end not."""

    start_at: datetime
    end_at: datetime
    first_day: date
    last_day: date
    hourly: bool
    slots: tuple[Slot, ...]


@dataclass(frozen=True, kw_only=True)
class Counted:
    """How many invoices match a filter, and what they and their VAT are worth, per currency."""

    wanted: InvoiceFilter
    count: int = 0
    amounts: Mapping[str, Decimal] = field(default_factory=dict)
    vat: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AttemptCount:
    """How many attempts that began within a slot ended how, and how many invoices of the list they were about."""

    slot: Slot
    outcome: Outcome
    attempts: int
    invoices: int

    @property
    def wanted(self) -> InvoiceFilter:
        """The list of these invoices."""
        return InvoiceFilter(
            attempted=Attempted(since_at=self.slot.start_at, until_at=self.slot.end_at, outcomes=(self.outcome,))
        )


@dataclass(frozen=True, kw_only=True)
class Percentiles:
    """How long half of them and 95 of a hundred took at most, in seconds to the tenth, and of how many that is said."""

    slot: Slot
    half_s: float
    most_s: float
    count: int


@dataclass(frozen=True, kw_only=True)
class Times:
    """How long things took in the whole range, and in each of its slots in which there were any."""

    whole: Percentiles | None
    by_slot: tuple[Percentiles, ...]


@dataclass(frozen=True, kw_only=True)
class Overview:
    """Where every invoice stands now, whatever range is looked at."""

    sums: Mapping[Status, StatusSum]
    old_doubts: StatusSum
    needs_attention: Counted
    in_doubt: Counted
    doubts_that_last: Counted
    on_its_way: Counted
    never_sent: Counted
    at_risk: Counted
    oldest_waiting_s: float | None
    last_failures: tuple[InvoiceRow, ...]
    workers: tuple[WorkerRow, ...]
    oldest_attention_at: datetime | None
    read_at: datetime


@dataclass(frozen=True, kw_only=True)
class Health:
    """What happened within a range, and how many of the invoices dated in it are in TOC Online.

    Attempts belong to the slot in which they began, invoices to the one in which they were synced.
    """

    covers: Range
    there: Counted
    missing: Counted
    unsuccessful: Counted
    attempts: tuple[AttemptCount, ...]
    answers: Times
    to_synced: Times
    read_at: datetime

    def attempts_of(self, *outcomes: Outcome) -> int:
        """Returns how many attempts ended in one of these ways."""
        return sum(each.attempts for each in self.attempts if each.outcome in outcomes)

    def per_slot(self, *outcomes: Outcome) -> tuple[int, ...]:
        """Returns how many attempts of each slot ended in one of these ways, oldest first."""
        counts = dict.fromkeys(self.covers.slots, 0)
        for each in self.attempts:
            if each.outcome in outcomes:
                counts[each.slot] += each.attempts
        return tuple(counts.values())
