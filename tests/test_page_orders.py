"""The Invoice orders page without a browser, and the order list on both databases."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from zlib import crc32

import pytest
import streamlit as st
from sqlalchemy import select
from streamlit.testing.v1 import AppTest

from pages.parts.order_draft import AT_MOST
from tests.core import Desk
from tests.office import environment_of, open_office
from toc_sync import runtime, status
from toc_sync.creation import share_of_vat as share_in_the_invoice
from toc_sync.database import reading, writing
from toc_sync.model import Status
from toc_sync.tables import invoice_orders, issued_client_invoices, issued_invoice_orders, projects
from toc_sync.views import PAGE_SIZE, OrderFilter, OrderPage, OrderRow, share_of_vat

FRAME = Path(__file__).parent.parent / "pages" / "_frame.py"
TOKEN = "0" * 32


# The order list, on both databases ------------------------------------------------------------------------------------


def orders(desk: Desk, page: int = 1, **wanted) -> OrderPage:
    with reading(desk.engine) as conn:
        return status.list_orders(conn, OrderFilter(**wanted), page=page)


def ids(found: OrderPage) -> list[int]:
    return [row.order_id for row in found.rows]


def only(found: OrderPage) -> OrderRow:
    [row] = found.rows
    return row


def test_what_remains_follows_from_the_invoices_that_are_not_cancelled(desk):
    order = desk.order("100.00", "23.00")
    desk.create_from_orders(order, subtotal_overrides={order: "30.00"})
    cancelled = desk.create_from_orders(order, subtotal_overrides={order: "50.00"})
    desk.change_invoice(cancelled, status="cancelled")
    row = only(orders(desk))
    assert (row.issued, row.remaining) == (Decimal("30.00"), Decimal("70.00"))
    assert row.invoice_statuses == (Status.QUEUED, Status.QUEUED)
    assert row.can_invoice


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param({}, ["new", "part", "full", "cancelled"], id="no filter"),
        pytest.param({"has_remaining": True}, ["new", "part", "cancelled"], id="something remains"),
        pytest.param({"has_remaining": False}, ["full"], id="nothing remains"),
        pytest.param({"project_id": 2, "has_remaining": True}, ["new"], id="project, and something remains"),
        pytest.param({"statuses": ("cancelled",)}, ["cancelled"], id="status"),
        pytest.param({"since": date(2026, 10, 1)}, ["new"], id="billed from a day on"),
        pytest.param({"until": date(2026, 9, 1)}, ["part", "full"], id="billed until a day"),
        pytest.param({"text": "AGUA"}, ["new"], id="text without regard to case and accents"),
        pytest.param({"text": "ponte 2"}, ["full"], id="all words must occur; a number is an order's id"),
        pytest.param({"text": "#2"}, ["full"], id="an id as people write it"),
        pytest.param({"text": "%"}, [], id="a wildcard is a character"),
        pytest.param({"text": "9" * 19}, [], id="a number beyond bigint"),
        pytest.param({"text": "x\x00'; DROP TABLE invoice_orders; --"}, [], id="SQL and U+0000"),
    ],
)
def test_the_list_shows_the_orders_that_match(desk, wanted, expected):
    desk.execute(projects.insert().values(name="Água Fresca"))
    september = {"billing_period_start": date(2026, 9, 1), "billing_period_end": date(2026, 9, 30)}
    october = {"billing_period_start": date(2026, 10, 1), "billing_period_end": date(2026, 10, 31)}
    names = {
        desk.order(status="cancelled"): "cancelled",
        (full := desk.order(**september)): "full",
        (part := desk.order(**september)): "part",
        desk.order(project_id=2, **october): "new",
    }
    desk.create_from_orders(full, part, subtotal_overrides={part: "99.99"})
    found = orders(desk, **wanted)
    assert [names[order_id] for order_id in ids(found)] == expected
    assert found.total == len(expected)


def test_a_page_beyond_the_end_still_tells_how_many_there_are(desk):
    with writing(desk.engine) as conn:
        values = {name: Decimal("1.00") for name in ("subtotal_amount", "vat_amount", "total_amount")}
        conn.execute(invoice_orders.insert(), [values | {"currency_code": "EUR", "status": "sent"}] * (PAGE_SIZE + 1))
    assert ids(orders(desk, page=2)) == [1]
    assert orders(desk, page=9).total == PAGE_SIZE + 1


def test_an_order_that_cannot_be_invoiced_says_why(desk):
    cancelled, full = desk.order(status="cancelled"), desk.order()
    desk.create_from_orders(full)
    with reading(desk.engine) as conn:
        rows = status.read_orders(conn, [cancelled, full, 999])
    assert [row.why_not for row in rows] == [f"Nothing remains of order {full}.", f"Order {cancelled} is cancelled."]


def test_the_preview_of_vat_is_the_rule_that_the_invoice_follows():
    assert share_in_the_invoice is share_of_vat
    assert share_of_vat(Decimal("33.33"), Decimal("99.99"), Decimal("23.01")) == Decimal("7.67")
    assert share_of_vat(Decimal("0.50"), Decimal("1.00"), Decimal("0.01")) == Decimal("0.01")
    assert share_of_vat(Decimal("5.00"), Decimal("0.00"), Decimal("0.00")) == Decimal("0.00")


# The page -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def office(tmp_path, monkeypatch):
    for name, value in environment_of(tmp_path).items():
        monkeypatch.setenv(name, value)
    st.cache_data.clear()  # what pages remember of another test's database
    opened = open_office()
    yield opened
    opened.runtime.close()
    runtime.close_current()


def insert_order(office, subtotal: str = "100.00", vat: str = "23.00", **changes) -> int:
    values = {
        "project_id": 1,
        "subtotal_amount": Decimal(subtotal),
        "vat_amount": Decimal(vat),
        "total_amount": Decimal(subtotal) + Decimal(vat),
        "currency_code": "EUR",
        "status": "sent",
    }
    with writing(office.runtime.engine) as conn:
        if not conn.execute(select(projects.c.id)).first():
            conn.execute(projects.insert().values(name="Ponte *nova*"))
        return conn.execute(
            invoice_orders.insert().values(values | changes).returning(invoice_orders.c.id)
        ).scalar_one()


def visit(**address) -> AppTest:
    """Opens the page as a link with these parameters would."""
    at = AppTest.from_file(str(FRAME), default_timeout=20).run()
    for name, value in address.items():
        at.query_params[name] = value
    at.switch_page("invoice_orders.py").run()
    assert not at.exception
    return at


def form(*order_ids: int) -> AppTest:
    """Opens the drawer for these orders, with issuer and payer chosen."""
    at = visit(create=",".join(map(str, order_ids)), draft=TOKEN)
    at.selectbox(key=f"issuer_team_id_{TOKEN}").select(1)
    at.selectbox(key=f"payer_team_id_{TOKEN}").select(2)
    return at.run()


def type_in(at: AppTest, field: str, text: str) -> AppTest:
    return at.text_input(key=f"{field}_{TOKEN}").set_value(text).run()


def press_create(at: AppTest) -> AppTest:
    at.button(key=f"create_{TOKEN}").click().run()
    assert not at.exception
    return at


def words(at: AppTest) -> str:
    kinds = (at.markdown, at.caption, at.subheader, at.error, at.warning, at.toast)
    return "\n".join(element.value for kind in kinds for element in kind).replace("\\", "")


def created(office) -> list[tuple]:
    columns = issued_client_invoices.c
    query = select(columns.subtotal_amount, columns.vat_amount, columns.total_amount)
    with reading(office.runtime.engine) as conn:
        return [tuple(map(str, row)) for row in conn.execute(query)]


def test_without_orders_the_page_says_where_they_come_from(office):
    at = visit()
    assert "No invoice orders yet" in words(at)
    assert not at.dataframe


def test_where_nothing_matches_the_filters_can_be_cleared(office):
    insert_order(office)
    at = visit(find="zzz", remaining="Nothing remains")
    assert "Nothing matches these filters" in words(at)
    at.button(key="clear_in_orders").click().run()
    assert list(at.dataframe[0].value["order"]) == [1]


@pytest.mark.parametrize(
    "address",
    [
        pytest.param({"project": "nobody · 99"}, id="an unknown project"),
        pytest.param({"order_status": "<b>Sent</b>"}, id="an unknown status"),
        pytest.param({"period_from": "yesterday"}, id="no date"),
        pytest.param({"period_to": "9999-12-31"}, id="a date beyond the calendar"),
        pytest.param({"remaining": "maybe"}, id="no choice"),
        pytest.param({"order_page": "-1"}, id="no page"),
    ],
)
def test_nonsense_in_the_address_is_left_out_and_said(office, address):
    insert_order(office)
    at = visit(**address)
    assert f"It was left out: {next(iter(address))}." in words(at)
    assert list(at.dataframe[0].value["order"]) == [1]


@pytest.mark.parametrize("page", ["2", "999999", "99999999999999999999"])
def test_a_page_that_does_not_exist_shows_one_that_does(office, page):
    insert_order(office)
    assert len(visit(order_page=page).dataframe[0].value) == 1


def test_a_filter_in_the_address_filters(office):
    insert_order(office)
    insert_order(office, status="draft")
    assert list(visit(order_status="Draft").dataframe[0].value["order"]) == [2]


def tick(at: AppTest, shown: tuple[int, ...], *positions: int) -> AppTest:
    """Ticks rows of a table that shows these orders for the first time."""
    key = f"orders_{crc32(repr(shown).encode()):08x}_1"
    at.session_state[key] = {"selection": {"rows": list(positions), "columns": [], "cells": []}}
    return at.run()


def test_ticked_orders_open_the_drawer(office):
    for _ in range(3):
        insert_order(office, "100.50")
    at = tick(visit(), (3, 2, 1), 0, 2)
    assert "**2 selected**" in words(at)
    assert "€201.00 remains" in words(at)
    at.button(key="create_invoice").click().run()
    assert at.query_params["create"] == "3,1"
    assert [field.label for field in at.text_input].count("Amount without VAT") == 2


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        pytest.param({"status": "cancelled"}, "Order 2 is cancelled.", id="cancelled"),
        pytest.param({"subtotal": "0.00", "vat": "0.00"}, "Nothing remains of order 2.", id="nothing remains"),
        pytest.param({"currency_code": "USD"}, "make one invoice per currency", id="another currency"),
    ],
)
def test_ticked_orders_that_cannot_be_invoiced_together_are_refused_at_once(office, changes, sentence):
    insert_order(office)
    insert_order(office, **changes)
    at = tick(visit(), (2, 1), 0, 1)
    assert sentence in words(at)
    assert at.button(key="create_invoice").disabled


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("", id="empty"),
        pytest.param("abc,-1,0,1.5", id="no ids"),
        pytest.param("99999999999999999999", id="beyond bigint"),
        pytest.param("' OR 1=1 --", id="SQL"),
    ],
)
def test_an_address_that_names_no_order_opens_no_drawer_and_says_so(office, address):
    insert_order(office)
    at = visit(create=address)
    assert "Amount without VAT" not in [field.label for field in at.text_input]
    assert "The address asked for an invoice from orders, but names none." in words(at)
    assert "create" not in at.query_params


def test_orders_that_are_gone_are_said_to_be(office):
    assert "None of these orders exists any more." in words(visit(create="7", draft=TOKEN))
    insert_order(office)
    at = press_create(form(1, 7))
    assert "Order 7 does not exist." in words(at)
    assert created(office) == []


def test_the_form_begins_with_what_remains_and_the_teams_of_the_last_invoice(office):
    insert_order(office)
    press_create(type_in(form(1), "amount_1", "40"))
    other = "1" * 32
    at = visit(create="1", draft=other)
    assert at.text_input(key=f"amount_1_{other}").value == "60.00"
    assert [at.selectbox(key=f"{name}_{other}").value for name in ("issuer_team_id", "payer_team_id")] == [1, 2]


def test_the_header_follows_the_lines(office):
    insert_order(office, "100.00", "23.00")
    insert_order(office, "10.00", "0.60")
    at = type_in(form(1, 2), "amount_1", "33,33")
    assert at.text_input(key=f"header_subtotal_43.33_{TOKEN}").value == "43.33"
    assert at.text_input(key=f"header_vat_8.27_{TOKEN}").value == "8.27"
    press_create(at)
    assert created(office) == [("43.33", "8.27", "51.60")]


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        pytest.param("100.01", "Only 100.00 remains of order 1; 100.01 is too much.", id="more than remains"),
        pytest.param("0", "The amount must be above 0.", id="nothing"),
        pytest.param("-5", "Enter an amount such as 1234.50.", id="negative"),
        pytest.param("NaN", "Enter an amount such as 1234.50.", id="not a number"),
        pytest.param("Infinity", "Enter an amount such as 1234.50.", id="infinite"),
        pytest.param("1" * 10_000, "Enter an amount such as 1234.50.", id="ten thousand digits"),
        pytest.param("![x](http://a.example/x.png)", "Enter an amount such as 1234.50.", id="markup"),
        pytest.param("1\x00", "Enter an amount such as 1234.50.", id="U+0000"),
        pytest.param("1.005", "Enter an amount such as 1234.50.", id="three decimals"),
    ],
)
def test_a_wrong_amount_is_refused_before_and_after_pressing(office, typed, sentence):
    insert_order(office)
    at = type_in(form(1), "amount_1", typed)
    assert sentence in words(at)
    assert sentence in words(press_create(at))
    assert created(office) == []


@pytest.mark.parametrize(
    ("field", "typed", "accepted"),
    [
        pytest.param("header_vat_23.00", "23.01", True, id="a cent more VAT"),
        pytest.param("header_subtotal_100.00", "99.99", True, id="a cent less"),
        pytest.param("header_vat_23.00", "23.02", False, id="two cents more VAT"),
        pytest.param("header_subtotal_100.00", "abc", False, id="no amount"),
    ],
)
def test_header_amounts_may_differ_by_a_cent(office, field, typed, accepted):
    insert_order(office)
    at = press_create(type_in(form(1), field, typed))
    assert bool(created(office)) == accepted
    assert accepted or "The lines add up to 23.00" in words(at) or "Enter an amount" in words(at)


def test_an_invoice_needs_to_know_who_issues_and_who_pays(office):
    insert_order(office)
    at = press_create(visit(create="1", draft=TOKEN))
    assert "Choose who issues the invoice." in words(at)
    assert "Choose who pays the invoice." in words(at)
    assert created(office) == []


def test_what_only_the_database_knows_is_said_beside_the_field_until_it_is_changed(office):
    office.invoice("A 1")
    insert_order(office)
    at = press_create(type_in(form(1), "number", "A 1"))
    assert "Invoice number A 1 is already used by this issuer." in words(at)
    at = type_in(at, "number", "A 2")
    assert "already used" not in words(at)
    press_create(at)
    assert len(office.ids("A 2")) == 1


def test_what_somebody_else_invoiced_meanwhile_is_refused(office):
    insert_order(office)
    at = form(1)
    office.runtime.create({"p_invoice_order_ids": [1], "p_subtotal_overrides": {1: "1.00"}}, actor="somebody")
    assert "Only 99.00 remains of order 1; 100.00 is too much." in words(press_create(at))
    assert len(created(office)) == 1


def test_orders_in_two_currencies_are_refused_in_the_drawer(office):
    insert_order(office)
    insert_order(office, currency_code="USD")
    assert "make one invoice per currency" in words(visit(create="1,2", draft=TOKEN))


def test_a_draft_makes_one_invoice_however_often_it_is_sent(office):
    insert_order(office)
    for _ in range(2):
        press_create(type_in(form(1), "amount_1", "10"))
    assert created(office) == [("10.00", "2.30", "12.30")]


def test_the_drawer_closes_and_the_toast_leads_to_the_invoice(office):
    insert_order(office)
    at = press_create(type_in(form(1), "number", "N*1"))
    [invoice_id] = office.ids("N*1")
    assert f"N*1 was created and is on its way to TOC Online. [Open](invoices?invoice={invoice_id})" in words(at)
    assert "create" not in at.query_params
    with reading(office.runtime.engine) as conn:
        assert conn.execute(select(issued_invoice_orders.c.invoice_order_id)).scalars().all() == [1]


def test_outside_the_sandbox_the_button_names_the_environment(office, monkeypatch):
    insert_order(office)
    monkeypatch.setenv("TOC_SYNC_SANDBOX", "false")
    monkeypatch.setenv("TOC_FUNCTION_URL", "http://127.0.0.1:9/toc_invoice")
    monkeypatch.setenv("TOC_FUNCTION_KEY", "k")
    monkeypatch.setenv("TOC_SYNC_LABEL", "Production")
    at = visit(create="1", draft=TOKEN)
    assert at.button(key=f"create_{TOKEN}").label == "Issue in Production"
    assert not [box for box in at.selectbox if box.label.startswith("TOC Online answers")]


def test_in_the_sandbox_people_can_rehearse(office):
    insert_order(office)
    [box] = [box for box in form(1).selectbox if box.label.startswith("TOC Online answers")]
    assert len(box.options) == len(office.runtime.rehearsals)


def test_a_link_cannot_ask_for_more_orders_than_one_invoice_takes(office):
    for _ in range(3):
        insert_order(office, "1.00", "0.00")
    at = visit(create=",".join(["1"] * AT_MOST + ["2"]), draft=TOKEN)
    assert [field.label for field in at.text_input].count("Amount without VAT") == 1
