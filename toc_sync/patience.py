"""Patience: how long whoever asks the database waits for a lock, for an answer and in all, before a sentence is said.

Figures only, in seconds. A person is answered within five seconds whatever is locked; programs wait longer, as they
only try again.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long one transaction waits. `lock_s`: for a row, a turn or SQLite's write lock; `answer_s`: for each answer.

    `idle_s`: how long the server lets the transaction stand still before it takes it back; `in_all_s`: None where the
    whole may take its time.
    """

    lock_s: float
    answer_s: float
    idle_s: float = 15.0
    in_all_s: float | None = None
    asks_who: bool = False
    """Whether to find out who holds a lock that did not come: a person wants to know, a program only tries again."""


PERSON = Patience(lock_s=2.5, answer_s=4.0, in_all_s=4.5, asks_who=True)
"""What a person asked for about one invoice, the gate or the like."""

MANY = Patience(lock_s=2.5, answer_s=60.0, asks_who=True)
"""What a person asked for about many invoices: locks are as short, but the work itself may take its time."""

READER = Patience(lock_s=2.5, answer_s=60.0, idle_s=300.0)
"""Readers wait for no row; whoever changes a table may keep them waiting. A download writes a file meanwhile."""

PROGRAM = Patience(lock_s=10.0, answer_s=20.0)
"""What sends invoices, and keeps their records true: a lock that does not come is tried again."""

UPKEEP = Patience(lock_s=0.3, answer_s=60.0)
"""What goes on to the next record where one is locked."""

SET_UP = Patience(lock_s=10.0, answer_s=3600.0, idle_s=3600.0)
"""Migrations and sample data take as long as they take."""
