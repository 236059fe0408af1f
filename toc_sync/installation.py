"""What must be true of a database before anything is sent: our tables migrated, the billing tables there, no mix-up.

SQL in the caller's connection. The sandbox must never be taken for TOC Online, nor sample invoices for real ones: a
marker in our own tables says what a database is.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, inspect, select

from toc_sync.database import is_postgresql
from toc_sync.model import SettingsError
from toc_sync.tables import OUR_SCHEMA, billing, markers

OWN_BILLING = "billing_tables_made_by_us"
SAMPLES = "sample_data"
FUNCTION_HOST = "function_host"


def migrate(conn: Connection) -> None:
    """Brings our own tables to this version; several processes may start at once."""
    config = _alembic(conn)
    if _is_current(conn, config):
        return
    if is_postgresql(conn):
        conn.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("toc_sync migrate", 0))))
    command.upgrade(config, "head")


def has_billing_tables(conn: Connection) -> bool:
    """Tells whether any of the billing tables exists."""
    return bool(set(inspect(conn).get_table_names()) & set(billing.tables))


def create_billing_tables(conn: Connection) -> None:
    """Creates the billing tables in a database that has none of them, and marks them as ours."""
    billing.create_all(conn)
    set_marker(conn, OWN_BILLING, "yes")


def check_billing_tables(conn: Connection) -> None:
    """Raises SettingsError naming the first billing table or column that is missing."""
    inspector = inspect(conn)
    present = set(inspector.get_table_names())
    for table in billing.sorted_tables:
        if table.name not in present:
            raise SettingsError(
                f"DATABASE_URL: the database has no table {table.name}. Name the billing database, or create the tables"
                " in an empty one with: python -m toc_sync init-db"
            )
        missing = {column.name for column in table.columns} - {column["name"] for column in inspector.get_columns(table.name)}
        if missing:
            raise SettingsError(f"DATABASE_URL: the table {table.name} has no column {min(missing)}.")


def check_environment(conn: Connection, *, function_url: str | None) -> None:
    """Refuses every mix of real and invented; `function_url` is None for the sandbox.

    Remembers the function's host the first time; another host later must be accepted by a person.
    """
    if function_url is None:
        if get_marker(conn, OWN_BILLING) is None:
            raise SettingsError(
                "TOC_SYNC_SANDBOX: the sandbox runs only on a database whose billing tables this program created,"
                " never on a real one."
            )
        return
    if get_marker(conn, SAMPLES) is not None:
        raise SettingsError(
            "TOC_FUNCTION_URL: this database holds sample invoices, which must never reach TOC Online."
            " Set DATABASE_URL to the billing database."
        )
    host = host_of(function_url)
    known = get_marker(conn, FUNCTION_HOST)
    if known is None:
        set_marker(conn, FUNCTION_HOST, host)
    elif known != host:
        raise SettingsError(
            f"TOC_FUNCTION_URL: this database was used with the function at {known}, now {host} is set."
            " If that is right, run: python -m toc_sync accept-function"
        )


def host_of(function_url: str) -> str:
    """Returns the host (and port, if named) of an address."""
    return urlsplit(function_url).netloc.lower()


def get_marker(conn: Connection, name: str) -> str | None:
    """Returns a marker's value, or None."""
    return conn.execute(select(markers.c.value).where(markers.c.name == name)).scalar_one_or_none()


def set_marker(conn: Connection, name: str, value: str) -> None:
    """Sets a marker, whatever it was."""
    conn.execute(markers.delete().where(markers.c.name == name))
    conn.execute(markers.insert().values(name=name, value=value))


def _alembic(conn: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = conn
    config.attributes["schema"] = OUR_SCHEMA if is_postgresql(conn) else None
    return config


def _is_current(conn: Connection, config: Config) -> bool:
    schema = config.attributes["schema"]
    if schema and not inspect(conn).has_schema(schema):
        return False
    context = MigrationContext.configure(conn, opts={"version_table_schema": schema})
    return context.get_current_revision() == ScriptDirectory.from_config(config).get_current_head()
