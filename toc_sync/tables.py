"""The schema: the billing application's tables as we see them, and our own tables.

Says what exists, never what happens to it. The billing tables belong to another application: in production we never
create, alter or index them; we create them ourselves only in the embedded database and in an empty PostgreSQL.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Identity,
    Index,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    TypeDecorator,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

OUR_SCHEMA = "toc_sync"
"""Our tables' schema on PostgreSQL, so that Supabase's REST API does not expose them; SQLite has no schemas."""


class Money(TypeDecorator[Decimal]):
    """An exact amount with two places: numeric on PostgreSQL, whole cents on SQLite (its numeric is a binary float)."""

    impl = Numeric(18, 2)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Chooses the column's type."""
        return dialect.type_descriptor(BigInteger() if dialect.name == "sqlite" else Numeric(18, 2))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """Turns an amount into what the database stores."""
        return int(value.scaleb(2).to_integral_value()) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """Turns what the database stores into an amount with two places."""
        if value is None:
            return None
        return Decimal(value).scaleb(-2) if dialect.name == "sqlite" else Decimal(value).quantize(Decimal("0.01"))


class Instant(TypeDecorator[datetime]):
    """An aware UTC instant: timestamptz on PostgreSQL, sortable UTC text on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Converts to UTC, without the zone where the database has none."""
        if value is None:
            return None
        in_utc = value.astimezone(UTC)
        return in_utc.replace(tzinfo=None) if dialect.name == "sqlite" else in_utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Returns an aware UTC instant."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Id = BigInteger().with_variant(Integer(), "sqlite")
Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

billing = MetaData()

teams = Table("teams", billing, Column("id", Id, Identity(), primary_key=True), Column("title", Text))

projects = Table(
    "projects",
    billing,
    Column("id", Id, Identity(), primary_key=True),
    Column("name", Text),
    Column("color", Text),
)

