"""The other application: it syncs, deletes, cancels and overwrites `api_response` at the same moments as the workers."""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal
from functools import partial
from random import Random

from sqlalchemy import Delete, Engine, Update

from tests.core import at_once
from tests.stand_in import Answer, Received
from tests.torture.arena import Arena, insist
from tests.torture.clocks import NOT_STARTED
from tests.torture.judge import Judge, issues
from tests.torture.judgement import Story
from tests.torture.people import CLOSED, REFUSED
from tests.torture.scale import Scale
from toc_sync.database import writing
from toc_sync.tables import issued_client_invoices as invoices

NEIGHBOURS = 4
WORDS = (
    None,
    {"success": False, "error": "Failed to fetch", "failed_at": "2026-11-23T08:00:00Z"},
    {"success": False, "error": "TOC sync failed: 500 Internal Server Error", "failed_at": "2026-11-23T08:00:00Z"},
    {"success": False, "error": "O NIF português '285008413' não é válido!"},
    "a text",
    [1, {"success": True}],
    {},
)


def others_interfere(arena: Arena, scale: Scale) -> Story:
    """Lets several of their sessions do everything to the invoices that are on their way."""
    arena.judge.temper, arena.judge.latency_s = _often_good, (0, 0.2)
    arena.create(scale.invoices)
    arena.crew()
    theirs: defaultdict[int, set[str]] = defaultdict(set)
    done: list[str] = []

    def interfere(number: int) -> None:
        chance = Random(number)
        for step in range(scale.invoices // 2):
            arena.pause(0, 0.1)
            what = chance.choice(["sync", "sync own", "overwrite", "overwrite", "overwrite", "cancel", "delete"])
            done.append(what)
            document, invoice_id = f"B 2026/{number}-{step}", chance.choice(arena.created)
            if what == "sync own":
                invoice_id = insist(partial(_insert, arena.desk.engine, document))
            if what.startswith("sync"):
                theirs[invoice_id].add(document)
            if what != "sync own":
                insist(partial(_change, arena.desk.engine, invoice_id, _statement(what, document, chance)))

    at_once(NEIGHBOURS, interfere)
    arena.drain()
    happened = ", ".join(f"{what} {count}" for what, count in sorted(Counter(done).items()))
    return Story(happened=f"{len(arena.created)} invoices; the others: {happened}", elsewhere=theirs)


def _statement(what: str, document: str, chance: Random) -> Update | Delete:
    if what == "delete":
        return invoices.delete()
    if what == "cancel":
        return invoices.update().values(status=chance.choice(["cancelled", "void", "draft"]))
    return invoices.update().values(api_response=_success(document) if what == "sync" else chance.choice(WORDS))


def _change(engine: Engine, invoice_id: int, statement: Update | Delete) -> None:
    with writing(engine) as conn:
        conn.execute(statement.where(invoices.c.id == invoice_id))


def _insert(engine: Engine, document: str) -> int:
    amounts = dict.fromkeys(("subtotal_amount", "vat_amount", "total_amount"), Decimal("1.00"))
    values = amounts | {"currency_code": "EUR", "status": "issued", "api_response": _success(document)}
    with writing(engine) as conn:
        return conn.execute(invoices.insert().values(values).returning(invoices.c.id)).scalar_one()


def _success(document: str) -> dict[str, object]:
    return {"success": True, "synced_at": "2026-11-23T08:00:00Z", "toc_data": {"document_no": document}}


def _often_good(judge: Judge, request: Received) -> Answer:
    mood = judge.chance.random()
    if mood < 0.7:
        return issues(judge, request)
    if mood < 0.8:
        judge.issue(request)
        return CLOSED
    return REFUSED if mood < 0.9 else NOT_STARTED
