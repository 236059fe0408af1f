"""Invented answers, each made to mislead: read as they may be, from the wire and as old values, on both databases."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.catalogue import GIVEN, INVENTED, body_of
from tests.core import REFUSALS, Desk
from toc_sync import api_response
from toc_sync.answer import decode
from toc_sync.classify import classify
from toc_sync.model import Outcome, Reply
from toc_sync.verbs.gate import GateVerbs

AT = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
STATUS_AFTER = {"synced": "synced", "failed": "failed", "in_doubt": "in_doubt", "undelivered": "queued"}
STATUS_FOUND = STATUS_AFTER | {"undelivered": "failed"}
CASES = [pytest.param(case, id=f"{number}: {case['label']}") for number, case in enumerate(INVENTED)]
TEXTS = {number: body_of(case).decode("utf-8", "replace") for number, case in enumerate(INVENTED)}


def _allowed_without_headers() -> dict[tuple[int, str], set[str]]:
    """An old text keeps no headers: where only they made the difference, it may be read as either."""
    allowed: dict[tuple[int, str], set[str]] = defaultdict(set)
    for number, case in enumerate(INVENTED):
        decides_alone = case["headers"].get("sb-error-code", "").startswith("WORKER_") or "ran" in case["label"].split()
        allowed[case["status"], TEXTS[number]].update(case["may_be"])
        if decides_alone:
            allowed[case["status"], TEXTS[number]].update(("failed", "undelivered"))
    return allowed


ALLOWED = _allowed_without_headers()


def old_text(number: int) -> dict[str, Any]:
    """The value that the other application writes for an answer that it took for an error."""
    error = f"TOC sync failed: {INVENTED[number]['status']} {TEXTS[number]}"
    return {"success": False, "error": error.replace("\x00", ""), "failed_at": "2026-01-05T10:00:00Z"}


def old_success(number: int) -> dict[str, Any] | None:
    """The value that it writes where it took an answer for a success, and looked no further."""
    body = decode(TEXTS[number])
    if body is None or not isinstance(body.value, dict) or not 200 <= INVENTED[number]["status"] <= 299:
        return None
    return {"success": True, "synced_at": "2026-01-05T10:00:00Z", "toc_data": body.value}


@pytest.mark.parametrize("case", CASES)
def test_an_invented_answer_is_read_as_it_may_be(case):
    reply = Reply(
        http_status=case["status"], headers=case["headers"], body=body_of(case), truncated=False, duration_ms=1
    )
    assert classify(reply, REFUSALS).outcome in case["may_be"]


@pytest.mark.parametrize("number", range(len(INVENTED)))
def test_an_invented_answer_is_read_alike_as_an_old_value(number):
    case = INVENTED[number]
    verdict = api_response.read(old_text(number), REFUSALS)
    assert verdict is not None
    assert verdict.outcome in ALLOWED[case["status"], TEXTS[number]]
    assert api_response.is_success(old_text(number)) == (verdict.outcome is Outcome.SYNCED)


@pytest.mark.parametrize("number", range(len(INVENTED)))
def test_an_object_that_stands_there_is_never_firmer_than_its_answer(number):
    case = INVENTED[number]
    body = decode(TEXTS[number])
    if body is None or not isinstance(body.value, dict) or not 200 <= case["status"] <= 299:
        return
    verdict = api_response.read(body.value, REFUSALS)
    assert verdict is not None
    assert verdict.outcome in {*case["may_be"], "in_doubt"}
    if case["may_be"] == ["synced"]:
        assert verdict.outcome is Outcome.SYNCED


def test_they_come_to_that_through_the_worker(desk: Desk) -> None:
    gate = GateVerbs(desk.engine, lambda: None)
    wrong = []
    for number, case in enumerate(INVENTED[:GIVEN]):
        invoice_id = desk.create()
        desk.function.answer(
            invoice_id, {"status": case["status"], "headers": case["headers"], "body": body_of(case)}, times=1
        )
        desk.send(invoice_id)
        if (found := desk.record(invoice_id)["status"]) not in {STATUS_AFTER[outcome] for outcome in case["may_be"]}:
            wrong.append((number, case["label"], found))
        if desk.attempts(invoice_id)[0]["error_kind"] in ("configuration", "unreachable", "timeout", "lost"):
            gate.resume(actor="ana")
        if number % 4 == 0:
            gate.resume(actor="ana")  # gateways' statuses close it too
    assert wrong == []


def test_all_of_them_come_to_that_as_old_values_of_the_other_application(desk: Desk) -> None:
    numbers = {desk.elsewhere(api_response=old_text(number)): number for number in range(len(INVENTED))}
    desk.sweep()
    wrong = []
    for invoice_id, number in numbers.items():
        allowed = {STATUS_FOUND[outcome] for outcome in ALLOWED[INVENTED[number]["status"], TEXTS[number]]}
        if (found := desk.record(invoice_id)["status"]) not in allowed:
            wrong.append((number, INVENTED[number]["label"], found))
    assert wrong == []


def test_a_success_that_another_program_wrote_around_a_failure_is_none(desk: Desk) -> None:
    """Only where the answer itself was in order, or says too little to tell, does the other application's word count."""
    numbers = {
        desk.elsewhere(api_response=value): number
        for number in range(len(INVENTED))
        if (value := old_success(number)) is not None and _speaks_of_failure(number)
    }
    desk.sweep()
    wrong = [
        (number, INVENTED[number]["label"])
        for invoice_id, number in numbers.items()
        if desk.record(invoice_id)["status"] == "synced"
    ]
    assert numbers
    assert wrong == []


def _speaks_of_failure(number: int) -> bool:
    says_too_little = ("200 ok only", "200 data only", "200 empty", "200 success {}", "200 errors {}")
    return "synced" not in INVENTED[number]["may_be"] and INVENTED[number]["label"] not in says_too_little


def test_a_document_in_a_failure_that_stands_there_makes_it_a_doubt() -> None:
    nif = "O NIF português '1' não é válido!"
    assert api_response.read({"success": False, "error": nif}, REFUSALS).outcome is Outcome.FAILED
    for more in (
        {"toc_data": {"id": 77}},
        {"synced_at": "2026-01-05T10:00:00Z"},
        {"message": "Documento emitido"},
        {"toc_id": "77"},
        {"attempts": 2},
        {"in_doubt": "yes"},
    ):
        value = {"success": False, "error": nif, **more}
        assert api_response.read(value, REFUSALS).outcome is Outcome.IN_DOUBT, json.dumps(more)


@pytest.mark.parametrize("case", CASES)
def test_what_we_write_of_a_success_is_read_as_one(case):
    reply = Reply(
        http_status=case["status"], headers=case["headers"], body=body_of(case), truncated=False, duration_ms=1
    )
    verdict = classify(reply, REFUSALS)
    if verdict.outcome is Outcome.SYNCED:
        written = api_response.synced(verdict, at=AT, attempt=2, duration_ms=9, previous=None)
        assert api_response.is_success(written)
        assert api_response.document_no(written) == verdict.document_no
