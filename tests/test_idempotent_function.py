"""The function of `docs/toc_invoice` under a real Deno: whatever happens to a call, an invoice has one document."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest
from deno import find_deno_bin
from psycopg import sql
from sqlalchemy import URL

from tests.postgres import fresh_database
from tests.toc_invoice_world import FUNCTION, OFFLINE, PATIENCE_S, World, quiet, world_around
from toc_sync import api_response
from toc_sync.classify import classify
from toc_sync.model import ErrorKind, Outcome, Reply, Verdict
from toc_sync.refusals import shipped_refusals

GUIDE = FUNCTION.parent / "idempotent-function.md"
INVALID_NIF = {"errors": [{"code": "JA000", "detail": "O NIF português '123' não é válido!", "status": "400"}]}


@pytest.fixture(scope="module")
def shared_world(postgres_server: URL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One database and one Deno for all tests here: starting them takes longer than a test."""
    with (
        fresh_database(postgres_server) as postgres_url,
        world_around(postgres_url, tmp_path_factory.mktemp("function")) as world,
    ):
        yield world


@pytest.fixture
def world(shared_world: World) -> World:
    """A billing database with one invoice and no claims, TOC Online without documents, and the function running."""
    shared_world.reset()
    return shared_world


def _verdict(answer: httpx.Response) -> Verdict:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    reply = Reply(http_status=answer.status_code, headers=headers, body=answer.content, truncated=False, duration_ms=1)
    return classify(reply, shipped_refusals())


def _assert_synced(answer: httpx.Response, document_no: str, *, already: bool) -> None:
    body = answer.json()
    assert (answer.status_code, body["success"], body["already_issued"]) == (200, True, already)
    verdict = _verdict(answer)
    assert (verdict.outcome, verdict.document_no) == (Outcome.SYNCED, document_no)


def _assert_in_doubt(answer: httpx.Response, status: int = 500) -> None:
    assert answer.status_code == status
    verdict = _verdict(answer)
    assert (verdict.outcome, verdict.error_kind) == (Outcome.IN_DOUBT, ErrorKind.SERVER_ERROR)


