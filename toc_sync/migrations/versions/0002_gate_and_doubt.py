"""The gate and its log, refusals that people taught, and how long a doubt has lasted.

Only adds: programs of the version before go on working on this shape while they are replaced.
"""

import sqlalchemy as sa
from alembic import context, op

from toc_sync.database import current_time
from toc_sync.tables import Id, Instant

revision = "0002"
down_revision = "0001"

# Another value means that this is another server's data or another history of it: a failover, or a restored backup.
_DATABASE_IDENTITY = """
    CREATE FUNCTION toc_sync.database_identity() RETURNS text LANGUAGE plpgsql AS $$
    BEGIN
        RETURN (SELECT system_identifier FROM pg_control_system()) || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8);
    EXCEPTION WHEN insufficient_privilege OR undefined_function OR feature_not_supported THEN
        RETURN NULL;
    END $$
"""


def upgrade() -> None:
    """Adds the tables and columns; what is in doubt already has been so since its last attempt."""
    schema = context.config.attributes["schema"]
    _create_gate(schema)
    _create_gate_log(schema)
    _create_taught_refusals(schema)
    _extend_sync_records(schema)
    op.create_index("ix_attempts_finished", "sync_attempts", ["finished_at"], schema=schema)
    for name in ("host", "version"):
        op.add_column("sync_workers", sa.Column(name, sa.Text()), schema=schema)


def _create_gate(schema: str | None) -> None:
    gate = op.create_table(
        "gate",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("since", Instant, nullable=False),
        sa.Column("cause", sa.Text()),
        sa.Column("changed_by", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("probe_at", Instant),
        sa.Column("probe_wait_s", sa.Integer()),
        sa.Column("log_id", sa.BigInteger()),
        sa.Column("database_identity", sa.Text()),
        sa.PrimaryKeyConstraint("id"),
        schema=schema,
    )
    op.bulk_insert(gate, [{"id": 1, "state": "open", "since": current_time(op.get_bind())}])
    if context.config.attributes["schema"]:
        op.execute(_DATABASE_IDENTITY)


def _create_gate_log(schema: str | None) -> None:
    op.create_table(
        "gate_log",
        sa.Column("id", Id, sa.Identity(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("closed_at", Instant, nullable=False),
        sa.Column("closed_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("opened_at", Instant),
        sa.Column("opened_by", sa.Text()),
        sa.PrimaryKeyConstraint("id"),
        schema=schema,
    )


def _create_taught_refusals(schema: str | None) -> None:
    op.create_table(
        "taught_refusals",
        sa.Column("id", Id, sa.Identity(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("pattern", sa.Text(), nullable=False),
        sa.Column("example", sa.Text(), nullable=False),
        sa.Column("remedy", sa.Text(), nullable=False),
        sa.Column("fixer", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("taught_by", sa.Text(), nullable=False),
        sa.Column("taught_at", Instant, nullable=False),
        sa.Column("withdrawn_by", sa.Text()),
        sa.Column("withdrawn_at", Instant),
        sa.Column("withdrawn_reason", sa.Text()),
        sa.PrimaryKeyConstraint("id"),
        schema=schema,
    )
    op.create_index(
        "uq_taught_name",
        "taught_refusals",
        ["name"],
        unique=True,
        postgresql_where=sa.text("withdrawn_at IS NULL"),
        sqlite_where=sa.text("withdrawn_at IS NULL"),
        schema=schema,
    )


def _extend_sync_records(schema: str | None) -> None:
    op.add_column("sync_records", sa.Column("doubt_since", Instant), schema=schema)
    op.add_column(
        "sync_records",
        sa.Column("doubt_retries", sa.Integer(), server_default="0", nullable=False),
        schema=schema,
    )
    op.add_column("sync_records", sa.Column("gate_log_id", sa.BigInteger()), schema=schema)
    op.create_index(
        "ix_records_gate",
        "sync_records",
        ["gate_log_id", "status"],
        postgresql_where=sa.text("gate_log_id IS NOT NULL"),
        sqlite_where=sa.text("gate_log_id IS NOT NULL"),
        schema=schema,
    )
    records = sa.table(
        "sync_records",
        *(sa.column(name) for name in ("status", "doubt_since", "last_attempt_at", "updated_at")),
        schema=schema,
    )
    since = sa.func.coalesce(records.c.last_attempt_at, records.c.updated_at)
    op.execute(records.update().where(records.c.status == "in_doubt").values(doubt_since=since))
