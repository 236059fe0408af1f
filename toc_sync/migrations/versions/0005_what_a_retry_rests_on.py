"""What a retry rests on, and when an invoice was issued: so that what is taken back, or under way elsewhere, is not sent.

Only adds: programs of the version before go on working on this shape while they are replaced.
"""

import sqlalchemy as sa
from alembic import context, op

from toc_sync.tables import Instant

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Adds two columns; older records say nothing there."""
    schema = context.config.attributes["schema"]
    op.add_column("sync_records", sa.Column("rests_on", sa.Text()), schema=schema)
    op.add_column("sync_records", sa.Column("sendable_since", Instant), schema=schema)
