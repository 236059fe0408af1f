"""A new version is deployed while the old one works: it brings a migration, and the processes are replaced one by one."""

from __future__ import annotations

from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from tests.torture.arena import Arena
from tests.torture.judgement import Story
from tests.torture.scale import Scale
from tests.torture.twists import Twist
from toc_sync import installation
from toc_sync.database import reading
from toc_sync.model import Status
from toc_sync.tables import OUR_SCHEMA

LATER = '''"""What a later version might add."""

import sqlalchemy as sa
from alembic import context, op

revision = "later"
down_revision = "{head}"


def upgrade() -> None:
    schema = context.config.attributes["schema"]
    op.add_column("sync_records", sa.Column("later", sa.Text()), schema=schema)
    op.add_column("sync_attempts", sa.Column("later", sa.Integer(), server_default="0", nullable=False), schema=schema)
    op.create_table("later", sa.Column("id", sa.Integer(), primary_key=True), schema=schema)
'''
DEADLINE_S = 10.0


def rolling_deploy(arena: Arena, scale: Scale) -> Story:
    """Starts a process of the later version, which migrates under the feet of the others, and then replaces them."""
    arena.judge.latency_s = (0.05, 0.3)
    later = Twist(migrations=_later_migrations(arena))
    share = scale.invoices // (arena.crew_size + 3)
    old = arena.crew(deadline_s=DEADLINE_S)
    for process in old:
        process.says("worker-started")
    arena.create(share)
    arena.start(later, deadline_s=DEADLINE_S).says("worker-started")
    assert _is_migrated(arena)
    late = arena.start(deadline_s=DEADLINE_S)  # an old one that had ended starts once more
    late.says("worker-started")
    old.append(late)
    arena.create(share)  # old and new work side by side
    for process in old:
        assert process.stop() == 0, process.log
        arena.start(later, deadline_s=DEADLINE_S)
        arena.create(share)
    arena.drain()
    unsent = len(arena.created) - arena.count(Status.SYNCED)
    wrong = (f"{unsent} invoices are not synced",) if unsent else ()
    return Story(happened=f"{len(old)} processes replaced, {len(arena.created)} invoices", wrong=wrong)


def _later_migrations(arena: Arena) -> Path:
    folder = arena.folder / "later"
    folder.mkdir()
    with reading(arena.desk.engine) as conn:
        head = ScriptDirectory.from_config(installation._alembic(conn)).get_current_head()
    (folder / "later.py").write_text(LATER.format(head=head))
    return folder


def _is_migrated(arena: Arena) -> bool:
    schema = OUR_SCHEMA if arena.desk.engine.dialect.name == "postgresql" else None
    return inspect(arena.desk.engine).has_table("later", schema=schema)
