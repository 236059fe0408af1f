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
from sqlalchemy.dialects import postgresql, sqlite

from toc_sync.database import is_postgresql
from toc_sync.model import SettingsError
from toc_sync.tables import OUR_SCHEMA, billing, issued_client_invoices, markers

OWN_BILLING = "billing_tables_made_by_us"
SAMPLES = "sample_data"
FUNCTION_HOST = "function_host"


def prepare(conn: Connection, *, may_create_billing: bool) -> bool:
    """Migrates our tables and checks the billing tables; returns whether it created those (only if there were none)."""
    migrate(conn)
    creates = may_create_billing and not has_billing_tables(conn)
    if creates:
        create_billing_tables(conn)
    check_billing_tables(conn)
    return creates


def migrate(conn: Connection) -> None:
    """Brings our own tables to this version; several processes may start at once."""
    if is_migrated(conn):
        return
    if is_postgresql(conn):
        conn.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("toc_sync migrate", 0))))
    command.upgrade(_alembic(conn), "head")


def is_migrated(conn: Connection) -> bool:
    """Tells whether our own tables are there, and of this version or a later one: later ones only add.

    Where a new version is deployed step by step, a program of the old one may start once more.
    """
    config = _alembic(conn)
    schema = config.attributes["schema"]
    if schema and not inspect(conn).has_schema(schema):
        return False
    context = MigrationContext.configure(conn, opts={"version_table_schema": schema})
    # The last of this version's steps, or a step that this version does not know.
    known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    return context.get_current_revision() not in (None, *known[1:])


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
        missing = {column.name for column in table.columns} - {
            column["name"] for column in inspector.get_columns(table.name)
        }
        if missing:
            raise SettingsError(f"DATABASE_URL: the table {table.name} has no column {min(missing)}.")


def check_environment(conn: Connection, *, function_url: str | None) -> None:
    """Refuses every mix of real and invented; `function_url` is None for the sandbox.

    Remembers the function's host the first time; another host later must be accepted by a person.
    """
    if function_url is not None:
        # Of several processes that start at once the first one decides; a refusal takes this back with the rest.
        _insert_marker(conn, FUNCTION_HOST, host_of(function_url))
    if mix_up := find_mix_up(conn, function_url=function_url):
        raise SettingsError(mix_up)


def find_mix_up(conn: Connection, *, function_url: str | None) -> str | None:
    """Returns what of this database and this function does not belong together, as a sentence, or None."""
    if function_url is None:
        if get_marker(conn, OWN_BILLING) is None:
            return (
                "TOC_SYNC_SANDBOX: the sandbox runs only on a database whose billing tables this program created,"
                " never on a real one."
            )
        return None
    if get_marker(conn, SAMPLES) is not None:
        return (
            "TOC_FUNCTION_URL: this database holds sample invoices, which must never reach TOC Online."
            " Set DATABASE_URL to the billing database."
        )
    host, known = host_of(function_url), get_marker(conn, FUNCTION_HOST)
    if known not in (None, host):
        return (
            f"TOC_FUNCTION_URL: this database was used with the function at {known}, now {host} is set."
            " If that is right, run: python -m toc_sync accept-function"
        )
    return None


def why_no_samples(conn: Connection) -> str | None:
    """Returns why sample data must not be added to this database, as a sentence, or None where it may."""
    if get_marker(conn, OWN_BILLING) is None:
        return "DATABASE_URL: this is a real billing database; sample invoices are only added to one made by init-db."
    if host := get_marker(conn, FUNCTION_HOST):
        return f"DATABASE_URL: this database was used with the function at {host}; sample invoices must not join it."
    if conn.execute(select(issued_client_invoices.c.id).limit(1)).first():
        return "DATABASE_URL: this database holds invoices already; sample invoices are only added to one without."
    return None


def host_of(function_url: str) -> str:
    """Returns the host (and port, if named) of an address."""
    return urlsplit(function_url).netloc.lower()


def get_marker(conn: Connection, name: str) -> str | None:
    """Returns a marker's value, or None."""
    return conn.execute(select(markers.c.value).where(markers.c.name == name)).scalar_one_or_none()


def set_marker(conn: Connection, name: str, value: str) -> None:
    """Sets a marker, whatever it was."""
    _insert_marker(conn, name, value)
    conn.execute(markers.update().where(markers.c.name == name).values(value=value))


def _insert_marker(conn: Connection, name: str, value: str) -> None:
    insert = postgresql.insert(markers) if is_postgresql(conn) else sqlite.insert(markers)
    conn.execute(insert.values(name=name, value=value).on_conflict_do_nothing())


def _alembic(conn: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = conn
    config.attributes["schema"] = OUR_SCHEMA if is_postgresql(conn) else None
    return config
