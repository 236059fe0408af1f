"""What keeps invoices from moving, as frozen values: who holds locks, and what stands still behind them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A transaction of another connection that has held locks on our tables, or on the invoices, for a while."""

    pid: int
    program: str
    user: str
    address: str
    since: datetime
    is_idle: bool
    """It does nothing at this moment: its program stands still, waits for a person, or is gone."""


@dataclass(frozen=True, kw_only=True)
class Standstill:
    """What should have moved and has not; `holder` is who may be in the way, where that can be known."""

    overdue: tuple[int, ...] = ()
    """Invoices whose lease is long over, and that nobody could put in doubt."""
    due: tuple[int, ...] = ()
    """Some of the invoices that are due while nothing leaves, although sending is not stopped."""
    due_since: datetime | None = None
    holder: Holder | None = None

    @property
    def is_none(self) -> bool:
        """Tells whether everything moves, and nobody holds anything of ours for long."""
        return not (self.overdue or self.due or self.holder)