def _wait_for(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up_at, "it did not happen"
        time.sleep(0.02)


def test_the_function_is_sound_typescript_without_anything_from_elsewhere(tmp_path: Path):
    for command in (["check", *OFFLINE], ["lint", "--no-config"]):
        done = subprocess.run(
            [find_deno_bin(), *command, FUNCTION / "index.ts"],
            env=quiet(tmp_path),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_an_invoice_is_issued_once_and_the_billing_application_reads_it(world: World):
    _assert_synced(world.post(), "FT 2026/1", already=False)
    [document] = world.toc.documents
    assert document["external_reference"] == "toc-invoice/12/"
    stored = world.stored()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stored["synced_at"])
    assert (stored["success"], stored["document_no"], stored["toc_data"]) == (True, "FT 2026/1", document)


def test_a_call_after_success_gets_the_same_document(world: World):
    world.post()
    # The other application may have written its own failure over the success.
    world.execute(
        """UPDATE issued_client_invoices SET api_response = '{"success": false, "error": "Failed to fetch"}'"""
    )
    world.age_the_claim()
    # The claim alone knows it.
    world.toc.answer_to_look_up = (500, {})
    _assert_synced(world.post(), "FT 2026/1", already=True)
    assert len(world.toc.documents) == 1


def test_of_calls_at_the_same_moment_one_issues_and_the_others_are_told_to_wait(world: World):
    world.toc.may_answer.clear()
    with ThreadPoolExecutor(8) as threads:
        calls = [threads.submit(world.post) for _ in range(8)]
        _wait_for(lambda: sum(call.done() for call in calls) == 7)
        world.toc.may_answer.set()
        answers = sorted((call.result() for call in calls), key=lambda answer: answer.status_code)
    _assert_synced(answers[0], "FT 2026/1", already=False)
    for answer in answers[1:]:
        _assert_in_doubt(answer, 409)
        assert "already being issued" in answer.json()["error"]
        assert 500 < int(answer.headers["retry-after"]) <= 600
    assert len(world.toc.documents) == 1
    assert world.stored()["success"] is True


def test_a_caller_that_leaves_does_not_keep_the_outcome_from_being_written_down(world: World):
    world.toc.may_answer.clear()
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(world.post, timeout_s=0.5)
        assert isinstance(call.exception(), httpx.ReadTimeout)
    assert world.toc.has_issued.wait(PATIENCE_S)
    world.toc.may_answer.set()
    _wait_for(lambda: world.stored() is not None)
    assert world.stored()["document_no"] == "FT 2026/1"
    _assert_synced(world.post(), "FT 2026/1", already=True)
    assert len(world.toc.documents) == 1


def test_after_a_function_that_died_while_issuing_the_document_is_adopted(world: World):
    world.toc.may_answer.clear()
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(world.post)
        assert world.toc.has_issued.wait(PATIENCE_S)
        world.kill()
        assert isinstance(call.exception(), httpx.TransportError)
    world.toc.may_answer.set()
    world.start()
    # The claim keeps: whether it was issued nobody here knows yet.
    _assert_in_doubt(world.post(), 409)
    world.age_the_claim()
    _assert_synced(world.post(), "FT 2026/1", already=True)
    assert len(world.toc.documents) == 1
    assert world.stored()["document_no"] == "FT 2026/1"


def test_an_invoice_whose_old_claim_led_to_no_document_is_issued(world: World):
    world.toc.answer_to_create = (502, {"error": "something odd"})
    _assert_in_doubt(world.post())
    world.toc.answer_to_create = None
    _assert_in_doubt(world.post(), 409)
    assert world.toc.documents == []
    world.age_the_claim()
    _assert_synced(world.post(), "FT 2026/1", already=False)


def test_an_answer_that_got_lost_is_in_doubt_and_found_later(world: World):
    world.toc.loses_answers = True
    _assert_in_doubt(world.post())
    stored = world.stored()
    assert (stored["success"], stored["in_doubt"]) == (False, True)
    assert stored["error"].startswith("May already be issued in TOC Online")
    read = api_response.read(stored, shipped_refusals())
    assert read is not None
    assert read.outcome is Outcome.IN_DOUBT
    world.toc.loses_answers = False
    world.age_the_claim()
    _assert_synced(world.post(), "FT 2026/1", already=True)
    assert len(world.toc.documents) == 1


def test_a_toc_online_that_takes_too_long_is_not_waited_for(world: World):
    world.start(TOC_TIMEOUT_SECONDS="1")
    world.toc.may_answer.clear()
    _assert_in_doubt(world.post())
    assert world.claims() == 1


def test_what_took_too_long_before_sending_is_not_sent(world: World):
    world.start(TOC_TIMEOUT_SECONDS="0.3")
    world.database.wait_s = 0.4
    _assert_in_doubt(world.post())
    assert world.toc.documents == []


@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        pytest.param(400, INVALID_NIF, id="tax number"),
        pytest.param(500, {"error": "Não pode usar a série T (FT) porque ainda não foi comunicada à AT"}, id="series"),
        pytest.param(500, {"error": "O meio de pagamento (XX) não é reconhecido."}, id="means of payment"),
        pytest.param(500, {"error": "A data do documento é anterior à data do último documento da série"}, id="date"),
        pytest.param(500, {"error": "A linha 1 tem de ter um motivo de isenção"}, id="exemption"),
        pytest.param(400, {"errors": [{"code": "JA002", "detail": "Já existe o cliente X"}]}, id="customer"),
    ],
)
def test_a_refusal_gives_the_claim_back_so_that_a_corrected_retry_issues(world: World, status: int, refusal: object):
    world.toc.answer_to_create = (status, refusal)
    verdict = _verdict(world.post())
    assert (verdict.outcome, verdict.error_kind) == (Outcome.FAILED, ErrorKind.REJECTED)
    stored = world.stored()
    assert set(stored) == {"success", "error", "failed_at"}
    read = api_response.read(stored, shipped_refusals())
    assert read is not None
    assert (read.outcome, read.refusal) == (Outcome.FAILED, verdict.refusal)
    world.toc.answer_to_create = None
    _assert_synced(world.post(), "FT 2026/1", already=False)


