"""Old programs go on working on a database that a newer version has migrated: every migration after the first only adds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from toc_sync import installation
from toc_sync.database import writing
from toc_sync.engines import open_engine

MIGRATION = """
import sqlalchemy as sa
from alembic import context, op
revision = "later"
down_revision = "{head}"
def upgrade():
    schema = context.config.attributes["schema"]
    {step}
"""


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection]:
    engine = open_engine(database_url)
    with writing(engine) as connection:
        yield connection
    engine.dispose()


def test_every_migration_after_the_first_only_adds(conn: Connection) -> None:
    config = installation._alembic(conn)
    assert what_old_programs_would_miss(conn, config) == []


@pytest.mark.parametrize(
    ("step", "missed"),
    [
        pytest.param(
            'op.add_column("sync_records", sa.Column("one", sa.Text()), schema=schema);'
            ' op.add_column("sync_records", sa.Column("two", sa.Text(), server_default="", nullable=False), schema=schema);'
            ' op.create_table("new", sa.Column("id", sa.Integer(), primary_key=True), schema=schema);'
            ' op.create_index("new_index", "sync_records", ["one"], schema=schema)',
            [],
            id="what only adds",
        ),
        pytest.param(
            'op.drop_column("sync_records", "warning", schema=schema)', ["sync_records.warning"], id="a column goes"
        ),
        pytest.param('op.drop_table("sync_workers", schema=schema)', ["sync_workers"], id="a table goes"),
        pytest.param(
            'op.rename_table("sync_workers", "senders", schema=schema)', ["sync_workers"], id="a table is renamed"
        ),
        pytest.param(
            'op.drop_index("uq_attempts_open", "sync_attempts", schema=schema)',
            ["sync_attempts: index uq_attempts_open"],
            id="an index goes",
        ),
        pytest.param(
            'op.create_index("once", "sync_attempts", ["worker"], unique=True, schema=schema)',
            ["sync_attempts: new rule once"],
            id="an old table gets a rule",
        ),
    ],
)
def test_what_does_more_than_add_is_found(conn: Connection, tmp_path: Path, step: str, missed: list[str]) -> None:
    assert what_old_programs_would_miss(conn, with_later(conn, tmp_path, step)) == missed


def test_a_new_column_that_must_be_filled_is_found(conn: Connection, tmp_path: Path) -> None:
    # SQLite refuses this by itself, so there the table is written anew, as Alembic's batches do.
    step = (
        'with op.batch_alter_table("sync_workers", schema=schema) as table:'
        ' table.add_column(sa.Column("must", sa.Text(), nullable=False))'
    )
    assert "sync_workers.must" in what_old_programs_would_miss(conn, with_later(conn, tmp_path, step))


def with_later(conn: Connection, folder: Path, step: str) -> Config:
    """Returns the configuration with one more migration behind the program's own."""
    config = installation._alembic(conn)
    shipped = Path(installation.__file__).parent / "migrations" / "versions"
    head = ScriptDirectory.from_config(config).get_current_head()
    (folder / "later.py").write_text(MIGRATION.format(head=head, step=step))
    config.set_main_option("version_locations", f"{shipped};{folder}")
    config.set_main_option("path_separator", ";")
    return config


def what_old_programs_would_miss(conn: Connection, config: Config) -> list[str]:
    """Applies one migration after the other and returns what each but the first took away or demands."""
    revisions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][::-1]
    command.upgrade(config, revisions[0])
    before, found = shape(conn, config), []
    for revision in revisions[1:]:
        command.upgrade(config, revision)
        after = shape(conn, config)
        found.extend(_missed(before, after))
        before = after
    return found


def shape(conn: Connection, config: Config) -> dict[str, dict[str, Any]]:
    """Returns each of our tables with its columns, its indexes and its rules."""
    schema = config.attributes["schema"]
    seen = inspect(conn)
    return {
        name: {
            "columns": {
                column["name"]: (
                    str(column["type"]),
                    column["nullable"],
                    column["default"],
                    bool(column.get("identity")),
                )
                for column in seen.get_columns(name, schema=schema)
            },
            "indexes": {index["name"]: bool(index["unique"]) for index in seen.get_indexes(name, schema=schema)},
            "rules": {
                str(rule["name"])
                for rules in (seen.get_unique_constraints, seen.get_check_constraints, seen.get_foreign_keys)
                for rule in rules(name, schema=schema)
            },
        }
        for name in seen.get_table_names(schema=schema)
    }


def _missed(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> Iterator[str]:
    for name, was in before.items():
        if name not in after:
            yield name
            continue
        stands = after[name]
        yield from (
            f"{name}.{column}" for column, kind in was["columns"].items() if stands["columns"].get(column) != kind
        )
        for column in stands["columns"].keys() - was["columns"].keys():
            _, nullable, default, identity = stands["columns"][column]
            if not (nullable or default or identity):
                yield f"{name}.{column}"
        yield from (f"{name}: index {index}" for index in was["indexes"].keys() - stands["indexes"].keys())
        new_unique = {i for i, unique in stands["indexes"].items() if unique} - was["indexes"].keys()
        yield from (f"{name}: new rule {rule}" for rule in sorted(new_unique | (stands["rules"] - was["rules"])))
