"""The billing tables as we read them, and the one column of theirs that we write.

SQL in the caller's connection; never commits, never touches sync state or the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, Text, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY, array
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from toc_sync.database import is_postgresql
from toc_sync.model import Invoice
from toc_sync.tables import issued_client_invoices as invoices
from toc_sync.tables import teams

_issuer, _payer = teams.alias("issuer"), teams.alias("payer")
_NAMES = tuple(name for name in Invoice.__dataclass_fields__ if name != "invoice_id")


def select_invoices() -> Select[Any]:
    """Returns the query for whole invoices with the titles of their teams."""
    titles = (_issuer.c.title.label("issuer"), _payer.c.title.label("payer"))
    fingerprint = fingerprint_of(invoices.c.api_response).label("api_fingerprint")
    return select(invoices, *titles, fingerprint).select_from(
        invoices.outerjoin(_issuer, _issuer.c.id == invoices.c.issuer_team_id).outerjoin(
            _payer, _payer.c.id == invoices.c.payer_team_id
        )
    )


def read_invoice(conn: Connection, invoice_id: int) -> Invoice | None:
    """Returns the invoice as it is now, or None when it does not exist."""
    row = conn.execute(_ONE, {"wanted": invoice_id}).mappings().one_or_none()
    return as_invoice(row) if row else None


def read_to_send(conn: Connection, invoice_id: int) -> tuple[Invoice | None, str | None]:
    """Returns the same with a fingerprint of all that is sent: the invoice, its allocations, its issuer and payer.

    Equal fingerprints of two readings say that nobody changed anything in between.
    """
    row = conn.execute(_AS_SENT[conn.dialect.name], {"wanted": invoice_id}).mappings().one_or_none()
    return (as_invoice(row), row["sent_fingerprint"]) if row else (None, None)


def as_invoice(row: Mapping[Any, Any]) -> Invoice:
    """Returns a row of `select_invoices` as a value."""
    return Invoice(invoice_id=row["id"], **{name: row[name] for name in _NAMES})


def fingerprint_of(column: Any) -> Any:
    """Returns the SQL expression for a short stand-in of a JSON column; null where it is null."""
    return func.md5(cast(column, Text))


_MOVES_BY_ITSELF = ("api_response", "updated_at", "pdf_path")
"""Columns that change although nobody corrects anything."""


def _print_on_postgresql() -> ColumnElement[str]:
    """Whole rows: columns that we do not know, a tax number among the teams for example, count too.

    Not the allocations: they may have no index, and what changes in them changes the invoice's amounts.
    """

    def whole(table: Any) -> ColumnElement[Any]:
        return func.to_jsonb(table.table_valued()).op("-")(cast(array(_MOVES_BY_ITSELF), ARRAY(Text)))

    parts = func.jsonb_build_array(whole(invoices), whole(_issuer), whole(_payer))
    return func.md5(cast(parts, Text))


def _print_on_sqlite() -> ColumnElement[str]:
    def whole(table: FromClause) -> ColumnElement[Any]:
        return func.json_array(*(column for column in table.columns if column.name not in _MOVES_BY_ITSELF))

    return func.md5(func.json_array(whole(invoices), whole(_issuer), whole(_payer)))


# Built once: every claim and every request reads an invoice, and building a query takes as long as the database does.
_THIS = invoices.c.id == bindparam("wanted")
_ONE = select_invoices().where(_THIS)
_PRINTS = {"postgresql": _print_on_postgresql(), "sqlite": _print_on_sqlite()}
_AS_SENT = {name: _ONE.add_columns(found.label("sent_fingerprint")) for name, found in _PRINTS.items()}
_LOCKED = select(invoices.c.api_response, fingerprint_of(invoices.c.api_response)).where(_THIS).with_for_update()
_WRITTEN = invoices.update().where(_THIS)


def lock_api_response(conn: Connection, invoice_id: int) -> tuple[bool, object]:
    """Returns whether the invoice exists, and its `api_response`, locked against other writers until the commit."""
    exists, value, _ = lock_standing(conn, invoice_id)
    return exists, value


def lock_standing(conn: Connection, invoice_id: int) -> tuple[bool, object, str | None]:
    """Returns the same, and the fingerprint of `api_response`."""
    row = conn.execute(_LOCKED, {"wanted": invoice_id}).one_or_none()
    return (False, None, None) if row is None else (True, row[0], row[1])


def write_api_response(conn: Connection, invoice_id: int, value: object, *, guarded: bool = True) -> bool:
    """Writes the structured outcome into the one column that is ours to write; False where their database forbids it.

    A trigger of theirs that refuses must not keep us from writing down what we know. Only who can try again goes
    without the guard, which costs two round trips: then a refusal raises and ends the transaction.
    """
    if not guarded:
        conn.execute(_WRITTEN, {"wanted": invoice_id, "api_response": value})
        return True
    # Not `begin_nested`, which compiles both statements anew each time.
    conn.exec_driver_sql("SAVEPOINT before_writing")
    try:
        conn.execute(_WRITTEN, {"wanted": invoice_id, "api_response": value})
        if is_postgresql(conn):
            # A trigger may wait for the commit, which nothing guards.
            conn.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
    except (OperationalError, InterfaceError):
        raise
    except DBAPIError:
        conn.exec_driver_sql("ROLLBACK TO SAVEPOINT before_writing")
        return False
    conn.exec_driver_sql("RELEASE SAVEPOINT before_writing")
    return True
