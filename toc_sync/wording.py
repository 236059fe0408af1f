"""The words people read about statuses and errors, all in one place so that they can be translated in one place.

Pure text: it decides nothing and formats what it is given. Times are shown in Lisbon's zone, where the law applies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from toc_sync import model
from toc_sync.model import ErrorKind, Fixer, Outcome, Status, Trigger
from toc_sync.views import StatusSum, WorkerRow

ZONE = model.ZONE
_A_DAY = timedelta(days=1)

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

OUTCOME_COLORS = {
    Outcome.SYNCED: "green",
    Outcome.FAILED: "red",
    Outcome.IN_DOUBT: "violet",
    Outcome.UNDELIVERED: "blue",
}

ORDER_STATUS_NAMES = {"draft": "Draft", "sent": "Sent", "issued": "Issued", "paid": "Paid", "cancelled": "Cancelled"}

ORDER_STATUS_COLORS = {"draft": "gray", "sent": "blue", "issued": "green", "paid": "green", "cancelled": "gray"}

TRIGGER_NAMES = {
    Trigger.CREATED: "Created here",
    Trigger.AUTOMATIC: "Automatic retry",
    Trigger.RETRY: "Retry",
    Trigger.SYNC: "Sync",
    Trigger.SEND_AGAIN: "Sent again after a look-up",
}

FIXER_NAMES = {
    Fixer.FINANCE: "You, or a colleague in finance",
    Fixer.ADMINISTRATOR: "The administrator",
    Fixer.TOC_ONLINE: "TOC Online's support",
}

ACTION_NAMES = {
    "retry": "Retry",
    "sync": "Sync",
    "declare_synced": "It is in TOC Online",
    "send_again": "It is not there: send again",
    "pause": "Pause",
    "resume": "Resume",
    "distrust": "Put in doubt after a lost interval",
    "reopen": "It is not there after all",
    "teach": "This answer means: nothing was issued",
    "withdraw_refusal": "A taught answer was withdrawn",
    "batch": "Batch",
    "cancel_batch": "Cancel batch",
    "note_group": "Note on a group of errors",
}

FOUND = "Found it in TOC Online."
HELD = "These rows stay where they are until you change the filter or the page."
LOOKED_UP = "Looked it up in TOC Online: it is not there."
FOR_LONG = "for more than 15 minutes"
IN_DOUBT_NOTE = "May already be issued in TOC Online: do not retry."
NO_NUMBER = "Synced, but the answer named no document number."
ATTEMPT_LOST = "No answer was recorded: the program that sent it stopped before one came."
ORPHAN = "It is in TOC Online, but was deleted in billing."
ORPHAN_IN_DOUBT = "It may be in TOC Online, but was deleted in billing."
ORPHAN_ATTEMPT = "An answer came for an invoice that does not exist any more."
NOT_STORED_IN_BILLING = "The billing database refused to store the outcome beside the invoice."


def clock_time(instant: datetime) -> str:
    """Returns the time of day people read, for example 14:32; in the hour that autumn has twice, 01:32 WEST."""
    local = instant.astimezone(ZONE)
    return f"{local:%H:%M}{_which_of_two(local)}"


def day_and_time(instant: datetime) -> str:
    """Returns day and time, for example 22 Nov 2026, 14:32."""
    local = instant.astimezone(ZONE)
    return f"{local.day} {local:%b %Y}, {clock_time(instant)}"


def time_ahead(instant: datetime, now: datetime) -> str:
    """Returns a time to come, with its day where a time of day would not tell which one is meant."""
    return clock_time(instant) if instant - now < _A_DAY else day_and_time(instant)


def from_to(start: datetime, end: datetime) -> str:
    """Returns a time that is over, for example 22 Nov 2026, 09:12–10:40; the end's day where it is another one."""
    ended = clock_time(end) if day_of(start) == day_of(end) else day_and_time(end)
    return f"{day_and_time(start)}–{ended}"


def day_of(instant: datetime) -> date:
    """Returns which day it is in Lisbon at an instant."""
    return instant.astimezone(ZONE).date()


def _which_of_two(local: datetime) -> str:
    """Returns the name of the zone's time where the clocks show this time twice, else nothing."""
    is_twice = local.replace(fold=1 - local.fold).utcoffset() != local.utcoffset()
    return f" {local:%Z}" if is_twice else ""


def money(amount: Decimal, currency: str = "EUR") -> str:
    """Returns an amount with its currency, for example €1,234.50 or 1,234.50 USD."""
    if currency == "EUR":
        return f"{'-' if amount < 0 else ''}€{abs(amount):,.2f}"
    return f"{amount:,.2f} {currency}"


def duration(seconds: float) -> str:
    """Returns a rough length of time: 40 s, 12 min, 3 h, 2 days."""
    for limit, size, unit in ((90, 1, "s"), (90 * 60, 60, "min"), (36 * 3600, 3600, "h")):
        if seconds < limit:
            return f"{max(0, round(seconds / size))} {unit}"
    return f"{round(seconds / 86_400)} days"


def invoices(count: int) -> str:
    """Returns "1 invoice" or "7 invoices"."""
    return f"{count:,} invoice{'' if count == 1 else 's'}"


