"""Sample data: a believable company's invoices and what became of each, to look at and to rehearse with.

SQL in the caller's connection; never commits, never uses the network. The same `now` gives the same rows every time.
`company` and `orders` are invented, `stories` says what may become of an invoice, `chronicle` when it happened, and
`ledger` which rows that leaves, by the outbox's own rules.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from random import Random
from typing import Any

from psycopg.sql import SQL, Identifier
from sqlalchemy import Column, Connection, Table, func, select

from toc_sync import installation
from toc_sync.billing import fingerprint_of
from toc_sync.database import is_postgresql
from toc_sync.outbox.groups import remember_older_groups
from toc_sync.samples.chronicle import live_through
from toc_sync.samples.company import FirstIds, invent_invoices, project_rows, team_rows
from toc_sync.samples.ledger import Rows, write_down
from toc_sync.samples.orders import invent_orders
from toc_sync.samples.stories import cast_stories
from toc_sync.tables import (
    invoice_orders,
    issued_client_invoices,
    issued_invoice_orders,
    projects,
    sync_actions,
    sync_attempts,
    sync_records,
    teams,
)

SEED = 7
AT_ONCE = 5_000
"""Invoices that are written together: fewer round trips than one by one, less memory than all."""


def present(conn: Connection) -> bool:
    """Tells whether this database holds sample data."""
    return installation.get_marker(conn, installation.SAMPLES) is not None


def seed(conn: Connection, *, now: datetime, invoices: int = 60) -> Mapping[int, str]:
    """Writes teams, projects, orders and `invoices` invoices with their past, and marks the database.

    Returns what the sandbox is to answer (a behaviour's name) when one of them is sent again, by invoice id.
    """
    rng = Random(SEED)
    first = _first_ids(conn)
    ordered = invent_orders(first, rng, invent_invoices(first, rng, cast_stories(rng, invoices), now=now), now=now)
    histories = live_through(ordered.samples, rng)
    _insert(conn, teams, team_rows(first))
    _insert(conn, projects, project_rows(first))
    _insert(conn, invoice_orders, [order.row() for order in ordered.orders])
    _insert(conn, issued_invoice_orders, ordered.allocations)
    for start in range(0, len(histories), AT_ONCE):
        rows = [write_down(history) for history in histories[start : start + AT_ONCE]]
        _write(conn, rows)
        remember_older_groups(conn, [seen for each in rows for seen in each.groups])
    _let_ids_go_on(conn)
    installation.set_marker(conn, installation.SAMPLES, "yes")
    return {
        sample.invoice.invoice_id: sample.story.next_answer for sample in ordered.samples if sample.story.next_answer
    }


def _write(conn: Connection, rows: Sequence[Rows]) -> None:
    _insert(conn, issued_client_invoices, [each.invoice for each in rows])
    prints = _fingerprints(conn, rows[0].invoice["id"], rows[-1].invoice["id"])
    _insert(conn, sync_records, [each.record | {"api_fingerprint": prints[each.record["invoice_id"]]} for each in rows])
    _insert(conn, sync_attempts, [attempt for each in rows for attempt in each.attempts])
    _insert(conn, sync_actions, [action for each in rows for action in each.actions])


def _fingerprints(conn: Connection, first_id: int, last_id: int) -> dict[int, str | None]:
    """Returns the stand-ins of the values as the database wrote them: jsonb has a form of its own."""
    table = issued_client_invoices
    query = select(table.c.id, fingerprint_of(table.c.api_response)).where(table.c.id.between(first_id, last_id))
    return {row[0]: row[1] for row in conn.execute(query)}


def _insert(conn: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    if rows and is_postgresql(conn):
        _copy(conn, table, rows)
    elif rows:
        conn.execute(table.insert(), rows)


def _copy(conn: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    # The statement of a hundred thousand INSERTs would be parsed as many times: ours are never prepared.
    driver: Any = conn.connection.driver_connection
    columns = SQL(", ").join(Identifier(name) for name in rows[0])
    target = Identifier(*filter(None, (table.schema, table.name)))
    with driver.cursor() as cursor, cursor.copy(SQL("COPY {} ({}) FROM STDIN").format(target, columns)) as copy:
        for row in rows:
            copy.write_row([_copied(value) for value in row.values()])


def _copied(value: object) -> object:
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value) if isinstance(value, StrEnum) else value


def _first_ids(conn: Connection) -> FirstIds:
    return FirstIds(
        team=_next_id(conn, teams.c.id),
        project=_next_id(conn, projects.c.id),
        order=_next_id(conn, invoice_orders.c.id),
        invoice=max(_next_id(conn, issued_client_invoices.c.id), _next_id(conn, sync_records.c.invoice_id)),
    )


def _next_id(conn: Connection, column: Column[int]) -> int:
    highest: int | None = conn.execute(select(func.max(column))).scalar_one()
    return (highest or 0) + 1


def _let_ids_go_on(conn: Connection) -> None:
    """Makes the identities of PostgreSQL continue after the ids that were given here."""
    if not is_postgresql(conn):
        return
    for table in (teams, projects, invoice_orders, issued_client_invoices):
        sequence = func.pg_get_serial_sequence(table.name, "id")
        conn.execute(select(func.setval(sequence, select(func.max(table.c.id)).scalar_subquery())))
