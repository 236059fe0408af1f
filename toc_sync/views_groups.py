"""What pages show about groups of errors, as frozen values. Standard library and `model` only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from toc_sync.model import ErrorKind, Fixer


@dataclass(frozen=True, kw_only=True)
class NoteResult:
    """What became of a note, as one sentence for a person."""

    done: bool
    message: str


@dataclass(frozen=True, kw_only=True)
class ErrorGroup:
    """The invoices that need attention for one and the same reason; amounts are per currency."""

    key: str
    name: str
    error_kind: ErrorKind
    refusal: str | None
    example: str
    fixer: Fixer
    advice: str
    failed: int
    in_doubt: int
    amounts: Mapping[str, Decimal]
    vat: Mapping[str, Decimal]
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    trend: tuple[int, ...]
    """Attempts that ended so, the oldest first: one number per `TREND_STEP` of the last week."""
    newest_doubt: int | None
    """The invoice in doubt whose answer would be taught; None where no answer came that could be."""
    note: str | None
    noted_by: str | None
    noted_at: datetime | None

    @property
    def count(self) -> int:
        """How many invoices need attention for this reason."""
        return self.failed + self.in_doubt

    @property
    def worth(self) -> Decimal:
        """What they are worth, whatever the currency: only to put the larger ones first."""
        return sum(self.amounts.values(), Decimal(0))