def amounts(per_currency: Mapping[str, Decimal]) -> str:
    """Returns one amount per currency, euros first, for example €1,234.50 + 80.00 USD."""
    ordered = sorted(per_currency, key=lambda currency: (currency != "EUR", currency))
    return " + ".join(money(per_currency[currency], currency) for currency in ordered) or money(Decimal(0))


def together(sums: Mapping[Status, StatusSum], statuses: tuple[Status, ...]) -> StatusSum:
    """Returns several statuses as one sum, under the first one's name."""
    found = [sums[status] for status in statuses if status in sums]
    total: dict[str, Decimal] = {}
    for each in found:
        for currency, amount in each.amounts.items():
            total[currency] = total.get(currency, Decimal(0)) + amount
    return StatusSum(status=statuses[0], count=sum(each.count for each in found), amounts=total)


def since(instant: datetime, now: datetime) -> str:
    """Returns since when, as short as it is clear: 09:14, yesterday 09:14, Tuesday 09:14, 12 Nov 2026, 09:14."""
    days = (now.astimezone(ZONE).date() - instant.astimezone(ZONE).date()).days
    if days == 0:
        return clock_time(instant)
    if days == 1:
        return f"yesterday {clock_time(instant)}"
    return f"{instant.astimezone(ZONE):%A} {clock_time(instant)}" if 1 < days < 7 else day_and_time(instant)


def period(start: date | None, end: date | None) -> str:
    """Returns a billing period: "Sep 2026" for a whole month, else both days; "" where neither is known."""
    if (
        start
        and end
        and start.day == 1
        and (end + timedelta(days=1)).day == 1
        and (start.year, start.month) == (end.year, end.month)
    ):
        return f"{start:%b %Y}"
    return " – ".join(f"{day.day} {day:%b %Y}" for day in (start, end) if day)


def workers_alive(rows: Sequence[WorkerRow]) -> str:
    """Counts what sends at this moment, for example: 3 workers alive on 2 machines, 12 threads."""
    alive = [row for row in rows if row.alive]
    if not alive:
        return "Nothing is sending: no worker is alive."
    machines = len({machine(row) for row in alive})
    parts = ((len(alive), "worker", " alive on "), (machines, "machine", ", "))
    counted = "".join(f"{count} {what}{'' if count == 1 else 's'}{then}" for count, what, then in parts)
    threads = sum(row.threads for row in alive)
    return f"{counted}{threads} thread{'' if threads == 1 else 's'}."


def machine(row: WorkerRow) -> str:
    """Returns where a worker runs, or its name, which begins with that."""
    return row.host or row.name


def version(row: WorkerRow) -> str:
    """Returns a worker's version, marked where a newer one runs beside it."""
    known = row.version or "before 1.1.0"
    return f"{known} (older)" if row.outdated else known


def too_much(order_id: int, remaining: Decimal, subtotal: Decimal) -> str:
    """Says that an amount is more than what remains of an order."""
    return f"Only {remaining:,.2f} remains of order {order_id}; {subtotal:,.2f} is too much."


def mixed_currencies() -> str:
    """Says why orders cannot be on one invoice."""
    return "The orders are in different currencies: make one invoice per currency."


def header_differs(computed: Decimal) -> str:
    """Says that a header amount is too far from its lines."""
    return f"The lines add up to {computed:,.2f}; this may differ by one cent at most."


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


def not_sent(invoice_status: str | None) -> str:
    """Says why a doubt was not retried after all."""
    return f"Not sent again: {refused_invoice_status(invoice_status)} Whether the earlier try arrived is still unknown."


MAY_BE_SENDING = (
    "Nothing tells when the other application issued it, so it may be sending it at this moment."
    " Look there first, or wait ten minutes."
)
SEND_ANYWAY = "Send anyway?"


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


def dated_before(document_no: str | None, day: date) -> str:
    """Warns that an invoice is older than the newest document of its issuer."""
    document = document_no or "a document"
    return (
        f"It is dated before {document} of {day.day} {day:%b %Y}, which this issuer already has:"
        " TOC Online may refuse it."
    )


def possible_duplicate(attempt: int, document_no: str | None) -> str:
    """Warns of a success that came after the invoice had been sent again or recorded as synced."""
    document = document_no or "a document without a number"
    return (
        f"Possible duplicate: attempt {attempt} was answered late with {document}. Check TOC Online for two documents."
    )


def two_documents(one: str, other: str) -> str:
    """Warns that two different documents were reported for one invoice."""
    return f"Possible duplicate: both {one} and {other} were reported. Check TOC Online for two documents."


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
    return f"Retry at {time_ahead(not_before, now)}"


def waits_for_earlier(day: date) -> str:
    """Says that an invoice of the same issuer goes first."""
    return (
        f"It waits for its issuer's invoice of {day.day} {day:%b %Y}:"
        " an issuer's invoices go out in the order of their dates."
    )


def unknown_invoice(invoice_id: int) -> str:
    """Says that no such invoice exists."""
    return f"Invoice {invoice_id} does not exist."
