"""A desk to test the core at: a fresh database with a small company, a stand-in for the function, one step at a time.

`desk` runs a test on both databases; `sqlite_desk` and `postgres_desk` on one. Each starts as a copy of a database that
was migrated once.
"""

from __future__ import annotations

import shutil
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, LiteralString, TypeVar

import psycopg
import pytest
from sqlalchemy import URL, Connection, Engine, Table, make_url, select, update

from tests.days import day
from tests.reused_database import ReusedDatabase
from tests.stand_in import StandIn
from tests.thrift import migrated_file, without_wal
from toc_sync import installation, outbox, status, sync
from toc_sync.database import current_time, reading, writing
from toc_sync.edge import Edge
from toc_sync.engines import open_engine
from toc_sync.model import Claim, ErrorKind, Outcome, Result, SyncState, Verdict
from toc_sync.new_invoice import parse_payload
from toc_sync.refusals import shipped_refusals
from toc_sync.tables import (
    invoice_orders,
    issued_client_invoices,
    issued_invoice_orders,
    projects,
    sync_actions,
    sync_attempts,
    sync_records,
    teams,
)
from toc_sync.views import InvoiceDetail, InvoiceFilter, InvoicePage, InvoiceRow

REFUSALS = shipped_refusals()
WAITS_S = (30.0, 120.0, 600.0)
ISSUER, PAYER, OTHER_PAYER = 1, 2, 3
FIRST_ROWS: LiteralString = """
    INSERT INTO toc_sync.markers (name, value) VALUES ('billing_tables_made_by_us', 'yes');
    INSERT INTO toc_sync.gate (id, state, since) VALUES (1, 'open', clock_timestamp());
"""
LONG_AGO = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)

