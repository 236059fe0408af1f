"""Creating invoices: exact amounts, every refusal a sentence, and all of it in one transaction or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import event, select, text

from tests.core import ISSUER, OTHER_PAYER, PAYER, Desk, at_once, open_desk, run_all, standalone
from tests.days import day
from tests.existing_database import Existing, existing
from tests.stand_in import StandIn
from toc_sync import installation, status, sync
from toc_sync.creation import allocated
from toc_sync.database import reading, writing
from toc_sync.engines import open_engine
from toc_sync.model import InvalidInvoice, Status
from toc_sync.new_invoice import parse_payload
from toc_sync.tables import (
    creation_tokens,
    invoice_orders,
    issued_client_invoices,
    issued_invoice_orders,
    sync_records,
)
from toc_sync.views import InvoiceFilter

WRITTEN = (issued_client_invoices, issued_invoice_orders, sync_records, creation_tokens)


def refused(error: pytest.ExceptionInfo[InvalidInvoice]) -> list[tuple[str, str]]:
    return [(problem.field, problem.message) for problem in error.value.problems]


def order(desk: Desk, order_id: int) -> Any:
    with reading(desk.engine) as conn:
        return conn.execute(select(invoice_orders).where(invoice_orders.c.id == order_id)).mappings().one()


# What is written ------------------------------------------------------------------------------------------------------


def test_a_standalone_invoice_is_written_with_its_record(desk: Desk) -> None:
    invoice_id = desk.create(invoice_number=" A-1 ", notes="two\nlines", invoice_date="2026-11-20", currency_code="eur")
    invoice, record = desk.invoice(invoice_id), desk.record(invoice_id)
    assert (invoice["status"], invoice["invoice_number"], invoice["notes"]) == ("issued", "A-1", "two\nlines")
    assert (invoice["invoice_date"], invoice["currency_code"]) == (date(2026, 11, 20), "EUR")
    assert (invoice["issuer_team_id"], invoice["payer_team_id"]) == (ISSUER, PAYER)
    assert [invoice[f"{name}_amount"] for name in ("subtotal", "vat", "total")] == [
        Decimal("100.00"),
        Decimal("23.00"),
        Decimal("123.00"),
    ]
    assert invoice["api_response"] is None
    assert invoice["created_at"] == invoice["updated_at"] == record["created_at"]
    assert (record["status"], record["trigger"], record["requested_by"]) == (Status.QUEUED, "created", "ana")
    assert (record["payer"], record["issuer"]) == ("Câmara de Évora", "Ateliê Norte")
    assert record["queued_at"] == record["created_at"]
    assert desk.observe() == []


def test_an_invoice_without_a_date_is_of_today(desk: Desk) -> None:
    assert desk.invoice(desk.create())["invoice_date"] == day()


def test_an_invoice_from_orders_takes_what_remains_and_marks_them_issued(desk: Desk) -> None:
    first, second = desk.order("100.00", "23.00"), desk.order("50.00", "3.00", status="draft")
    invoice_id = desk.create_from_orders(first, second, issuer_team_id=ISSUER, payer_team_id=PAYER)
    invoice = desk.invoice(invoice_id)
    assert [invoice[f"{name}_amount"] for name in ("subtotal", "vat", "total")] == [
        Decimal("150.00"),
        Decimal("26.00"),
        Decimal("176.00"),
    ]
    assert [
        (line["invoice_order_id"], line["amount_override_subtotal"], line["amount_override_vat"])
        for line in desk.allocations(invoice_id)
    ] == [(first, Decimal("100.00"), Decimal("23.00")), (second, Decimal("50.00"), Decimal("3.00"))]
    for order_id in (first, second):
        assert (order(desk, order_id)["status"], order(desk, order_id)["issued_date"]) == ("issued", day())


def test_an_order_is_marked_issued_only_when_nothing_remains(desk: Desk) -> None:
    order_id = desk.order("100.00", "23.00")
    desk.create_from_orders(order_id, subtotal_overrides={order_id: Decimal("99.99")})
    assert order(desk, order_id)["status"] == "sent"
    last = desk.create_from_orders(order_id)
    assert desk.invoice(last)["subtotal_amount"] == Decimal("0.01")
    assert order(desk, order_id)["status"] == "issued"


def test_a_paid_order_stays_paid(desk: Desk) -> None:
    order_id = desk.order(status="paid", issued_date=date(2026, 1, 1))
    desk.create_from_orders(order_id)
    assert (order(desk, order_id)["status"], order(desk, order_id)["issued_date"]) == ("paid", date(2026, 1, 1))


@pytest.mark.parametrize("end", ["cancelled", "void"])
def test_what_an_ended_invoice_had_taken_remains_again(desk: Desk, end: str) -> None:
    order_id = desk.order("100.00", "23.00")
    desk.change_invoice(desk.create_from_orders(order_id), status=end)
    assert desk.invoice(desk.create_from_orders(order_id))["subtotal_amount"] == Decimal("100.00")


@pytest.mark.parametrize(
    ("subtotal", "vat", "part", "expected"),
    [
        pytest.param("100.00", "23.00", "0.02", "0.00", id="0.0046 down"),
        pytest.param("100.00", "23.00", "0.50", "0.12", id="0.115 up, not to even"),
        pytest.param("200.00", "13.00", "1.00", "0.07", id="0.065 up, not to even"),
        pytest.param("3.00", "0.69", "1.00", "0.23", id="exact"),
        pytest.param("3.00", "1.00", "1.00", "0.33", id="a third"),
        pytest.param("3.00", "2.00", "1.00", "0.67", id="two thirds"),
        pytest.param("999999999.99", "230000000.00", "999999999.98", "230000000.00", id="large"),
        pytest.param("100.00", "0.00", "50.00", "0.00", id="exempt"),
    ],
)
def test_vat_follows_the_orders_own_ratio_rounded_half_up(
    desk: Desk, subtotal: str, vat: str, part: str, expected: str
) -> None:
    order_id = desk.order(subtotal, vat)
    invoice_id = desk.create_from_orders(order_id, subtotal_overrides={order_id: Decimal(part)})
    (line,) = desk.allocations(invoice_id)
    assert line["amount_override_vat"] == Decimal(expected)
    assert line["amount_override_total"] == Decimal(part) + Decimal(expected)
    assert desk.invoice(invoice_id)["total_amount"] == Decimal(part) + Decimal(expected)


def test_sums_of_ten_thousand_times_ten_cents_are_exact_in_sql(desk: Desk) -> None:
    many, dime = 10_000, Decimal("0.10")
    order_id = desk.order("1000.00", "0.00")
    amounts = {f"{name}_amount": dime for name in ("subtotal", "vat", "total")}
    invoices = [amounts | {"id": number, "currency_code": "EUR", "status": "issued"} for number in range(1, many + 1)]
    lines = [
        {"issued_invoice_id": number, "invoice_order_id": order_id, "amount_override_subtotal": dime}
        for number in range(1, many + 1)
    ]
    with writing(desk.engine) as conn:
        conn.execute(issued_client_invoices.insert(), invoices)
        conn.execute(issued_invoice_orders.insert(), lines)
    assert desk.adopt_newest(at_most=many) == many
    with reading(desk.engine) as conn:
        assert str(conn.execute(select(allocated(order_id))).scalar_one()) == "1000.00"
        sums = status.count_invoices(conn, InvoiceFilter(), now=desk.now())
    assert {currency: str(amount) for currency, amount in sums[Status.NOT_SYNCED].amounts.items()} == {"EUR": "1000.00"}
    assert sums[Status.NOT_SYNCED].count == many
    with pytest.raises(InvalidInvoice, match="Nothing remains"):
        desk.create_from_orders(order_id)


def test_header_amounts_may_differ_from_the_lines_by_a_cent(desk: Desk) -> None:
    order_id = desk.order("100.00", "23.00")
    invoice_id = desk.create_from_orders(order_id, header_vat=Decimal("23.01"), header_total=Decimal("123.01"))
    invoice = desk.invoice(invoice_id)
    assert (invoice["vat_amount"], invoice["total_amount"]) == (Decimal("23.01"), Decimal("123.01"))
    assert desk.allocations(invoice_id)[0]["amount_override_vat"] == Decimal("23.00")


@pytest.mark.parametrize(
    "typed",
    [
        pytest.param("<script>alert(1)</script>", id="HTML"),
        pytest.param("**bold** [x](javascript:1) :red[y]", id="Markdown"),
        pytest.param("'; DROP TABLE teams; --", id="SQL"),
        pytest.param("%_\\%s {0} $1 :p_notes", id="placeholders"),
        pytest.param("Ação nº 7 — “ok” 🧾", id="Unicode"),
    ],
)
def test_every_text_is_kept_literally(desk: Desk, typed: str) -> None:
    names = ("invoice_number", "external_invoice_id", "pdf_path", "notes")
    invoice_id = desk.create(**dict.fromkeys(names, typed))
    assert [desk.invoice(invoice_id)[name] for name in names] == [typed] * 4
    assert desk.row(invoice_id).invoice_number == typed
    assert [row.invoice_id for row in desk.page(text=typed).rows] == [invoice_id]


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        pytest.param({"issuer_team_id": 99}, "issuer_team_id", "Team 99 does not exist.", id="unknown issuer"),
        pytest.param({"payer_team_id": 99}, "payer_team_id", "Team 99 does not exist.", id="unknown payer"),
        pytest.param({"invoice_number": "TAKEN"}, "invoice_number", "already used by this issuer", id="number taken"),
    ],
)
def test_a_standalone_invoice_that_does_not_fit_the_database_is_refused(
    desk: Desk, changes: dict[str, Any], field: str, says: str
) -> None:
    desk.create(invoice_number="TAKEN")
    before = [desk.count(table) for table in WRITTEN]
    with pytest.raises(InvalidInvoice) as error:
        desk.create(token="form", **changes)
    ((found, message),) = refused(error)
    assert found == field
    assert says in message
    assert [desk.count(table) for table in WRITTEN] == before


def test_another_issuer_may_use_the_same_number(desk: Desk) -> None:
    ids = [desk.create(invoice_number="A-1"), desk.create(invoice_number="A-1", issuer_team_id=OTHER_PAYER)]
    assert [desk.invoice(each)["issuer_team_id"] for each in ids] == [ISSUER, OTHER_PAYER]


@pytest.mark.parametrize(
    ("given", "changes", "field", "says"),
    [
        pytest.param([], {}, "invoice_order_ids", "Order 4711 does not exist.", id="unknown order"),
        pytest.param([{"status": "cancelled"}], {}, "invoice_order_ids", "Order 1 is cancelled.", id="cancelled"),
        pytest.param(
            [{}, {"currency_code": "USD"}], {}, "invoice_order_ids", "different currencies", id="two currencies"
        ),
        pytest.param([{}], {"currency_code": "USD"}, "currency_code", "The orders are in EUR.", id="another currency"),
        pytest.param([{}], {"subtotal_overrides": {1: "100.01"}}, "order:1", "Only 100.00 remains", id="too much"),
        pytest.param([{"subtotal": "0.00", "vat": "0.00"}], {}, "order:1", "Nothing remains", id="nothing remains"),
        pytest.param([{"subtotal": "-5.00", "vat": "0.00"}], {}, "order:1", "Nothing remains", id="a negative order"),
        pytest.param(
            [{}], {"header_subtotal": "99.98"}, "header_subtotal", "The lines add up to 100.00", id="header off by two"
        ),
        pytest.param([{}], {"header_total": "123.01"}, "header_total", "do not add up", id="header does not add up"),
        pytest.param([{}], {"issuer_team_id": 99}, "issuer_team_id", "Team 99", id="unknown team"),
    ],
)
def test_orders_that_cannot_be_invoiced_so_are_refused_and_nothing_is_written(
    desk: Desk, given: list[dict[str, Any]], changes: dict[str, Any], field: str, says: str
) -> None:
    orders = [desk.order(**order) for order in given] or [4711]
    with pytest.raises(InvalidInvoice) as error:
        desk.create_from_orders(*orders, **changes)
    assert (field, True) in [(found, says in message) for found, message in refused(error)]
    assert [desk.count(table) for table in WRITTEN] == [0] * 4


def test_what_billings_own_rules_refuse_is_one_sentence(postgres_desk: Desk) -> None:
    postgres_desk.execute(text("ALTER TABLE issued_client_invoices ADD CONSTRAINT quiet CHECK (notes <> 'SHOUT')"))
    with pytest.raises(InvalidInvoice) as error:
        postgres_desk.create(notes="SHOUT")
    ((field, message),) = refused(error)
    assert field == ""
    assert message.startswith("The database refused the invoice: new row for relation")
    assert "\n" not in message


@pytest.mark.parametrize(
    "failing",
    [
        pytest.param(("INSERT", "creation_tokens"), id="the token"),
        pytest.param(("INSERT", "issued_client_invoices"), id="the invoice"),
        pytest.param(("INSERT", "issued_invoice_orders"), id="an allocation"),
        pytest.param(("UPDATE", "invoice_orders"), id="the order's status"),
        pytest.param(("INSERT", "sync_records"), id="the record"),
        pytest.param(("UPDATE", "creation_tokens"), id="the token's invoice"),
    ],
)
def test_when_any_statement_fails_nothing_is_written(desk: Desk, failing: tuple[str, str]) -> None:
    order_id = desk.order()
    failed = []

    @event.listens_for(desk.engine, "before_cursor_execute")
    def fail(_: object, __: object, statement: str, *___: object) -> None:
        verb, table = failing
        if statement.startswith(verb) and table in statement:
            failed.append(statement)
            raise RuntimeError("disk on fire")

    payload = parse_payload({"p_invoice_order_ids": [order_id]})
    with pytest.raises(RuntimeError):
        sync.create_invoice(desk.engine, payload, actor="ana", today=day(), token="form")
    event.remove(desk.engine, "before_cursor_execute", fail)
    assert len(failed) == 1
    assert [desk.count(table) for table in WRITTEN] == [0] * 4
    assert order(desk, order_id)["status"] == "sent"
    sync.create_invoice(desk.engine, payload, actor="ana", today=day(), token="form")
    assert [desk.count(table) for table in WRITTEN] == [1] * 4


def test_a_failure_at_the_end_of_the_transaction_takes_everything_back(desk: Desk) -> None:
    def refuse(_: int) -> None:
        raise OSError("the sandbox's file is gone")

    new = parse_payload(standalone())
    with pytest.raises(OSError, match="sandbox"):
        sync.create_invoice(desk.engine, new, actor="ana", today=day(), token="form", before_commit=refuse)
    assert [desk.count(table) for table in WRITTEN] == [0] * 4


# Two at once ----------------------------------------------------------------------------------------------------------


def outcome_of(step: Any) -> int | str:
    try:
        made: int = step()
    except InvalidInvoice as error:
        return str(error)
    return made


def test_two_people_who_invoice_more_than_remains_get_one_invoice(desk: Desk) -> None:
    order_id = desk.order("100.00", "23.00")
    found = at_once(
        2, lambda _: outcome_of(lambda: desk.create_from_orders(order_id, subtotal_overrides={order_id: "60.00"}))
    )
    (made,) = [one for one in found if isinstance(one, int)]
    (message,) = [one for one in found if isinstance(one, str)]
    assert message == f"Only 40.00 remains of order {order_id}; 60.00 is too much."
    assert [line["amount_override_subtotal"] for line in desk.allocations(made)] == [Decimal("60.00")]
    assert desk.count(issued_client_invoices) == 1


def test_orders_named_in_opposite_order_do_not_block_each_other(desk: Desk) -> None:
    first, second = desk.order("100.00", "0.00"), desk.order("100.00", "0.00")
    some = {"subtotal_overrides": {first: "1.00", second: "1.00"}}
    made = run_all(
        [
            lambda pair=pair: desk.create_from_orders(*pair, **some)  # type: ignore[misc]
            for pair in [(first, second), (second, first)] * 4
        ]
    )
    assert len(set(made)) == 8


def test_two_people_who_use_one_number_get_one_invoice(desk: Desk) -> None:
    found = at_once(4, lambda _: outcome_of(lambda: desk.create(invoice_number="A-1")))
    assert len([one for one in found if isinstance(one, int)]) == 1
    assert {one for one in found if isinstance(one, str)} == {"Invoice number A-1 is already used by this issuer."}
    assert desk.count(issued_client_invoices) == 1


def test_a_double_click_creates_one_invoice(desk: Desk) -> None:
    number = "A-1"
    made = at_once(6, lambda _: desk.create(token="this form", invoice_number=number))
    assert len(set(made)) == 1
    assert [desk.count(table) for table in WRITTEN] == [1, 0, 1, 1]
    assert desk.create(token="another form") != made[0]


def test_a_token_whose_form_was_refused_can_be_used_again(desk: Desk) -> None:
    with pytest.raises(InvalidInvoice):
        desk.create(token="form", payer_team_id=99)
    assert desk.create(token="form") == desk.create(token="form")


def test_an_id_is_never_given_twice(desk: Desk) -> None:
    invoice_id = desk.create()
    desk.delete_invoice(invoice_id)
    assert desk.create() > invoice_id


# The other application's own function ---------------------------------------------------------------------------------


@pytest.fixture
def their_desk(postgres_url: str, function: StandIn) -> Iterator[tuple[Desk, Existing]]:
    """A desk at the other application's database, with the few rights that our program needs."""
    with existing(postgres_url) as database:
        engine = open_engine(database.url)
        with writing(engine) as conn:
            installation.migrate(conn)
        yield open_desk(engine, function), database
        engine.dispose()


