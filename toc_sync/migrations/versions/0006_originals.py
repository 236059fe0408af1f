"""Which database this is: its place and its own name, and what the witnesses of those who send have said.

Only adds: programs of the version before go on working on this shape while they are replaced.
"""

import sqlalchemy as sa
from alembic import context, op

from toc_sync.tables import Instant

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Adds the columns; the next program that starts fills them in."""
    schema = context.config.attributes["schema"]
    for name in ("place", "database_id", "served_since"):
        op.add_column("gate", sa.Column(name, sa.Text()), schema=schema)
    op.add_column("gate", sa.Column("cut_at", Instant), schema=schema)
    for name in ("keeper", "place", "obstacle"):
        op.add_column("sync_workers", sa.Column(name, sa.Text()), schema=schema)