ISSUED = Verdict(
    outcome=Outcome.SYNCED, http_status=200, document_no="FT 2026/1", toc_data={"document_no": "FT 2026/1"}
)
REJECTED = Verdict(outcome=Outcome.FAILED, error_kind=ErrorKind.REJECTED, error="Wrong tax number.", http_status=400)
TIMED_OUT = Verdict(outcome=Outcome.IN_DOUBT, error_kind=ErrorKind.TIMEOUT, error="No answer in time.")
LOST = Verdict(outcome=Outcome.IN_DOUBT, error_kind=ErrorKind.LOST, error="The connection broke.")
WRONG_KEY = Verdict(outcome=Outcome.FAILED, error_kind=ErrorKind.CONFIGURATION, error="Invalid JWT", http_status=401)
UNDELIVERED = Verdict(outcome=Outcome.UNDELIVERED, error_kind=ErrorKind.UNREACHABLE, error="Nobody listens.")

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Desk:
    """One database, one function, and the steps of an invoice's way."""

    engine: Engine
    function: StandIn
    sender: sync.Sender

    def with_idempotent_function(self) -> Desk:
        """Returns the same desk, where the function is said to issue an invoice only once."""
        return replace(self, sender=replace(self.sender, rules=replace(self.sender.rules, idempotent=True)))

    # What people and the other application do -------------------------------------------------------------------------

    def create(self, *, token: str | None = None, actor: str = "ana", **changes: Any) -> int:
        """Creates a standalone invoice, as the verbs do; `changes` are parameters without their `p_`."""
        payload = standalone(**changes)
        return sync.create_invoice(self.engine, parse_payload(payload), actor=actor, today=day(), token=token)

    def create_from_orders(self, *order_ids: int, **changes: Any) -> int:
        payload = {"p_invoice_order_ids": list(order_ids)} | {f"p_{name}": value for name, value in changes.items()}
        return sync.create_invoice(self.engine, parse_payload(payload), actor="ana", today=day())

    def order(self, subtotal: str = "100.00", vat: str = "23.00", **changes: Any) -> int:
        values = {
            "subtotal_amount": Decimal(subtotal),
            "vat_amount": Decimal(vat),
            "total_amount": Decimal(subtotal) + Decimal(vat),
            "currency_code": "EUR",
            "status": "sent",
            "project_id": 1,
        }
        return self._insert(invoice_orders, values | changes)

    def elsewhere(self, **changes: Any) -> int:
        """Inserts an invoice as the other application does, long ago; it has no record yet."""
        values = {
            "invoice_number": f"B-{uuid.uuid4().hex[:8]}",
            "invoice_date": date(2026, 1, 5),
            "subtotal_amount": Decimal("100.00"),
            "vat_amount": Decimal("23.00"),
            "total_amount": Decimal("123.00"),
            "currency_code": "EUR",
            "status": "issued",
            "issuer_team_id": ISSUER,
            "payer_team_id": PAYER,
            "created_at": LONG_AGO,
            "updated_at": LONG_AGO,
        }
        return self._insert(issued_client_invoices, values | changes)

    def adopted(self, **changes: Any) -> int:
        """Inserts an invoice as the other application does, and gives it its record."""
        invoice_id = self.elsewhere(**changes)
        self.sweep()
        return invoice_id

    def change_invoice(self, invoice_id: int, **values: Any) -> None:
        self._update(issued_client_invoices, issued_client_invoices.c.id == invoice_id, values)

    def delete_invoice(self, invoice_id: int) -> None:
        with writing(self.engine) as conn:
            conn.execute(issued_client_invoices.delete().where(issued_client_invoices.c.id == invoice_id))

    def change_record(self, invoice_id: int, **values: Any) -> None:
        """Moves a record in time: `not_before`, `lease_until`, `last_attempt_at`."""
        self._update(sync_records, sync_records.c.invoice_id == invoice_id, values)

    def restore(self, record: Mapping[str, Any]) -> None:
        """Puts the database back to when the record was this one and nothing had been tried."""
        self.execute(sync_attempts.delete().where(sync_attempts.c.invoice_id == record["invoice_id"]))
        self._update(sync_records, sync_records.c.invoice_id == record["invoice_id"], record)

    def retry(self, invoice_id: int, *, actor: str = "ana", seen_attempts: int | None = None) -> Result:
        return sync.request_send(self.engine, invoice_id, self.sender.rules, actor=actor, seen_attempts=seen_attempts)

    # What the worker does ---------------------------------------------------------------------------------------------

    def send(self, invoice_id: int | None = None, **changes: Any) -> bool:
        """Sends one invoice for real; `changes` change the sender."""
        return sync.run_one(replace(self.sender, **changes), invoice_id)

    def claim(self, invoice_id: int | None = None) -> Claim:
        claimed = self.try_claim(invoice_id)
        assert isinstance(claimed, Claim), claimed
        return claimed

    def try_claim(self, invoice_id: int | None = None) -> Claim | outbox.Dropped | None:
        with writing(self.engine) as conn:
            return outbox.claim(
                conn,
                worker="test",
                lease_s=self.sender.rules.lease_s,
                refusals=REFUSALS,
                turns=self.sender.rules.turns,
                now=current_time(conn),
                invoice_id=invoice_id,
                idempotent=self.sender.rules.idempotent,
            )

    def settle(
        self,
        claimed: Claim,
        verdict: Verdict,
        evidence: outbox.Evidence = outbox.Evidence(duration_ms=12),  # noqa: B008  # it is frozen
        *,
        jitter: float = 0.5,
        waits_s: Sequence[float] = WAITS_S,
    ) -> outbox.Settled:
        with writing(self.engine) as conn:
            now = current_time(conn)
            return outbox.settle(
                conn,
                claimed,
                verdict,
                evidence,
                waits_s=waits_s,
                jitter=jitter,
                now=now,
                idempotent=self.sender.rules.idempotent,
                refusals=REFUSALS,
            )

    def rescue(self) -> list[outbox.Settled]:
        with writing(self.engine) as conn:
            return outbox.rescue(conn, now=current_time(conn))

    def lose(self, invoice_id: int) -> Claim:
        """Claims an invoice and lets its lease run out: the record is in doubt, the attempt closed as lost."""
        claimed = self.claim(invoice_id)
        self.change_record(invoice_id, lease_until=LONG_AGO)
        self.rescue()
        return claimed

    def observe(self) -> list[int]:
        with writing(self.engine) as conn:
            return outbox.observe_recent(conn, REFUSALS, now=current_time(conn))

    def adopt_newest(self, *, at_most: int = 1_000) -> int:
        """Gives invoices above every record theirs."""
        with writing(self.engine) as conn:
            after_id = outbox.newest_recorded(conn)
            rows = outbox.missing_records(conn, REFUSALS, after_id=after_id, at_most=at_most, now=current_time(conn))
            outbox.write_adopted(conn, rows)
            return len(rows)

    def sweep(self) -> int:
        with writing(self.engine) as conn:
            return outbox.sweep(conn, REFUSALS, after_id=0, now=current_time(conn)).changed

    # What stands in the database --------------------------------------------------------------------------------------

    def record(self, invoice_id: int) -> Mapping[str, Any]:
        return self._rows(sync_records, sync_records.c.invoice_id == invoice_id)[0]

    def attempts(self, invoice_id: int) -> list[Mapping[str, Any]]:
        return self._rows(sync_attempts, sync_attempts.c.invoice_id == invoice_id)

    def actions(self, invoice_id: int) -> list[Mapping[str, Any]]:
        return self._rows(sync_actions, sync_actions.c.invoice_id == invoice_id)

    def allocations(self, invoice_id: int) -> list[Mapping[str, Any]]:
        return self._rows(issued_invoice_orders, issued_invoice_orders.c.issued_invoice_id == invoice_id)

    def invoice(self, invoice_id: int) -> Mapping[str, Any]:
        return self._rows(issued_client_invoices, issued_client_invoices.c.id == invoice_id)[0]

    def api_response(self, invoice_id: int) -> Any:
        return self.invoice(invoice_id)["api_response"]

    def count(self, table: Table) -> int:
        return len(self._rows(table, None))

    def detail(self, invoice_id: int) -> InvoiceDetail | None:
        with reading(self.engine) as conn:
            turns = self.sender.rules.turns
            return status.read_detail(conn, invoice_id, REFUSALS, turns=turns, now=current_time(conn))

    def row(self, invoice_id: int) -> InvoiceRow:
        return next(row for row in self.page().rows if row.invoice_id == invoice_id)

    def page(self, number: int = 1, **wanted: Any) -> InvoicePage:
        with reading(self.engine) as conn:
            return status.list_invoices(conn, InvoiceFilter(**wanted), page=number, now=current_time(conn))

    def state(self, invoice_id: int) -> SyncState:
        with reading(self.engine) as conn:
            return status.read_states(conn, [invoice_id], REFUSALS)[invoice_id]

    def now(self) -> datetime:
        with reading(self.engine) as conn:
            return current_time(conn)

    def execute(self, statement: Any) -> None:
        with writing(self.engine) as conn:
            conn.execute(statement)

    def _insert(self, table: Table, values: Mapping[str, Any]) -> int:
        with writing(self.engine) as conn:
            invoice_id: int = conn.execute(table.insert().values(values).returning(table.c.id)).scalar_one()
            return invoice_id

    def _update(self, table: Table, where: Any, values: Mapping[str, Any]) -> None:
        with writing(self.engine) as conn:
            assert conn.execute(update(table).where(where).values(values)).rowcount == 1

    def _rows(self, table: Table, where: Any) -> list[Mapping[str, Any]]:
        query = select(table) if where is None else select(table).where(where)
        with reading(self.engine) as conn:
            return [dict(row) for row in conn.execute(query.order_by(*table.primary_key.columns)).mappings()]


