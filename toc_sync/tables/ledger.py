"""The ledger: one record per invoice, and every attempt to send it."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    text,
)

from toc_sync.tables.types import Id, Instant, Json, Money

OUR_SCHEMA = "toc_sync"
"""Our tables' schema on PostgreSQL, so that Supabase's REST API does not expose them; SQLite has no schemas."""

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
    # The recognised refusal by which it counted as not issued when it was asked for again, until a person looks it up.
    Column("rests_on", Text),
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
    # When the other application issued it, at the latest; empty where nothing tells.
    Column("sendable_since", Instant),
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
