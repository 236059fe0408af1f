"""The judge: a stand-in for the function that issues documents, and remembers for which request it issued which.

How it answers is its temper, a function that a scenario chooses. What it knows is the truth that the database is held
against: a document is issued before the answer leaves, and stands whether or not the answer arrives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.stand_in import Answer, Received, StandIn

Temper = Callable[["Judge", Received], Answer]
"""Decides about one request: what to answer, and by calling `issue` whether there is a document."""


@dataclass(frozen=True, kw_only=True)
class Document:
    """A document that stands in TOC Online, and the request that made it."""

    number: str
    invoice_id: int
    request_id: str


def issues(judge: Judge, request: Received) -> Answer:
    """The temper of a good day: a document for every request."""
    return success(judge.issue(request))


def success(number: str) -> Answer:
    """Returns the answer that names a document."""
    return {"status": 200, "body": {"success": True, "toc_data": {"document_no": number}}}


class Judge(StandIn):
    """Answers as its `temper` says, after a pause drawn from `latency_s`; the same seed makes the same choices."""

    def __init__(self, *, seed: int = 1) -> None:
        super().__init__()
        self.temper: Temper = issues
        self.latency_s = (0.0, 0.0)
        self.chance = Random(seed)
        self._documents: list[Document] = []
        self._on_the_wire: set[str] = set()

    @property
    def documents(self) -> list[Document]:
        """Every document so far."""
        with self._changed:
            return list(self._documents)

    def issued(self) -> Counter[int]:
        """Returns how many documents each invoice has."""
        return Counter(document.invoice_id for document in self.documents)

    def on_the_wire(self) -> set[str]:
        """Returns the ids of the requests that have arrived and are not answered yet."""
        with self._changed:
            return set(self._on_the_wire)

    def issue(self, request: Received) -> str:
        """Issues a document for a request and returns its number."""
        with self._changed:
            number = f"FT 2026/{len(self._documents) + 1}"
            assert request.invoice_id is not None
            self._documents.append(
                Document(number=number, invoice_id=request.invoice_id, request_id=request_id(request))
            )
            return number

    def _pause_s(self) -> float:
        return self.chance.uniform(*self.latency_s)

    def _chosen(self, request: Received) -> Answer:
        return self.temper(self, request)

    def _next_answer(self, request: Received) -> Answer:
        with self._changed:
            self._on_the_wire.add(request_id(request))
        try:
            return super()._next_answer(request)
        finally:
            with self._changed:
                self._on_the_wire.discard(request_id(request))


def request_id(request: Received) -> str:
    """Returns the id that the sender gave a request; empty where it gave none."""
    return request.headers.get("x-request-id", "")
