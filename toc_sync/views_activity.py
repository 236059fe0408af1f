"""What the activity page and the drawer show of what happened, and who else is there. Standard library and `model` only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from toc_sync.model import ErrorKind, Outcome, Trigger

EXPORTED_AT_MOST = 50_000


class Source(StrEnum):
    """Who was at work: the program that sends, or a person."""

    ATTEMPT = "attempt"
    PERSON = "person"


@dataclass(frozen=True, kw_only=True)
class ActivityFilter:
    """Which attempts and actions to list; empty means all.

    `since` counts, `until` does not any more. `invoice` is an id or a whole number; `who` is a part of a name.
    `outcomes` leaves only attempts that ended so, `actions` only what people did under these names; together both.
    """

    since: datetime | None = None
    until: datetime | None = None
    who: str = ""
    invoice: str = ""
    source: Source | None = None
    outcomes: tuple[Outcome, ...] = ()
    actions: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ActivityRow:
    """One attempt, or one thing that a person did."""

    source: Source
    id: int
    """Unique among attempts, and among actions."""
    at: datetime
    who: str
    invoice_id: int | None
    invoice_number: str | None
    attempt: int | None
    trigger: Trigger | None
    outcome: Outcome | None
    """None for an action, and for an attempt that is under way."""
    error_kind: ErrorKind | None
    action: str | None
    batch_id: int | None
    done: bool | None
    """Whether an action was done or refused; None for an attempt."""
    reason: str | None
    result: str | None
    http_status: int | None
    duration_ms: int | None
    request_id: str | None


@dataclass(frozen=True, kw_only=True)
class ActivityPage:
    """One page of what happened, newest first, and how much matches in all."""

    rows: tuple[ActivityRow, ...]
    total: int
    read_at: datetime


@dataclass(frozen=True, kw_only=True)
class AttemptEvidence:
    """What is kept of one attempt for those who look into it: what the platform calls it, and the answer as it came."""

    row: ActivityRow
    worker: str
    finished_at: datetime | None
    platform_ids: Mapping[str, str]
    body: str | None


@dataclass(frozen=True, kw_only=True)
class Onlooker:
    """Somebody who has an invoice open."""

    session: str
    invoice_id: int
    actor: str
    since_at: datetime


@dataclass(frozen=True, kw_only=True)
class HeldBy:
    """The running batch that an invoice is part of, and how far it has come there."""

    batch_id: int
    actor: str
    state: str


@dataclass(frozen=True, kw_only=True)
class Company:
    """Who else is at work on one invoice."""

    onlookers: tuple[Onlooker, ...]
    batch: HeldBy | None
    read_at: datetime