def call(desk: Desk, payload: dict[str, Any], name: str = "create_and_issue_invoice") -> int:
    new = parse_payload(payload)
    return sync.create_invoice(desk.engine, new, actor="ana", today=day(), token="form", function=name)


def test_their_function_creates_a_standalone_invoice_together_with_the_record(
    their_desk: tuple[Desk, Existing],
) -> None:
    desk, _ = their_desk
    invoice_id = call(desk, standalone(invoice_number="F-1", invoice_date="2026-11-20", notes="it's\n“ours”"))
    invoice = desk.invoice(invoice_id)
    assert (invoice["invoice_number"], invoice["status"], invoice["notes"]) == ("F-1", "issued", "it's\n“ours”")
    assert (invoice["issuer_team_id"], invoice["payer_team_id"], invoice["currency_code"]) == (1, 2, "EUR")
    assert (invoice["total_amount"], invoice["invoice_date"]) == (Decimal("123.00"), date(2026, 11, 20))
    assert desk.record(invoice_id)["status"] == Status.QUEUED
    assert desk.send()
    assert desk.record(invoice_id)["status"] == Status.SYNCED
    assert desk.api_response(invoice_id)["success"] is True


def test_their_function_creates_an_invoice_from_orders_with_exact_amounts(their_desk: tuple[Desk, Existing]) -> None:
    desk, database = their_desk
    first, second = (desk_order(database, subtotal) for subtotal in ("100.00", "999999999.99"))
    invoice_id = call(
        desk,
        {"p_invoice_order_ids": [first, second], "p_subtotal_overrides": {str(second): "123456789.01"}},
    )
    lines = [line["amount_override_subtotal"] for line in desk.allocations(invoice_id)]
    assert lines == [Decimal("100.00"), Decimal("123456789.01")]
    assert desk.invoice(invoice_id)["subtotal_amount"] == Decimal("123456889.01")
    assert desk.record(invoice_id)["total_amount"] == desk.invoice(invoice_id)["total_amount"]


