"""What stands around the ledger: who did what, who is at work, the gate, lessons, groups, batches, incidents."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    text,
)

from toc_sync.tables.ledger import ours
from toc_sync.tables.types import Id, Instant, Json

sync_actions = Table(
    "sync_actions",
    ours,
    Column("id", Id, Identity(), primary_key=True),
    Column("at", Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("invoice_id", BigInteger),
    Column("reason", Text),
    Column("done", Boolean, nullable=False),
    Column("result", Text, nullable=False),
    Column("batch_id", BigInteger),
    Index("ix_actions_invoice", "invoice_id", "id"),
    Index("ix_actions_at", "at"),
)

creation_tokens = Table(
    "creation_tokens",
    ours,
    Column("token", Text, primary_key=True),
    Column("invoice_id", BigInteger),
    Column("created_at", Instant, nullable=False),
)

sync_workers = Table(
    "sync_workers",
    ours,
    Column("name", Text, primary_key=True),
    Column("host", Text),
    Column("version", Text),
    Column("threads", Integer, nullable=False),
    # Which folder keeps its witness, and the place of the database for which that witness last answered.
    Column("keeper", Text),
    Column("place", Text),
    # Why it sends nothing although invoices may leave.
    Column("obstacle", Text),
    Column("started_at", Instant, nullable=False),
    Column("last_seen_at", Instant, nullable=False),
)

gate = Table(
    "gate",
    ours,
    # One row for all processes of this database; it is there from the first migration that knows it.
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False),
    # Since when it has been as it is; what was answered before counts no more.
    Column("since", Instant, nullable=False),
    Column("cause", Text),
    Column("changed_by", Text),
    Column("reason", Text),
    Column("probe_at", Instant),
    Column("probe_wait_s", Integer),
    # The entry of the log that is open, or else the newest one.
    Column("log_id", BigInteger),
    # Which database this is (PostgreSQL: system identifier and timeline), as a person last saw it.
    Column("database_identity", Text),
    # The same with more facts, its own name (a copy has the same one), and since when its server runs.
    Column("place", Text),
    Column("database_id", Text),
    Column("served_since", Text),
    # When the last worker was heard of before the history turned out to be another one, until all have answered.
    Column("cut_at", Instant),
)

gate_log = Table(
    "gate_log",
    ours,
    Column("id", Id, Identity(), primary_key=True),
    Column("cause", Text, nullable=False),
    Column("closed_at", Instant, nullable=False),
    Column("closed_by", Text, nullable=False),
    Column("reason", Text),
    Column("opened_at", Instant),
    Column("opened_by", Text),
)

# Who wants the sending to stop while the gate's row is locked; a row goes when the gate says so itself.
gate_wishes = Table(
    "gate_wishes",
    ours,
    Column("id", Id, Identity(), primary_key=True),
    Column("at", Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text),
)

taught_refusals = Table(
    "taught_refusals",
    ours,
    Column("id", Id, Identity(), primary_key=True),
    Column("name", Text, nullable=False),
    Column("pattern", Text, nullable=False),
    Column("example", Text, nullable=False),
    Column("remedy", Text, nullable=False),
    Column("fixer", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("taught_by", Text, nullable=False),
    Column("taught_at", Instant, nullable=False),
    Column("withdrawn_by", Text),
    Column("withdrawn_at", Instant),
    Column("withdrawn_reason", Text),
    Index(
        "uq_taught_name",
        "name",
        unique=True,
        postgresql_where=text("withdrawn_at IS NULL"),
        sqlite_where=text("withdrawn_at IS NULL"),
    ),
)

error_groups = Table(
    "error_groups",
    ours,
    Column("key", Text, primary_key=True),
    Column("error_kind", Text, nullable=False),
    Column("refusal", Text),
    # One answer of this group as it came, and the same with everything stripped that differs from one to the next.
    Column("example", Text, nullable=False),
    Column("normal_form", Text, nullable=False),
    Column("first_seen_at", Instant, nullable=False),
    Column("note", Text),
    Column("noted_by", Text),
    Column("noted_at", Instant),
)

batches = Table(
    "batches",
    ours,
    Column("id", Id, Identity(), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text),
    Column("created_at", Instant, nullable=False),
    # When the last of its invoices had been asked for, or refused.
    Column("finished_at", Instant),
    Column("cancelled_at", Instant),
    Column("cancelled_by", Text),
    Column("total", Integer, nullable=False),
    Index(
        "ix_batches_open",
        "id",
        postgresql_where=text("finished_at IS NULL"),
        sqlite_where=text("finished_at IS NULL"),
    ),
)

batch_items = Table(
    "batch_items",
    ours,
    Column("batch_id", BigInteger, primary_key=True, autoincrement=False),
    # In the order in which they are asked for.
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("invoice_id", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("seen_attempts", Integer, nullable=False),
    Column("message", Text),
    Column("asked_at", Instant),
    # The record's columns that asking for it changed, to put them back when the batch is cancelled.
    Column("before", Json),
    Index("uq_items_invoice", "batch_id", "invoice_id", unique=True),
    Index("ix_items_state", "batch_id", "state", "position"),
    Index("ix_items_invoice", "invoice_id"),
)

incidents = Table(
    "incidents",
    ours,
    Column("id", Id, Identity(), primary_key=True),
    # What it is about; at most one incident of a subject is open.
    Column("subject", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("told_at", Instant),
    Column("closed_at", Instant),
    Column("closing_told_at", Instant),
    Index(
        "uq_incidents_open",
        "subject",
        unique=True,
        postgresql_where=text("closed_at IS NULL"),
        sqlite_where=text("closed_at IS NULL"),
    ),
)

onlookers = Table(
    "onlookers",
    ours,
    # One browser session looking at one invoice.
    Column("session", Text, primary_key=True),
    Column("invoice_id", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("since_at", Instant, nullable=False),
    Column("last_seen_at", Instant, nullable=False),
    Index("ix_onlookers_invoice", "invoice_id"),
)

markers = Table("markers", ours, Column("name", Text, primary_key=True), Column("value", Text, nullable=False))
