"""The sandbox's own SQLite file: plans, documents with their numbers, and every request seen.

Several threads and processes share one file. Never touches the project's database.
"""

from __future__ import annotations

import base64
import hashlib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from toc_sync.model import SettingsError
from toc_sync.sandbox.behaviours import Behaviour, TocDocument

BUSY_TIMEOUT_S = 30
GROSS_TOTAL = 123.0
"""The total of every document: the function is told an invoice's id only, so the sandbox knows no amounts."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS plans (
    invoice_id INTEGER PRIMARY KEY,
    behaviour TEXT NOT NULL,
    times_left INTEGER
);
CREATE TABLE IF NOT EXISTS documents (
    id INTEGER PRIMARY KEY,
    invoice_id INTEGER NOT NULL,
    series TEXT NOT NULL,
    number INTEGER NOT NULL,
    document_no TEXT NOT NULL UNIQUE,
    document_hash_sum TEXT NOT NULL,
    atcud TEXT NOT NULL,
    issued_at TEXT NOT NULL,
    UNIQUE (series, number)
);
CREATE INDEX IF NOT EXISTS documents_by_invoice ON documents (invoice_id);
CREATE TABLE IF NOT EXISTS requests (
    id INTEGER PRIMARY KEY,
    invoice_id INTEGER,
    at TEXT NOT NULL,
    request_id TEXT,
    idempotency_key TEXT,
    behaviour TEXT,
    answered_status INTEGER
);
CREATE INDEX IF NOT EXISTS requests_by_invoice ON requests (invoice_id);
"""
_DOCUMENTS = "SELECT * FROM documents WHERE ? IS NULL OR invoice_id = ? ORDER BY id"
_REQUESTS = "SELECT * FROM requests WHERE ? IS NULL OR invoice_id = ? ORDER BY id"


@dataclass(frozen=True, kw_only=True)
class Document:
    """One issued document. `number` counts from 1 without gaps within its series."""

    id: int
    invoice_id: int
    series: str
    number: int
    document_no: str
    document_hash_sum: str
    atcud: str
    issued_at: datetime

    def as_toc_document(self) -> TocDocument:
        """Returns the document as TOC Online describes it."""
        return {
            "id": self.id,
            "document_no": self.document_no,
            "gross_total": GROSS_TOTAL,
            "document_hash_sum": self.document_hash_sum,
            "atcud": self.atcud,
        }


@dataclass(frozen=True, kw_only=True)
class SeenRequest:
    """One POST for a function. `behaviour` is None when it did not reach the function's work.

    `answered_status` is None while there is no answer, and for ever when none was given.
    """

    id: int
    invoice_id: int | None
    at: datetime
    request_id: str | None
    idempotency_key: str | None
    behaviour: Behaviour | None
    answered_status: int | None