def test_a_refusal_that_names_a_document_is_none(world: World):
    world.toc.answer_to_create = (500, {**INVALID_NIF, "document_no": "FT 2026/9"})
    _assert_in_doubt(world.post())
    assert world.claims() == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param((401, {"error": "access_denied"}), id="refused"),
        pytest.param((500, {"errors": [{"code": "JA011", "detail": "filter"}]}), id="failed"),
        pytest.param((500, {"data": []}), id="failed, with an empty list"),
        pytest.param((200, {"data": None}), id="unreadable"),
        pytest.param((200, [{"id": 3, "document_no": "FT 2026/3", "external_reference": "x"}]), id="filter ignored"),
        pytest.param((200, [{"id": 3, "external_reference": "toc-invoice/12/"}]), id="without a number"),
        pytest.param(
            (200, [{"document_no": f"FT 2026/{n}", "external_reference": "toc-invoice/12/"} for n in (3, 4)]), id="two"
        ),
    ],
)
def test_without_a_look_up_that_proves_something_nothing_is_issued(world: World, answer: tuple[int, object]):
    world.toc.answer_to_look_up = answer
    _assert_in_doubt(world.post())
    assert (world.toc.documents, world.stored()["in_doubt"]) == ([], True)
    # Nothing was sent, so nobody has to wait.
    world.toc.answer_to_look_up = None
    _assert_synced(world.post(), "FT 2026/1", already=False)


def test_a_success_that_names_no_document_is_looked_up_later(world: World):
    world.toc.answer_to_create = (200, {"status": "ok"})
    _assert_in_doubt(world.post())
    assert world.claims() == 1


def test_a_document_that_cannot_be_written_down_is_reported_and_found_later(world: World):
    world.database.broken = {"rpc/toc_invoice_finish"}
    _assert_synced(world.post(), "FT 2026/1", already=False)
    world.database.broken = set()
    world.age_the_claim()
    _assert_synced(world.post(), "FT 2026/1", already=True)
    assert world.stored()["document_no"] == "FT 2026/1"


def test_without_its_database_the_function_issues_nothing(world: World):
    world.database.broken = {"rpc/toc_invoice_claim"}
    _assert_in_doubt(world.post())
    assert world.toc.documents == []


def test_a_failure_that_cannot_be_written_down_leaves_the_claim(world: World):
    world.database.broken = {"rpc/toc_invoice_fail"}
    world.toc.answer_to_create = (400, INVALID_NIF)
    assert _verdict(world.post()).outcome is Outcome.FAILED
    assert world.claims() == 1


def test_a_second_document_is_named_and_the_first_stays(world: World):
    world.toc.may_answer.clear()
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(world.post)
        assert world.toc.has_issued.wait(PATIENCE_S)
        first = {"id": 99, "document_no": "FT 2026/99"}
        world.database.run_as(
            "service_role", sql.SQL("SELECT toc_invoice_finish(12, %(first)s)"), {"first": json.dumps(first)}
        )
        world.toc.may_answer.set()
        answer = call.result()
    _assert_in_doubt(answer)
    assert "FT 2026/99 and FT 2026/1" in answer.json()["error"]
    assert world.stored()["document_no"] == "FT 2026/99"


@pytest.mark.parametrize("loses", [False, True], ids=["issued", "answer lost"])
def test_a_success_that_was_stored_while_a_call_was_at_work_stays(world: World, loses: bool):
    declared = {"success": True, "declared_by": "Ana", "document_no": "FT 2026/1"}
    world.toc.loses_answers = loses
    world.toc.may_answer.clear()
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(world.post)
        assert world.toc.has_issued.wait(PATIENCE_S)
        world.execute("UPDATE issued_client_invoices SET api_response = %s", json.dumps(declared))
        world.toc.may_answer.set()
        assert call.result().is_success is not loses
    assert world.stored() == declared


