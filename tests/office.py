"""A billing office for tests of the pages: a database with teams, and the sandbox told what to answer per invoice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from tests.days import day
from tests.live_app import wait_until
from tests.thrift import migrated_file
from toc_sync.database import reading, writing
from toc_sync.engines import open_engine
from toc_sync.model import Status, SyncState
from toc_sync.runtime import Runtime, open_runtime
from toc_sync.sandbox import Behaviour
from toc_sync.settings import load_settings
from toc_sync.tables import issued_client_invoices, sync_attempts, sync_records, teams

ISSUER, PAYER, OTHER_PAYER = 1, 2, 3
TEAMS = {ISSUER: "Aurora Têxteis, Lda", PAYER: "Café Tulipa", OTHER_PAYER: "Orion Foods"}


@dataclass(frozen=True, kw_only=True)
class Office:
    """One database, seen from outside the program under test."""

    runtime: Runtime

    def invoice(self, number: str, answers: Behaviour = Behaviour.ISSUE_FLAT, **changes: object) -> int:
        """Creates an invoice as another program would, and returns its id."""
        payload = {
            "p_issuer_team_id": ISSUER,
            "p_payer_team_id": PAYER,
            "p_currency_code": "EUR",
            "p_invoice_number": number,
            "p_invoice_date": str(day()),
            "p_header_subtotal": "100.00",
            "p_header_vat": "23.00",
            "p_header_total": "123.00",
        }
        return self.runtime.create(payload | changes, actor="the office", behaviour=answers)

    def sent(self, number: str, answers: Behaviour = Behaviour.ISSUE_FLAT, **changes: object) -> int:
        """Creates an invoice and waits until it was tried once, from here or by the program under test."""
        invoice_id = self.invoice(number, answers, **changes)
        with ThreadPoolExecutor(1) as elsewhere:  # the main thread may belong to the browser's event loop
            elsewhere.submit(self.runtime.send_now, invoice_id, actor="the office").result()
        wait_until(lambda: self.state(invoice_id).status is not Status.SYNCING)
        return invoice_id

    def state(self, invoice_id: int) -> SyncState:
        return self.runtime.states([invoice_id])[0]

    def is_settled(self, *invoice_ids: int) -> bool:
        """Tells whether none of these is on its way any more."""
        return not any(state.on_its_way for state in self.runtime.states(invoice_ids))

    def is_synced(self, invoice_id: int) -> bool:
        return self.state(invoice_id).status is Status.SYNCED

    def attempts(self, invoice_id: int) -> int:
        return self.state(invoice_id).attempts

    def ids(self, number: str) -> list[int]:
        """Returns the invoices with this number."""
        query = select(issued_client_invoices.c.id).where(issued_client_invoices.c.invoice_number == number)
        with reading(self.runtime.engine) as conn:
            return list(conn.execute(query).scalars())

    def api_response(self, invoice_id: int) -> object:
        query = select(issued_client_invoices.c.api_response).where(issued_client_invoices.c.id == invoice_id)
        with reading(self.runtime.engine) as conn:
            return conn.execute(query).scalar_one()

    def correct(self, invoice_id: int) -> None:
        """Changes an invoice in billing, as whoever corrects it does."""
        this = issued_client_invoices.c.id == invoice_id
        with writing(self.runtime.engine) as conn:
            conn.execute(issued_client_invoices.update().where(this).values(notes="corrected"))

    def age(self, invoice_id: int, **columns: object) -> None:
        """Changes what an invoice's record says, as time would."""
        with writing(self.runtime.engine) as conn:
            conn.execute(sync_records.update().where(sync_records.c.invoice_id == invoice_id).values(columns))

    def triggers(self, invoice_id: int) -> list[str]:
        query = select(sync_attempts.c.trigger).where(sync_attempts.c.invoice_id == invoice_id)
        with reading(self.runtime.engine) as conn:
            return [str(trigger) for trigger in conn.execute(query.order_by(sync_attempts.c.number)).scalars()]


def environment_of(folder: Path) -> dict[str, str]:
    """Returns the settings of a program that works in this office: fast ticks, short time-outs."""
    return {
        "DATABASE_URL": f"sqlite:///{folder / 'office.db'}",
        "TOC_SYNC_SANDBOX": "true",
        "TOC_SYNC_REFRESH_SECONDS": "1",
        "TOC_SYNC_TIMEOUT_SECONDS": "3",
        "TOC_SYNC_LEASE_MARGIN_SECONDS": "2",
        "TOC_SYNC_RETRY_WAITS": "3600",
    }


def open_office(**more_teams: str) -> Office:
    """Creates the database that the environment names, with its teams, and opens it."""
    settings = load_settings()
    engine = open_engine(settings.sqlalchemy_url)
    Path(engine.url.database or "").write_bytes(migrated_file())
    with writing(engine) as conn:
        names = [*TEAMS.values(), *more_teams.values()]
        conn.execute(teams.insert(), [{"id": number, "title": name} for number, name in enumerate(names, start=1)])
    engine.dispose()
    return Office(runtime=open_runtime(settings))
