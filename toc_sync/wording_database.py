"""The words people read when the database keeps them waiting: what is certain, what is in the way, what to do. Pure."""

from __future__ import annotations

from toc_sync.views_locks import Holder, Standstill
from toc_sync.wording import day_and_time, invoices

SILENT = "The database does not answer."
NO_ANSWER = "The database does not answer. Try again in a moment."
NOTHING_CHANGED = "The database does not answer. Nothing was changed: try again in a moment."
UNCONFIRMED = "The database did not confirm it."
UNCERTAIN = (
    "The database did not confirm it: it is not known whether this was written down."
    " Look at how it stands before you ask for it again."
)
_WHAT_TO_DO = "Let it finish or end it, then try again."


def locked(holder: Holder | None) -> str:
    """Says that somebody stands in the way, and who, where that is known."""
    who = f" {holder_line(holder)}" if holder else ""
    return f"Somebody else holds what this needs.{who} {_WHAT_TO_DO}"


def locked_unchanged(holder: Holder | None) -> str:
    """Says the same where that is all that happened."""
    return f"Nothing was changed. {locked(holder)}"


def in_part(why: str) -> str:
    """Says that something which takes several steps stopped after one of them."""
    return f"A part of this is done, the rest is not: ask for it once more, which finishes it. {why}"


def not_asked(why: str) -> str:
    """Says that one of many was left out because of what stopped the one before it."""
    return f"Left as it was. {why}"


def creation_uncertain(token: str | None) -> str:
    """Says what to do when nobody knows whether an invoice was created."""
    unknown = "The database did not confirm it: the invoice may have been created, or not."
    if token:
        return (
            f"{unknown} Ask once more in the same way (the same form; from a script or a shell: the same token,"
            f" “{token}”). That returns the invoice if it was created, and creates it if it was not: never two."
        )
    return (
        f"{unknown} Look for it in the list of invoices first: asked for again, it could be created twice."
        " With a token of its own for each invoice (token=…, --token …) asking again is always safe."
    )


def holder_line(holder: Holder) -> str:
    """Names the transaction that has held locks for longest."""
    where = f" on {holder.address}" if holder.address else ""
    stands = " and stands still" if holder.is_idle else ""
    return (
        f"“{holder.program or 'A program without a name'}” (user {holder.user or 'unknown'}{where}, process {holder.pid})"
        f" has had a transaction open since {day_and_time(holder.since)}{stands}."
    )


def standstill(found: Standstill) -> str:
    """Says what should have moved and has not, who may be in the way, and what to do."""
    parts = []
    if found.overdue:
        still = "is" if len(found.overdue) == 1 else "are"
        parts.append(
            f"{invoices(len(found.overdue))} {still} still being sent although the time for an answer is long over:"
            " somebody holds what must be written."
        )
    if found.due and found.due_since:
        parts.append(f"Invoices have been due since {day_and_time(found.due_since)}, but nothing leaves.")
    if found.holder:
        held = "What it has locked cannot move" if parts else "What it has locked of the sync's own cannot move"
        parts.append(f"{holder_line(found.holder)} {held}: let it finish or end it.")
    elif parts:
        parts.append("Who is in the way cannot be seen from here: look for a transaction that was left open.")
    return " ".join(parts)
