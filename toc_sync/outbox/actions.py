"""The log of what people did: who, what, which invoice, why, and what came of it. Only ever appended to."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from toc_sync.tables import sync_actions as actions


def log_action(
    conn: Connection,
    *,
    actor: str,
    action: str,
    invoice_id: int | None,
    reason: str | None,
    done: bool,
    result: str,
    now: datetime,
    batch_id: int | None = None,
) -> None:
    """Appends to the log of what people did; nothing is ever changed or removed there."""
    values = {"at": now, "actor": actor, "action": action, "invoice_id": invoice_id, "batch_id": batch_id}
    conn.execute(actions.insert().values(values | {"reason": reason, "done": done, "result": result}))
