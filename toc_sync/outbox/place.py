"""Where this database lies: what it says about itself, and where it lay when it was last accepted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Text, case, cast, extract, func, literal, literal_column

from toc_sync.database import is_postgresql
from toc_sync.recognition import Place
from toc_sync.tables import OUR_SCHEMA
from toc_sync.witness import file_place

_OID = "(SELECT oid::text FROM pg_database WHERE datname = current_database())"


def columns(is_on_postgresql: bool) -> tuple[ColumnElement[Any], ...]:
    """Returns what to select beside the gate to learn where the database lies; PostgreSQL tells it all in one query."""
    return _ON_POSTGRESQL if is_on_postgresql else _ON_SQLITE


def found_place(conn: Connection, row: RowMapping) -> Place:
    """Returns where the database lies, from these columns or from its file; what nobody may know is left out."""
    if not is_postgresql(conn):
        file = conn.engine.url.database
        return file_place(Path(file)) if file and file != ":memory:" else {}
    system, _, timeline = (row["identity"] or "").partition("/")
    facts = {
        "system": system,
        "timeline": timeline,
        "database": row["database_oid"],
        "name": row["database_name"],
        "folder": row["data_folder"],
        "port": row["server_port"],
    }
    return {name: value for name, value in facts.items() if value}


def known_place(row: RowMapping) -> Place | None:
    """Returns where the database lay when it was last accepted; None before the first time."""
    if row["place"]:
        known: Place = json.loads(row["place"])
        return known
    if row["database_identity"]:  # written by a version that knew no more
        system, _, timeline = row["database_identity"].partition("/")
        return {"system": system, "timeline": timeline}
    return None


def as_text(place: Place) -> str:
    """Returns a place as it is stored."""
    return json.dumps(dict(sorted(place.items())), ensure_ascii=False)


def _data_folder() -> ColumnElement[Any]:
    """Asks for the server's folder where this role may: to ask without the right ends the transaction."""
    may_ask = func.pg_has_role("pg_read_all_settings", "USAGE")
    return case((may_ask, func.current_setting("data_directory")), else_=None)


_ON_POSTGRESQL: tuple[ColumnElement[Any], ...] = (
    getattr(func, OUR_SCHEMA).database_identity().label("identity"),
    literal_column(_OID).label("database_oid"),
    cast(func.current_database(), Text).label("database_name"),
    _data_folder().label("data_folder"),
    func.current_setting("port").label("server_port"),
    cast(extract("epoch", func.pg_postmaster_start_time()), Text).label("server_since"),
)
_ON_SQLITE: tuple[ColumnElement[Any], ...] = (literal(None).label("identity"), literal(None).label("server_since"))
