"""Whatever is locked, a person is answered within five seconds: done, or a sentence about what is in the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import psycopg
import pytest

from tests.core import REFUSALS, REJECTED, TIMED_OUT, Desk, standalone
from tests.locks import FORGOTTEN, address_of, all_locked, in_time
from toc_sync.model import Confirmed, DatabaseBusy, Fixer, TocSyncError
from toc_sync.runtime import Runtime
from toc_sync.settings import Settings
from toc_sync.views import InvoiceFilter
from toc_sync.views_batches import Selection


@dataclass(frozen=True, kw_only=True)
class Office:
    """A desk with one invoice in each state that people act on."""

    desk: Desk
    runtime: Runtime
    never_sent: int
    failed: int
    in_doubt: int
    declared: int
    batch: int


@pytest.fixture
def office(desk: Desk) -> Office:
    runtime = Runtime(Settings(), desk.engine, REFUSALS)
    never_sent = desk.adopted()
    failed, in_doubt, declared = desk.create(), desk.create(), desk.create()
    for invoice_id, verdict in ((failed, REJECTED), (in_doubt, TIMED_OUT), (declared, TIMED_OUT)):
        desk.settle(desk.claim(invoice_id), verdict)
        desk.change_record(invoice_id, last_attempt_at=desk.now() - timedelta(hours=1))
    assert runtime.resolve_as_synced(declared, "FT 2026/7", actor="ana", reason="seen").done
    started = runtime.batches.start(Selection.matching(InvoiceFilter()), actor="ana")
    assert started.batch_id is not None, started.message
    return Office(
        desk=desk,
        runtime=runtime,
        never_sent=never_sent,
        failed=failed,
        in_doubt=in_doubt,
        declared=declared,
        batch=started.batch_id,
    )


def teach(office: Office) -> object:
    return office.runtime.teach_refusal(
        office.in_doubt, name="odd", remedy="correct it", fixer=Fixer.FINANCE, reason="asked", actor="ana"
    )


VERBS: dict[str, Callable[[Office], object]] = {
    "create": lambda office: office.runtime.create(standalone(), actor="ana"),
    "create with a token": lambda office: office.runtime.create(standalone(), actor="ana", token="once"),
    "sync": lambda office: office.runtime.retry(office.never_sent, actor="ana"),
    "retry": lambda office: office.runtime.retry(office.failed, actor="ana", confirmed=Confirmed.EVERYTHING),
    "send now": lambda office: office.runtime.send_now(office.never_sent, actor="ana"),
    "resolve as synced": lambda office: office.runtime.resolve_as_synced(
        office.in_doubt, "FT 2026/9", actor="ana", reason="seen"
    ),
    "send again": lambda office: office.runtime.resolve_send_again(office.in_doubt, actor="ana", reason="not there"),
    "send many again": lambda office: office.runtime.resolve_many_send_again(
        [office.in_doubt, office.failed, office.declared], actor="ana", reason="not there"
    ),
    "reopen": lambda office: office.runtime.reopen(office.declared, actor="ana", reason="wrong one"),
    "teach": teach,
    "withdraw": lambda office: office.runtime.withdraw_refusal("odd", reason="wrong", actor="ana"),
    "pause": lambda office: office.runtime.gate.pause(actor="ana", reason="look"),
    "resume": lambda office: office.runtime.gate.resume(actor="ana"),
    "distrust": lambda office: office.runtime.gate.distrust(since=office.desk.now() - timedelta(hours=2), actor="ana"),
    "start a batch": lambda office: office.runtime.batches.start(Selection.matching(InvoiceFilter()), actor="ana"),
    "cancel a batch": lambda office: office.runtime.batches.cancel(office.batch, actor="ana"),
    "note": lambda office: office.runtime.groups.note("a group", "known", "ana"),
    "look": lambda office: office.runtime.onlookers.look("session", office.failed, actor="ana"),
    "look away": lambda office: office.runtime.onlookers.look_away("session"),
}

READS: dict[str, Callable[[Office], object]] = {
    "the list": lambda office: office.runtime.list_invoices(InvoiceFilter()),
    "one invoice": lambda office: office.runtime.invoice_detail(office.failed),
    "the overview": lambda office: office.runtime.overview(),
    "whether anything is sending": lambda office: office.runtime.sending(),
    "the groups of errors": lambda office: office.runtime.error_groups(),
    "the proof": lambda office: office.runtime.prove(),
    "the states": lambda office: office.runtime.states([office.failed]),
    "the preview of a lesson": lambda office: office.runtime.preview_teaching(office.in_doubt),
}


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS.keys())
def test_a_verb_is_done_or_says_what_is_in_the_way(office: Office, verb: Callable[[Office], object]) -> None:
    with all_locked(office.desk.engine):
        said = in_time(lambda: verb(office))
        if isinstance(said, Exception):
            assert isinstance(said, TocSyncError), said
        if isinstance(said, DatabaseBusy):
            assert "Nothing was changed" in str(said)
            assert FORGOTTEN in str(said) or office.desk.engine.dialect.name == "sqlite"
    again = in_time(lambda: verb(office))
    assert not isinstance(again, Exception), again


@pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
def test_reading_waits_for_nobody(office: Office, read: Callable[[Office], object]) -> None:
    with all_locked(office.desk.engine):
        said = in_time(lambda: read(office))
    assert not isinstance(said, Exception), said


def test_of_many_doubts_those_that_are_free_are_sent_again_although_one_is_locked(postgres_desk: Desk) -> None:
    runtime = Runtime(Settings(), postgres_desk.engine, REFUSALS)
    ids = [postgres_desk.create() for _ in range(4)]
    for invoice_id in ids:
        postgres_desk.settle(postgres_desk.claim(invoice_id), TIMED_OUT)
        postgres_desk.change_record(invoice_id, last_attempt_at=postgres_desk.now() - timedelta(hours=1))
    with psycopg.connect(address_of(postgres_desk.engine)) as other:
        other.execute("SELECT 1 FROM toc_sync.sync_records WHERE invoice_id = %s FOR UPDATE", [ids[0]])
        results = in_time(lambda: runtime.resolve_many_send_again(ids, actor="ana", reason="not there"))
    assert [result.done for result in results] == [False, True, True, True]
    assert "Nothing was changed" in results[0].message
