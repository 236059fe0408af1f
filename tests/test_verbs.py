"""The five verbs that scripts import from `toc_sync`, and that importing it starts nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal

import pytest

import toc_sync
from tests.billing_desk import Desk, billing_desk
from tests.stand_in import StandIn
from toc_sync import runtime
from toc_sync.model import InvalidInvoice, InvalidInvoiceId, Status, UnknownInvoice

STANDALONE = {
    "p_invoice_order_ids": None,
    "p_issuer_team_id": 1,
    "p_payer_team_id": 2,
    "p_currency_code": "EUR",
    "p_invoice_number": "A 1",
    "p_invoice_date": "2026-11-20",
    "p_header_subtotal": Decimal("100.00"),
    "p_header_vat": Decimal("23.00"),
    "p_header_total": Decimal("123.00"),
}


@pytest.fixture
def desk(founded_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with StandIn() as function, billing_desk(founded_url, function) as desk:
        for name, value in desk.environment.items():
            monkeypatch.setenv(name, value)
        yield desk
        runtime.close_current()


@pytest.mark.processes
def test_importing_starts_nothing_loads_little_and_reads_no_setting(tmp_path):
    script = (
        "import sys, threading, toc_sync; "
        "print(threading.active_count(), sorted({'sqlalchemy', 'httpx', 'streamlit', 'pydantic'} & set(sys.modules)))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "TOC_SYNC_THREADS": "nonsense"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert printed.stdout == "1 []\n"
    assert list(tmp_path.iterdir()) == []


def test_an_invoice_from_orders_takes_what_remains_or_the_amount_given(desk):
    whole, part = desk.add_order(), desk.add_order("500.00", "30.00")
    invoice_id = toc_sync.create_and_issue_invoice([whole, part], {part: Decimal("100.00")}, invoice_number="A 1")
    invoice = desk.invoice(invoice_id)
    assert (invoice["invoice_number"], invoice["status"]) == ("A 1", "issued")
    assert (invoice["subtotal_amount"], invoice["vat_amount"]) == (Decimal("1100.00"), Decimal("236.00"))
    assert desk.statuses() == {invoice_id: Status.QUEUED}


def test_a_payload_creates_an_invoice_in_either_shape(desk):
    order = desk.add_order()
    ids = [
        toc_sync.create_and_issue_invoice_rpc(STANDALONE),
        toc_sync.create_and_issue_invoice_rpc({"p_invoice_order_ids": [order], "p_subtotal_overrides": {order: "10"}}),
    ]
    totals = [desk.invoice(invoice_id)["total_amount"] for invoice_id in ids]
    assert totals == [Decimal("123.00"), Decimal("12.30")]


def test_a_token_makes_a_repeated_call_return_the_first_invoice(desk):
    ids = {toc_sync.create_and_issue_invoice_rpc(STANDALONE, token="once") for _ in range(2)}
    assert list(desk.statuses()) == list(ids)


def test_what_cannot_be_created_names_its_field_and_writes_nothing(desk):
    with pytest.raises(InvalidInvoice) as refused:
        toc_sync.create_and_issue_invoice_rpc({**STANDALONE, "p_payer_team_id": 1})
    assert [problem.field for problem in refused.value.problems] == ["payer_team_id"]
    assert desk.statuses() == {}


def test_sync_sends_now_and_returns_the_outcome_also_of_an_invoice_without_a_record(desk):
    invoice_id = desk.add_invoice()
    result = toc_sync.sync_invoice_with_toc(invoice_id)
    assert (result.done, result.status, result.invoice_id) == (True, Status.SYNCED, invoice_id)
    state = toc_sync.get_invoice_toc_sync_status(invoice_id)
    assert (state.synced, state.document_no, state.attempts) == (True, "FT 2026/1", 1)
    assert toc_sync.sync_invoice_with_toc(invoice_id).done is False
    assert desk.function.count(invoice_id) == 1


def test_retry_queues_starts_no_worker_and_sends_nothing(desk):
    invoice_id = desk.add_invoice()
    before = threading.active_count()
    result = toc_sync.retry_sync_invoice_with_toc(invoice_id)
    assert (result.done, result.status) == (True, Status.QUEUED)
    assert runtime.current().worker is None
    assert threading.active_count() == before
    assert desk.statuses() == {invoice_id: Status.QUEUED}
    assert desk.function.requests == []


def test_creating_starts_no_worker_either(desk):
    toc_sync.create_and_issue_invoice_rpc(STANDALONE)
    assert runtime.current().worker is None
    assert desk.function.requests == []


def test_the_state_of_an_invoice_without_a_record_is_read_and_not_written(desk):
    synced = desk.add_invoice(api_response={"success": True, "toc_data": {"document_no": "FT 2026/9"}})
    unseen = desk.add_invoice()
    assert toc_sync.get_invoice_toc_sync_status(synced).document_no == "FT 2026/9"
    assert toc_sync.get_invoice_toc_sync_status(unseen).status is Status.NOT_SYNCED
    assert desk.statuses() == {}


@pytest.mark.parametrize(
    "verb", ["sync_invoice_with_toc", "retry_sync_invoice_with_toc", "get_invoice_toc_sync_status"]
)
@pytest.mark.parametrize(
    ("invoice_id", "error"),
    [
        pytest.param(4242, UnknownInvoice, id="unknown"),
        pytest.param(-1, InvalidInvoiceId, id="negative"),
        pytest.param(2**63, InvalidInvoiceId, id="beyond bigint"),
        pytest.param("x", InvalidInvoiceId, id="no number"),
        pytest.param(True, InvalidInvoiceId, id="a boolean"),
    ],
)
def test_an_impossible_invoice_raises(desk, verb, invoice_id, error):
    with pytest.raises(error):
        getattr(toc_sync, verb)(invoice_id)
    assert desk.function.requests == []
