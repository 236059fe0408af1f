"""The proof: a database in order passes, and each way of breaking an invariant is found, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from tests.core import ISSUED, LONG_AGO, REJECTED, TIMED_OUT, UNDELIVERED, Desk
from toc_sync import status
from toc_sync.cli import program
from toc_sync.database import current_time, reading
from toc_sync.tables import sync_attempts, sync_records

FAILURE = {"success": False, "error": "Wrong tax number.", "status": "failed", "attempt": 1}


def broken(desk: Desk) -> dict[str, tuple[int, ...]]:
    """Returns the sentences that do not hold, with the invoices that break them."""
    with reading(desk.engine) as conn:
        proofs = status.prove(conn, now=current_time(conn))
    return {proof.sentence: proof.invoice_ids for proof in proofs if proof.invoice_ids}


def settled(desk: Desk, verdict: Any) -> int:
    invoice_id = desk.create()
    desk.settle(desk.claim(invoice_id), verdict)
    return invoice_id


def claimed(desk: Desk) -> int:
    return desk.claim(desk.create()).invoice_id


def change_attempts(desk: Desk, invoice_id: int, **values: Any) -> None:
    desk.execute(sync_attempts.update().where(sync_attempts.c.invoice_id == invoice_id).values(values))


def two_open_attempts(desk: Desk) -> int:
    desk.execute(text(f"DROP INDEX {'toc_sync.' if desk.engine.dialect.name == 'postgresql' else ''}uq_attempts_open"))
    invoice_id = claimed(desk)
    copy = {name: value for name, value in desk.attempts(invoice_id)[0].items() if name != "id"}
    desk.execute(sync_attempts.insert().values(copy | {"number": 2, "request_id": "another"}))
    return invoice_id


def a_gap(desk: Desk) -> int:
    invoice_id = settled(desk, REJECTED)
    change_attempts(desk, invoice_id, number=2)
    desk.change_record(invoice_id, attempt_count=2)
    return invoice_id


def another_claim(desk: Desk) -> int:
    invoice_id = claimed(desk)
    desk.change_record(invoice_id, claim_id="another")
    return invoice_id


def no_lease(desk: Desk) -> int:
    invoice_id = claimed(desk)
    desk.change_record(invoice_id, lease_until=None)
    return invoice_id


def open_but_not_syncing(desk: Desk) -> int:
    invoice_id = claimed(desk)
    desk.change_record(invoice_id, status="failed")
    return invoice_id


def overdue(desk: Desk) -> int:
    invoice_id = claimed(desk)
    desk.change_record(invoice_id, lease_until=desk.now() - timedelta(minutes=2))
    return invoice_id


def success_overwritten(desk: Desk) -> int:
    invoice_id = settled(desk, ISSUED)
    desk.change_invoice(invoice_id, api_response=FAILURE)
    return invoice_id


def failed_beside_a_success(desk: Desk) -> int:
    invoice_id = settled(desk, REJECTED)
    desk.change_invoice(invoice_id, api_response='{"success": "yes"}')
    return invoice_id


def failed_beside_a_document(desk: Desk) -> int:
    invoice_id = settled(desk, REJECTED)
    desk.change_invoice(invoice_id, api_response={"success": False, "data": {"document_no": "FT 2026/9"}})
    return invoice_id


def failed_after_an_attempt_that_succeeded(desk: Desk) -> int:
    invoice_id = settled(desk, REJECTED)
    change_attempts(desk, invoice_id, outcome="synced")
    return invoice_id


def doubt_offered_as_failure(desk: Desk) -> int:
    invoice_id = settled(desk, REJECTED)
    desk.change_record(invoice_id, status="in_doubt")
    change_attempts(desk, invoice_id, outcome="in_doubt")
    return invoice_id


def miscounted(desk: Desk) -> int:
    invoice_id = settled(desk, TIMED_OUT)
    desk.change_record(invoice_id, attempt_count=0)
    return invoice_id


def hammering(desk: Desk) -> int:
    invoice_id = settled(desk, UNDELIVERED)
    desk.change_record(invoice_id, not_before=None)
    return invoice_id


def asked_by_nobody(desk: Desk) -> int:
    invoice_id = desk.create()
    desk.change_record(invoice_id, trigger=None)
    return invoice_id


def without_a_record(desk: Desk) -> int:
    return desk.elsewhere(created_at=LONG_AGO)


def two_documents(desk: Desk) -> int:
    invoice_id = settled(desk, ISSUED)
    change_attempts(desk, invoice_id, document_no="FT 2026/2")
    return invoice_id


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        pytest.param(two_open_attempts, "at most one open attempt", id="two open attempts"),
        pytest.param(a_gap, "without gaps", id="a gap"),
        pytest.param(another_claim, "its own open attempt", id="another claim"),
        pytest.param(no_lease, "and a lease", id="no lease"),
        pytest.param(open_but_not_syncing, "An open attempt belongs", id="open but not syncing"),
        pytest.param(overdue, "open after its lease", id="overdue"),
        pytest.param(success_overwritten, "A synced invoice says so", id="a success overwritten"),
        pytest.param(failed_beside_a_success, "does not say in billing", id="failed beside a success in a text"),
        pytest.param(failed_beside_a_document, "does not say in billing", id="failed beside a document number"),
        pytest.param(failed_after_an_attempt_that_succeeded, "No attempt of a failed", id="failed after a success"),
        pytest.param(doubt_offered_as_failure, "plain failure", id="a doubt offered as a failure"),
        pytest.param(miscounted, "counts as many attempts", id="miscounted"),
        pytest.param(hammering, "What did not arrive waits", id="sent again at once"),
        pytest.param(asked_by_nobody, "who asked for it", id="asked for by nobody"),
        pytest.param(without_a_record, "has a record", id="without a record"),
        pytest.param(two_documents, "possible duplicate", id="two documents"),
    ],
)
def test_what_breaks_an_invariant_is_found(desk: Desk, spoil: Callable[[Desk], int], sentence: str) -> None:
    settled(desk, REJECTED)  # stands beside it and is in order
    assert broken(desk) == {}
    invoice_id = spoil(desk)
    found = {said: ids for said, ids in broken(desk).items() if sentence in said}
    assert list(found.values()) == [(invoice_id,)]


def test_one_document_number_on_two_invoices_of_one_issuer_is_found(desk: Desk) -> None:
    ids = [settled(desk, verdict) for verdict in (ISSUED, TIMED_OUT)]
    desk.change_record(ids[1], document_no="ft 2026/1", issuer_team_id=3)
    assert broken(desk) == {}
    desk.change_record(ids[1], issuer_team_id=1)
    assert list(broken(desk).values()) == [tuple(ids)]


def test_a_database_in_every_state_is_in_order_and_each_row_is_counted(desk: Desk) -> None:
    for verdict in (ISSUED, REJECTED, TIMED_OUT, UNDELIVERED):
        settled(desk, verdict)
    claimed(desk)
    desk.delete_invoice(settled(desk, replace(ISSUED, document_no="FT 2026/2", toc_data=None)))
    desk.sweep()
    for foreign in ([1], "no answer", {}, {"success": "true"}, {"success": False, "error": "fetch failed"}):
        desk.adopted(api_response=foreign)
    with reading(desk.engine) as conn:
        proofs = status.prove(conn, now=current_time(conn))
    assert [proof.sentence for proof in proofs if proof.invoice_ids] == []
    assert min(proof.checked for proof in proofs) >= 1


@pytest.fixture
def settings_of_the_desk(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", desk.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("TOC_FUNCTION_URL", desk.function.url)
    monkeypatch.setenv("TOC_FUNCTION_KEY", "a-key")


@pytest.mark.usefixtures("settings_of_the_desk")
def test_verify_prints_a_table_and_changes_nothing(desk: Desk) -> None:
    settled(desk, ISSUED)
    before = desk.count(sync_records), desk.count(sync_attempts)
    result = CliRunner().invoke(program, ["verify"])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["checked", "broken"]
    assert all(line.endswith(" 0") for line in lines[1:])
    assert (desk.count(sync_records), desk.count(sync_attempts)) == before


@pytest.mark.usefixtures("settings_of_the_desk")
def test_verify_names_the_offenders_and_says_so_in_its_exit_status(desk: Desk) -> None:
    invoice_id = miscounted(desk)
    result = CliRunner().invoke(program, ["verify"])
    assert result.exit_code == 1
    assert result.stdout.endswith(f"✗ A record counts as many attempts as there are.\n  invoices {invoice_id}\n")
