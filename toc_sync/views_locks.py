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
