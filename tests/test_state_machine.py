"""Everything that can happen to an invoice, in any order: what the proof says must hold, holds after every step.

One example is one transaction that is rolled back: the verbs take the connection and the time from outside. The machine
knows what really happened (which requests left, which documents exist); the code under test only learns what it is told.
`STATE_MACHINE_EXAMPLES=3000 pytest tests/test_state_machine.py` looks at that many random ways instead of the few that
are the same every time.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from tests.core import REFUSALS, Desk, standalone
from toc_sync import api_response, billing, creation, outbox, status
from toc_sync.classify import classify
from toc_sync.lesson import lesson_of
from toc_sync.model import Claim, ErrorKind, Outcome, Reply, Status, Verdict
from toc_sync.new_invoice import parse_payload
from toc_sync.tables import issued_client_invoices as invoices
from toc_sync.tables import sync_attempts, sync_records
from toc_sync.views import Proof

EXAMPLES = int(os.environ.get("STATE_MACHINE_EXAMPLES", "0"))
START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
LEASE_S = 200.0
WAITS_S = (30.0, 120.0)
FEW = 3
EVIDENCE = outbox.Evidence(duration_ms=12)
UNKNOWN = Reply(
    http_status=500, headers={}, body=b'{"error": "Falta a unidade de medida"}', truncated=False, duration_ms=12
)
TURNS = outbox.Turns()

NO_DOCUMENT = {
    "rejected": Verdict(outcome=Outcome.FAILED, error_kind=ErrorKind.REJECTED, error="Wrong tax number."),
    "wrong key": Verdict(outcome=Outcome.FAILED, error_kind=ErrorKind.CONFIGURATION, error="Invalid JWT"),
    "undelivered": Verdict(outcome=Outcome.UNDELIVERED, error_kind=ErrorKind.UNREACHABLE, error="Nobody listens."),
}
DOUBTS = {
    kind: Verdict(outcome=Outcome.IN_DOUBT, error_kind=kind, error="Who knows?")
    for kind in (ErrorKind.TIMEOUT, ErrorKind.LOST, ErrorKind.UNREADABLE, ErrorKind.ACCEPTED)
} | {ErrorKind.SERVER_ERROR: classify(UNKNOWN, REFUSALS)}
FATES = ("issued", "issued without a number", *NO_DOCUMENT, *DOUBTS, *(f"{kind}, issued" for kind in DOUBTS))
WORDS_OF_OTHERS = {
    "null": None,
    "failure": {"success": False, "error": "fetch failed", "failed_at": "2026-11-23T08:00:00Z"},
    "refusal": {"success": False, "error": "O NIF português '285008413' não é válido!"},
    "a list": [1, {"success": True}],
    "a text": "ok?",
    "an empty object": {},
    "a doubt of ours": {"success": False, "status": "in_doubt", "in_doubt": True, "error": "It may be there."},
}
ABOUT_DOCUMENTS = "An invoice has one document (otherwise: possible duplicate)."
ABOUT_DOUBTS = "An invoice in doubt is not offered in billing as a plain failure."
ABOUT_GAPS = "The attempts of an invoice are numbered 1, 2, 3 without gaps."


@dataclass(kw_only=True)
class Truth:
    """What really happened to one invoice."""

    ours: set[str] = field(default_factory=set)
    """The documents that our requests issued."""
    elsewhere: set[str] = field(default_factory=set)
    """The documents that others issued or declared."""
    unclear: set[str] = field(default_factory=set)
    """The requests of ours that left, and of which nobody has said that they issued nothing."""
    taught: set[str] = field(default_factory=set)
    """Those of which only a taught answer says so, and after which nothing was sent."""
    left: set[str] = field(default_factory=set)
    told: bool = False
    """Whether a success was settled."""
    misled: bool = False
    """Whether a person said something untrue."""
    restored: bool = False


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A claim and the answer that its sender has, or will never have."""

    claimed: Claim
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What stands in the database at one moment."""

    records: Mapping[int, Mapping[str, Any]]
    attempts: Mapping[str, tuple[str | None, str | None]]
    answers: Mapping[int, object]


class InvoiceLife(RuleBasedStateMachine):
    """One company's day, with everybody who touches its invoices."""

    known = Bundle("known")
    sent = Bundle("sent")
    backups = Bundle("backups")

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.conn = desk.engine.connect().execution_options(toc_write=True)
        self.transaction = self.conn.begin()
        self.now = START
        self.truths: dict[int, Truth] = {}
        self.numbers = 0
        self.by_others = False
        self.may_unsettle: set[int] = set()
        self.reopened: int | None = None
        self.seen = self._look()

    def teardown(self) -> None:
        self.transaction.rollback()
        self.conn.close()

    # What people and the other application do -------------------------------------------------------------------------

    @initialize(idempotent=st.booleans(), disturbed_by=st.sampled_from(["nobody", "others", "restores"]))
    def begin(self, idempotent, disturbed_by):
        self.idempotent = idempotent
        self.disturbed_by = disturbed_by

    @precondition(lambda self: len(self.truths) < FEW)
    @rule(target=known)
    def create(self):
        invoice_id = creation.create(
            self.conn, parse_payload(standalone(invoice_number=self._number())), now=self.now, today=self.now.date()
        ).invoice_id
        outbox.enqueue(self.conn, self._invoice(invoice_id), actor="ana", now=self.now)
        self.truths[invoice_id] = Truth()
        return invoice_id

    @precondition(lambda self: len(self.truths) < FEW and self.disturbed_by == "others")
    @rule(target=known, words=st.sampled_from([*WORDS_OF_OTHERS, "success"]), age_s=st.sampled_from([5, 100_000]))
    def create_elsewhere(self, words, age_s):
        self.by_others = True
        created_at = self.now - timedelta(seconds=age_s)
        amounts = dict.fromkeys(("subtotal_amount", "vat_amount", "total_amount"), Decimal("1.00"))
        values = {"currency_code": "EUR", "status": "issued", "issuer_team_id": 1, "payer_team_id": 2} | amounts
        values |= {"invoice_number": self._number(), "created_at": created_at, "updated_at": created_at}
        invoice_id = self.conn.execute(invoices.insert().values(values).returning(invoices.c.id)).scalar_one()
        self.truths[invoice_id] = Truth()
        self._write(invoice_id, words)
        return invoice_id

    @precondition(lambda self: self.disturbed_by == "others")
    @rule(invoice_id=known, words=st.sampled_from([*WORDS_OF_OTHERS, "success"]))
    def others_write(self, invoice_id, words):
        self.by_others = True
        self._write(invoice_id, words)

    @precondition(lambda self: self.disturbed_by == "others")
    @rule(invoice_id=known, to=st.sampled_from(["issued", "paid", "cancelled", "void", "draft"]))
    def others_change_the_status(self, invoice_id, to):
        self.by_others = True
        self.conn.execute(invoices.update().where(invoices.c.id == invoice_id).values(status=to))

    @precondition(lambda self: self.disturbed_by == "others")
    @rule(invoice_id=known)
    def others_delete(self, invoice_id):
        self.by_others = True
        self.conn.execute(invoices.delete().where(invoices.c.id == invoice_id))

    @rule(invoice_id=known)
    def retry(self, invoice_id):
        if (invoice := self._invoice(invoice_id)) is None:
            return
        outbox.adopt(self.conn, invoice, REFUSALS, now=self.now)
        done = outbox.request_send(self.conn, invoice, actor="ana", now=self.now, idempotent=self.idempotent).done
        self.may_unsettle = {invoice_id} if done and self.idempotent else set()

    @rule(invoice_id=known, says_the_truth=st.booleans())
    def declare_synced(self, invoice_id, says_the_truth):
        truth = self.truths[invoice_id]
        there = truth.ours | truth.elsewhere
        if invoice_id not in self.seen.records or (says_the_truth and not there):
            return
        number = min(there) if says_the_truth else f"DECLARED {self._number()}"
        result = outbox.resolve_as_synced(
            self.conn, self._invoice(invoice_id), invoice_id, number, actor="ana", reason="seen", now=self.now
        )
        if result.done:
            truth.elsewhere.add(number)
            truth.misled |= not says_the_truth

    @rule(invoice_id=known, may_lie=st.booleans())
    def send_again(self, invoice_id, may_lie):
        if invoice_id in self.seen.records and (may_lie or not self._is_there(invoice_id)):
            self._send_again(invoice_id)

    @rule(may_lie=st.booleans())
    def send_many_again(self, may_lie):
        """What was foretold for all of them is what happens to each."""
        those = {each for each in self.seen.records if may_lie or not self._is_there(each)}
        foretold = status.preview_send_again(self.conn, those, REFUSALS, now=self.now)
        assert {each for each in sorted(those) if self._send_again(each)} == set(foretold.invoice_ids)

    @rule(invoice_id=known)
    def reopen(self, invoice_id):
        if invoice_id not in self.seen.records:
            return
        done = outbox.reopen(self.conn, invoice_id, actor="ana", reason="not there", now=self.now).done
        self.reopened = invoice_id if done else None

    @rule()
    def teach(self):
        meaning = {"name": "unit", "remedy": "-", "fixer": "finance", "reason": "said"}
        outbox.write_taught(self.conn, lesson_of(UNKNOWN), **meaning, actor="ana", now=self.now)
        outbox.apply_taught(self.conn, "unit", REFUSALS, after_id=0, actor="ana", now=self.now)
        for invoice_id, record in self._look().records.items():
            if record["status"] == Status.FAILED and self.seen.records[invoice_id]["status"] == Status.IN_DOUBT:
                truth = self.truths[invoice_id]
                self.may_unsettle.add(invoice_id)
                truth.taught |= truth.unclear
                truth.unclear.clear()
                truth.misled |= bool(truth.ours)

    @rule()
    def withdraw(self):
        if (refusal := outbox.taught_once(self.conn, "unit")) is None:
            return
        outbox.withdraw_refusal(self.conn, "unit", actor="ana", reason="no", now=self.now)
        outbox.stop_taught(self.conn, refusal, REFUSALS, actor="ana", now=self.now)
        outbox.undo_taught(self.conn, refusal, REFUSALS, after_id=0, actor="ana", now=self.now)
        for truth in self.truths.values():
            truth.unclear |= truth.taught
            truth.taught.clear()

    # What workers do --------------------------------------------------------------------------------------------------

    @rule(target=sent, which=st.none() | known, fate=st.sampled_from(FATES))
    def claim(self, which, fate):
        claimed = self._claim(which)
        if not isinstance(claimed, Claim):
            return multiple()
        verdict = self._answer(claimed, fate)
        return Sent(claimed=claimed, verdict=verdict)

    @rule(target=sent, which=known)
    def claim_without_knowing_that_it_was_committed(self, which):
        step = self.conn.begin_nested()
        claimed = self._claim(which)
        step.rollback()
        if not isinstance(claimed, Claim):
            return multiple()
        return Sent(claimed=claimed, verdict=NO_DOCUMENT["undelivered"])

    @rule(one=sent)
    def settle(self, one):
        """Writes an answer down: in time, late, or once more because nobody knew that it was written."""
        claimed, truth = one.claimed, self.truths[one.claimed.invoice_id]
        outbox.settle(
            self.conn,
            claimed,
            one.verdict,
            _evidence_of(one.verdict),
            waits_s=WAITS_S,
            jitter=0.5,
            now=self.now,
            idempotent=self.idempotent,
        )
        truth.told |= one.verdict.outcome is Outcome.SYNCED
        if one.verdict.outcome is not Outcome.IN_DOUBT:
            self.may_unsettle = {claimed.invoice_id}
            truth.unclear.discard(claimed.request_id)

    @rule(seconds=st.sampled_from([1, 40, 130, 250, 700]))
    def time_passes(self, seconds):
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.idempotent)
    @rule()
    def retry_doubts(self):
        self.may_unsettle = set(outbox.retry_doubts(self.conn, now=self.now))

    @rule()
    def rescue(self):
        outbox.rescue(self.conn, now=self.now)

    @rule()
    def observe(self):
        outbox.observe_recent(self.conn, REFUSALS, now=self.now)

    @rule()
    def sweep(self):
        outbox.sweep(self.conn, REFUSALS, after_id=0, now=self.now)

    # What goes wrong with the database --------------------------------------------------------------------------------

    @precondition(lambda self: self.disturbed_by == "restores")
    @rule(target=backups, invoice_id=known)
    def back_up(self, invoice_id):
        return invoice_id, *(self._rows_of(table, invoice_id) for table in (sync_records, sync_attempts))

    @precondition(lambda self: self.disturbed_by == "restores")
    @rule(backup=backups)
    def restore(self, backup):
        invoice_id, *rows = backup
        self.truths[invoice_id].restored = True
        for table, old in zip((sync_records, sync_attempts), rows, strict=True):
            self.conn.execute(table.delete().where(table.c.invoice_id == invoice_id))
            if old:
                self.conn.execute(table.insert(), old)

    # What holds after every step --------------------------------------------------------------------------------------

    @invariant()
    def all_is_well(self):
        before, self.seen = self.seen, self._look()
        if self.seen != before:
            self._assert_that_nothing_firm_became_weaker(before)
            self._assert_that_nothing_issued_is_said_to_be_missing()
            self._assert_that_the_database_proves_it()
        self.by_others, self.may_unsettle, self.reopened = False, set(), None

    def _assert_that_the_database_proves_it(self) -> None:
        after_a_look_around = self.conn.begin_nested()
        outbox.rescue(self.conn, now=self.now)
        outbox.observe_recent(self.conn, REFUSALS, now=self.now)
        outbox.sweep(self.conn, REFUSALS, after_id=0, now=self.now)
        proofs = status.prove(self.conn, now=self.now)
        after_a_look_around.rollback()
        broken = [(proof.sentence, i) for proof in proofs for i in proof.invoice_ids if not self._is_known(proof, i)]
        assert not broken

    def _assert_that_nothing_firm_became_weaker(self, before: Seen) -> None:
        for invoice_id, truth in self.truths.items():
            if invoice_id in before.records and not truth.restored:
                self._assert_not_weaker(invoice_id, before)
        restored = any(truth.restored for truth in self.truths.values())
        for request_id, (outcome, kind) in before.attempts.items():
            was_lost = outcome is None or kind == ErrorKind.LOST
            assert restored or was_lost or self.seen.attempts[request_id] == (outcome, kind)

    def _assert_that_nothing_issued_is_said_to_be_missing(self) -> None:
        for invoice_id, truth in self._undisturbed():
            stands = self.seen.records[invoice_id]["status"]
            if truth.ours and not truth.misled:
                assert stands not in (Status.FAILED, Status.NOT_SYNCED, Status.NOT_NEEDED)
            if truth.told:
                assert stands in (Status.SYNCED, Status.SYNCING)
            assert truth.left <= self.seen.attempts.keys()

    # How it looks -----------------------------------------------------------------------------------------------------

    def _assert_not_weaker(self, invoice_id: int, before: Seen) -> None:
        was, stands = before.records[invoice_id]["status"], self.seen.records[invoice_id]["status"]
        if self.reopened == invoice_id:
            assert (was, stands) == (Status.SYNCED, Status.IN_DOUBT)
            assert not self.truths[invoice_id].told
            return
        if was == Status.SYNCED:
            assert stands == Status.SYNCED
        if was == Status.IN_DOUBT and invoice_id not in self.may_unsettle:
            assert stands in (Status.IN_DOUBT, Status.SYNCED)
        if not self.by_others and api_response.is_success(before.answers.get(invoice_id)):
            assert api_response.is_success(self.seen.answers[invoice_id])

    def _is_known(self, proof: Proof, invoice_id: int) -> bool:
        """Tells whether a finding is true and not the sync's fault."""
        truth = self.truths[invoice_id]
        if proof.sentence == ABOUT_DOCUMENTS:
            return len(truth.ours | truth.elsewhere) > 1
        return proof.sentence in (ABOUT_GAPS, ABOUT_DOUBTS) and truth.restored

    def _undisturbed(self) -> list[tuple[int, Truth]]:
        return [
            (invoice_id, truth)
            for invoice_id, truth in self.truths.items()
            if invoice_id in self.seen.records and not truth.restored
        ]

    def _send_again(self, invoice_id: int) -> bool:
        truth = self.truths[invoice_id]
        done = outbox.resolve_send_again(
            self.conn, self._invoice(invoice_id), invoice_id, actor="ana", reason="looked", now=self.now
        ).done
        if done:
            self.may_unsettle.add(invoice_id)
            truth.unclear.clear()
            truth.taught.clear()
            truth.misled |= self._is_there(invoice_id)
        return done

    def _is_there(self, invoice_id: int) -> bool:
        truth = self.truths[invoice_id]
        return bool(truth.ours | truth.elsewhere)

    def _claim(self, which: int | None) -> Claim | outbox.Dropped | None:
        return outbox.claim(
            self.conn,
            worker="test",
            lease_s=LEASE_S,
            refusals=REFUSALS,
            turns=TURNS,
            now=self.now,
            invoice_id=which,
            idempotent=self.idempotent,
        )

    def _answer(self, claimed: Claim, fate: str) -> Verdict:
        """Sends, as far as fate lets it: notes what really happens, and returns what the sender will be told."""
        truth = self.truths[claimed.invoice_id]
        if fate == "undelivered":
            return NO_DOCUMENT[fate]
        assert self.idempotent or truth.restored or not truth.unclear, "sent again after a doubt"
        truth.left.add(claimed.request_id)
        truth.taught.clear()
        truth.unclear.add(claimed.request_id)
        if self.idempotent and truth.ours and fate == "rejected":
            fate = "issued"
        if "issued" in fate and not (self.idempotent and truth.ours):
            truth.ours.add(f"FT {self._number()}")
        if fate in NO_DOCUMENT:
            return NO_DOCUMENT[fate]
        if not fate.startswith("issued"):
            return DOUBTS[ErrorKind(fate.removesuffix(", issued"))]
        number = max(truth.ours) if fate == "issued" else None
        return Verdict(outcome=Outcome.SYNCED, http_status=200, document_no=number, toc_data={"document_no": number})

    def _write(self, invoice_id: int, words: str) -> None:
        value: object = WORDS_OF_OTHERS.get(words)
        if words == "success":
            number = f"OTHER {self._number()}"
            self.truths[invoice_id].elsewhere.add(number)
            value = {"success": True, "toc_data": {"document_no": number}}
        self.conn.execute(invoices.update().where(invoices.c.id == invoice_id).values(api_response=value))

    def _look(self) -> Seen:
        attempts = self.conn.execute(select(sync_attempts)).mappings()
        return Seen(
            records={row["invoice_id"]: row for row in self.conn.execute(select(sync_records)).mappings()},
            attempts={row["request_id"]: (row["outcome"], row["error_kind"]) for row in attempts},
            answers={row.id: row.api_response for row in self.conn.execute(select(invoices))},
        )

    def _rows_of(self, table: Any, invoice_id: int) -> list[dict[str, Any]]:
        rows = self.conn.execute(select(table).where(table.c.invoice_id == invoice_id)).mappings()
        return [dict(row) for row in rows]

    def _invoice(self, invoice_id: int) -> Any:
        return billing.read_invoice(self.conn, invoice_id)

    def _number(self) -> str:
        self.numbers += 1
        return f"2026/{self.numbers:04}"


def _evidence_of(verdict: Verdict) -> outbox.Evidence:
    if verdict != DOUBTS[ErrorKind.SERVER_ERROR]:
        return EVIDENCE
    return outbox.Evidence(headers={}, body=UNKNOWN.body.decode(), duration_ms=12)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_whatever_happens_in_whatever_order_the_invariants_hold(engine, request):
    desk = request.getfixturevalue("sqlite_desk" if engine == "sqlite" else "postgres_desk")
    chosen = settings(
        max_examples=EXAMPLES or 25,
        stateful_step_count=60 if EXAMPLES else 40,
        deadline=None,
        report_multiple_bugs=False,
        derandomize=not EXAMPLES,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(lambda: InvoiceLife(desk), settings=chosen)