def desk_order(database: Existing, subtotal: str) -> int:
    question = (
        "INSERT INTO invoice_orders (subtotal_amount, vat_amount, total_amount, status) VALUES (%s, 0, %s, 'sent')"
        " RETURNING id"
    )
    found: int = database.execute(question, subtotal, subtotal)[0][0]
    return found


@pytest.mark.parametrize(
    ("payload", "name", "says"),
    [
        pytest.param(
            {"p_invoice_order_ids": [1], "p_subtotal_overrides": {1: "100.01"}},
            "create_and_issue_invoice",
            "The database refused the invoice: Order 1 has only 100.00 left. Ask the project manager.",
            id="it raises",
        ),
        pytest.param(
            standalone(notes="SHOUT"),
            "create_and_issue_invoice",
            "The database refused the invoice: new row for relation",
            id="a constraint",
        ),
        pytest.param(
            standalone(issuer_team_id=99),
            "create_and_issue_invoice",
            "The database refused the invoice: insert or update on table",
            id="a foreign key",
        ),
        pytest.param(
            standalone(),
            "no_such_function",
            "The database refused the invoice: function no_such_function(",
            id="no function",
        ),
        pytest.param(
            standalone(), "makes_nothing", "The database function makes_nothing returned no invoice id.", id="none"
        ),
    ],
)
def test_what_their_function_refuses_is_one_sentence_and_nothing_is_written(
    their_desk: tuple[Desk, Existing], payload: dict[str, Any], name: str, says: str
) -> None:
    desk, database = their_desk
    desk_order(database, "100.00")
    parameters = ", ".join(
        f"{one} text DEFAULT NULL" for one in ("p_invoice_number", "p_external_invoice_id", "p_notes")
    )
    others = (
        "p_invoice_order_ids bigint[] DEFAULT NULL, p_invoice_date date DEFAULT NULL, p_pdf_path text DEFAULT NULL,"
        " p_header_subtotal numeric DEFAULT NULL, p_header_vat numeric DEFAULT NULL, p_header_total numeric DEFAULT NULL,"
        " p_issuer_team_id bigint DEFAULT NULL, p_payer_team_id bigint DEFAULT NULL, p_currency_code text DEFAULT NULL"
    )
    database.execute(
        f"CREATE FUNCTION makes_nothing({parameters}, {others}) RETURNS SETOF bigint LANGUAGE sql AS 'SELECT 1::bigint WHERE false'"
    )
    with pytest.raises(InvalidInvoice) as error:
        call(desk, payload, name)
    ((field, message),) = refused(error)
    assert field == ""
    assert message.startswith(says)
    assert message.endswith(".")
    assert "\n" not in message
    assert [desk.count(table) for table in WRITTEN] == [0] * 4


def test_a_double_click_calls_their_function_once(their_desk: tuple[Desk, Existing]) -> None:
    desk, _ = their_desk
    made = at_once(3, lambda _: call(desk, standalone(invoice_number="F-1")))
    assert len(set(made)) == 1
    assert desk.count(issued_client_invoices) == 1


def test_our_own_code_creates_invoices_there_with_few_rights(their_desk: tuple[Desk, Existing]) -> None:
    desk, database = their_desk
    order_id = desk_order(database, "100.00")
    invoice_id = desk.create_from_orders(order_id, issuer_team_id=ISSUER, payer_team_id=PAYER)
    assert order(desk, order_id)["status"] == "issued"
    standalone_id = desk.create()
    assert desk.send()
    assert desk.send()
    assert {desk.record(number)["status"] for number in (invoice_id, standalone_id)} == {Status.SYNCED}
    rules = replace(desk.sender.rules, idempotent=False)
    assert not sync.request_send(desk.engine, invoice_id, rules, actor="ana").done
