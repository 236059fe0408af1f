"""What the sync adds to creating an invoice: the same creation with and without its record, in turn."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from sqlalchemy import Engine

from tests.days import day
from toc_sync import creation, installation, sync
from toc_sync.database import current_time, writing
from toc_sync.engines import open_engine
from toc_sync.new_invoice import NewInvoice, parse_payload
from toc_sync.tables import teams

ROUNDS = 400


def extra_ms(url: str) -> float:
    """Returns the median time of creating with sync less the median without, in milliseconds."""
    engine = prepared(url)
    new = standalone()
    with_sync: list[float] = []
    without: list[float] = []
    for _ in range(ROUNDS):
        without.append(_timed(lambda: _create_without(engine, new)))
        with_sync.append(_timed(lambda: sync.create_invoice(engine, new, actor="bench", today=day())))
    engine.dispose()
    return statistics.median(with_sync) - statistics.median(without)


def prepared(url: str) -> Engine:
    """Returns an engine on a database with all tables and two teams."""
    engine = open_engine(url)
    with writing(engine) as conn:
        installation.migrate(conn)
        installation.create_billing_tables(conn)
        conn.execute(teams.insert(), [{"title": "Issuer"}, {"title": "Payer"}])
    return engine


def standalone() -> NewInvoice:
    """Returns an invoice that belongs to no order."""
    amounts = {"p_header_subtotal": "100.00", "p_header_vat": "23.00", "p_header_total": "123.00"}
    return parse_payload({"p_issuer_team_id": 1, "p_payer_team_id": 2, "p_currency_code": "EUR", **amounts})


def _create_without(engine: Engine, new: NewInvoice) -> None:
    with writing(engine) as conn:
        creation.create(conn, new, now=current_time(conn), today=day())


def _timed(act: Callable[[], object]) -> float:
    before = time.perf_counter()
    act()
    return (time.perf_counter() - before) * 1000
