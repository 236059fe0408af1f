"""Teaching a refusal: what follows for the invoices in doubt, what is refused, and that it can be taken back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from tests.catalogue import DOUBTFUL
from tests.core import ISSUED, LOST, REFUSALS, REJECTED, UNDELIVERED, WAITS_S, Desk
from tests.live_app import wait_until
from toc_sync import outbox, resolving, status
from toc_sync.database import reading, writing
from toc_sync.model import Fixer, Result
from toc_sync.tables import sync_actions, taught_refusals
from toc_sync.verbs import teaching
from toc_sync.verbs.teaching import Meaning
from toc_sync.views_teaching import TeachingPreview, TeachingResult

UNKNOWN = "Ocorreu uma situação inesperada (ref. {})"
SAID = Meaning(name="inesperada", remedy="Ask TOC Online.", fixer=Fixer.TOC_ONLINE, reason="TOC Online said so.")
THEIRS = 'TOC sync failed: 500 {{"error":"{}"}}'


def unknown(number: int = 7731, **changes: Any) -> dict[str, Any]:
    return {"status": 500, "body": {"error": UNKNOWN.format(number)}} | changes


def in_doubt(desk: Desk, answer: Mapping[str, Any] | None = None) -> int:
    invoice_id = desk.create()
    desk.function.answer(invoice_id, answer or unknown(invoice_id), times=1)
    assert desk.send(invoice_id)
    assert desk.record(invoice_id)["status"] == "in_doubt"
    return invoice_id


def teach(desk: Desk, invoice_id: int, meaning: Meaning = SAID) -> TeachingResult:
    return teaching.teach(desk.engine, invoice_id, meaning, REFUSALS, actor="ana")


def withdraw(desk: Desk, name: str = SAID.name, reason: str = "I was wrong.") -> TeachingResult:
    return teaching.withdraw(desk.engine, name, REFUSALS, actor="rui", reason=reason)


def preview(desk: Desk, invoice_id: int) -> TeachingPreview:
    with reading(desk.engine) as conn:
        return status.preview_teaching(conn, invoice_id, REFUSALS)


def statuses(desk: Desk, *invoice_ids: int) -> list[str]:
    return [desk.record(invoice_id)["status"] for invoice_id in invoice_ids]


def proves(desk: Desk) -> bool:
    with reading(desk.engine) as conn:
        return not any(proof.invoice_ids for proof in status.prove(conn, now=desk.now()))


def test_an_unknown_error_that_was_taught_is_retried_with_one_click_and_known_from_then_on(desk):
    first, other, unlike = in_doubt(desk), in_doubt(desk), in_doubt(desk, unknown(body={"error": "Falta a unidade Y"}))
    assert not desk.retry(first).done

    result = teach(desk, first)

    assert (result.done, result.count) == (True, 2)
    assert statuses(desk, first, other, unlike) == ["failed", "failed", "in_doubt"]
    record = desk.record(first)
    assert (record["error_kind"], record["refusal"], record["doubt_since"]) == ("rejected", SAID.name, None)
    written = desk.api_response(first)
    assert (written["status"], written["error"]) == ("failed", UNKNOWN.format(first))
    assert "in_doubt" not in written
    assert [attempt["outcome"] for attempt in desk.attempts(first)] == ["in_doubt"]
    assert [action["action"] for action in desk.actions(other)] == ["teach"]
    assert desk.retry(first).done
    assert desk.send(first)
    assert desk.record(first)["status"] == "synced"

    again = desk.create()
    desk.function.answer(again, unknown(99))
    desk.send(again)
    assert (desk.record(again)["status"], desk.record(again)["refusal"]) == ("failed", SAID.name)
    assert proves(desk)


def test_the_preview_counts_what_was_seen_and_what_would_become_retryable(desk):
    first, _ = in_doubt(desk), in_doubt(desk)
    desk.adopted(api_response={"success": False, "error": THEIRS.format(UNKNOWN.format(5))})
    found = preview(desk, first)
    assert (found.past_answers, found.count, {k: str(v) for k, v in found.amounts.items()}) == (
        2, 3, {"EUR": "369.00"},
    )  # fmt: skip
    assert found.may_teach
    assert found.form == "http=500 | error: ocorreu uma situacao inesperada (ref. <number>)"
    assert found.example == UNKNOWN.format(first)
    assert found.suggested_name == "ocorreu uma situacao inesperada ref"
    assert desk.count(taught_refusals) == 0


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in DOUBTFUL])
def test_no_known_doubtful_answer_can_be_taught(sqlite_desk, case):
    invoice_id = in_doubt(sqlite_desk, case["answer"])
    result = teach(sqlite_desk, invoice_id)
    assert not result.done
    assert statuses(sqlite_desk, invoice_id) == ["in_doubt"]
    assert sqlite_desk.count(taught_refusals) == 0


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"transport": "close"}, id="a lost connection"),
        pytest.param(unknown(status=504), id="a time-out's status"),
        pytest.param(unknown(status=502), id="a gateway's status"),
        pytest.param(unknown(status=546), id="the platform's limit"),
        pytest.param(unknown(body={"code": "WORKER_ERROR", "message": "Algo correu muito mal"}), id="the platform's code"),
        pytest.param(unknown(headers={"sb-error-code": "WORKER_LIMIT"}), id="the platform's header"),
        pytest.param(unknown(body="<html><body>Algo correu muito mal</body></html>"), id="a page"),
        pytest.param(unknown(body={"error": "<html>Algo correu muito mal</html>"}), id="a page passed on"),
        pytest.param(unknown(body={"error": "O pedido ao TOC Online teve um timeout"}), id="a time-out behind"),
        pytest.param(unknown(body={"error": "Erro 12345"}), id="hardly a word"),
        pytest.param(unknown(body={"error": "palavras " * 1_000}), id="endless"),
        pytest.param(unknown(body={"error": "Já existe o documento desta fatura"}), id="a document exists"),
        pytest.param(unknown(body={"error": "Algo correu mal", "document_no": "FT 2026/9"}), id="names a document"),
        pytest.param(unknown(body='{"error": "Algo correu muito mal", "error": "ou bem"}'), id="contradicts itself"),
        pytest.param({"status": 200, "body": "Algo correu muito mal aqui"}, id="a 2xx that is no object"),
        pytest.param({"status": 202, "body": {"error": "Algo correu muito mal"}}, id="accepted"),
    ],
)  # fmt: skip
def test_what_may_have_been_issued_cannot_be_taught(sqlite_desk, answer):
    invoice_id = in_doubt(sqlite_desk, answer)
    assert preview(sqlite_desk, invoice_id).why_not
    assert not teach(sqlite_desk, invoice_id).done
    assert statuses(sqlite_desk, invoice_id) == ["in_doubt"]


def test_a_taught_answer_says_nothing_under_the_status_of_a_gateway(sqlite_desk):
    teach(sqlite_desk, in_doubt(sqlite_desk))
    assert desk_kind(sqlite_desk, unknown(status=504)) == "timeout"
    assert desk_kind(sqlite_desk, unknown(body={"error": UNKNOWN.format(1), "issued": True})) == "server_error"
    assert desk_kind(sqlite_desk, unknown(body={"error": UNKNOWN.format(1) + " Mas foi emitida."})) == "server_error"


def desk_kind(desk: Desk, answer: Mapping[str, Any]) -> str:
    return desk.record(in_doubt(desk, answer))["error_kind"]


@pytest.mark.parametrize(
    ("meaning", "word"),
    [
        pytest.param({"name": ""}, "name", id="no name"),
        pytest.param({"name": "x" * 61}, "name", id="a long name"),
        pytest.param({"name": "tax_number_invalid"}, "already used", id="the name of a shipped one"),
        pytest.param({"remedy": ""}, "has to do", id="no remedy"),
        pytest.param({"reason": ""}, "how you know", id="no reason"),
    ],
)
def test_what_is_taught_needs_a_name_a_remedy_and_a_reason(sqlite_desk, meaning, word):
    said = {"name": SAID.name, "remedy": SAID.remedy, "fixer": SAID.fixer, "reason": SAID.reason} | meaning
    invoice_id = in_doubt(sqlite_desk)
    result = teach(sqlite_desk, invoice_id, Meaning(**said))
    assert not result.done
    assert word in result.message
    assert [action["done"] for action in sqlite_desk.actions(invoice_id)] == [False]


def test_a_name_is_used_once(sqlite_desk):
    teach(sqlite_desk, in_doubt(sqlite_desk))
    other = in_doubt(sqlite_desk, unknown(body={"error": "Falta a unidade de medida"}))
    assert "already used" in teach(sqlite_desk, other).message


@pytest.mark.parametrize("found", ["declared", "written by the other application"])
def test_an_answer_after_which_a_document_was_found_is_refused(desk, found):
    issued, invoice_id = in_doubt(desk), in_doubt(desk)
    if found == "declared":
        resolving.resolve_as_synced(desk.engine, issued, "FT 2026/77", REFUSALS, actor="ana", reason="seen")
    else:
        desk.change_invoice(issued, api_response={"success": True, "toc_data": {"document_no": "FT 2026/77"}})
        desk.observe()
    result = teach(desk, invoice_id)
    assert not result.done
    assert "FT 2026/77" in result.message
    assert statuses(desk, invoice_id) == ["in_doubt"]


def test_a_document_that_a_later_try_issued_is_no_objection(desk):
    issued, invoice_id = in_doubt(desk), in_doubt(desk)
    look_up_and_send_again(desk, issued)
    assert statuses(desk, issued) == ["synced"]
    assert teach(desk, invoice_id).done


def look_up_and_send_again(desk: Desk, invoice_id: int) -> None:
    queue_again(desk, invoice_id)
    desk.send(invoice_id)


def queue_again(desk: Desk, invoice_id: int) -> Result:
    desk.change_record(invoice_id, last_attempt_at=desk.record(invoice_id)["created_at"].replace(year=2025))
    result = resolving.resolve_send_again(desk.engine, invoice_id, REFUSALS, actor="ana", reason="looked")
    assert result.done, result.message
    return result


def test_a_withdrawal_puts_back_in_doubt_what_was_not_sent_since(desk):
    failed, queued, tried, sent, looked_up = (in_doubt(desk) for _ in range(5))
    queue_again(desk, looked_up)
    teach(desk, failed)
    later = desk.create()
    desk.function.answer(later, unknown(later))
    desk.send(later)
    desk.retry(sent)
    desk.send(sent)
    desk.retry(tried)
    desk.settle(desk.claim(tried), UNDELIVERED)
    desk.retry(queued)
    attempts = desk.attempts(later)

    result = withdraw(desk)

    assert (result.done, result.count) == (True, 4)
    assert statuses(desk, failed, queued, tried, later) == ["in_doubt"] * 4
    assert statuses(desk, sent, looked_up) == ["synced", "queued"]
    for invoice_id in (failed, queued, tried, later):
        record, written = desk.record(invoice_id), desk.api_response(invoice_id)
        assert (record["error_kind"], record["refusal"]) == ("server_error", None)
        assert record["doubt_since"]
        assert (written["status"], written["in_doubt"]) == ("in_doubt", True)
        assert not desk.retry(invoice_id).done
    assert desk.attempts(later) == attempts
    assert desk_kind(desk, unknown(3)) == "server_error"
    assert proves(desk)


def test_what_was_withdrawn_can_be_taught_again(desk):
    invoice_id = in_doubt(desk)
    teach(desk, invoice_id)
    withdraw(desk)
    assert teach(desk, invoice_id).count == 1
    assert statuses(desk, invoice_id) == ["failed"]


@pytest.mark.parametrize(("name", "reason"), [("nobody", "r"), (SAID.name, "")])
def test_a_withdrawal_needs_a_taught_name_and_a_reason(sqlite_desk, name, reason):
    invoice_id = in_doubt(sqlite_desk)
    teach(sqlite_desk, invoice_id)
    assert not withdraw(sqlite_desk, name, reason).done
    assert statuses(sqlite_desk, invoice_id) == ["failed"]


def test_a_withdrawal_that_was_broken_off_is_finished_by_another(desk):
    invoice_id = in_doubt(desk)
    teach(desk, invoice_id)
    with writing(desk.engine) as conn:
        outbox.withdraw_refusal(conn, SAID.name, actor="ana", reason="r", now=desk.now())
    assert withdraw(desk).count == 1
    assert statuses(desk, invoice_id) == ["in_doubt"]


def test_teaching_that_was_broken_off_is_finished_by_another(desk):
    invoice_id = in_doubt(desk)
    written = desk.api_response(invoice_id)
    teach(desk, invoice_id)
    # As if the answer had been written down a moment later.
    desk.change_record(invoice_id, status="in_doubt", error_kind="server_error", refusal=None)
    desk.change_invoice(invoice_id, api_response=written)
    assert preview(desk, invoice_id).known_as == SAID.name
    assert teach(desk, invoice_id, Meaning(name="", remedy="", fixer=Fixer.FINANCE, reason="")).count == 1
    assert desk.record(invoice_id)["refusal"] == SAID.name
    assert desk.count(taught_refusals) == 1


def test_many_invoices_come_in_batches(sqlite_desk, monkeypatch):
    monkeypatch.setattr(outbox.teaching, "BATCH", 2)
    invoice_ids = [in_doubt(sqlite_desk) for _ in range(5)]
    assert teach(sqlite_desk, invoice_ids[3]).count == 5
    assert withdraw(sqlite_desk).count == 5
    assert statuses(sqlite_desk, *invoice_ids) == ["in_doubt"] * 5


def test_an_answer_to_the_other_application_can_be_taught_and_stays_as_it_wrote_it(desk):
    value = {"success": False, "error": THEIRS.format(UNKNOWN.format(12)), "failed_at": "2026-11-01T10:00:00Z"}
    invoice_id = desk.adopted(api_response=value)
    assert statuses(desk, invoice_id) == ["in_doubt"]
    assert teach(desk, invoice_id).count == 1
    assert statuses(desk, invoice_id) == ["failed"]
    assert desk.api_response(invoice_id) == value
    withdraw(desk)
    assert statuses(desk, invoice_id) == ["in_doubt"]
    teach(desk, invoice_id)
    assert desk.retry(invoice_id).done
    assert withdraw(desk).count == 1
    assert statuses(desk, invoice_id) == ["in_doubt"]
    assert proves(desk)


def test_an_invoice_that_the_other_application_tried_too_stays_in_doubt(desk):
    invoice_id, other = in_doubt(desk), in_doubt(desk)
    desk.change_invoice(invoice_id, api_response={"success": False, "error": "Failed to fetch"})
    assert "other application" in (preview(desk, invoice_id).why_not or "")
    assert teach(desk, other).count == 1
    assert statuses(desk, invoice_id, other) == ["in_doubt", "failed"]


def test_a_success_that_stands_there_is_never_overwritten(desk):
    invoice_id, other = in_doubt(desk), in_doubt(desk)
    success = {"success": True, "toc_data": {"document_no": "FT 2026/5"}}
    desk.change_invoice(invoice_id, api_response=success)
    assert teach(desk, other).count == 1
    assert desk.api_response(invoice_id) == success
    desk.observe()
    assert statuses(desk, invoice_id) == ["synced"]


def test_a_lost_try_after_the_answer_keeps_the_invoice_in_doubt(desk):
    invoice_id, other = in_doubt(desk), in_doubt(desk)
    queue_again(desk, invoice_id)
    desk.settle(desk.claim(invoice_id), LOST)
    assert teach(desk, other).count == 1
    assert statuses(desk, invoice_id) == ["in_doubt"]


def test_everything_that_people_do_is_logged(sqlite_desk):
    invoice_id = in_doubt(sqlite_desk)
    teach(sqlite_desk, invoice_id)
    withdraw(sqlite_desk)
    logged = [(row["actor"], row["action"], row["done"]) for row in sqlite_desk._rows(sync_actions, None)]
    assert logged == [("ana", "teach", True)] * 2 + [("rui", "withdraw_refusal", True)] * 2


def test_a_late_document_after_all_is_taken(desk):
    invoice_id = desk.create()
    claimed = desk.claim(invoice_id)
    desk.change_record(invoice_id, lease_until=desk.record(invoice_id)["created_at"].replace(year=2025))
    desk.rescue()
    teach(desk, in_doubt(desk))
    desk.settle(claimed, ISSUED)
    assert statuses(desk, invoice_id) == ["synced"]


def test_a_withdrawal_waits_for_an_answer_that_is_being_written_down(postgres_desk):
    teach(postgres_desk, in_doubt(postgres_desk))
    invoice_id = postgres_desk.create()
    claimed = postgres_desk.claim(invoice_id)
    with ThreadPoolExecutor(1) as elsewhere:
        with writing(postgres_desk.engine) as conn:
            (refusal,) = outbox.taught(conn, for_share=True)
            withdrawal = elsewhere.submit(withdraw, postgres_desk)
            wait_until(lambda: is_somebody_waiting(postgres_desk))
            verdict = replace(REJECTED, refusal=refusal.name)
            evidence = outbox.Evidence(headers={}, body=json.dumps(unknown()["body"]), duration_ms=1)
            outbox.settle(conn, claimed, verdict, evidence, waits_s=WAITS_S, jitter=0, now=postgres_desk.now())
        assert withdrawal.result().count == 2
    assert statuses(postgres_desk, invoice_id) == ["in_doubt"]


def is_somebody_waiting(desk: Desk) -> bool:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with reading(desk.engine) as conn:
        return conn.execute(text(waiting)).scalar_one() > 0
