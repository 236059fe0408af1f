"""The words people read about statuses and errors, all in one place so that they can be translated in one place.

Pure text: it decides nothing and formats what it is given. Times are shown in Lisbon's zone, where the law applies.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from toc_sync.model import ErrorKind, Outcome, Status, Trigger

ZONE = ZoneInfo("Europe/Lisbon")

STATUS_NAMES = {
    Status.NOT_SYNCED: "Not synced",
    Status.QUEUED: "Waiting",
    Status.SYNCING: "Sending",
    Status.SYNCED: "Synced",
    Status.FAILED: "Failed",
    Status.IN_DOUBT: "In doubt",
    Status.NOT_NEEDED: "Not needed",
}

STATUS_ICONS = {
    Status.NOT_SYNCED: "⚠️",
    Status.QUEUED: "🔄",
    Status.SYNCING: "🔄",
    Status.SYNCED: "✅",
    Status.FAILED: "❌",
    Status.IN_DOUBT: "❓",
    Status.NOT_NEEDED: "➖",
}

STATUS_COLORS = {
    Status.NOT_SYNCED: "yellow",
    Status.QUEUED: "blue",
    Status.SYNCING: "blue",
    Status.SYNCED: "green",
    Status.FAILED: "red",
    Status.IN_DOUBT: "violet",
    Status.NOT_NEEDED: "gray",
}

STATUS_MEANINGS = {
    Status.NOT_SYNCED: "Never sent from here. Press Sync to send it to TOC Online.",
    Status.QUEUED: "Waiting to be sent. Nothing to do.",
    Status.SYNCING: "Being sent right now. Nothing to do.",
    Status.SYNCED: "TOC Online has this invoice.",
    Status.FAILED: "This invoice is certainly not in TOC Online. It can safely be sent again.",
    Status.IN_DOUBT: "TOC Online may or may not have this invoice. Look it up there before anything else.",
    Status.NOT_NEEDED: "This invoice was cancelled, void or deleted before it was sent.",
}

KIND_NAMES = {
    ErrorKind.REJECTED: "Refused",
    ErrorKind.CONFIGURATION: "Set-up problem",
    ErrorKind.UNREACHABLE: "Never delivered",
    ErrorKind.TIMEOUT: "No answer in time",
    ErrorKind.LOST: "Connection lost",
    ErrorKind.UNREADABLE: "Unreadable answer",
    ErrorKind.SERVER_ERROR: "Unclear error",
    ErrorKind.ACCEPTED: "Accepted, not confirmed",
}

KIND_ADVICE = {
    ErrorKind.REJECTED: "Correct the invoice's data, then press Retry.",
    ErrorKind.CONFIGURATION: "Ask the administrator to check the function's address, key and deployment, then press Retry.",
    ErrorKind.UNREACHABLE: "The service could not be reached. Press Retry when it is back.",
    ErrorKind.TIMEOUT: "The time ran out while TOC Online may still have been working.",
    ErrorKind.LOST: "The connection broke before the answer was complete.",
    ErrorKind.UNREADABLE: "An answer came, but it does not say what happened.",
    ErrorKind.SERVER_ERROR: "The answer reports an error that does not say whether the invoice was issued.",
    ErrorKind.ACCEPTED: "The function works on it in the background and will write the result by itself.",
}

OUTCOME_NAMES = {
    Outcome.SYNCED: "Synced",
    Outcome.FAILED: "Failed",
    Outcome.IN_DOUBT: "In doubt",
    Outcome.UNDELIVERED: "Not delivered",
}

TRIGGER_NAMES = {
    Trigger.CREATED: "Created here",
    Trigger.AUTOMATIC: "Automatic retry",
    Trigger.RETRY: "Retry",
    Trigger.SYNC: "Sync",
    Trigger.SEND_AGAIN: "Sent again after a look-up",
}

LOOKED_UP = "Looked it up in TOC Online: it is not there."
IN_DOUBT_NOTE = "May already be issued in TOC Online: do not retry."
NO_NUMBER = "Synced, but the answer named no document number."
ATTEMPT_LOST = "No answer was recorded: the program that sent it stopped before one came."


def clock_time(instant: datetime) -> str:
    """Returns the time of day people read, for example 14:32."""
    return instant.astimezone(ZONE).strftime("%H:%M")


def day_and_time(instant: datetime) -> str:
    """Returns day and time, for example 22 Nov 2026, 14:32."""
    local = instant.astimezone(ZONE)
    return f"{local.day} {local:%b %Y, %H:%M}"


def money(amount: Decimal, currency: str = "EUR") -> str:
    """Returns an amount with its currency, for example €1,234.50 or 1,234.50 USD."""
    return f"€{amount:,.2f}" if currency == "EUR" else f"{amount:,.2f} {currency}"


def duration(seconds: float) -> str:
    """Returns a rough length of time: 40 s, 12 min, 3 h, 2 days."""
    for limit, size, unit in ((90, 1, "s"), (90 * 60, 60, "min"), (36 * 3600, 3600, "h")):
        if seconds < limit:
            return f"{max(0, round(seconds / size))} {unit}"
    return f"{round(seconds / 86_400)} days"


def invoices(count: int) -> str:
    """Returns "1 invoice" or "7 invoices"."""
    return f"{count:,} invoice{'' if count == 1 else 's'}"


def refused_in_doubt() -> str:
    """Says why an invoice in doubt cannot be retried."""
    return "It may already be in TOC Online. Look it up there, then use Resolve."


def refused_status(status: Status, invoice_status: str | None) -> str:
    """Says why an invoice with this status cannot be sent."""
    if status is Status.SYNCED:
        return "It is already in TOC Online. Nothing was sent."
    if status is Status.SYNCING:
        return "It is being sent right now. Wait for the answer."
    return not_needed(invoice_status)


def refused_invoice_status(invoice_status: str | None) -> str:
    """Says why the invoice itself may not be sent."""
    if invoice_status in ("cancelled", "void") or invoice_status is None:
        return not_needed(invoice_status)
    return f"Its status in billing is “{invoice_status}”. Issue it there first."


def not_needed(invoice_status: str | None) -> str:
    """Says why an invoice never needs to be sent."""
    what = {"cancelled": "was cancelled", "void": "is void"}.get(invoice_status or "", "was deleted")
    return f"The invoice {what} in billing, so it is not sent."


def refused_locked(until: datetime) -> str:
    """Says until when the other application may still be sending an invoice."""
    return f"The other application may still be sending it. Sync is possible from {clock_time(until)}."


def refused_resolve(status: Status) -> str:
    """Says why there is nothing to resolve."""
    return f"It is not in doubt any more: {STATUS_NAMES[status].lower()}."


def refused_still_working(until: datetime) -> str:
    """Says until when "send again" would risk a second document."""
    return f"TOC Online may still be working on it. “Send again” is possible from {clock_time(until)}."


def refused_document_taken(document_no: str, invoice: str) -> str:
    """Says that a document number belongs to another invoice."""
    return f"{document_no} already belongs to invoice {invoice}. Check the number."


def queued_now(*, was_waiting: bool) -> str:
    """Says that an invoice is on its way."""
    return "It goes out now instead of later." if was_waiting else "It is on its way to TOC Online."


def already_due() -> str:
    """Says that pressing again changed nothing."""
    return "It is already on its way."


def tried_meanwhile() -> str:
    """Says that somebody else pressed first."""
    return "It was tried again in the meantime. Look at the new result first."


def waiting_line(not_before: datetime | None, now: datetime) -> str:
    """Says when a waiting invoice goes out."""
    if not_before is None or not_before <= now:
        return "Waiting for a free worker"
    return f"Retry at {clock_time(not_before)}"


def unknown_invoice(invoice_id: int) -> str:
    """Says that no such invoice exists."""
    return f"Invoice {invoice_id} does not exist."
