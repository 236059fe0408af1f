"""The words of the project: statuses, outcomes and the frozen values that cross rooms.

Imports the standard library only, touches nothing, decides nothing. Every other room may import it.
Instants end in ``_at`` and are aware UTC; durations end in ``_s`` or ``_ms``; amounts are ``Decimal`` with two places.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

VERSION = "1.1.0"
"""Of this program, as workers announce it; `pyproject.toml` says the same."""

ZONE = ZoneInfo("Europe/Lisbon")
"""Where the law applies: what a day is."""

MAX_INVOICE_ID = 2**63 - 1
GATEWAY_STATUSES = frozenset({502, 503, 504, *range(520, 528), 530, 544, 546})
"""What gateways and the platform answer in the function's place: it may not have been reached, or go on behind them."""

SENDABLE_INVOICE_STATUSES = frozenset({"issued", "partially_paid", "paid"})
ENDED_INVOICE_STATUSES = frozenset({"cancelled", "void"})


class Status(StrEnum):
    """Where an invoice stands, and who moves it next."""

    NOT_SYNCED = "not_synced"
    """Never sent by us. A person moves it: Sync."""
    QUEUED = "queued"
    """Waiting for a free thread or for `not_before`. The worker moves it."""
    SYNCING = "syncing"
    """Claimed: an attempt is open, the request may be on the wire. The worker settles it, or the rescue ends its lease."""
    SYNCED = "synced"
    """TOC Online has it. Final."""
    FAILED = "failed"
    """Certainly not in TOC Online. A person moves it: Retry."""
    IN_DOUBT = "in_doubt"
    """May or may not be in TOC Online. Observation or a person moves it: Resolve."""
    NOT_NEEDED = "not_needed"
    """Cancelled, void or deleted before it was sent. Nobody moves it."""


NEEDS_ATTENTION = (Status.FAILED, Status.IN_DOUBT)
ON_ITS_WAY = (Status.QUEUED, Status.SYNCING)


class ErrorKind(StrEnum):
    """Why an invoice is not (known to be) in TOC Online."""

    REJECTED = "rejected"
    CONFIGURATION = "configuration"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    LOST = "lost"
    UNREADABLE = "unreadable"
    SERVER_ERROR = "server_error"
    ACCEPTED = "accepted"


class Outcome(StrEnum):
    """How one attempt ended. Only `UNDELIVERED` is ever repeated without a person."""

    SYNCED = "synced"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"
    UNDELIVERED = "undelivered"


class Trigger(StrEnum):
    """What started an attempt."""

    CREATED = "created"
    AUTOMATIC = "automatic"
    RETRY = "retry"
    SYNC = "sync"
    SEND_AGAIN = "send_again"


class GateState(StrEnum):
    """Whether invoices may leave."""

    OPEN = "open"
    CLOSED = "closed"
    """The function or its platform does not work. It opens by itself after an outage, else a person opens it."""
    PAUSED = "paused"
    """A person, or a changed database, stopped the sending. Only a person resumes it."""


class GateCause(StrEnum):
    """Why the gate is not open."""

    OUTAGE = "outage"
    CONFIGURATION = "configuration"
    PERSON = "person"
    DATABASE = "database"
    CLOCK = "clock"
    """This machine's clock was set forward; never written down, and over by itself."""


class Fixer(StrEnum):
    """Who can put a refused invoice right."""

    FINANCE = "finance"
    ADMINISTRATOR = "administrator"
    TOC_ONLINE = "toc_online"


class Unsent(StrEnum):
    """Why no complete answer came back from one POST."""

    CONFIGURATION = "configuration"
    """Nothing was sent and nothing will be until a setting changes (URL, certificate)."""
    UNDELIVERED = "undelivered"
    """Nothing was sent; the next try may succeed."""
    HELD_BACK = "held_back"
    """Nothing was sent because this program itself held it back: that says nothing about the other side."""
    TIMEOUT = "timeout"
    """It may have been sent; the time ran out."""
    LOST = "lost"
    """It may have been sent; the connection broke."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A complete answer to one POST: the status, lower-case header names and the body's bytes, cut at the cap."""

    http_status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool
    duration_ms: int


@dataclass(frozen=True, kw_only=True)
class NoReply:
    """No complete answer to one POST: why, in which words, and what had arrived by then (None where nothing had)."""

    why: Unsent
    error: str
    duration_ms: int
    http_status: int | None = None

    @property
    def sent(self) -> bool:
        """Tells whether the request may have reached the other side."""
        return self.why in (Unsent.TIMEOUT, Unsent.LOST)


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A recognised answer after which certainly nothing was issued, and what a person does about it."""

    name: str
    pattern: re.Pattern[str]
    kind: ErrorKind
    remedy: str
    fixer: Fixer
    taught: bool = False
    """Whether a person taught it: then the pattern is one for everything an answer says, and only of the function."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What one answer means. `error` is text for people; `refusal` names the recognised refusal, if one was."""

    outcome: Outcome
    error_kind: ErrorKind | None = None
    error: str | None = None
    http_status: int | None = None
    document_no: str | None = None
    toc_data: object = None
    refusal: str | None = None


