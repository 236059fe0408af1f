"""Reading: filters, searches, sums and pages of the list, one invoice in full, and the state scripts get."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.core import (
    ISSUED,
    ISSUER,
    LONG_AGO,
    OTHER_PAYER,
    PAYER,
    REFUSALS,
    REJECTED,
    TIMED_OUT,
    UNDELIVERED,
    Desk,
    standalone,
)
from toc_sync import status
from toc_sync.database import reading, writing
from toc_sync.model import (
    ErrorKind,
    InvalidInvoiceId,
    Outcome,
    Status,
    Trigger,
    UnknownInvoice,
    Verdict,
    parse_invoice_id,
)
from toc_sync.runtime import Runtime
from toc_sync.settings import Settings
from toc_sync.tables import issued_client_invoices
from toc_sync.views import InvoiceFilter, RowAction


def invoice(desk: Desk, amount: str = "100.00", verdict: Verdict | None = None, **changes: Any) -> int:
    payload = {"header_subtotal": amount, "header_vat": 0, "header_total": amount} | changes
    invoice_id = desk.create(**payload)
    if verdict:
        desk.settle(desk.claim(invoice_id), verdict)
    return invoice_id


def found(desk: Desk, **wanted: Any) -> set[int]:
    return {row.invoice_id for row in desk.page(**wanted).rows}


# The list -------------------------------------------------------------------------------------------------------------


def test_every_filter_narrows_the_list_and_they_work_together(desk: Desk) -> None:
    synced = invoice(desk, "10.00", ISSUED, invoice_date="2026-11-01")
    refused = invoice(desk, "20.00", REJECTED, invoice_date="2026-11-10", payer_team_id=OTHER_PAYER)
    doubtful = invoice(desk, "30.00", TIMED_OUT, invoice_date="2026-11-20")
    waiting = invoice(desk, "40.00", UNDELIVERED, invoice_date="2026-11-30", issuer_team_id=OTHER_PAYER)
    everything = {synced, refused, doubtful, waiting}
    table: list[tuple[dict[str, Any], set[int]]] = [
        ({}, everything),
        ({"statuses": (Status.SYNCED,)}, {synced}),
        ({"statuses": (Status.FAILED, Status.IN_DOUBT)}, {refused, doubtful}),
        ({"error_kinds": (ErrorKind.REJECTED,)}, {refused}),
        ({"since": date(2026, 11, 10)}, {refused, doubtful, waiting}),
        ({"until": date(2026, 11, 10)}, {synced, refused}),
        ({"since": date(2026, 11, 10), "until": date(2026, 11, 10)}, {refused}),
        ({"since": date(1, 1, 1), "until": date(9999, 12, 31)}, everything),
        ({"payer_team_id": OTHER_PAYER}, {refused}),
        ({"issuer_team_id": OTHER_PAYER}, {waiting}),
        ({"issuer_team_id": 2**63 - 1}, set()),
        ({"smallest": Decimal("20.00")}, {refused, doubtful, waiting}),
        ({"largest": Decimal("20.00")}, {synced, refused}),
        ({"smallest": Decimal("20.01"), "largest": Decimal("39.99")}, {doubtful}),
        ({"smallest": Decimal("-1e400")}, everything),
        ({"smallest": Decimal("1e400")}, set()),
        ({"largest": Decimal("Infinity")}, everything),
        ({"smallest": Decimal("NaN")}, set()),
        ({"statuses": (Status.FAILED,), "payer_team_id": PAYER}, set()),
        ({"statuses": (Status.SYNCED,), "text": "evora", "largest": Decimal(10)}, {synced}),
    ]
    for wanted, expected in table:
        assert found(desk, **wanted) == expected, wanted


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        pytest.param("", {"all", "plain"}, id="nothing"),
        pytest.param("R-100%", {"all"}, id="a literal per cent"),
        pytest.param("%", {"all"}, id="per cent is no wildcard"),
        pytest.param("agua_lda", {"all"}, id="a literal underscore"),
        pytest.param("r_100", set(), id="underscore is no wildcard"),
        pytest.param("/", {"all"}, id="a slash, which escapes inside"),
        pytest.param("\\", {"all"}, id="a backslash"),
        pytest.param("ÁGUA", {"all"}, id="accents and capitals"),
        pytest.param("evora camara", {"plain"}, id="words in another order"),
        pytest.param("evora nowhere", set(), id="every word must occur"),
        pytest.param("  ÉVORA\t", {"plain"}, id="spaces around"),
        pytest.param("'; DROP TABLE sync_records; --", set(), id="SQL"),
        pytest.param("\x00", {"all", "plain"}, id="U+0000"),
        pytest.param("évora\x00câmara", {"plain"}, id="U+0000 between words"),
        pytest.param("\ud800evora", {"plain"}, id="a lone surrogate"),
        pytest.param("x" * 10_000, set(), id="10,000 characters"),
        pytest.param(" ".join("évora" for _ in range(5_000)), {"plain"}, id="5,000 words"),
    ],
)
def test_a_search_is_literal_and_knows_no_accents(desk: Desk, typed: str, expected: set[str]) -> None:
    ids = {
        "all": invoice(desk, invoice_number="R-100%/\\", payer_team_id=OTHER_PAYER),
        "plain": invoice(desk, invoice_number="P-1"),
    }
    assert found(desk, text=typed) == {ids[name] for name in expected}


def test_a_search_looks_at_number_payer_error_and_document_number(desk: Desk) -> None:
    refused = invoice(desk, verdict=REJECTED, invoice_number="A-77")
    issued = invoice(desk, verdict=ISSUED)
    assert found(desk, text="a-77") == {refused}
    assert found(desk, text="wrong tax") == {refused}
    assert found(desk, text="ft 2026/1") == {issued}
    assert desk.retry(refused).done
    assert found(desk, text="wrong tax") == set(), "the error is gone"


def test_sums_count_every_status_under_the_same_filter_and_each_currency_for_itself(desk: Desk) -> None:
    for amount in ("0.10", "0.20"):
        invoice(desk, amount, REJECTED)
    invoice(desk, "5.00", REJECTED, currency_code="USD")
    invoice(desk, "7.00", ISSUED)
    invoice(desk, "9.00", ISSUED, payer_team_id=OTHER_PAYER)
    page = desk.page(statuses=(Status.SYNCED,), payer_team_id=PAYER)
    assert page.total == len(page.rows) == 1
    assert {name: (one.count, dict(one.amounts)) for name, one in page.sums.items()} == {
        Status.SYNCED: (1, {"EUR": Decimal("7.00")}),
        Status.FAILED: (3, {"EUR": Decimal("0.30"), "USD": Decimal("5.00")}),
    }


def test_pages_have_fifty_rows_newest_first_and_the_last_one_is_the_last(desk: Desk) -> None:
    ids = [desk.elsewhere() for _ in range(101)]
    desk.sweep()
    newest_first = sorted(ids, reverse=True)
    pages = {number: [row.invoice_id for row in desk.page(number).rows] for number in (1, 2, 3)}
    assert pages == {1: newest_first[:50], 2: newest_first[50:100], 3: newest_first[100:]}
    for beyond, shown in ((4, 3), (10**30, 3), (0, 1), (-7, 1)):
        assert [row.invoice_id for row in desk.page(beyond).rows] == pages[shown]
    assert desk.page(1).total == 101
    empty = desk.page(5, text="nothing like it")
    assert (empty.rows, empty.total, empty.sums) == ((), 0, {})


def test_an_export_yields_every_matching_row_once(desk: Desk) -> None:
    rows = [{**PLAIN_ROW, "id": number} for number in range(1, 2_502)]
    with writing(desk.engine) as conn:
        conn.execute(issued_client_invoices.insert(), rows)
    while desk.adopt_newest():
        pass
    with reading(desk.engine) as conn:
        exported = [row.invoice_id for row in status.export_invoices(conn, InvoiceFilter(), now=LONG_AGO)]
    assert exported == list(range(2_501, 0, -1))


PLAIN_ROW = {
    "subtotal_amount": Decimal(1),
    "vat_amount": Decimal(0),
    "total_amount": Decimal(1),
    "currency_code": "EUR",
    "status": "issued",
}


def test_an_invoice_of_which_almost_nothing_is_known_is_shown(desk: Desk) -> None:
    empty = dict.fromkeys(
        ("invoice_number", "invoice_date", "issuer_team_id", "payer_team_id", "created_at", "updated_at")
    )
    invoice_id = desk.adopted(**empty)
    row = desk.row(invoice_id)
    assert (row.invoice_number, row.payer, row.invoice_date) == (None, None, None)
    detail = desk.detail(invoice_id)
    assert detail is not None
    assert detail.created_at is None


@pytest.mark.parametrize(
    ("verdict", "action", "why_not"),
    [
        pytest.param(REJECTED, RowAction.RETRY, None, id="failed"),
        pytest.param(TIMED_OUT, RowAction.RESOLVE, "It may already be in TOC Online.", id="in doubt"),
        pytest.param(UNDELIVERED, RowAction.RETRY, None, id="waiting for a later try"),
        pytest.param(ISSUED, None, "It is already in TOC Online.", id="synced"),
        pytest.param(None, None, "It is already on its way.", id="due now"),
    ],
)
def test_a_row_says_what_can_be_done_or_why_nothing_can(
    desk: Desk, verdict: Verdict | None, action: RowAction | None, why_not: str | None
) -> None:
    row = desk.row(invoice(desk, verdict=verdict))
    assert row.action == action
    assert (row.why_not or "").startswith(why_not or "")
    assert (row.why_not is None) is (why_not is None)


def test_a_row_of_an_invoice_that_was_never_synced_says_sync(desk: Desk) -> None:
    assert desk.row(desk.adopted()).action == RowAction.SYNC


# One invoice ----------------------------------------------------------------------------------------------------------


def test_the_detail_tells_the_whole_story(desk: Desk) -> None:
    order_id = desk.order("100.00", "23.00")
    invoice_id = desk.create_from_orders(order_id, issuer_team_id=ISSUER, payer_team_id=PAYER, notes="**bold**")
    desk.settle(desk.claim(), REJECTED)
    desk.retry(invoice_id, actor="rui")
    desk.settle(desk.claim(), ISSUED)
    desk.retry(invoice_id, actor="eva")

    detail = desk.detail(invoice_id)
    assert detail is not None
    assert [(one.number, one.trigger, one.outcome) for one in detail.attempts] == [
        (2, Trigger.RETRY, Outcome.SYNCED),
        (1, Trigger.CREATED, Outcome.FAILED),
    ]
    assert [(one.actor, one.action, one.done) for one in detail.actions] == [
        ("eva", "retry", False),
        ("rui", "retry", True),
    ]
    (line,) = detail.allocations
    assert (line.order_id, line.project, line.total) == (order_id, "Ponte", Decimal("123.00"))
    assert (detail.notes, detail.subtotal_amount, detail.vat_amount) == ("**bold**", Decimal(100), Decimal(23))
    assert isinstance(detail.api_response, dict)
    assert detail.row.document_no == "FT 2026/1"


def test_the_detail_of_an_invoice_without_a_record_says_what_its_api_response_says(desk: Desk) -> None:
    invoice_id = desk.elsewhere(api_response={"success": False, "error": "Failed to fetch"})
    detail = desk.detail(invoice_id)
    assert detail is not None
    assert (detail.row.status, detail.row.error_kind) == (Status.IN_DOUBT, ErrorKind.LOST)
    assert detail.row.action == RowAction.RESOLVE
    assert desk.page().rows == ()
    assert desk.detail(4711) is None


# The state that scripts get -------------------------------------------------------------------------------------------


def test_the_state_of_an_invoice_with_and_without_a_record(desk: Desk) -> None:
    synced, waiting = invoice(desk, verdict=ISSUED), invoice(desk, verdict=UNDELIVERED)
    elsewhere = desk.elsewhere(
        api_response={"success": True, "synced_at": "2026-01-05T10:00:00.5Z", "toc_data": {"document_no": "FT 7"}}
    )
    untouched = desk.elsewhere()
    state = desk.state(synced)
    assert (state.status, state.synced, state.document_no, state.attempts) == ("synced", True, "FT 2026/1", 1)
    assert state.synced_at == desk.record(synced)["synced_at"]
    state = desk.state(waiting)
    assert (state.synced, state.error, state.error_kind) == (False, UNDELIVERED.error, ErrorKind.UNREACHABLE)
    assert state.not_before == desk.record(waiting)["not_before"]
    state = desk.state(elsewhere)
    assert (state.status, state.attempts, state.document_no) == ("synced", 0, "FT 7")
    assert str(state.synced_at) == "2026-01-05 10:00:00.500000+00:00"
    assert desk.state(untouched).status == Status.NOT_SYNCED


@pytest.mark.parametrize(
    "given",
    [
        pytest.param("x", id="text"),
        pytest.param("", id="nothing"),
        pytest.param(None, id="None"),
        pytest.param(0, id="zero"),
        pytest.param(-1, id="negative"),
        pytest.param(2**63, id="beyond bigint"),
        pytest.param("9" * 5_000, id="5,000 digits"),
        pytest.param(1.0, id="a float"),
        pytest.param("1e3", id="scientific"),
        pytest.param(10**5_000, id="an integer that Python does not write"),
        pytest.param(True, id="a boolean"),
        pytest.param("1; DROP TABLE teams", id="SQL"),
        pytest.param("\x00", id="U+0000"),
        pytest.param("١", id="a digit of another script"),
        pytest.param([1], id="a list"),
    ],
)
def test_what_is_no_invoice_id_is_refused_everywhere(sqlite_desk: Desk, given: Any) -> None:
    runtime = Runtime(Settings(), sqlite_desk.engine, REFUSALS)
    for ask in (
        parse_invoice_id,
        runtime.invoice_detail,
        lambda value: runtime.states([value]),
        lambda value: runtime.retry(value, actor="ana"),
        lambda value: runtime.resolve_send_again(value, actor="ana", reason="x"),
    ):
        with pytest.raises(InvalidInvoiceId, match="is not an invoice id"):
            ask(given)


def test_an_id_that_no_invoice_has_is_unknown_everywhere(desk: Desk) -> None:
    runtime = Runtime(Settings(), desk.engine, REFUSALS)
    for number in (4711, 2**63 - 1):
        for ask in (
            runtime.invoice_detail,
            lambda value: runtime.states([value]),
            lambda value: runtime.retry(value, actor="ana"),
        ):
            with pytest.raises(UnknownInvoice, match=f"Invoice {number} does not exist"):
                ask(number)


def test_reading_writes_nothing(desk: Desk) -> None:
    invoice_id = desk.elsewhere()
    desk.state(invoice_id)
    desk.detail(invoice_id)
    desk.page()
    with pytest.raises(IndexError):
        desk.record(invoice_id)


# What forms ask -------------------------------------------------------------------------------------------------------


def test_forms_get_teams_projects_and_invoices_like_the_one_being_typed(desk: Desk) -> None:
    order_id = desk.order()
    one = desk.create_from_orders(order_id, issuer_team_id=OTHER_PAYER, payer_team_id=PAYER, invoice_number="A-1")
    desk.change_invoice(desk.create(invoice_number="A-2", **standalone_of("123.00")), status="cancelled")
    with reading(desk.engine) as conn:
        assert [choice.name for choice in status.list_teams(conn)] == sorted(
            ["Ateliê Norte", "Câmara de Évora", "100% Água_Lda"]
        )
        assert [choice.name for choice in status.list_projects(conn)] == ["Ponte"]
        assert status.teams_of_project(conn, 1) == (OTHER_PAYER, PAYER)
        assert status.teams_of_project(conn, None) == (None, None)
        day = desk.invoice(one)["invoice_date"]
        similar = status.similar_invoices(conn, payer_team_id=PAYER, total=Decimal("123.00"), day=day)
        assert similar == ("A-1",)


def standalone_of(total: str) -> dict[str, Any]:
    return {name[2:]: value for name, value in standalone().items() if "header" in name} | {"header_total": total}
