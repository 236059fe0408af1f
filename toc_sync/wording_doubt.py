"""The words people read about doubts: how old they are, what may be said about them, and what happens by itself.

Pure text beside `wording`: it decides nothing and formats what it is given.
"""

from __future__ import annotations

from datetime import datetime

from toc_sync.model import Status
from toc_sync.wording import FOR_LONG, STATUS_NAMES, invoices, since, time_ahead

OLD_DOUBTS = f"In doubt {FOR_LONG}"
NEEDS_A_REASON = "Say how you know that it is not in TOC Online."
LOOK_EACH_UP = (
    "Look each of them up in TOC Online, and tick those that are not there. What is not ticked is left alone."
)
SENT_IF_TICKED = "Sent again if ticked"
TWICE = "One that is there after all would be issued twice."
REOPENED = "It is in doubt again. Look it up in TOC Online, then use Resolve."
NOT_REOPENED_IN_BILLING = "The billing database refused to store that it is in doubt again, so nothing was changed."
NOT_RETRIED = (
    "Not sent again: the function is not said to issue an invoice only once."
    " Whether the earlier try arrived is still unknown."
)
ANSWERED = "TOC Online itself answered that it has this invoice, so it cannot be reopened."


def refused_reopen(status: Status) -> str:
    """Says why there is nothing to reopen."""
    return f"It is not recorded as synced: {STATUS_NAMES[status].lower()}."


def reopened_by(actor: str, reason: str) -> str:
    """Says who took a declaration back, and why."""
    return f"Reopened by {actor}: {reason}"


def old_doubts(count: int) -> str:
    """Counts the doubts that have lasted too long; "" where there are none."""
    return f"{count:,} {FOR_LONG}" if count else ""


def old_doubts_shortly(count: int) -> str:
    """Counts the same where there is little room."""
    return f"{count:,} over 15 min" if count else ""


def in_doubt_since(instant: datetime | None, now: datetime) -> str:
    """Says since when an invoice has been in doubt, in a cell beside its status."""
    return f"since {since(instant, now)}" if instant else ""


def retried_by_itself(at: datetime, now: datetime) -> str:
    """Says when a doubt is retried without a person."""
    return f"It will be retried by itself {f'at {time_ahead(at, now)}' if at > now else 'in a moment'}."


def may_be_sent_again(count: int, amounts: str) -> str:
    """Says how many of the chosen invoices "send again" would queue, and what they are worth."""
    return f"{invoices(count)} will be sent again, {amounts}."


def first_of(count: int, of: int) -> str:
    """Says that a list names only the first of many."""
    return f"These are the first {count:,} of {invoices(of)}; the others come once these are done."