@dataclass(frozen=True, kw_only=True)
class Certification:
    """What an answer says about the document in law, in the answer's own words; None where it says nothing."""

    atcud: str | None = None
    hash: str | None = None
    communicated: str | None = None
    """Whether, or when, the tax authority was told of it."""

    @property
    def says_anything(self) -> bool:
        """Tells whether there is anything to show."""
        return any((self.atcud, self.hash, self.communicated))


@dataclass(frozen=True, kw_only=True)
class Invoice:
    """One row of `issued_client_invoices` with the titles of its teams."""

    invoice_id: int
    invoice_number: str | None
    external_invoice_id: str | None
    invoice_date: date | None
    subtotal_amount: Decimal
    vat_amount: Decimal
    total_amount: Decimal
    currency_code: str
    status: str
    issuer_team_id: int | None
    issuer: str | None
    payer_team_id: int | None
    payer: str | None
    notes: str | None
    api_response: object
    created_at: datetime | None
    updated_at: datetime | None
    api_fingerprint: str | None = None
    """A short stand-in for `api_response`, of the same reading."""


@dataclass(frozen=True, kw_only=True)
class ClockReading:
    """What a machine's clocks say at one moment: the one that people can set, and the one that nobody can."""

    boot: str
    """Which start of the machine `uptime_s` counts from; empty where the system does not tell."""
    uptime_s: float
    wall: datetime


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A claim as it is remembered outside the database: which database, where, which attempt, and the newest before it."""

    database_id: str
    place: Mapping[str, str]
    claim: tuple[int, str]
    seen: tuple[int, str] | None


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The right to send one invoice once: an open attempt, committed before the network is used."""

    invoice_id: int
    number: int
    request_id: str
    trigger: Trigger
    requested_by: str
    lease_until: datetime
    started_at: datetime
    worker: str
    is_probe: bool = False
    """Sent through a closed gate, to learn whether the function works again; it uses up no try."""
    mark: Mark | None = None
    """What the witness is told before the request leaves; None where none is kept."""


@dataclass(frozen=True, kw_only=True)
class SyncState:
    """The answer to "what is the state of this invoice?", as scripts get it."""

    invoice_id: int
    status: Status
    synced: bool
    synced_at: datetime | None
    error: str | None
    error_kind: ErrorKind | None
    attempts: int
    not_before: datetime | None
    document_no: str | None

    @property
    def on_its_way(self) -> bool:
        """Tells whether the worker will move it next."""
        return self.status in ON_ITS_WAY


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a verb did, or why it refused, as one sentence for a person."""

    done: bool
    message: str
    invoice_id: int
    status: Status | None = None
    needs_confirmation: bool = False
    """Refused once only: asking again, on purpose, is allowed."""


class Confirmed(StrEnum):
    """What somebody who asks for a sending has confirmed beforehand."""

    NOTHING = "nothing"
    """A first press on a page: everything that is to be asked is asked."""
    UNCHANGED = "unchanged"
    """A script or a batch means what it says, also where nobody corrected what was refused."""
    EVERYTHING = "everything"
    """Asked once, and answered: also where nobody can tell whether the other application is sending it."""


@dataclass(frozen=True, kw_only=True)
class GateResult:
    """What stopping or resuming the sending did, or why it was refused, as one sentence for a person."""

    done: bool
    message: str


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One mistake in what a person entered: the field it belongs to and a sentence that says what to change."""

    field: str
    message: str


class TocSyncError(Exception):
    """Every error this project raises on purpose; its text is one sentence for a person."""


class SettingsError(TocSyncError):
    """A setting, file or database is not usable; the sentence names it."""


class InvalidInvoiceId(TocSyncError, ValueError):
    """What was given is no invoice id."""


class UnknownInvoice(TocSyncError, LookupError):
    """No such invoice exists."""


class InvalidInvoice(TocSyncError, ValueError):
    """An invoice cannot be created as asked; nothing was written. `problems` has one entry per mistake."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__(" ".join(problem.message for problem in problems))


class DatabaseUnavailable(TocSyncError):
    """The database did not answer; the transaction that was open left no trace. `why` leaves out what is certain."""

    def __init__(self, message: str, *, why: str | None = None) -> None:
        self.why = why or message
        super().__init__(message)


class DatabaseBusy(DatabaseUnavailable):
    """Somebody else holds what was needed, longer than was waited; nothing was changed."""


class CommitUncertain(DatabaseUnavailable):
    """The database did not confirm a commit: nobody knows whether it happened."""


class Unwitnessed(TocSyncError):
    """A claim cannot be written down outside the database: it must not be sent."""


def parse_invoice_id(value: object) -> int:
    """Returns `value` (an int, or its decimal digits) as an invoice id.

    Raises InvalidInvoiceId for anything else: no number, below 1 or beyond bigint.
    """
    # Python refuses to write very long integers.
    is_writable = not isinstance(value, int) or (not isinstance(value, bool) and value.bit_length() < 1_000)
    text = str(value).strip() if is_writable else ""
    if not re.fullmatch(r"[0-9]{1,19}", text) or not 1 <= int(text) <= MAX_INVOICE_ID:
        shown = text if len(text) <= 40 else text[:40] + "…"
        raise InvalidInvoiceId(f"“{shown}” is not an invoice id: use a whole number from 1 to {MAX_INVOICE_ID}.")
    return int(text)


def fold(text: str) -> str:
    """Returns `text` in the form searches compare: lower case, without accents."""
    if text.isascii():
        return text.lower()  # has no accents, and is quickly told
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))
