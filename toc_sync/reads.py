"""What pages and scripts may ask: each question opens one reading transaction and goes to the room that answers it.

Reading never writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import BinaryIO

from sqlalchemy import Connection, Engine

from toc_sync import outbox, status, wording
from toc_sync.database import current_time, reading
from toc_sync.model import Refusal, SyncState, UnknownInvoice, parse_invoice_id
from toc_sync.outbox import Turns
from toc_sync.reads_activity import ActivityReads
from toc_sync.secrecy import Blanker
from toc_sync.settings import Settings
from toc_sync.views import (
    Choice,
    InvoiceDetail,
    InvoiceFilter,
    InvoicePage,
    InvoiceRow,
    OrderFilter,
    OrderPage,
    OrderRow,
    Proof,
    SendAgainPreview,
    Sending,
)
from toc_sync.views_batches import BatchItem, BatchPreview, BatchView, Outage, Selection
from toc_sync.views_groups import ErrorGroup
from toc_sync.views_health import Health, Overview, RangeAsked
from toc_sync.views_legal import DueCounts, MonthClose
from toc_sync.views_teaching import TaughtRow, TeachingPreview


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What pages say about where they are: the label, whether nothing here is legal, and how often to refresh."""

    label: str
    sandbox: bool
    refresh_s: float
    threads: int
    chooses_teams: bool


