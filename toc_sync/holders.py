"""Holders: which other connection stands in the way on PostgreSQL, as far as this role may know. Reads only."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, text

from toc_sync.tables import OUR_SCHEMA
from toc_sync.views_locks import Holder

# Rows are locked under one of these locks of their table; readers hold neither.
_LONGEST = text("""
    SELECT a.pid, a.application_name, a.usename, a.client_addr, a.xact_start, a.state LIKE 'idle in transaction%'
      FROM pg_stat_activity a
     WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.xact_start <= :opened_by
       AND EXISTS (
           SELECT FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE l.pid = a.pid AND l.granted AND c.relkind IN ('r', 'p')
              AND l.mode NOT IN ('AccessShareLock', 'ShareUpdateExclusiveLock')
              AND (n.nspname = :ours OR :billing AND c.relname IN ('issued_client_invoices', 'invoice_orders'))
       )
     ORDER BY a.xact_start LIMIT 1
""")


def find_holder(conn: Connection, *, opened_by: datetime, billing: bool = True) -> Holder | None:
    """Returns the transaction that has been open longest, at least since then, with locks that can be in our way.

    Without `billing` only those on our own tables, which no other program has a reason to hold.
    """
    found = conn.execute(_LONGEST, {"opened_by": opened_by, "ours": OUR_SCHEMA, "billing": billing})
    row = found.one_or_none()
    if row is None:
        return None
    pid, program, user, address, since, is_idle = row
    return Holder(
        pid=pid,
        program=program or "",
        user=user or "",
        address=str(address or ""),
        since=since.astimezone(UTC),
        is_idle=bool(is_idle),
    )
