"""A billing database for tests of whole programs: two teams, invoices and orders, and settings that name it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine, select

from tests.stand_in import StandIn
from toc_sync import clock, installation
from toc_sync.database import writing
from toc_sync.engines import open_engine
from toc_sync.tables import invoice_orders, issued_client_invoices, projects, sync_records, teams

KEY = "a-secret-key-of-the-function"


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A database, the function that its invoices go to, and the environment variables that say so."""

    engine: Engine
    function: StandIn
    environment: Mapping[str, str]

    def add_invoice(self, **values: Any) -> int:
        """Inserts an invoice as the other application does, an hour ago, and returns its id."""
        hour_ago = clock.now() - timedelta(hours=1)
        row = {
            "invoice_date": date(2026, 11, 20),
            "subtotal_amount": Decimal("100.00"),
            "vat_amount": Decimal("23.00"),
            "total_amount": Decimal("123.00"),
            "currency_code": "EUR",
            "status": "issued",
            "issuer_team_id": 1,
            "payer_team_id": 2,
            "created_at": hour_ago,
            "updated_at": hour_ago,
        }
        with writing(self.engine) as conn:
            inserted = issued_client_invoices.insert().values(row | values).returning(issued_client_invoices.c.id)
            return int(conn.execute(inserted).scalar_one())

    def add_order(self, subtotal: str = "1000.00", vat: str = "230.00", **values: Any) -> int:
        """Inserts an order and returns its id."""
        row = {
            "project_id": 1,
            "subtotal_amount": Decimal(subtotal),
            "vat_amount": Decimal(vat),
            "total_amount": Decimal(subtotal) + Decimal(vat),
            "currency_code": "EUR",
            "status": "sent",
        }
        with writing(self.engine) as conn:
            inserted = invoice_orders.insert().values(row | values).returning(invoice_orders.c.id)
            return int(conn.execute(inserted).scalar_one())

    def invoice(self, invoice_id: int) -> Mapping[str, Any]:
        """Returns an invoice's row."""
        with self.engine.connect() as conn:
            query = select(issued_client_invoices).where(issued_client_invoices.c.id == invoice_id)
            return conn.execute(query).mappings().one()

    def statuses(self) -> dict[int, str]:
        """Returns the status of each invoice that has a record."""
        with self.engine.connect() as conn:
            return {row.invoice_id: row.status for row in conn.execute(select(sync_records))}


@contextmanager
def billing_desk(url: str, function: StandIn) -> Iterator[Desk]:
    """Writes the teams and the project into a database; one that is empty gets its tables first, which takes longer."""
    engine = open_engine(url)
    with writing(engine) as conn:
        if not installation.has_billing_tables(conn):
            installation.prepare(conn, may_create_billing=True)
        conn.execute(teams.insert(), [{"title": "Issuer, Lda."}, {"title": "Payer, S.A."}])
        conn.execute(projects.insert(), [{"name": "Loja"}])
    environment = {
        "DATABASE_URL": url,
        "TOC_FUNCTION_URL": function.url,
        "TOC_FUNCTION_KEY": KEY,
        "TOC_SYNC_TIMEOUT_SECONDS": "2",
        "TOC_SYNC_LEASE_MARGIN_SECONDS": "0.5",
    }
    try:
        yield Desk(engine=engine, function=function, environment=environment)
    finally:
        engine.dispose()