invoice_orders = Table(
    "invoice_orders",
    billing,
    Column("id", Id, Identity(), primary_key=True),
    Column("project_id", BigInteger),
    Column("billing_period_start", Date),
    Column("billing_period_end", Date),
    Column("issued_date", Date),
    Column("subtotal_amount", Money, nullable=False),
    Column("vat_amount", Money, nullable=False),
    Column("total_amount", Money, nullable=False),
    Column("currency_code", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", Instant),
    Column("updated_at", Instant),
)

issued_client_invoices = Table(
    "issued_client_invoices",
    billing,
    Column("id", Id, Identity(), primary_key=True),
    Column("invoice_number", Text),
    Column("external_invoice_id", Text),
    Column("invoice_date", Date),
    Column("due_date", Date),
    Column("subtotal_amount", Money, nullable=False),
    Column("vat_amount", Money, nullable=False),
    Column("total_amount", Money, nullable=False),
    Column("currency_code", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("issuer_team_id", BigInteger),
    Column("payer_team_id", BigInteger),
    Column("pdf_path", Text),
    Column("notes", Text),
    Column("api_response", Json),
    Column("created_at", Instant),
    Column("updated_at", Instant),
    # Without it SQLite gives the id of the newest invoice, once deleted, to the next one: our records would mix the two.
    sqlite_autoincrement=True,
)

issued_invoice_orders = Table(
    "issued_invoice_orders",
    billing,
    Column("id", Id, Identity(), primary_key=True),
    Column("issued_invoice_id", BigInteger),
    Column("invoice_order_id", BigInteger),
    Column("amount_override_subtotal", Money),
    Column("amount_override_vat", Money),
    Column("amount_override_total", Money),
    Column("created_at", Instant),
)

OWN_BILLING_INDEXES = (
    Index("ix_allocations_order", issued_invoice_orders.c.invoice_order_id),
    Index("ix_allocations_invoice", issued_invoice_orders.c.issued_invoice_id),
)
"""Made with the billing tables, so only where we created those ourselves."""

ours = MetaData(schema=OUR_SCHEMA)

sync_records = Table(
    "sync_records",
    ours,
    Column("invoice_id", Id, primary_key=True, autoincrement=False),
    Column("status", Text, nullable=False),
    Column("error_kind", Text),
    Column("error", Text),
    Column("refusal", Text),
    Column("http_status", Integer),
    Column("attempt_count", Integer, nullable=False, server_default="0"),
    Column("undelivered_tries", Integer, nullable=False, server_default="0"),
    Column("trigger", Text),
    Column("requested_by", Text),
    Column("not_before", Instant),
    Column("lease_until", Instant),
    Column("claimed_by", Text),
    # The request id of the newest claim: what a late answer is compared with, also after a restored backup.
    Column("claim_id", Text),
    Column("document_no", Text),
    Column("declared_by", Text),
    # The kind of a doubt that a retry has not settled yet (only where the function refuses a second issue by itself).
    Column("open_doubt", Text),
    # Since when it has been in doubt without a break; empty for every other status.
    Column("doubt_since", Instant),
    # How often a doubt was retried without a person (only where the function refuses a second issue by itself).
    Column("doubt_retries", Integer, nullable=False, server_default="0"),
    # What went wrong, as a short key that all invoices share to which the same happened; only while it needs attention.
    Column("error_group", Text),
    # What the invoice looked like when it was last sent, to notice that it is retried without having been corrected.
    Column("sent_fingerprint", Text),
    # The last day on which the law allows to issue it (the fifth working day after its date).
    Column("issue_deadline", Date),
    # The batch that last asked to send it.
    Column("batch_id", BigInteger),
    # The closing of the gate during which this invoice last had to wait.
    Column("gate_log_id", BigInteger),
    Column("warning", Text),
    Column("synced_at", Instant),
    Column("queued_at", Instant),
    Column("last_attempt_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    # Copies of the invoice's facts, so that lists filter and sort on indexes of our own.
    Column("invoice_number", Text),
    Column("invoice_date", Date),
    Column("invoice_status", Text),
    Column("invoice_created_at", Instant),
    Column("subtotal_amount", Money, nullable=False),
    Column("vat_amount", Money, nullable=False),
    Column("total_amount", Money, nullable=False),
    Column("currency_code", Text, nullable=False),
    Column("issuer_team_id", BigInteger),
    Column("issuer", Text),
    Column("payer_team_id", BigInteger),
    Column("payer", Text),
    Column("search_text", Text, nullable=False, server_default=""),
    # What api_response looked like when we last read or wrote it: observation compares this, not the value.
    Column("api_fingerprint", Text),
    # The success as it stands in api_response, to write it back when somebody's late failure overwrites it.
    Column("success_value", Json),
    Index(
        "ix_records_due",
        "not_before",
        "invoice_date",
        "invoice_id",
        postgresql_where=text("status = 'queued'"),
        sqlite_where=text("status = 'queued'"),
    ),
    Index(
        "ix_records_lease",
        "lease_until",
        postgresql_where=text("status = 'syncing'"),
        sqlite_where=text("status = 'syncing'"),
    ),
    Index("ix_records_status", "status", "invoice_id"),
    Index("ix_records_queue", "status", "invoice_date", "invoice_id"),
    Index("ix_records_turns", "status", "issuer_team_id", "invoice_date"),
    Index("ix_records_sums", "status", "currency_code", "total_amount"),
    Index("ix_records_date", "invoice_date", "invoice_id"),
    Index("ix_records_issuer", "issuer_team_id", "invoice_id"),
    Index("ix_records_payer", "payer_team_id", "invoice_id"),
    Index("ix_records_document", "document_no"),
    Index("ix_records_deadline", "status", "issue_deadline"),
    Index("ix_records_group", "error_group", "status"),
    Index("ix_records_synced", "synced_at"),
    Index("ix_records_batch", "batch_id"),
    Index(
        "ix_records_gate",
        "gate_log_id",
        "status",
        postgresql_where=text("gate_log_id IS NOT NULL"),
        sqlite_where=text("gate_log_id IS NOT NULL"),
    ),
)

sync_attempts = Table(
    "sync_attempts",
    ours,
    Column("id", Id, Identity(), primary_key=True),
    Column("invoice_id", BigInteger, nullable=False),
    Column("number", Integer, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("outcome", Text),
    Column("error_kind", Text),
    Column("error", Text),
    Column("http_status", Integer),
    Column("duration_ms", Integer),
    Column("request_id", Text, nullable=False),
    Column("document_no", Text),
    Column("response_headers", Json),
    Column("response_body", Text),
    Column("worker", Text, nullable=False),
    Column("error_group", Text),
    Index("ix_attempts_group", "error_group", "finished_at"),
    Index("uq_attempts_number", "invoice_id", "number", unique=True),
    Index(
        "uq_attempts_open",
        "invoice_id",
        unique=True,
        postgresql_where=text("finished_at IS NULL"),
        sqlite_where=text("finished_at IS NULL"),
    ),
    Index("ix_attempts_started", "started_at"),
    Index("ix_attempts_finished", "finished_at"),
)

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