class Reads:
    """The questions that can be asked of one database."""

    def __init__(self, settings: Settings, engine: Engine, refusals: tuple[Refusal, ...]) -> None:
        self.settings = settings
        self.engine = engine
        self.refusals = refusals
        self.blanker = Blanker(settings.secrets)
        self.activity = ActivityReads(engine)

    @property
    def environment(self) -> Environment:
        """What pages say about where they are."""
        return Environment(
            label=self.settings.label,
            sandbox=self.settings.uses_sandbox,
            refresh_s=self.settings.toc_sync_refresh_seconds,
            threads=self.settings.toc_sync_threads,
            chooses_teams=self.settings.toc_create_invoice_rpc is None,
        )

    @property
    def turns(self) -> Turns:
        """How an issuer's invoices take turns here."""
        return Turns(date_order=self.settings.toc_sync_date_order, per_issuer=self.settings.toc_sync_per_issuer)

    def now(self) -> datetime:
        """Returns the database's time: what others have written until now is not later, whatever this machine's clock says."""
        with reading(self.engine) as conn:
            return current_time(conn)

    def list_invoices(self, wanted: InvoiceFilter, page: int = 1) -> InvoicePage:
        """Returns one page of the invoice list."""
        with self._reading() as (conn, now):
            idempotent = self.settings.toc_function_is_idempotent
            return status.list_invoices(conn, wanted, page=page, now=now, idempotent=idempotent)

    def export_invoices(self, wanted: InvoiceFilter, *, at_most: int | None = None) -> list[InvoiceRow]:
        """Returns every matching invoice, or the first `at_most`: for a download, or for a dialog about them."""
        with self._reading() as (conn, now):
            idempotent = self.settings.toc_function_is_idempotent
            return list(status.export_invoices(conn, wanted, now=now, idempotent=idempotent, at_most=at_most))

    def invoice_rows(self, invoice_ids: Sequence[int]) -> tuple[InvoiceRow, ...]:
        """Returns these invoices as lines of the list, in this order, whatever has become of them."""
        with self._reading() as (conn, now):
            idempotent = self.settings.toc_function_is_idempotent
            return status.read_rows(conn, invoice_ids, now=now, idempotent=idempotent)

    def invoice_detail(self, invoice_id: object) -> InvoiceDetail:
        """Returns everything about one invoice. Raises InvalidInvoiceId or UnknownInvoice."""
        number = parse_invoice_id(invoice_id)
        with self._reading() as (conn, now):
            idempotent = self.settings.toc_function_is_idempotent
            refusals = outbox.known_refusals(conn, self.refusals)
            detail = status.read_detail(conn, number, refusals, turns=self.turns, now=now, idempotent=idempotent)
        if detail is None:
            raise UnknownInvoice(wording.unknown_invoice(number))
        # The other application may have written an answer as it came.
        row = replace(detail.row, error=self.blanker.value(detail.row.error))
        return replace(detail, row=row, api_response=self.blanker.value(detail.api_response))

    def preview_send_again(self, invoice_ids: Iterable[object]) -> SendAgainPreview:
        """Returns what "they are not there: send again" would do to these invoices. Raises InvalidInvoiceId."""
        numbers = [parse_invoice_id(invoice_id) for invoice_id in invoice_ids]
        with self._reading() as (conn, now):
            return status.preview_send_again(conn, numbers, self.refusals, now=now)

    def preview_batch(self, selection: Selection) -> BatchPreview:
        """Returns what acting on a selection would do now."""
        with self._reading() as (conn, now):
            idempotent, per_issuer = self.settings.toc_function_is_idempotent, self.settings.toc_sync_per_issuer
            return status.preview_batch(conn, selection, now=now, idempotent=idempotent, per_issuer=per_issuer)

    def batch(self, batch_id: int) -> BatchView | None:
        """Returns a batch as it stands, or None when it does not exist."""
        with self._reading() as (conn, now):
            return status.read_batch(conn, batch_id, now=now)

    def recent_batches(self) -> tuple[BatchView, ...]:
        """Returns the newest batches, the newest first."""
        with self._reading() as (conn, now):
            return status.list_batches(conn, now=now)

    def current_batches(self) -> tuple[BatchView, ...]:
        """Returns the batches that are running, and the newest one that ended a short while ago."""
        with self._reading() as (conn, now):
            return status.current_batches(conn, now=now)

    def batch_items(self, batch_id: int, page: int = 1) -> tuple[BatchItem, ...]:
        """Returns one page of what came of a batch's invoices."""
        with self._reading() as (conn, _):
            return status.list_items(conn, batch_id, page=page)

    def export_batch(self, batch_id: int) -> list[BatchItem]:
        """Returns what came of each invoice of a batch, for a download."""
        with self._reading() as (conn, _):
            return list(status.export_items(conn, batch_id))

    def last_outage(self) -> Outage | None:
        """Returns the newest time in which the function did not work, if it is recent."""
        with self._reading() as (conn, now):
            return status.read_outage(conn, now=now)

    def overview(self) -> Overview:
        """Returns where every invoice stands now."""
        with self._reading() as (conn, now):
            return status.read_overview(conn, now=now)

    def count_due(self) -> DueCounts:
        """Returns what is past its legal deadline or near it."""
        with self._reading() as (conn, now):
            return status.count_due(conn, wording.day_of(now))

    def months(self) -> tuple[date, ...]:
        """Returns the first day of each month that has invoices, newest first."""
        with self._reading() as (conn, _):
            return status.list_months(conn)

    def month(self, month: date) -> MonthClose:
        """Returns how the month of a day stands: what was issued here, what of it is in TOC Online, what is missing."""
        with self._reading() as (conn, now):
            return status.read_month(conn, month, now=now)

    def write_month(self, month: date, target: BinaryIO) -> None:
        """Writes the accountant's workbook about the month of a day."""
        # Few ever ask for it: no program shall load what writes it while it starts.
        from toc_sync.month_workbook import write_workbook  # noqa: PLC0415

        with self._reading() as (conn, now):
            close = status.read_month(conn, month, now=now)
            write_workbook(target, close, status.month_invoices(conn, month))

    def health(self, asked: RangeAsked) -> Health:
        """Returns what happened within a range."""
        with self._reading() as (conn, now):
            return status.read_health(conn, asked, now=now)

    def error_groups(self) -> tuple[ErrorGroup, ...]:
        """Returns what went wrong with the invoices that need attention, those with most invoices first."""
        with self._reading() as (conn, now):
            return status.read_groups(conn, outbox.known_refusals(conn, self.refusals), now=now)

    def sending(self) -> Sending:
        """Returns whether anything is sending: which programs are alive, and the gate."""
        with self._reading() as (conn, now):
            return status.read_sending(conn, now=now)

    def prove(self) -> tuple[Proof, ...]:
        """Returns, for each invariant of the sync, which invoices break it."""
        with self._reading() as (conn, now):
            return (*status.prove(conn, now=now), status.prove_movement(conn, now=now))

    def list_orders(self, wanted: OrderFilter, page: int = 1) -> OrderPage:
        """Returns one page of the order list."""
        with self._reading() as (conn, _):
            return status.list_orders(conn, wanted, page=page)

    def orders(self, order_ids: Sequence[int]) -> tuple[OrderRow, ...]:
        """Returns the named orders as they are now."""
        with self._reading() as (conn, _):
            return status.read_orders(conn, order_ids)

    def teams(self) -> tuple[Choice, ...]:
        """Returns all teams."""
        with self._reading() as (conn, _):
            return status.list_teams(conn)

    def projects(self) -> tuple[Choice, ...]:
        """Returns all projects."""
        with self._reading() as (conn, _):
            return status.list_projects(conn)

    def teams_of_project(self, project_id: int | None) -> tuple[int | None, int | None]:
        """Returns the usual issuer and payer of a project's invoices."""
        with self._reading() as (conn, _):
            return status.teams_of_project(conn, project_id)

    def similar_invoices(self, *, payer_team_id: int, total: Decimal, day: date) -> tuple[str, ...]:
        """Returns the numbers of invoices with the same payer, total and date."""
        with self._reading() as (conn, _):
            return status.similar_invoices(conn, payer_team_id=payer_team_id, total=total, day=day)

    def remedy(self, refusal: str | None) -> Refusal | None:
        """Returns the recognised refusal of that name: what to do, and who can do it."""
        shipped = next((known for known in self.refusals if known.name == refusal), None)
        if shipped or refusal is None:
            return shipped
        with self._reading() as (conn, _):
            return outbox.taught_once(conn, refusal)

    def preview_teaching(self, invoice_id: object) -> TeachingPreview:
        """Returns what teaching the answer of this invoice would do. Raises InvalidInvoiceId."""
        number = parse_invoice_id(invoice_id)
        with self._reading() as (conn, _):
            return status.preview_teaching(conn, number, self.refusals)

    def taught_refusals(self) -> tuple[TaughtRow, ...]:
        """Returns the answers that people taught, the newest first."""
        with self._reading() as (conn, _):
            return status.read_taught(conn)

    def states(self, invoice_ids: Sequence[object]) -> list[SyncState]:
        """Returns the state of each invoice, in the order asked. Raises InvalidInvoiceId or UnknownInvoice."""
        numbers = [parse_invoice_id(invoice_id) for invoice_id in invoice_ids]
        with reading(self.engine) as conn:
            found = status.read_states(conn, numbers, outbox.known_refusals(conn, self.refusals))
        for number in numbers:
            if number not in found:
                raise UnknownInvoice(wording.unknown_invoice(number))
        states = [found[number] for number in numbers]
        return [replace(state, error=self.blanker.value(state.error)) for state in states]

    @contextmanager
    def _reading(self) -> Iterator[tuple[Connection, datetime]]:
        with reading(self.engine) as conn:
            yield conn, current_time(conn)
