"""What pages show about teaching the program what an answer means, as frozen values. Standard library and `model` only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from toc_sync.model import Fixer


@dataclass(frozen=True, kw_only=True)
class TeachingPreview:
    """What teaching the answer of one invoice would do, or why it cannot be taught (then the rest is empty)."""

    why_not: str | None
    known_as: str | None = None
    """The name under which it was taught already, where this invoice was left behind."""
    example: str = ""
    form: str = ""
    """All that such an answer says, with what differs between them in angle brackets."""
    suggested_name: str = ""
    suggested_remedy: str = ""
    suggested_fixer: Fixer = Fixer.FINANCE
    past_answers: int = 0
    objections: tuple[str, ...] = ()
    count: int = 0
    """How many invoices in doubt would become retryable, and below what they are worth per currency."""
    amounts: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def may_teach(self) -> bool:
        """Tells whether it can be taught."""
        return self.why_not is None and not self.objections


@dataclass(frozen=True, kw_only=True)
class TaughtRow:
    """One answer that people taught, and how many invoices are failed because of it."""

    name: str
    example: str
    remedy: str
    fixer: Fixer
    reason: str
    taught_by: str
    taught_at: datetime
    failed: int


@dataclass(frozen=True, kw_only=True)
class TeachingResult:
    """What teaching or withdrawing did, as one sentence, and to how many invoices."""

    done: bool
    message: str
    count: int = 0
