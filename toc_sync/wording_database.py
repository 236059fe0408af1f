"""The words people read when the database keeps them waiting: what is certain, what is in the way, what to do. Pure."""

from __future__ import annotations

from toc_sync.views_locks import Holder
from toc_sync.wording import day_and_time

NO_ANSWER = "The database does not answer. Try again in a moment."
NOTHING_CHANGED = "The database does not answer. Nothing was changed: try again in a moment."
UNCERTAIN = (
    "The database did not confirm it: it is not known whether this was written down."
    " Look at how it stands before you ask for it again."
)
_LOCKED = "Nothing was changed: somebody else holds what this needs."
_WHAT_TO_DO = "Let it finish or end it, then try again."


def locked(holder: Holder | None) -> str:
    """Says that nothing was changed because somebody stands in the way, and who, where that is known."""
    return f"{_LOCKED} {holder_line(holder)} {_WHAT_TO_DO}" if holder else f"{_LOCKED} {_WHAT_TO_DO}"


def holder_line(holder: Holder) -> str:
    """Names the transaction that has held locks for longest."""
    where = f" on {holder.address}" if holder.address else ""
    stands = " and stands still" if holder.is_idle else ""
    return (
        f"“{holder.program or 'A program without a name'}” (user {holder.user or 'unknown'}{where}, process {holder.pid})"
        f" has had a transaction open since {day_and_time(holder.since)}{stands}."
    )
