"""Every answer of the catalogue, from the POST to what the page shows, on both databases."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.catalogue import CASES
from tests.core import LONG_AGO, WAITS_S, Desk, seen_elsewhere
from toc_sync import wording
from toc_sync.model import Trigger
from toc_sync.views import RowAction

STATUS_AFTER = {"synced": "synced", "failed": "failed", "in_doubt": "in_doubt", "undelivered": "queued"}
FAILURE_KEYS = {"success", "error", "failed_at", "status", "error_kind", "http_status", "attempt"}
KEYS = {
    "synced": {"success", "synced_at", "toc_data", "document_no", "attempt", "http_status", "duration_ms"},
    "failed": FAILURE_KEYS,
    "in_doubt": FAILURE_KEYS | {"in_doubt"},
    "queued": FAILURE_KEYS | {"next_attempt_at"},
}
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def named(case: Mapping[str, Any]) -> Any:
    return pytest.param(case, id=case["name"])


@pytest.mark.parametrize("case", [named(case) for case in CASES])
def test_an_answer_is_recorded_written_back_and_shown(case: Mapping[str, Any], desk: Desk) -> None:
    invoice_id = desk.create()
    desk.function.answer(invoice_id, case["answer"])
    is_silent = case["answer"].get("transport") == "silence"
    edge = replace(desk.sender.edge, deadline_s=0.4) if is_silent else desk.sender.edge

    assert desk.send(edge=edge)

    assert_attempt_is_closed(desk, invoice_id, case)
    status = STATUS_AFTER[case["outcome"]]
    record = desk.record(invoice_id)
    assert (record["status"], record["error_kind"]) == (status, case["error_kind"])
    assert (record["lease_until"], record["claimed_by"]) == (None, None)
    assert (record["not_before"] is not None) is case["auto_retry"]
    assert_written_back(desk.api_response(invoice_id), status, record)
    assert_shown(desk, invoice_id, status)
    assert desk.function.count(invoice_id) == (0 if case["answer"].get("transport") == "refused" else 1)


def assert_attempt_is_closed(desk: Desk, invoice_id: int, case: Mapping[str, Any]) -> None:
    (attempt,) = desk.attempts(invoice_id)
    assert (attempt["outcome"], attempt["error_kind"]) == (case["outcome"], case["error_kind"])
    assert (attempt["number"], attempt["trigger"], attempt["requested_by"]) == (1, Trigger.CREATED, "ana")
    assert attempt["finished_at"] >= attempt["started_at"]
    assert attempt["duration_ms"] >= 0
    for request in desk.function.requests:
        assert request.headers["x-request-id"] == attempt["request_id"]
        assert request.headers["idempotency-key"] == f"toc-invoice-{invoice_id}"
    if "status" in case["answer"]:
        body = case["answer"]["body"]
        assert attempt["http_status"] == case["answer"]["status"]
        assert attempt["response_body"] == (body if isinstance(body, str) else json.dumps(body))
        assert attempt["response_headers"] == case["answer"]["headers"] or "content-type" in attempt["response_headers"]
    assert (attempt["error"] is None) is (case["outcome"] == "synced")


def assert_written_back(value: Any, status: str, record: Mapping[str, Any]) -> None:
    assert set(value) == KEYS[status]
    seen, beside = seen_elsewhere(value)
    if status == "synced":
        assert (seen, value["document_no"]) == ("synced", record["document_no"])
        assert INSTANT.fullmatch(str(beside))
        return
    assert (seen, value["status"], value["error_kind"]) == ("failed", status, record["error_kind"])
    assert INSTANT.fullmatch(value["failed_at"])
    assert str(beside).startswith(wording.IN_DOUBT_NOTE) is (status == "in_doubt")
    assert str(beside).endswith(record["error"])


def assert_shown(desk: Desk, invoice_id: int, status: str) -> None:
    row = desk.row(invoice_id)
    assert row.status == status
    assert (
        row.action
        == {
            "synced": None,
            "failed": RowAction.RETRY,
            "in_doubt": RowAction.RESOLVE,
            "queued": RowAction.RETRY,  # not later, but now
        }[status]
    )
    assert (
        row.why_not
        == {
            "synced": "It is already in TOC Online. Nothing was sent.",
            "failed": None,
            "in_doubt": "It may already be in TOC Online. Look it up there, then use Resolve.",
            "queued": None,
        }[status]
    )
    state = desk.state(invoice_id)
    assert (state.status, state.synced, state.attempts) == (status, status == "synced", 1)
    assert (state.error, state.document_no) == (row.error, row.document_no)


def test_what_is_never_delivered_fails_when_the_tries_are_used_up_and_a_person_starts_them_anew(desk: Desk) -> None:
    invoice_id = desk.create()
    desk.function.answer(invoice_id, {"transport": "refused"})
    desk.send()
    for tries in range(2, len(WAITS_S) + 2):
        assert not desk.send(), "it was not due yet"
        desk.change_record(invoice_id, not_before=LONG_AGO)
        assert desk.send()
        assert len(desk.attempts(invoice_id)) == tries

    record = desk.record(invoice_id)
    assert (record["status"], record["error_kind"], record["not_before"]) == ("failed", "unreachable", None)
    assert [attempt["trigger"] for attempt in desk.attempts(invoice_id)] == ["created", *["automatic"] * len(WAITS_S)]
    assert set(desk.api_response(invoice_id)) == KEYS["failed"]
    assert desk.row(invoice_id).action == RowAction.RETRY

    assert desk.retry(invoice_id, actor="rui").done
    desk.send()
    record = desk.record(invoice_id)
    assert (record["status"], record["undelivered_tries"], record["requested_by"]) == ("queued", 1, "rui")
