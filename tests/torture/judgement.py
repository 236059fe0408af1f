"""The judgement after a scenario: what the database says, held against what the judge knows.

Lost: an invoice or a request that nobody accounts for. Twice: a document too many. Wrong: something said that is not so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Table, select

from tests.torture.arena import MOVING, Arena
from tests.torture.judge import request_id
from toc_sync import status
from toc_sync.database import current_time, reading
from toc_sync.model import Status
from toc_sync.tables import issued_client_invoices, sync_attempts, sync_records

MAY_HAVE_A_DOCUMENT = (Status.SYNCED, Status.IN_DOUBT)
ABOUT_DOCUMENTS = "An invoice has one document (otherwise: possible duplicate)."


@dataclass(frozen=True, kw_only=True)
class Story:
    """What a scenario tells when it is over.

    - `happened`: what it did, in figures.
    - `sent_again`: how often a person said "it is not there: send again", per invoice.
    - `elsewhere`: the documents that others made or people declared, per invoice.
    - `wrong`: what the scenario itself expected and did not find.
    """

    happened: str
    sent_again: Mapping[int, int] = field(default_factory=dict)
    elsewhere: Mapping[int, set[str]] = field(default_factory=dict)
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Faults:
    """What the judgement found, a sentence each; all empty where the sync survived."""

    lost: tuple[str, ...]
    twice: tuple[str, ...]
    wrong: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """Everything that was found."""
        return self.lost + self.twice + self.wrong


def find_faults(arena: Arena, story: Story) -> Faults:
    """Looks at every invoice, request and document; nothing may be moving any more."""
    seen = _look(arena)
    return Faults(
        lost=tuple(_lost(arena, seen)),
        twice=tuple(_twice(arena, story)),
        wrong=(*story.wrong, *_wrong(arena, seen, story), *_disproved(arena, story)),
    )


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What stands in the database."""

    invoice_ids: set[int]
    records: Mapping[int, Mapping[str, Any]]
    attempts: list[Mapping[str, Any]]


def _look(arena: Arena) -> _Seen:
    with reading(arena.desk.engine) as conn:

        def rows(table: Table) -> list[Mapping[str, Any]]:
            return [dict(row) for row in conn.execute(select(table)).mappings()]

        return _Seen(
            invoice_ids={row["id"] for row in rows(issued_client_invoices)},
            records={row["invoice_id"]: row for row in rows(sync_records)},
            attempts=rows(sync_attempts),
        )


def _lost(arena: Arena, seen: _Seen) -> Iterator[str]:
    for invoice_id in sorted({*seen.invoice_ids, *arena.created} - seen.records.keys()):
        yield f"invoice {invoice_id} has no record"
    for invoice_id, record in seen.records.items():
        if record["status"] in MOVING:
            yield f"invoice {invoice_id} is stuck: {record['status']}"
    known = {(attempt["invoice_id"], attempt["request_id"]) for attempt in seen.attempts}
    for request in arena.judge.requests:
        if (request.invoice_id, request_id(request)) not in known:
            yield f"a request for invoice {request.invoice_id} has no attempt"


def _twice(arena: Arena, story: Story) -> Iterator[str]:
    for invoice_id, count in arena.judge.issued().items():
        allowed = 1 + story.sent_again.get(invoice_id, 0)
        if count > allowed:
            yield f"invoice {invoice_id} has {count} documents, {allowed} allowed"
    requests = Counter(request_id(request) for request in arena.judge.requests)
    for name, count in requests.items():
        if count > 1:
            yield f"request {name} was posted {count} times"


def _wrong(arena: Arena, seen: _Seen, story: Story) -> Iterator[str]:
    documents: dict[int, set[str]] = {}
    for document in arena.judge.documents:
        documents.setdefault(document.invoice_id, set()).add(document.number)
    for invoice_id, record in seen.records.items():
        ours = documents.get(invoice_id, set())
        there = ours | story.elsewhere.get(invoice_id, set())
        number = record["document_no"]
        if ours and record["status"] not in MAY_HAVE_A_DOCUMENT:
            yield f"invoice {invoice_id} is {record['status']} and has a document"
        if record["status"] == Status.SYNCED and (not there or (number and number not in there)):
            yield f"invoice {invoice_id} is synced as {number}, there is {sorted(there)}"
        if record["status"] in (Status.FAILED, Status.IN_DOUBT) and not (record["error_kind"] and record["error"]):
            yield f"invoice {invoice_id} is {record['status']} and does not say why"
    for attempt in seen.attempts:
        if attempt["finished_at"] is None:
            yield f"attempt {attempt['number']} of invoice {attempt['invoice_id']} is open for ever"


def _disproved(arena: Arena, story: Story) -> Iterator[str]:
    with reading(arena.desk.engine) as conn:
        proofs = status.prove(conn, now=current_time(conn))
    for proof in proofs:
        declared = set(story.sent_again) | set(story.elsewhere) if proof.sentence == ABOUT_DOCUMENTS else set()
        for invoice_id in sorted(set(proof.invoice_ids) - declared):
            yield f"invoice {invoice_id} breaks: {proof.sentence}"
