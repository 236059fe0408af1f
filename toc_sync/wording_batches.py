"""The words people read about acting on many invoices at once.

Pure text beside `wording`: it decides nothing and formats what it is given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime

from toc_sync.model import Status
from toc_sync.views import InvoiceFilter, Refused
from toc_sync.views_batches import BatchItem, BatchKind, BatchPreview, BatchView, ItemState, Pace, Selection
from toc_sync.wording import FOR_LONG, KIND_NAMES, STATUS_NAMES, amounts, day_and_time, from_to, invoices, money
from toc_sync.wording_legal import DUE_NAMES, FINDING_NAMES
from toc_sync.wording_overview import AT_RISK, attempted

NOTHING_TO_SEND = "None of these may be sent now, so nothing was started."
NO_INTERVAL = "The end of the time must come after its beginning."
CANCELLED_ITEM = "Cancelled before it was sent."
LEFT_RUNNING = "It goes on without this window: see `batch`, or stop it with `cancel-batch`."

RESULT_NAMES = {
    ItemState.WAITING: "Not asked for yet",
    ItemState.REFUSED: "Refused",
    ItemState.CANCELLED: "Cancelled",
}


def described(selection: Selection) -> str:
    """Returns in a few words which invoices are meant."""
    if selection.kind is BatchKind.IDS:
        return f"{invoices(len(selection.invoice_ids))} by name"
    if selection.since and selection.until:
        return f"Created or failed from {day_and_time(selection.since)} to {day_and_time(selection.until)}"
    return _filter(selection.wanted)


def _filter(wanted: InvoiceFilter) -> str:
    names = [STATUS_NAMES[status] for status in wanted.statuses] + [KIND_NAMES[kind] for kind in wanted.error_kinds]
    parts = [
        " or ".join(names),
        f"in doubt {FOR_LONG}" if wanted.old_doubts else "",
        f"dated from {wanted.since:%Y-%m-%d}" if wanted.since else "",
        f"dated to {wanted.until:%Y-%m-%d}" if wanted.until else "",
        f"issuer {wanted.issuer_team_id}" if wanted.issuer_team_id is not None else "",
        f"payer {wanted.payer_team_id}" if wanted.payer_team_id is not None else "",
        f"from {wanted.smallest:,.2f}" if wanted.smallest is not None else "",
        f"up to {wanted.largest:,.2f}" if wanted.largest is not None else "",
        f"“{wanted.text}”" if wanted.text else "",
        f"deadline: {DUE_NAMES[wanted.due].lower()}" if wanted.due else "",
        FINDING_NAMES[wanted.finding].lower() if wanted.finding else "",
        AT_RISK if wanted.at_risk else "",
        attempted(wanted.attempted) if wanted.attempted else "",
        "of one group of errors" if wanted.error_group is not None else "",
        f"of batch {wanted.batch_id}" if wanted.batch_id is not None else "",
    ]
    return ", ".join(part for part in parts if part) or "All invoices"


def would_be_sent(preview: BatchPreview) -> str:
    """Says how many of those that match would be sent, and what they are worth."""
    if not preview.count:
        return f"None of {invoices(preview.matching)} may be sent now."
    of = "" if preview.count == preview.matching else f" of {preview.matching:,}"
    return f"{invoices(preview.count)}{of} will be sent, {amounts(preview.amounts)} ({amounts(preview.vat)} of it VAT)."


def order(preview: BatchPreview) -> str:
    """Says in which order they go out, and which dates TOC Online may refuse."""
    if preview.first_date is None or preview.last_date is None:
        return "Oldest invoice date first."
    dates = f"{preview.first_date:%Y-%m-%d}"
    if preview.last_date != preview.first_date:
        dates += f" to {preview.last_date:%Y-%m-%d}"
    return f"Oldest invoice date first ({dates})."


def dated_before(count: int) -> str:
    """Warns of invoices that are older than a document of their issuer."""
    are = "is" if count == 1 else "are"
    return f"{count:,} {are} dated before a document that the issuer already has: TOC Online may refuse that."


def resolve_instead(count: int) -> str:
    """Says what to do about doubts among the invoices that were chosen."""
    return f"{count:,} {'is' if count == 1 else 'are'} in doubt: resolve {'it' if count == 1 else 'them'} instead."


def expected(seconds: float | None, pace: Pace) -> str:
    """Says how long it is going to take."""
    if not pace.is_open:
        return "Sending is stopped at present: they wait until it goes on."
    if not pace.threads:
        return "Nothing is sending at present: they wait until a worker is alive."
    if seconds is None:
        return "How long it takes is not known yet: nothing was sent so far."
    return f"{about(seconds)} with {pace.threads} thread{'' if pace.threads == 1 else 's'}."


def about(seconds: float) -> str:
    """Returns a rough length of time in words: less than a minute, about 3 minutes, about 2 hours."""
    if seconds < 60:
        return "Less than a minute"
    size, unit = (60, "minute") if seconds < 90 * 60 else (3600, "hour")
    count = math.ceil(seconds / size)
    return f"About {count:,} {unit}{'' if count == 1 else 's'}"


def named(refused: Refused) -> str:
    """Returns the names of some of those that are refused, and how many more there are."""
    more = refused.count - len(refused.names)
    return ", ".join(refused.names) + (f" and {more:,} more" if more else "")


def started(batch_id: int, count: int) -> str:
    """Says that a batch goes its way."""
    return f"Batch {batch_id} was started: {invoices(count)}. It goes on by itself."


def cancelled(batch_id: int, count: int) -> str:
    """Says that a batch was stopped, and how many of its invoices were not sent."""
    return f"Batch {batch_id} was cancelled: {invoices(count)} not sent. What is on its way is awaited."


def is_over(batch_id: int) -> str:
    """Says that there is nothing to cancel any more."""
    return f"Batch {batch_id} is over already."


def unknown_batch(batch_id: int) -> str:
    """Says that no such batch exists."""
    return f"Batch {batch_id} does not exist."


def in_batch(batch_id: int, actor: str) -> str:
    """Says that an invoice waits in a batch already."""
    return f"It is already in batch {batch_id} by {actor}."


def headline(batch: BatchView) -> str:
    """Returns what a batch is and who started it."""
    return f"Batch {batch.batch_id} by {batch.actor}, {day_and_time(batch.created_at)}: {batch.description}"


def counts(batch: BatchView) -> str:
    """Returns how a batch goes: how many are done, and what came of them."""
    done = batch.total - batch.left
    return f"{done:,} of {batch.total:,} done{_with_words(results(batch))}"


def results(batch: BatchView) -> Mapping[str, int]:
    """Returns how many invoices of a batch have which result, in the order people ask for them."""
    of = {STATUS_NAMES[status].lower(): batch.asked.get(status, 0) for status in _ENDS}
    going = {"sending": batch.asked.get(Status.SYNCING, 0), "waiting": batch.left - batch.asked.get(Status.SYNCING, 0)}
    return of | {"refused": batch.refused, "cancelled": batch.cancelled} | going


def remaining(batch: BatchView) -> str:
    """Returns how long a running batch still takes, or "" where that is not known."""
    return f"{about(batch.remaining_s)} left" if batch.left and batch.remaining_s is not None else ""


def ended(batch: BatchView) -> str:
    """Says what came of a batch that is over."""
    how = f"was cancelled by {batch.cancelled_by}" if batch.cancelled_by else "is done"
    return f"Batch {batch.batch_id} by {batch.actor} {how}{_with_words(results(batch))}."


def result_of(item: BatchItem) -> str:
    """Returns what came of one invoice of a batch, in one or two words."""
    return RESULT_NAMES.get(item.state) or STATUS_NAMES[item.status]


def worth(item: BatchItem) -> str:
    """Returns the amount of one invoice of a batch."""
    return money(item.total_amount, item.currency_code)


def outage(since: datetime, until: datetime) -> str:
    """Returns the name of the button that recovers from an outage."""
    return f"The outage {from_to(since, until)}"


_ENDS = (Status.SYNCED, Status.FAILED, Status.IN_DOUBT, Status.NOT_NEEDED, Status.NOT_SYNCED)


def _with_words(found: Mapping[str, int]) -> str:
    said = ", ".join(f"{count:,} {name}" for name, count in found.items() if count)
    return f": {said}" if said else ""
