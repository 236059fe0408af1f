"""The operator's desk: groups of errors, deadlines, batches, incidents, and who looks at what.

Only adds: programs of the version before go on working on this shape while they are replaced.
"""

import sqlalchemy as sa
from alembic import context, op

from toc_sync.tables import Id, Instant, Json

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Adds the tables, columns and indexes; the worker's sweep fills in what older records lack."""
    schema = context.config.attributes["schema"]
    _extend_sync_records(schema)
    op.add_column("sync_attempts", sa.Column("error_group", sa.Text()), schema=schema)
    op.create_index("ix_attempts_group", "sync_attempts", ["error_group", "finished_at"], schema=schema)
    op.add_column("sync_actions", sa.Column("batch_id", sa.BigInteger()), schema=schema)
    op.create_index("ix_actions_at", "sync_actions", ["at"], schema=schema)
    _create_error_groups(schema)
    _create_batches(schema)
    _create_incidents(schema)
    _create_onlookers(schema)


def _extend_sync_records(schema: str | None) -> None:
    for column in (
        sa.Column("error_group", sa.Text()),
        sa.Column("sent_fingerprint", sa.Text()),
        sa.Column("issue_deadline", sa.Date()),
        sa.Column("batch_id", sa.BigInteger()),
    ):
        op.add_column("sync_records", column, schema=schema)
    op.create_index("ix_records_deadline", "sync_records", ["status", "issue_deadline"], schema=schema)
    op.create_index("ix_records_group", "sync_records", ["error_group", "status"], schema=schema)
    op.create_index("ix_records_synced", "sync_records", ["synced_at"], schema=schema)
    op.create_index("ix_records_batch", "sync_records", ["batch_id"], schema=schema)


def _create_error_groups(schema: str | None) -> None:
    op.create_table(
        "error_groups",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("error_kind", sa.Text(), nullable=False),
        sa.Column("refusal", sa.Text()),
        sa.Column("example", sa.Text(), nullable=False),
        sa.Column("normal_form", sa.Text(), nullable=False),
        sa.Column("first_seen_at", Instant, nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("noted_by", sa.Text()),
        sa.Column("noted_at", Instant),
        sa.PrimaryKeyConstraint("key"),
        schema=schema,
    )


def _create_batches(schema: str | None) -> None:
    op.create_table(
        "batches",
        sa.Column("id", Id, sa.Identity(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("finished_at", Instant),
        sa.Column("cancelled_at", Instant),
        sa.Column("cancelled_by", sa.Text()),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema=schema,
    )
    op.create_index(
        "ix_batches_open",
        "batches",
        ["id"],
        postgresql_where=sa.text("finished_at IS NULL"),
        sqlite_where=sa.text("finished_at IS NULL"),
        schema=schema,
    )
    op.create_table(
        "batch_items",
        sa.Column("batch_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("invoice_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("seen_attempts", sa.Integer(), nullable=False),
        sa.Column("message", sa.Text()),
        sa.Column("asked_at", Instant),
        sa.Column("before", Json),
        sa.PrimaryKeyConstraint("batch_id", "position"),
        schema=schema,
    )
    op.create_index("uq_items_invoice", "batch_items", ["batch_id", "invoice_id"], unique=True, schema=schema)
    op.create_index("ix_items_state", "batch_items", ["batch_id", "state", "position"], schema=schema)
    op.create_index("ix_items_invoice", "batch_items", ["invoice_id"], schema=schema)


def _create_incidents(schema: str | None) -> None:
    op.create_table(
        "incidents",
        sa.Column("id", Id, sa.Identity(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("opened_at", Instant, nullable=False),
        sa.Column("told_at", Instant),
        sa.Column("closed_at", Instant),
        sa.Column("closing_told_at", Instant),
        sa.PrimaryKeyConstraint("id"),
        schema=schema,
    )
    op.create_index(
        "uq_incidents_open",
        "incidents",
        ["subject"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
        sqlite_where=sa.text("closed_at IS NULL"),
        schema=schema,
    )


def _create_onlookers(schema: str | None) -> None:
    op.create_table(
        "onlookers",
        sa.Column("session", sa.Text(), nullable=False),
        sa.Column("invoice_id", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("since_at", Instant, nullable=False),
        sa.Column("last_seen_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("session"),
        schema=schema,
    )
    op.create_index("ix_onlookers_invoice", "onlookers", ["invoice_id"], schema=schema)
