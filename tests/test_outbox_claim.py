"""Claims: exactly one sender has an invoice, and what need not be sent is never sent."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from tests.core import ISSUED, LONG_AGO, UNDELIVERED, Desk, at_once
from toc_sync import outbox
from toc_sync.database import reading
from toc_sync.model import Status, Trigger
from toc_sync.tables import sync_attempts

SUCCESS = {"success": True, "synced_at": "2026-01-05T10:00:00.000Z", "toc_data": {"document_no": "FT 2026/7"}}


def test_a_claim_opens_one_attempt_and_holds_a_lease(desk: Desk) -> None:
    invoice_id = desk.create(actor="rui")
    before = desk.now()
    claimed = desk.claim()
    record = desk.record(invoice_id)
    (attempt,) = desk.attempts(invoice_id)
    assert record["status"] == Status.SYNCING
    assert (record["attempt_count"], record["claimed_by"], record["claim_id"]) == (1, "test", claimed.request_id)
    assert (record["lease_until"] - claimed.started_at).total_seconds() == 60
    assert before <= attempt["started_at"] == record["last_attempt_at"]
    assert (attempt["finished_at"], attempt["outcome"]) == (None, None)
    assert (attempt["trigger"], attempt["requested_by"]) == (Trigger.CREATED, "rui")


def test_the_database_itself_forbids_a_second_open_attempt_and_a_repeated_number(desk: Desk) -> None:
    invoice_id = desk.create()
    desk.claim()
    (attempt,) = desk.attempts(invoice_id)
    row = {name: value for name, value in attempt.items() if name != "id"}
    with pytest.raises(IntegrityError):
        desk.execute(sync_attempts.insert().values(row | {"number": 2}))
    with pytest.raises(IntegrityError):
        desk.execute(sync_attempts.insert().values(row | {"finished_at": desk.now()}))
    desk.execute(sync_attempts.insert().values(row | {"number": 2, "finished_at": desk.now()}))


def test_many_threads_claim_fifty_invoices_once_each(desk: Desk) -> None:
    wanted = {desk.create() for _ in range(50)}

    def claim_all(_: int) -> list[int]:
        found = []
        while (claimed := desk.try_claim()) is not None:
            found.append(claimed.invoice_id)
        return found

    taken = Counter(invoice_id for found in at_once(8, claim_all) for invoice_id in found)
    assert set(taken.values()) == {1}
    assert taken.keys() == wanted
    assert desk.count(sync_attempts) == 50


def test_many_threads_send_each_invoice_once(desk: Desk) -> None:
    wanted = {desk.create() for _ in range(20)}

    def send_all(_: int) -> None:
        while desk.send():
            pass

    at_once(6, send_all)
    assert desk.function.counts() == Counter(wanted)
    assert {desk.record(invoice_id)["status"] for invoice_id in wanted} == {"synced"}


def test_the_oldest_invoice_date_goes_first_and_a_waiting_one_not_at_all(desk: Desk) -> None:
    newer = desk.create(invoice_date="2026-11-23")
    older = desk.create(invoice_date="2026-11-20")
    waiting = desk.create(invoice_date="2026-11-01")
    desk.settle(desk.claim(waiting), UNDELIVERED)
    for expected in (older, newer):
        claimed = desk.claim()
        assert claimed.invoice_id == expected
        desk.settle(claimed, ISSUED)
    assert desk.try_claim() is None
    assert desk.try_claim(waiting) is None
    desk.change_record(waiting, not_before=LONG_AGO)
    assert desk.claim().invoice_id == waiting


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        pytest.param({"status": "cancelled"}, Status.NOT_NEEDED, "was cancelled", id="cancelled"),
        pytest.param({"status": "void"}, Status.NOT_NEEDED, "is void", id="void"),
        pytest.param({"status": "draft"}, Status.NOT_SYNCED, "“draft”", id="back to draft"),
        pytest.param({"status": "written_off"}, Status.NOT_SYNCED, "“written_off”", id="a status nobody knows"),
        pytest.param({"api_response": SUCCESS}, Status.SYNCED, None, id="a success stands in api_response"),
        pytest.param({"api_response": '{"document_no": "FT 2026/7"}'}, Status.SYNCED, None, id="a document as text"),
        pytest.param(None, Status.NOT_NEEDED, "was deleted", id="deleted"),
    ],
)
def test_what_became_unnecessary_meanwhile_is_dropped_and_never_sent(
    desk: Desk, change: dict[str, Any] | None, status: Status, says: str | None
) -> None:
    invoice_id = desk.create()
    if change is None:
        desk.delete_invoice(invoice_id)
    else:
        desk.change_invoice(invoice_id, **change)
    assert desk.send()  # it did something: it dropped the invoice
    assert not desk.send()
    record = desk.record(invoice_id)
    assert record["status"] == status
    assert says in record["error"] if says else record["error"] is None
    assert record["document_no"] == ("FT 2026/7" if status is Status.SYNCED else None)
    assert record["invoice_status"] == (change or {"status": "deleted"}).get("status", "issued")
    assert desk.attempts(invoice_id) == []
    assert desk.function.requests == []
    assert not desk.row(invoice_id).can_retry


@pytest.mark.parametrize("status", ["issued", "partially_paid", "paid"])
def test_an_invoice_that_may_be_sent_is_sent(desk: Desk, status: str) -> None:
    invoice_id = desk.create()
    desk.change_invoice(invoice_id, status=status)
    desk.send()
    assert desk.function.count(invoice_id) == 1


def test_the_queue_tells_how_much_is_due(desk: Desk) -> None:
    for _ in range(3):
        desk.create()
    desk.settle(desk.claim(desk.create()), UNDELIVERED)
    with reading(desk.engine) as conn:
        now = desk.now()
        assert outbox.count_due(conn, turns=outbox.Turns(), now=now, at_most=2) == 2
        assert outbox.count_due(conn, turns=outbox.Turns(), now=now, at_most=10) == 3


def test_a_claim_takes_fresh_copies_of_the_invoice(desk: Desk) -> None:
    invoice_id = desk.create()
    desk.change_invoice(invoice_id, invoice_number="NEW-1", payer_team_id=3)
    desk.claim()
    row = desk.row(invoice_id)
    assert (row.invoice_number, row.payer) == ("NEW-1", "100% Água_Lda")
    assert [found.invoice_id for found in desk.page(text="new-1 agua").rows] == [invoice_id]