def standalone(**changes: Any) -> dict[str, Any]:
    """Returns the payload of a standalone invoice that is in order; `changes` are parameters without their `p_`."""
    payload = {
        "issuer_team_id": ISSUER,
        "payer_team_id": PAYER,
        "currency_code": "EUR",
        "invoice_number": f"A-{uuid.uuid4().hex[:8]}",
        "header_subtotal": Decimal("100.00"),
        "header_vat": Decimal("23.00"),
        "header_total": Decimal("123.00"),
    }
    return {"p_invoice_order_ids": None} | {f"p_{name}": value for name, value in (payload | changes).items()}


def seen_elsewhere(value: Any) -> tuple[str, str | None]:
    """Reads `api_response` by the other application's rule: its status, and the time or the error beside it."""
    if value is None:
        return "not synced", None
    return ("synced", value["synced_at"]) if value.get("success") else ("failed", value["error"])


def at_once(count: int, step: Callable[[int], T]) -> list[T]:
    """Runs `step(0)`, `step(1)` … in as many threads, started at the same moment."""
    barrier = threading.Barrier(count)

    def run(number: int) -> T:
        barrier.wait()
        return step(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def open_desk(engine: Engine, function: StandIn, *, deadline_s: float = 8.0) -> Desk:
    """Returns a desk at a database that is there already."""
    rules = sync.Rules(refusals=REFUSALS, waits_s=WAITS_S, lease_s=60.0, idempotent=False)
    edge = Edge(url=function.url, key="key-of-the-function", deadline_s=deadline_s)
    sender = sync.Sender(engine=engine, edge=edge, rules=rules, name="test", pause=lambda _: False)
    return Desk(engine=engine, function=function, sender=sender)


def prepare(conn: Connection) -> None:
    """Makes an empty database a company's: our tables, the billing tables, three teams and a project."""
    installation.migrate(conn)
    installation.create_billing_tables(conn)
    fill(conn)


def fill(conn: Connection) -> None:
    """Writes the company: three teams and a project."""
    conn.execute(teams.insert(), [{"title": "Ateliê Norte"}, {"title": "Câmara de Évora"}, {"title": "100% Água_Lda"}])
    conn.execute(projects.insert(), [{"name": "Ponte"}])


@pytest.fixture
def function() -> Iterator[StandIn]:
    """The edge function's stand-in."""
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture(params=["sqlite", "postgresql"])
def desk(request: pytest.FixtureRequest) -> Desk:
    """A desk at a fresh database: the test runs once on each engine."""
    found: Desk = request.getfixturevalue("sqlite_desk" if request.param == "sqlite" else "postgres_desk")
    return found


@pytest.fixture
def sqlite_desk(prepared_file: Path, tmp_path: Path, function: StandIn) -> Iterator[Desk]:
    """A desk at a fresh SQLite database."""
    shutil.copy(prepared_file, tmp_path / "desk.db")
    with _opened(f"sqlite:///{tmp_path / 'desk.db'}") as engine:
        yield open_desk(engine, function)


@pytest.fixture
def postgres_desk(founded_database: str, function: StandIn) -> Iterator[Desk]:
    """A desk at a PostgreSQL database that is as good as new."""
    with _opened(founded_database) as engine:
        with writing(engine) as conn:
            fill(conn)
        yield open_desk(engine, function)


@pytest.fixture(params=["sqlite", "postgresql"])
def founded_url(request: pytest.FixtureRequest) -> str:
    """The address of a database with all tables and nobody's rows: the test runs once on each engine."""
    url: str = request.getfixturevalue("founded_file" if request.param == "sqlite" else "founded_database")
    return url


@pytest.fixture
def founded_file(sqlite_url: str) -> str:
    """The address of an SQLite database with all tables and nobody's rows."""
    Path(make_url(sqlite_url).database or "").write_bytes(migrated_file())
    return sqlite_url


@pytest.fixture
def founded_database(reused_database: ReusedDatabase) -> str:
    """The address of a PostgreSQL database with all tables and nobody's rows."""
    return reused_database.borrow()


@pytest.fixture(scope="session")
def reused_database(prepared_database: URL) -> Iterator[ReusedDatabase]:
    """The database that this process's tests use one after the other."""
    reused = ReusedDatabase(lambda: copied_database(prepared_database), FIRST_ROWS)
    yield reused
    reused.end()


@pytest.fixture(scope="session")
def prepared_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file in its first shape, to be copied."""
    file = tmp_path_factory.mktemp("prepared") / "prepared.db"
    with _opened(f"sqlite:///{file}") as engine, writing(engine) as conn:
        prepare(conn)
    file.write_bytes(without_wal(file))
    return file


@pytest.fixture(scope="session")
def prepared_database(postgres_server: URL) -> Iterator[URL]:
    """A PostgreSQL database in its first shape, to be copied."""
    with copied_database(postgres_server.set(database="template0")) as url:
        with _opened(url) as engine, writing(engine) as conn:
            prepare(conn)
        yield engine.url


@contextmanager
def copied_database(original: URL) -> Iterator[str]:
    """Creates a copy of a database to which nobody is connected, and drops it with all its connections."""
    name = f"toc_sync_test_{uuid.uuid4().hex}"
    server = original.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name} TEMPLATE {original.database} ENCODING 'UTF8'")  # type: ignore[arg-type]
        try:
            yield original.set(database=name).render_as_string(hide_password=False)
        finally:
            conn.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]


@contextmanager
def _opened(url: str) -> Iterator[Engine]:
    engine = open_engine(url, pool_size=20)
    try:
        yield engine
    finally:
        engine.dispose()


def ago(desk: Desk, seconds: float) -> datetime:
    """Returns an instant of the recent past, by the database's clock."""
    return desk.now() - timedelta(seconds=seconds)


def run_all(steps: Sequence[Callable[[], T]]) -> list[T]:
    """Runs different steps in threads, started at the same moment."""
    return at_once(len(steps), lambda number: steps[number]())