def test_who_lost_the_claim_cannot_give_it_back(world: World):
    world.toc.answer_to_create = (502, {})
    world.post()
    before = world.stored()
    call = sql.SQL("SELECT toc_invoice_fail(12, gen_random_uuid(), 'refused', 'late')")
    world.database.run_as("service_role", call, {})
    assert (world.claims(), world.stored()) == (1, before)


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param({"success": True, "synced_at": "x", "toc_data": {"document_no": "FT 2025/7"}}, id="success"),
        pytest.param({"success": True, "toc_data": None, "document_no": "FT 2025/7"}, id="declared by a person"),
        pytest.param({"document_no": "FT 2025/7"}, id="the document alone"),
        pytest.param({"data": {"attributes": {"document_no": "FT 2025/7"}}}, id="JSON:API"),
        pytest.param('{"success": true, "toc_data": {"document_no": "FT 2025/7"}}', id="JSON in a text"),
    ],
)
def test_an_invoice_issued_before_there_were_claims_is_not_issued_again(world: World, stored: object):
    world.execute("UPDATE issued_client_invoices SET api_response = %s", json.dumps(stored))
    _assert_synced(world.post(), "FT 2025/7", already=True)
    assert world.toc.documents == []


@pytest.mark.parametrize(
    "stored",
    ["null", '"broken {"', "[]", "7", '{"success": false, "error": "Failed to fetch"}', '{"document_no": null}'],
)
def test_a_stored_value_that_tells_of_no_document_does_not_hinder(world: World, stored: str):
    world.execute("UPDATE issued_client_invoices SET api_response = %s", stored)
    _assert_synced(world.post(), "FT 2026/1", already=False)


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        pytest.param({}, "invoice_id_unusable", id="no invoice"),
        pytest.param({"invoice_id": "12"}, "invoice_id_unusable", id="a text"),
        pytest.param({"invoice_id": 2**60}, "invoice_id_unusable", id="a number JavaScript cannot hold"),
        pytest.param({"invoice_id": 13}, "invoice_not_found", id="an unknown invoice"),
    ],
)
def test_a_wrong_invoice_is_refused_in_words_the_dashboard_knows(world: World, body: object, refusal: str):
    verdict = _verdict(world.post(body))
    assert (verdict.outcome, verdict.refusal) == (Outcome.FAILED, refusal)
    assert (world.toc.documents, world.claims()) == ([], 0)


def test_the_example_mapping_issues_nothing_until_it_is_replaced(world: World):
    world.start(TOC_EXAMPLE_MAPPING="")
    assert "replace it" in world.post().json()["error"]
    assert world.toc.documents == []


def test_a_browser_may_call_it(world: World):
    with httpx.Client(trust_env=False) as client:
        answer = client.options(world.url)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "*")
        assert client.get(world.url).status_code == 405
    assert world.post().headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT toc_invoice_claim(12)",
        """SELECT toc_invoice_finish(12, '{"document_no": "false"}')""",
        "SELECT toc_invoice_fail(12, gen_random_uuid(), 'refused', 'x')",
        "SELECT toc_invoice_stored_document(12)",
        "SELECT toc_invoice_now()",
        "SELECT count(*) FROM toc_invoice_claims",
    ],
)
@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_the_public_key_cannot_touch_claims(world: World, role: str, statement: str):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        world.database.run_as(role, sql.SQL(statement), {})


def test_rights_that_somebody_grants_later_do_not_open_the_claims(world: World):
    world.post()
    world.execute("GRANT SELECT ON toc_invoice_claims TO anon")
    try:
        assert world.database.run_as("anon", sql.SQL("SELECT count(*) FROM toc_invoice_claims"), {}) == 0
    finally:
        world.execute("REVOKE SELECT ON toc_invoice_claims FROM anon")


@pytest.mark.parametrize(
    ("stored", "is_listed"),
    [
        pytest.param('{"success": false, "error": "Failed to fetch"}', True, id="an old failure"),
        pytest.param('{"success": true}', False, id="a success"),
        pytest.param("null", False, id="never sent"),
    ],
)
def test_the_guide_lists_what_must_be_decided_before_switching_on(world: World, stored: str, is_listed: bool):
    world.execute("UPDATE issued_client_invoices SET api_response = %s", stored)
    [statement] = re.findall(r"```sql\n(.*?);\s*```", GUIDE.read_text(), re.DOTALL)
    listed = world.database.run_as("service_role", sql.SQL(statement), {})
    assert listed == (12 if is_listed else None)
