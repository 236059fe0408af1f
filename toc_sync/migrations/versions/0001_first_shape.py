"""The first shape of our own tables: records, attempts, actions, creation tokens, workers and markers."""

import sqlalchemy as sa
from alembic import context, op

from toc_sync.tables import Id, Instant, Json, Money

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates the tables and the indexes that carry the invariants."""
    schema = context.config.attributes["schema"]
    _create_creation_tokens(schema)
    _create_markers(schema)
    _create_sync_actions(schema)
    _create_sync_attempts(schema)
    _create_sync_records(schema)
    _create_sync_workers(schema)


def _create_creation_tokens(schema: str | None) -> None:
    op.create_table(
        "creation_tokens",
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("invoice_id", sa.BigInteger()),
        sa.Column("created_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("token"),
        schema=schema,
    )


def _create_markers(schema: str | None) -> None:
    op.create_table(
        "markers",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        schema=schema,
    )


def _create_sync_actions(schema: str | None) -> None:
    op.create_table(
        "sync_actions",
        sa.Column("id", Id, sa.Identity(), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("invoice_id", sa.BigInteger()),
        sa.Column("reason", sa.Text()),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema=schema,
    )
    op.create_index("ix_actions_invoice", "sync_actions", ["invoice_id", "id"], schema=schema)


def _create_sync_attempts(schema: str | None) -> None:
    op.create_table(
        "sync_attempts",
        sa.Column("id", Id, sa.Identity(), nullable=False),
        sa.Column("invoice_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("started_at", Instant, nullable=False),
        sa.Column("finished_at", Instant),
        sa.Column("outcome", sa.Text()),
        sa.Column("error_kind", sa.Text()),
        sa.Column("error", sa.Text()),
        sa.Column("http_status", sa.Integer()),
        sa.Column("duration_ms", sa.Integer()),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("document_no", sa.Text()),
        sa.Column("response_headers", Json),
        sa.Column("response_body", sa.Text()),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema=schema,
    )
    op.create_index("ix_attempts_started", "sync_attempts", ["started_at"], schema=schema)
    op.create_index("uq_attempts_number", "sync_attempts", ["invoice_id", "number"], unique=True, schema=schema)
    op.create_index(
        "uq_attempts_open",
        "sync_attempts",
        ["invoice_id"],
        unique=True,
        postgresql_where=sa.text("finished_at IS NULL"),
        sqlite_where=sa.text("finished_at IS NULL"),
        schema=schema,
    )


def _create_sync_records(schema: str | None) -> None:
    op.create_table(
        "sync_records",
        sa.Column("invoice_id", Id, autoincrement=False, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("error_kind", sa.Text()),
        sa.Column("error", sa.Text()),
        sa.Column("refusal", sa.Text()),
        sa.Column("http_status", sa.Integer()),
        sa.Column("attempt_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("undelivered_tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("trigger", sa.Text()),
        sa.Column("requested_by", sa.Text()),
        sa.Column("not_before", Instant),
        sa.Column("lease_until", Instant),
        sa.Column("claimed_by", sa.Text()),
        sa.Column("claim_id", sa.Text()),
        sa.Column("document_no", sa.Text()),
        sa.Column("declared_by", sa.Text()),
        sa.Column("open_doubt", sa.Text()),
        sa.Column("warning", sa.Text()),
        sa.Column("synced_at", Instant),
        sa.Column("queued_at", Instant),
        sa.Column("last_attempt_at", Instant),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("updated_at", Instant, nullable=False),
        sa.Column("invoice_number", sa.Text()),
        sa.Column("invoice_date", sa.Date()),
        sa.Column("invoice_status", sa.Text()),
        sa.Column("invoice_created_at", Instant),
        sa.Column("subtotal_amount", Money, nullable=False),
        sa.Column("vat_amount", Money, nullable=False),
        sa.Column("total_amount", Money, nullable=False),
        sa.Column("currency_code", sa.Text(), nullable=False),
        sa.Column("issuer_team_id", sa.BigInteger()),
        sa.Column("issuer", sa.Text()),
        sa.Column("payer_team_id", sa.BigInteger()),
        sa.Column("payer", sa.Text()),
        sa.Column("search_text", sa.Text(), server_default="", nullable=False),
        sa.Column("api_fingerprint", sa.Text()),
        sa.Column("success_value", Json),
        sa.PrimaryKeyConstraint("invoice_id"),
        schema=schema,
    )
    _index_sync_records(schema)


def _index_sync_records(schema: str | None) -> None:
    op.create_index("ix_records_date", "sync_records", ["invoice_date", "invoice_id"], schema=schema)
    op.create_index("ix_records_document", "sync_records", ["document_no"], schema=schema)
    op.create_index(
        "ix_records_due",
        "sync_records",
        ["not_before", "invoice_date", "invoice_id"],
        postgresql_where=sa.text("status = 'queued'"),
        sqlite_where=sa.text("status = 'queued'"),
        schema=schema,
    )
    op.create_index("ix_records_issuer", "sync_records", ["issuer_team_id", "invoice_id"], schema=schema)
    op.create_index(
        "ix_records_lease",
        "sync_records",
        ["lease_until"],
        postgresql_where=sa.text("status = 'syncing'"),
        sqlite_where=sa.text("status = 'syncing'"),
        schema=schema,
    )
    op.create_index("ix_records_payer", "sync_records", ["payer_team_id", "invoice_id"], schema=schema)
    op.create_index("ix_records_queue", "sync_records", ["status", "invoice_date", "invoice_id"], schema=schema)
    op.create_index("ix_records_status", "sync_records", ["status", "invoice_id"], schema=schema)
    op.create_index("ix_records_sums", "sync_records", ["status", "currency_code", "total_amount"], schema=schema)
    op.create_index("ix_records_turns", "sync_records", ["status", "issuer_team_id", "invoice_date"], schema=schema)


def _create_sync_workers(schema: str | None) -> None:
    op.create_table(
        "sync_workers",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("threads", sa.Integer(), nullable=False),
        sa.Column("started_at", Instant, nullable=False),
        sa.Column("last_seen_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("name"),
        schema=schema,
    )
