"""Observation: what others write into `api_response`, change or delete, and how invoices without a record are adopted."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import null, text

from tests.core import ISSUED, LONG_AGO, REFUSALS, REJECTED, TIMED_OUT, UNDELIVERED, Desk, ago
from toc_sync import outbox
from toc_sync.database import current_time, writing
from toc_sync.model import Status
from toc_sync.outbox import observe
from toc_sync.tables import issued_client_invoices, sync_records, teams

SUCCESS = {"success": True, "synced_at": "2026-01-05T10:00:00.000Z", "toc_data": {"document_no": "FT 2026/7", "id": 7}}
OLD_TIMEOUT = {"success": False, "error": "TOC sync failed: 504 {}", "failed_at": "2026-01-05T10:00:00.000Z"}
OLD_REFUSAL = {
    "success": False,
    "error": 'TOC sync failed: 500 {"error":"O NIF português \'123\' não é válido!"}',
    "failed_at": "2026-01-05T10:00:00.000Z",
}


def failed(desk: Desk) -> int:
    invoice_id = desk.create()
    desk.settle(desk.claim(invoice_id), REJECTED)
    return invoice_id


def in_doubt(desk: Desk) -> int:
    invoice_id = desk.create()
    desk.settle(desk.claim(invoice_id), TIMED_OUT)
    return invoice_id


def waiting(desk: Desk) -> int:
    invoice_id = desk.create()
    desk.settle(desk.claim(invoice_id), UNDELIVERED)
    return invoice_id


def synced(desk: Desk) -> int:
    invoice_id = desk.create()
    desk.settle(desk.claim(invoice_id), ISSUED)
    return invoice_id


# What others write ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [failed, in_doubt, waiting, Desk.create, Desk.adopted])
def test_a_success_written_by_others_is_taken_over_and_nothing_is_sent(desk: Desk, given: Any) -> None:
    invoice_id = given(desk)
    if given is Desk.adopted:
        desk.change_record(invoice_id, invoice_created_at=ago(desk, 60))
    desk.change_invoice(invoice_id, api_response=SUCCESS)
    assert desk.observe() == [invoice_id]
    record = desk.record(invoice_id)
    assert (record["status"], record["document_no"], record["error"]) == ("synced", "FT 2026/7", None)
    assert record["synced_at"].isoformat() == "2026-01-05T10:00:00+00:00"
    assert (record["not_before"], record["queued_at"]) == (None, None)
    assert desk.api_response(invoice_id) == SUCCESS
    assert not desk.send()
    assert desk.observe() == []
    assert desk.function.requests == []


@pytest.mark.parametrize(
    ("overwritten", "written_back"),
    [
        pytest.param({"success": False, "error": "Failed to fetch"}, True, id="a late failure"),
        pytest.param(null(), True, id="null"),
        pytest.param([1, 2], True, id="garbage"),
        pytest.param("gone", True, id="a text"),
        pytest.param({"success": True, "synced_at": "2026-11-20T10:00:00Z"}, False, id="another success"),
    ],
)
def test_a_synced_success_that_others_overwrote_is_written_back(
    desk: Desk, overwritten: Any, written_back: bool
) -> None:
    invoice_id = synced(desk)
    before, success = desk.record(invoice_id), desk.api_response(invoice_id)
    desk.change_invoice(invoice_id, api_response=overwritten)
    assert desk.sweep() == 1
    assert desk.api_response(invoice_id) == (success if written_back else overwritten)
    record = desk.record(invoice_id)
    assert {**record, "updated_at": None, "api_fingerprint": None} == {
        **before,
        "updated_at": None,
        "api_fingerprint": None,
    }
    assert desk.sweep() == 0


def test_another_document_in_place_of_ours_is_warned_of(desk: Desk) -> None:
    invoice_id = synced(desk)
    desk.change_invoice(invoice_id, api_response=SUCCESS)
    desk.sweep()
    record = desk.record(invoice_id)
    assert (record["status"], record["document_no"]) == ("synced", "FT 2026/1")
    assert "FT 2026/7" in record["warning"]


@pytest.mark.parametrize(
    ("given", "written", "status", "kind"),
    [
        pytest.param(failed, OLD_TIMEOUT, "in_doubt", "timeout", id="failed: somebody else's try may have arrived"),
        pytest.param(failed, OLD_REFUSAL, "failed", "rejected", id="failed: refused elsewhere too"),
        pytest.param(failed, {"success": False, "error": "odd"}, "in_doubt", "server_error", id="failed: unclear"),
        pytest.param(failed, null(), "failed", "rejected", id="failed: emptied"),
        pytest.param(waiting, OLD_TIMEOUT, "in_doubt", "timeout", id="waiting: somebody else sent it"),
        pytest.param(waiting, OLD_REFUSAL, "queued", "unreachable", id="waiting: refused elsewhere"),
        pytest.param(in_doubt, OLD_REFUSAL, "in_doubt", "timeout", id="in doubt: a refusal of another try"),
        pytest.param(in_doubt, null(), "in_doubt", "timeout", id="in doubt: emptied"),
        pytest.param(Desk.adopted, OLD_REFUSAL, "failed", "rejected", id="not synced: refused elsewhere"),
        pytest.param(Desk.adopted, OLD_TIMEOUT, "in_doubt", "timeout", id="not synced: timed out elsewhere"),
        pytest.param(synced, OLD_TIMEOUT, "synced", None, id="synced: final"),
    ],
)
def test_what_others_write_moves_a_record_only_towards_the_safe_side(
    desk: Desk, given: Any, written: Any, status: str, kind: str | None
) -> None:
    invoice_id = given(desk)
    desk.change_invoice(invoice_id, api_response=written)
    desk.sweep()
    record = desk.record(invoice_id)
    assert (record["status"], record["error_kind"]) == (status, kind)
    assert desk.sweep() == 0


def test_our_own_writing_is_no_news(desk: Desk) -> None:
    for given in (failed, in_doubt, waiting, synced, Desk.adopted):
        given(desk)
    assert desk.observe() == []
    assert desk.sweep() == 0


def test_an_open_attempt_is_left_alone(desk: Desk) -> None:
    invoice_id = desk.create()
    desk.claim()
    before = desk.record(invoice_id)
    desk.change_invoice(invoice_id, api_response=SUCCESS, status="cancelled")
    assert (desk.observe(), desk.sweep()) == ([], 0)
    assert desk.record(invoice_id) == before


# What others change ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "status"),
    [
        pytest.param(failed, Status.NOT_NEEDED, id="failed"),
        pytest.param(waiting, Status.NOT_NEEDED, id="waiting"),
        pytest.param(Desk.adopted, Status.NOT_NEEDED, id="never synced"),
        pytest.param(in_doubt, Status.IN_DOUBT, id="in doubt: it may be there"),
        pytest.param(synced, Status.SYNCED, id="synced: it is there"),
    ],
)
@pytest.mark.parametrize("end", ["cancelled", "void", "deleted"])
def test_an_invoice_that_ended_is_not_needed_unless_it_may_be_there(
    desk: Desk, given: Any, status: Status, end: str
) -> None:
    invoice_id = given(desk)
    if end == "deleted":
        desk.delete_invoice(invoice_id)
    else:
        desk.change_invoice(invoice_id, status=end)
    assert desk.sweep() == 1
    record = desk.record(invoice_id)
    assert (record["status"], record["invoice_status"]) == (status, end)
    if status is Status.NOT_NEEDED:
        assert end in record["error"]
        assert record["error_kind"] is None
    assert desk.try_claim() is None
    assert desk.sweep() == 0
    assert not desk.row(invoice_id).can_retry


def test_a_cancelled_invoice_that_is_issued_again_can_be_synced(desk: Desk) -> None:
    invoice_id = desk.adopted(status="cancelled")
    assert desk.record(invoice_id)["status"] == Status.NOT_NEEDED
    desk.change_invoice(invoice_id, status="issued")
    desk.sweep()
    assert desk.record(invoice_id)["status"] == Status.NOT_SYNCED
    assert "may still be sending" in desk.row(invoice_id).why_not, "it may just have been issued to be sent"
    desk.change_record(invoice_id, sendable_since=ago(desk, 601))
    assert desk.row(invoice_id).can_retry


def test_copies_follow_the_invoice_and_its_teams(desk: Desk) -> None:
    invoice_id = synced(desk)
    desk.change_invoice(invoice_id, invoice_number="R-9", total_amount=Decimal("150.10"), invoice_date=LONG_AGO.date())
    desk.execute(teams.update().where(teams.c.id == 2).values(title="Município de Évora"))
    assert desk.sweep() == 1
    row = desk.row(invoice_id)
    assert (row.invoice_number, str(row.total_amount), row.payer) == ("R-9", "150.10", "Município de Évora")
    assert [found.invoice_id for found in desk.page(text="municipio r-9").rows] == [invoice_id]
    assert desk.sweep() == 0


# Adoption -------------------------------------------------------------------------------------------------------------

IN_THE_WILD = [
    pytest.param("null", "not_synced", None, id="JSON null"),
    pytest.param('"x"', "in_doubt", "unreadable", id="a string"),
    pytest.param('""', "in_doubt", "unreadable", id="an empty string"),
    pytest.param("[]", "in_doubt", "unreadable", id="an empty array"),
    pytest.param('[{"success": true}]', "in_doubt", "unreadable", id="an array with a success"),
    pytest.param("42", "in_doubt", "unreadable", id="a number"),
    pytest.param("1e400", "in_doubt", "unreadable", id="a number beyond floats"),
    pytest.param("true", "in_doubt", "unreadable", id="true"),
    pytest.param("{}", "in_doubt", "unreadable", id="an empty object"),
    pytest.param('{"success": false}', "in_doubt", "unreadable", id="a failure without a text"),
    pytest.param('{"success": false, "error": {"a": [1]}}', "in_doubt", "unreadable", id="an error that is no text"),
    pytest.param('{"success": [], "error": 5, "synced_at": {}}', "in_doubt", "unreadable", id="wrong types"),
    pytest.param('{"success": true, "synced_at": 5, "toc_data": "x"}', "synced", None, id="a success with wrong types"),
    pytest.param('{"success": true, "synced_at": "9999-12-31T23:59:59Z"}', "synced", None, id="synced in year 9999"),
    pytest.param('{"success": true, "synced_at": "0001-01-01T00:00:00Z"}', "synced", None, id="synced in year 1"),
    pytest.param('{"id": 7, "document_no": "FT 2026/7"}', "synced", None, id="a raw document"),
    pytest.param('"{\\"success\\": true}"', "synced", None, id="a string that holds a success"),
    pytest.param('"{\\"error\\": \\"Failed to fetch\\"}"', "in_doubt", "lost", id="a string that holds a failure"),
    pytest.param('{"success": true, "pad": "' + "x" * 1_000_000 + '"}', "synced", None, id="a success of 1 MB"),
    pytest.param('{"error": "' + "x" * 1_000_000 + '"}', "in_doubt", "server_error", id="an error of 1 MB"),
    pytest.param('{"error": "Failed to fetch"}', "in_doubt", "lost", id="Failed to fetch"),
    pytest.param('{"error": "NetworkError when attempting to fetch resource."}', "in_doubt", "lost", id="NetworkError"),
    pytest.param('{"error": "No access token available"}', "failed", "configuration", id="no access token: never sent"),
    pytest.param(
        '{"error": "Missing NEXT_PUBLIC_SUPABASE_URL"}', "failed", "configuration", id="no address: never sent"
    ),
    pytest.param('{"error": "TOC sync failed: 504 x", "failed_at": "?"}', "in_doubt", "timeout", id="an old time-out"),
    pytest.param(
        '{"error": "TOC sync failed: 504 x", "failed_at": "9999-12-31T23:59:59Z"}',
        "in_doubt",
        "timeout",
        id="failed in year 9999",
    ),
    pytest.param(
        '{"success": false, "error": "TOC sync failed: 500 {\\"error\\":\\"O NIF português \'1\' não é válido!\\"}"}',
        "failed",
        "rejected",
        id="an old refusal",
    ),
    pytest.param('{"a": ' * 200 + "1" + "}" * 200, "in_doubt", "unreadable", id="deep nesting"),
    pytest.param('{"error": "\\u202e<b>*x*</b>\'; DROP TABLE x;--"}', "in_doubt", "server_error", id="markup and SQL"),
]


@pytest.mark.parametrize(("stored", "status", "kind"), IN_THE_WILD)
def test_a_value_found_in_the_wild_is_read_and_breaks_nothing(
    desk: Desk, stored: str, status: str, kind: str | None
) -> None:
    invoice_id = desk.elsewhere()
    as_stored = "CAST(:stored AS jsonb)" if desk.engine.dialect.name == "postgresql" else ":stored"
    desk.execute(
        text(f"UPDATE issued_client_invoices SET api_response = {as_stored} WHERE id = {invoice_id}").bindparams(
            stored=stored
        )
    )
    unrecorded = (desk.state(invoice_id), desk.detail(invoice_id))
    assert desk.sweep() == 1
    record = desk.record(invoice_id)
    assert (record["status"], record["error_kind"]) == (status, kind)
    assert_shown_alike(desk, invoice_id, unrecorded)
    assert (desk.observe(), desk.sweep()) == ([], 0)
    if status == "synced":
        assert LONG_AGO <= record["synced_at"] <= desk.now()
        desk.change_invoice(invoice_id, api_response={"success": False})
        assert desk.sweep() == 1, "the success is written back"
        assert desk.sweep() == 0


def assert_shown_alike(desk: Desk, invoice_id: int, unrecorded: tuple[Any, Any]) -> None:
    """The page shows the same with a record as it did without one."""
    state, detail = unrecorded
    assert desk.state(invoice_id) == state
    now = desk.detail(invoice_id)
    assert now is not None
    assert (now.row, now.send_again_at, now.can_send_again) == (detail.row, detail.send_again_at, detail.can_send_again)
    assert desk.row(invoice_id) == now.row


ODD_TEXT = [
    pytest.param('{"success": true, "x": NaN, "y": Infinity}', "synced", id="NaN in a success"),
    pytest.param('{"success": true, "x": "\\ud800 \\u0000"}', "synced", id="a lone surrogate in a success"),
    pytest.param("no JSON at all", "in_doubt", id="no JSON at all"),
    pytest.param('{"success": true', "in_doubt", id="broken JSON"),
    pytest.param("", "in_doubt", id="an empty text"),
    pytest.param('{"error": "a\\u0000b\\ud800"}', "in_doubt", id="U+0000 in an error"),
]


@pytest.mark.parametrize(("stored", "status"), ODD_TEXT)
def test_what_only_sqlite_can_hold_is_read_too(sqlite_desk: Desk, stored: str, status: str) -> None:
    invoice_id = sqlite_desk.elsewhere()
    sqlite_desk.execute(text("UPDATE issued_client_invoices SET api_response = :stored").bindparams(stored=stored))
    assert sqlite_desk.sweep() == 1
    assert sqlite_desk.record(invoice_id)["status"] == status
    assert sqlite_desk.state(invoice_id).status == status
    assert sqlite_desk.row(invoice_id).status == status


@pytest.mark.parametrize(
    ("invoice_status", "found", "status"),
    [
        pytest.param("cancelled", None, Status.NOT_NEEDED, id="cancelled, never sent"),
        pytest.param("cancelled", OLD_REFUSAL, Status.NOT_NEEDED, id="cancelled, refused"),
        pytest.param("void", OLD_TIMEOUT, Status.IN_DOUBT, id="void, but it may be there"),
        pytest.param("cancelled", SUCCESS, Status.SYNCED, id="cancelled, but it is there"),
        pytest.param("draft", None, Status.NOT_SYNCED, id="draft"),
    ],
)
def test_an_ended_invoice_is_adopted_as_what_may_be_in_toc_online(
    desk: Desk, invoice_status: str, found: Any, status: Status
) -> None:
    invoice_id = desk.elsewhere(status=invoice_status, api_response=null() if found is None else found)
    assert desk.state(invoice_id).status == status
    desk.sweep()
    assert desk.record(invoice_id)["status"] == status


def test_an_adopted_invoice_is_found_by_its_error_and_its_document(desk: Desk) -> None:
    refused, issued = desk.adopted(api_response=OLD_REFUSAL), desk.adopted(api_response=SUCCESS)
    assert [row.invoice_id for row in desk.page(text="nif portugues").rows] == [refused]
    assert [row.invoice_id for row in desk.page(text="FT 2026/7").rows] == [issued]


def test_new_invoices_of_the_other_application_are_adopted_and_older_ones_swept_up(desk: Desk) -> None:
    early = [desk.elsewhere() for _ in range(2)]
    newest = desk.create()
    late = [desk.elsewhere() for _ in range(3)]
    assert [desk.adopt_newest(), desk.adopt_newest()] == [3, 0]
    assert desk.sweep() == 2
    assert {row.invoice_id for row in desk.page().rows} == {*early, newest, *late}


def test_an_adoption_never_replaces_a_record(desk: Desk) -> None:
    invoice_id = failed(desk)
    before = desk.record(invoice_id)
    from toc_sync import billing

    with writing(desk.engine) as conn:
        invoice = billing.read_invoice(conn, invoice_id)
        assert invoice is not None
        outbox.adopt(conn, invoice, REFUSALS, now=current_time(conn))
    assert desk.record(invoice_id) == before


def test_a_value_written_between_reading_and_adopting_is_noticed_later(desk: Desk) -> None:
    from toc_sync import billing

    invoice_id = desk.elsewhere(created_at=ago(desk, 60))
    with writing(desk.engine) as conn:
        invoice = billing.read_invoice(conn, invoice_id)
    desk.change_invoice(invoice_id, api_response=SUCCESS)
    assert invoice is not None
    with writing(desk.engine) as conn:
        outbox.adopt(conn, invoice, REFUSALS, now=current_time(conn))
    assert desk.record(invoice_id)["status"] == Status.NOT_SYNCED
    assert desk.observe() == [invoice_id]
    assert desk.record(invoice_id)["status"] == Status.SYNCED


def test_a_sweep_that_finds_many_changes_stops_early_and_goes_on_from_there(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observe, "LOOKED_AT_ONCE", 2)
    ids = [desk.adopted() for _ in range(5)]
    desk.execute(issued_client_invoices.update().values(status="cancelled"))
    after = 0
    for expected in ((ids[1], 2, False), (ids[3], 2, False), (ids[4], 1, True)):
        with writing(desk.engine) as conn:
            swept = outbox.sweep(conn, REFUSALS, after_id=after, now=current_time(conn))
        assert (swept.last_id, swept.changed, swept.complete) == expected
        after = swept.last_id
    assert {desk.record(invoice_id)["status"] for invoice_id in ids} == {"not_needed"}


def test_a_sweep_goes_through_everything_in_batches_and_begins_again(desk: Desk) -> None:
    ids = [desk.elsewhere() for _ in range(5)]
    after, seen = 0, []
    with writing(desk.engine) as conn:
        while True:
            swept = outbox.sweep(conn, REFUSALS, after_id=after, now=current_time(conn), batch=2)
            seen.append((swept.last_id, swept.changed, swept.complete))
            after = swept.last_id
            if swept.complete:
                break
    assert seen == [(ids[1], 2, False), (ids[3], 2, False), (ids[4], 1, True)]
    assert desk.count(sync_records) == 5


def test_synced_invoices_and_others_are_adopted_in_one_go(desk: Desk) -> None:
    values = ({"success": True, "document_no": "FT 2026/1"}, None, {"success": False, "error": "fetch failed"})
    ids = [desk.elsewhere(api_response=value) for value in values]
    desk.sweep()
    assert [desk.record(invoice_id)["status"] for invoice_id in ids] == ["synced", "not_synced", "in_doubt"]
