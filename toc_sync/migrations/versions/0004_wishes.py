"""Wishes to pause: rows of their own, which nobody holds locked when the gate's row is.

Only adds: programs of the version before go on working on this shape, but do not know of a wish until it stands in the
gate's row.
"""

import sqlalchemy as sa
from alembic import context, op

from toc_sync.tables import Id, Instant

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Adds the table."""
    op.create_table(
        "gate_wishes",
        sa.Column("id", Id, sa.Identity(), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.PrimaryKeyConstraint("id"),
        schema=context.config.attributes["schema"],
    )
