"""Why an invoice that was asked for does not leave: the gate, or an earlier date of its issuer. Writes nothing."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, RowMapping

from toc_sync import wording, wording_gate
from toc_sync.outbox.gate import read_gate
from toc_sync.outbox.turns import Turns, earlier_date
from toc_sync.tables import sync_records


def read_obstacle(conn: Connection, invoice_id: int, *, turns: Turns, now: datetime) -> str | None:
    """Returns what keeps a queued invoice from leaving, as a sentence; None where it only waits for a worker or a retry."""
    record = conn.execute(sync_records.select().where(sync_records.c.invoice_id == invoice_id)).mappings().one()
    return find_obstacle(conn, record, turns=turns, now=now)


def find_obstacle(conn: Connection, record: RowMapping, *, turns: Turns, now: datetime) -> str | None:
    """Returns the same for a record that was read already."""
    gate = read_gate(conn)
    if not gate.is_open:
        return wording_gate.waits_for_gate(gate.state, gate.shown_since, gate.changed_by)
    not_before = record["not_before"]
    if not_before is not None and not_before > now:
        return None
    earlier = earlier_date(conn, record["issuer_team_id"], record["invoice_date"], turns, now=now)
    return wording.waits_for_earlier(earlier) if earlier else None