class SandboxDocuments:
    """The sandbox's memory in the file `path`, which is created when missing.

    Raises SettingsError when the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._connect()) as connection:
                _use_wal(connection)
                connection.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise SettingsError(f"The sandbox file {path} cannot be used: {error}.") from error

    def plan(self, invoice_id: int, behaviour: Behaviour, times: int | None = 1) -> None:
        """Makes the next `times` POSTs for an invoice behave so (None: all of them), in place of any earlier plan.

        Raises ValueError when `times` is below 1.
        """
        if times is not None and times < 1:
            raise ValueError("A plan is for one POST or more.")
        with self._writing() as connection:
            connection.execute("INSERT OR REPLACE INTO plans VALUES (?, ?, ?)", (invoice_id, behaviour, times))

    def take_plan(self, invoice_id: int) -> Behaviour:
        """Returns what the next POST for an invoice does, and uses up one time of its plan."""
        with self._writing() as connection:
            row = connection.execute("SELECT * FROM plans WHERE invoice_id = ?", (invoice_id,)).fetchone()
            if row is None:
                return Behaviour.ISSUE_FLAT
            connection.execute("UPDATE plans SET times_left = times_left - 1 WHERE invoice_id = ?", (invoice_id,))
            connection.execute("DELETE FROM plans WHERE invoice_id = ? AND times_left = 0", (invoice_id,))
            return Behaviour(row["behaviour"])

    def issue(self, invoice_id: int, *, now: datetime) -> Document:
        """Issues one more document for an invoice, with the next number of the series of the year of `now`."""
        with self._writing() as connection:
            return _issue(connection, invoice_id, now)

    def issue_if_missing(self, invoice_id: int, *, now: datetime) -> Document:
        """Returns the first document of an invoice; issues it when there is none."""
        with self._writing() as connection:
            row = connection.execute(
                "SELECT * FROM documents WHERE invoice_id = ? ORDER BY id", (invoice_id,)
            ).fetchone()
            return _issue(connection, invoice_id, now) if row is None else _document(row)

    def record_request(
        self,
        *,
        invoice_id: int | None,
        at: datetime,
        request_id: str | None,
        idempotency_key: str | None,
        behaviour: Behaviour | None,
    ) -> int:
        """Records a POST that has just come in and returns the number of its record."""
        with self._writing() as connection:
            cursor = connection.execute(
                "INSERT INTO requests (invoice_id, at, request_id, idempotency_key, behaviour) VALUES (?, ?, ?, ?, ?)",
                (invoice_id, at.isoformat(), request_id, idempotency_key, behaviour),
            )
            assert cursor.lastrowid is not None  # an INSERT always sets it
            return cursor.lastrowid

    def record_answer(self, seen: int, http_status: int) -> None:
        """Records the HTTP status that answers the POST recorded as `seen`."""
        with self._writing() as connection:
            connection.execute("UPDATE requests SET answered_status = ? WHERE id = ?", (http_status, seen))

    def documents(self, invoice_id: int | None = None) -> list[Document]:
        """Returns the documents of one invoice, or all of them, in the order they were issued."""
        return [_document(row) for row in self._rows(_DOCUMENTS, invoice_id)]

    def requests(self, invoice_id: int | None = None) -> list[SeenRequest]:
        """Returns the POSTs for one invoice, or all of them, in the order they came."""
        return [_seen_request(row) for row in self._rows(_REQUESTS, invoice_id)]

    def _rows(self, query: str, invoice_id: int | None) -> list[sqlite3.Row]:
        with closing(self._connect()) as connection:
            return connection.execute(query, (invoice_id, invoice_id)).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        # IMMEDIATE: two writers that both read the last number first would give it twice, or fail on the upgrade.
        with closing(self._connect()) as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        connection.row_factory = sqlite3.Row
        return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    # SQLite's own busy timeout does not cover this switch, and processes that start together all make it.
    give_up_at = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up_at:
                raise
            time.sleep(0.01)


def _issue(connection: sqlite3.Connection, invoice_id: int, now: datetime) -> Document:
    series = f"FT {now.year}"
    last = connection.execute(
        "SELECT number, document_hash_sum FROM documents WHERE series = ? ORDER BY number DESC", (series,)
    ).fetchone()
    number, last_hash_sum = (1, "") if last is None else (last["number"] + 1, last["document_hash_sum"])
    document_no = f"{series}/{number}"
    hash_sum = _hash_sum(last_hash_sum, document_no, now)
    row = connection.execute(
        "INSERT INTO documents (invoice_id, series, number, document_no, document_hash_sum, atcud, issued_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING *",
        (invoice_id, series, number, document_no, hash_sum, f"SANDBOX-{number}", now.isoformat()),
    ).fetchone()
    return _document(row)


def _hash_sum(last_hash_sum: str, document_no: str, now: datetime) -> str:
    chained = f"{last_hash_sum};{document_no};{now.isoformat()}"
    return base64.b64encode(hashlib.sha256(chained.encode()).digest()).decode()


def _document(row: sqlite3.Row) -> Document:
    return Document(**{**row, "issued_at": datetime.fromisoformat(row["issued_at"])})


def _seen_request(row: sqlite3.Row) -> SeenRequest:
    behaviour = None if row["behaviour"] is None else Behaviour(row["behaviour"])
    return SeenRequest(**{**row, "at": datetime.fromisoformat(row["at"]), "behaviour": behaviour})
