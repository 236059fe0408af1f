"""The words of the alerts: what is wrong, and that it is over. Plain text without any markup, for mail and chats alike."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

from toc_sync.model import ErrorKind
from toc_sync.views import GateView, Reopening
from toc_sync.wording import KIND_ADVICE, KIND_NAMES, amounts, duration, invoices
from toc_sync.wording_gate import gate_details, gate_state, reopening_line

TITLES = {
    "gate": "Nothing is sent to TOC Online",
    "workers": "No worker is running",
    "waiting": "Invoices wait too long",
    "failing": "Many attempts fail",
    "doubts": "Invoices are in doubt",
    "group": "Something new goes wrong",
    "deadline": "The legal deadline is near",
}
ENDINGS = {
    "gate": "Invoices may leave again.",
    "workers": "A worker is running again.",
    "waiting": "No invoice waits too long any more.",
    "failing": "Attempts succeed again.",
    "doubts": "No invoice has been in doubt for long any more.",
}
GROUP_IS_OVER = "The last invoice to which it had happened does not need attention any more."
TEST_TITLE = "A test"
TEST_MESSAGE = "Alerts of TOC Invoice Sync arrive here."


def title(subject: str, label: str, *, reminder: bool = False, over: bool = False) -> str:
    """Returns a message's title: the environment's label and what it is about."""
    before = "Over: " if over else "Still: " if reminder else ""
    return f"[{label}] {before}{TITLES[subject.partition(':')[0]]}"


def gate_stopped(gate: GateView) -> str:
    """Says that nothing is sent, why, and what waits."""
    return f"{gate_state(gate.state, gate.since, gate.changed_by)} {gate_details(gate)}"


def gate_opened(reopening: Reopening) -> str:
    """Says that sending goes on, and proves what became of the invoices that had waited."""
    return f"{ENDINGS['gate']} {reopening_line(reopening)}"


def no_worker(waiting: int) -> str:
    """Says that nobody sends."""
    return f"No program that sends invoices is alive. {invoices(waiting)} {_wait(waiting)}. Start the app, or a worker."


def waits(count: int, oldest_at: datetime, now: datetime) -> str:
    """Says how many invoices wait, and the oldest since when."""
    waited = duration((now - oldest_at).total_seconds())
    return f"{invoices(count)} {_wait(count)}, the oldest for {waited}, although sending is not stopped."


def failing(failed: int, total: int) -> str:
    """Says how many of the last attempts did not succeed."""
    if not total:
        return "Nothing has been tried in the last 15 minutes, so it is not known whether sending works again."
    return f"{failed:,} of {total:,} attempts in the last 15 minutes did not succeed ({100 * failed / total:.0f} %)."


def doubts(count: int, worth: Mapping[str, Decimal], oldest_at: datetime, now: datetime) -> str:
    """Says how many invoices may or may not be in TOC Online, and that somebody must look."""
    them = "it" if count == 1 else "them"
    since = duration((now - oldest_at).total_seconds())
    for_how_long = f"for {since}" if count == 1 else f"the oldest for {since}"
    are = "is" if count == 1 else "are"
    return (
        f"{invoices(count)} {are} in doubt, {amounts(worth)}, {for_how_long}: "
        f"TOC Online may have {them} or not. Look {them} up, then press Resolve."
    )


def error_group(kind: ErrorKind, refusal: str | None, count: int, worth: Mapping[str, Decimal]) -> str:
    """Says what goes wrong, with how many invoices, and what to do."""
    what = f"{KIND_NAMES[kind]} ({refusal})" if refusal else KIND_NAMES[kind]
    return f"{what}: {invoices(count)}, {amounts(worth)}. {KIND_ADVICE[kind]}"


def deadline(day: date, count: int, worth: Mapping[str, Decimal], today: date) -> str:
    """Says how many invoices the law wants in TOC Online by a day, and how near that is."""
    are, them = ("is", "it") if count == 1 else ("are", "them")
    if day < today:
        return f"{invoices(count)}, {amounts(worth)}, should have been in TOC Online by {_day(day)}. Send {them} now."
    last = "today" if day == today else _day(day)
    return f"{invoices(count)}, {amounts(worth)}, {are} not in TOC Online yet; the last lawful day is {last}."


def deadline_kept(day: date) -> str:
    """Says that nothing with this deadline is missing any more."""
    return f"No invoice that was due by {_day(day)} is missing in TOC Online any more."


def _wait(count: int) -> str:
    return "waits" if count == 1 else "wait"


def _day(day: date) -> str:
    return f"{day:%A}, {day.day} {day:%b %Y}"
