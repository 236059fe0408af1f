"""The Invoices page without a browser: what it says and draws for what stands in the database."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.parts.amounts import typed_amount, vat_of
from pages.parts.download import as_csv, harmless
from pages.parts.say import plain
from pages.parts.ticks import Ticks
from pages.parts.tokens import is_draft, new_draft, one_use
from tests.days import day, written
from tests.office import ISSUER, OTHER_PAYER, PAYER, environment_of, open_office
from toc_sync import runtime, wording
from toc_sync.sandbox import Behaviour
from toc_sync.views import InvoiceFilter

FRAME = Path(__file__).parent.parent / "pages" / "_frame.py"


@pytest.fixture
def office(tmp_path, monkeypatch):
    for name, value in environment_of(tmp_path).items():
        monkeypatch.setenv(name, value)
    st.cache_data.clear()  # what pages of an earlier test remember is of another database
    opened = open_office()
    yield opened
    opened.runtime.close()
    runtime.close_current()


def visit(**address) -> AppTest:
    """Opens the page as a link with these parameters would."""
    at = AppTest.from_file(str(FRAME), default_timeout=20)
    for name, value in address.items():
        at.query_params[name] = value
    at.switch_page("invoices.py").run()
    assert not at.exception
    return at


def texts(at: AppTest) -> str:
    """Returns all words on the page."""
    kinds = (at.title, at.header, at.subheader, at.markdown, at.caption, at.error, at.warning, at.success, at.info)
    words = [element.value for kind in kinds for element in kind]
    return "\n".join([*words, *(each.value for each in at.code), *(each.value for each in at.get("text"))])


def press(at: AppTest, label: str) -> AppTest:
    next(button for button in at.button if button.label == label).click().run()
    assert not at.exception
    return at


def labels(at: AppTest) -> list[str]:
    return [button.label for button in at.button]


def listed(at: AppTest) -> list[str]:
    return [name.partition(": ")[2] for name in at.dataframe[0].value["number"]]


def test_an_empty_database_asks_for_the_first_invoice(office):
    at = visit()
    assert "No invoices yet" in texts(at)
    assert "New invoice" in labels(at)
    assert not at.dataframe


def test_a_filter_that_nothing_matches_can_be_cleared_where_one_looks(office):
    office.invoice("A 1")
    at = visit(q="zzz")
    assert "Nothing matches these filters" in texts(at)
    at.button(key="clear_in_list").click().run()
    assert listed(at) == ["A 1"]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        pytest.param({"status": "Failed"}, ["REFUSED"], id="status"),
        pytest.param({"q": "tulipa"}, ["REFUSED", "ISSUED"], id="text"),
        pytest.param({"since": -10, "until": -1}, ["EARLY"], id="period, in days from today"),
        pytest.param({"payer": f"Orion Foods · {OTHER_PAYER}"}, ["EARLY"], id="payer"),
        pytest.param({"issuer": f"Aurora Têxteis, Lda · {ISSUER}"}, ["EARLY", "REFUSED", "ISSUED"], id="issuer"),
        pytest.param({"min": "200"}, ["EARLY"], id="smallest total"),
        pytest.param({"max": "123"}, ["REFUSED", "ISSUED"], id="largest total"),
        pytest.param({"status": "In doubt"}, [], id="nothing"),
    ],
)
def test_a_link_shows_the_list_it_was_made_of(office, address, expected):
    office.sent("ISSUED")
    office.sent("REFUSED", Behaviour.REFUSE_SERIES)
    large = {"p_header_subtotal": "200", "p_header_vat": "46", "p_header_total": "246"}
    office.sent("EARLY", p_payer_team_id=OTHER_PAYER, p_invoice_date=str(day(-8)), **large)
    at = visit(**{name: str(day(value)) if isinstance(value, int) else value for name, value in address.items()})
    assert (listed(at) if at.dataframe else []) == expected


@pytest.mark.parametrize(
    "address",
    [
        pytest.param({"status": "nonsense"}, id="status"),
        pytest.param({"since": "2026-13-45"}, id="no day"),
        pytest.param({"until": "9999999-01-01"}, id="a day beyond the calendar"),
        pytest.param({"payer": "'; drop table teams; --"}, id="SQL"),
        pytest.param({"min": "nan"}, id="not a number"),
        pytest.param({"max": "inf"}, id="infinite"),
        pytest.param({"min": "-1e999"}, id="beyond all numbers"),
        pytest.param({"since": "20260101"}, id="a day written in another way"),
        pytest.param({"page": "-3"}, id="negative page"),
        pytest.param({"page": "0"}, id="page zero"),
        pytest.param({"page": "x"}, id="page that is no number"),
    ],
)
def test_nonsense_in_the_address_is_left_out_with_a_word(office, address):
    office.invoice("A 1")
    at = visit(**address)
    assert listed(at) == ["A 1"]
    assert [toast.value for toast in at.toast] == [
        plain(f"The address asked for something unknown. It was left out: {next(iter(address))}.")
    ]


@pytest.mark.parametrize("page", ["2", "99999999999999999999"])
def test_a_page_that_does_not_exist_shows_one_that_does(office, page):
    office.invoice("A 1")
    assert listed(visit(page=page)) == ["A 1"]


def test_pages_have_fifty_rows_and_live_in_the_address(office):
    for number in range(52):
        office.invoice(f"N {number}")
    assert len(listed(visit())) == 50
    assert listed(visit(page="2")) == ["N 1", "N 0"]


@pytest.mark.parametrize(
    ("invoice_id", "sentence"),
    [
        pytest.param("77", "Invoice 77 does not exist.", id="unknown"),
        pytest.param("x", "“x” is not an invoice id", id="no number"),
        pytest.param("-1", "“-1” is not an invoice id", id="negative"),
        pytest.param("9223372036854775808", "“9223372036854775808” is not an invoice id", id="beyond bigint"),
    ],
)
def test_a_link_to_no_invoice_says_so(office, invoice_id, sentence):
    assert plain(sentence) in texts(visit(invoice=invoice_id))


@pytest.mark.parametrize(
    ("behaviour", "words", "button"),
    [
        pytest.param(Behaviour.ISSUE_FLAT, "**In TOC Online** as **FT YEAR/1**", None, id="synced"),
        pytest.param(Behaviour.REFUSE_SERIES, "**Failed: refused.**", "Retry", id="failed"),
        pytest.param(Behaviour.BOOT_ERROR, "**Retry at", "Retry now", id="waiting"),
        pytest.param(Behaviour.HTML, "**In doubt.**", None, id="in doubt"),
    ],
)
def test_the_drawer_says_where_an_invoice_stands_and_offers_what_is_allowed(office, behaviour, words, button):
    invoice_id = office.sent("A 1", behaviour)
    at = visit(invoice=str(invoice_id))
    assert words.replace("YEAR", str(day().year)) in texts(at).replace("\\", "")
    assert (button in labels(at)) if button else not {"Retry", "Retry now", "Sync now"} & set(labels(at))


def test_a_refused_invoice_shows_the_error_what_to_do_and_who_can(office):
    at = visit(invoice=str(office.sent("A 1", Behaviour.REFUSE_SERIES)))
    assert "ainda não foi comunicada" in texts(at)
    assert "**What to do:**" in texts(at)
    assert "**Who:**" in texts(at)


def test_the_drawer_says_before_a_retry_that_the_issuer_has_a_later_document(office):
    refused = office.sent("A 1", Behaviour.REFUSE_SERIES)
    later = day(1)
    caution = plain(f"It is dated before FT {day().year}/1 of {written(later)}, which this issuer already has")
    assert caution not in texts(visit(invoice=str(refused)))
    office.sent("A 2", p_invoice_date=str(later))
    assert caution in texts(visit(invoice=str(refused)))


def test_retry_in_the_drawer_queues_the_invoice_once(office):
    invoice_id = office.sent("A 1", Behaviour.REFUSE_SERIES)
    at = press(press(visit(invoice=str(invoice_id)), "Retry"), "Retry anyway")
    assert office.state(invoice_id).on_its_way
    assert wording.waiting_line(None, office.runtime.list_invoices(InvoiceFilter()).read_at) in texts(at)


def test_an_invoice_of_the_other_application_is_locked_and_says_until_when(office):
    invoice_id = office.invoice("A 1")
    office.age(invoice_id, status="not_synced")
    at = visit(invoice=str(invoice_id))
    assert next(button for button in at.button if button.label == "Sync now").disabled
    assert "Sync is possible from" in texts(at)


def test_a_doubt_shows_what_to_copy_for_the_search(office):
    at = visit(invoice=str(office.sent("A 1", Behaviour.HTML)))
    assert {"Café Tulipa", str(day()), "123.00", "A 1"} <= {element.value for element in at.code}


def test_found_in_toc_online_needs_a_document_number_that_no_other_invoice_has(office):
    issued = office.state(office.sent("A 1")).document_no
    doubtful = office.sent("A 2", Behaviour.HTML)
    at = visit(invoice=str(doubtful))
    at.segmented_control(key=f"found_{doubtful}").set_value("It is in TOC Online").run()
    press(at, "Record as synced")
    assert "Enter the document number from TOC Online" in texts(at)
    at.text_input(key=f"document_{doubtful}").set_value(issued)
    press(at, "Record as synced")
    assert plain(f"{issued} already belongs to invoice A 1.") in texts(at)
    at.text_input(key=f"document_{doubtful}").set_value("FT 2026/9")
    press(at, "Record as synced")
    assert office.state(doubtful).document_no == "FT 2026/9"
    assert "Declared by dashboard" in texts(at)


def test_send_again_is_locked_while_toc_online_may_still_be_working_and_then_sends(office):
    doubtful = office.sent("A 1", Behaviour.HTML)
    at = visit(invoice=str(doubtful))
    at.segmented_control(key=f"found_{doubtful}").set_value("It is not there: send again").run()
    assert at.button(key=f"again_{doubtful}").disabled
    assert "is possible from" in texts(at)
    assert "That is in" in texts(at)
    tried_at = office.runtime.invoice_detail(doubtful).row.last_attempt_at
    office.age(doubtful, last_attempt_at=tried_at - timedelta(minutes=11))
    at.run()
    at.radio(key=f"reason_{doubtful}").set_value(wording.LOOKED_UP).run()
    at.button(key=f"again_{doubtful}").click().run()
    assert office.state(doubtful).on_its_way
    assert office.runtime.invoice_detail(doubtful).actions[0].reason == wording.LOOKED_UP


def test_what_an_old_table_reports_after_everything_was_unticked_is_no_tick():
    ticks: Ticks[int] = Ticks("numbers", lambda number: number)
    ticks.clear()
    key = ticks.table_key([7, 8])
    st.session_state[key] = {"selection": {"rows": [1]}}
    ticks.tick_late(key, [7, 8])
    assert ticks.ticked() == (8,)
    ticks.clear()
    ticks.tick_late(key, [7, 8])
    assert ticks.ticked() == ()
    assert ticks.table_key([7, 8]) != key


def new_invoice(**typed) -> AppTest:
    at = press(visit(), "New invoice")
    return fill(at, **typed)


def fill(at: AppTest, **typed) -> AppTest:
    for label, value in typed.items():
        fields = [each for each in (*at.selectbox, *at.text_input) if is_draft(each.key.rpartition("_")[2])]
        next(each for each in fields if each.label.lower() == label.replace("_", " ")).set_value(value)
    return at.run()


def test_each_mistake_stands_beside_its_field(office):
    at = press(new_invoice(issuer=ISSUER, payer=ISSUER, subtotal="12,3456"), "Create invoice")
    assert "The payer must differ from the issuer" in texts(at)
    assert "Enter an amount such as" in texts(at)
    assert "Enter the total" not in texts(at)
    assert office.runtime.list_invoices(InvoiceFilter()).total == 0


@pytest.mark.parametrize(
    ("typed", "sentence"), [("1e5", "Enter an amount such as"), ("9" * 20, "The amount must not exceed")]
)
def test_an_amount_that_cannot_be_read_is_said_beside_it_and_not_beside_the_vat(office, typed, sentence):
    at = press(new_invoice(issuer=ISSUER, payer=PAYER, subtotal=typed), "Create invoice")
    assert sentence in texts(at)
    assert "Enter the" not in texts(at)  # neither the VAT nor the total, which follow from it
    assert office.runtime.list_invoices(InvoiceFilter()).total == 0


def test_correcting_one_mistake_leaves_the_others_to_read(office):
    at = press(new_invoice(payer=PAYER, subtotal="nothing"), "Create invoice")
    fill(at, subtotal="100").run()
    assert "Choose who issues the invoice" in texts(at)
    assert "Enter an amount such as" not in texts(at)
    assert not at.exception


def test_vat_and_total_follow_the_rate_to_the_cent(office):
    at = press(
        new_invoice(issuer=ISSUER, payer=PAYER, subtotal="1.234,55", vat_rate="13 %", invoice_number="A 1"),
        "Create invoice",
    )
    row = office.runtime.list_invoices(InvoiceFilter()).rows[0]
    assert (row.invoice_number, row.total_amount) == ("A 1", Decimal("1395.04"))
    assert listed(at) == ["A 1"]
    [toast] = at.toast
    assert toast.value.startswith(plain("A 1 was created and is on its way to TOC Online."))
    assert toast.value.endswith(f"[Open](invoices?invoice={row.invoice_id})")


def test_own_vat_is_taken_as_typed(office):
    at = fill(new_invoice(issuer=ISSUER, payer=PAYER, subtotal="100", vat_rate="Own amount"), vat_amount="4.99")
    press(at, "Create invoice")
    assert office.runtime.list_invoices(InvoiceFilter()).rows[0].total_amount == Decimal("104.99")


def test_what_seems_to_exist_already_needs_a_second_explicit_press(office):
    office.invoice("TWIN", p_invoice_date=str(office.runtime.today()))
    at = press(new_invoice(issuer=ISSUER, payer=PAYER, subtotal="100"), "Create invoice")
    assert "The same payer, total and date are already on TWIN" in texts(at)
    assert office.runtime.list_invoices(InvoiceFilter()).total == 1
    press(at, "Create anyway")
    assert office.runtime.list_invoices(InvoiceFilter()).total == 2


def test_a_link_can_open_the_form(office):
    at = visit(new="1")
    assert "Create invoice" in labels(at)
    assert is_draft(at.query_params["new"])


def test_a_used_form_that_the_back_button_brings_back_makes_the_invoice_that_is_typed_into_it(office):
    draft = new_draft()
    for number in ("A 1", "A 1", "A 2"):
        at = fill(visit(new=draft), issuer=ISSUER, payer=PAYER, subtotal=f"10{number[-1]}", invoice_number=number)
        press(at, "Create invoice")
    assert sorted(row.invoice_number for row in office.runtime.list_invoices(InvoiceFilter()).rows) == ["A 1", "A 2"]


def test_outside_the_sandbox_the_button_says_that_it_is_legal(office, monkeypatch):
    monkeypatch.setenv("TOC_SYNC_SANDBOX", "false")
    monkeypatch.setenv("TOC_FUNCTION_URL", "http://127.0.0.1:9/functions/v1/toc_invoice")
    monkeypatch.setenv("TOC_FUNCTION_KEY", "key")
    at = press(visit(), "New invoice")
    assert "Issue in Production" in labels(at)
    assert not [select for select in at.selectbox if select.label.startswith("TOC Online answers")]
    fill(at, issuer=ISSUER, payer=PAYER, subtotal="100")
    office.invoice("TWIN", p_invoice_date=runtime.current().today().isoformat())
    press(at, "Issue in Production")
    assert "Issue in Production anyway" in labels(at)


def test_a_database_that_is_away_is_said_in_one_sentence_and_not_shown_as_an_empty_list(office, tmp_path):
    office.invoice("A 1")
    at = visit()
    database = tmp_path / "office.db"
    runtime.current().engine.dispose()
    runtime.current().changed()
    database.rename(tmp_path / "away.db")
    database.mkdir()
    at.run()
    assert "The database does not answer" in texts(at)
    assert any(label == "Try again" for label in labels(at))
    assert [tick.proto.id for tick in at.get("component_instance") if "again_page" in tick.proto.id]
    assert not at.dataframe
    database.rmdir()
    (tmp_path / "away.db").rename(database)
    press(at, "Try again")
    assert listed(at) == ["A 1"]


@pytest.mark.parametrize(
    ("typed", "amount"),
    [
        pytest.param("1234.5", "1234.5", id="point"),
        pytest.param("1234,50", "1234.50", id="comma"),
        pytest.param("1.234,50", "1234.50", id="Portuguese"),
        pytest.param("1,234.50", "1234.50", id="English"),
        pytest.param(" € 12 ", "12", id="with the sign of the euro"),
        pytest.param("1.234", None, id="could be either"),
        pytest.param("1,234", None, id="could be either, with a comma"),
        pytest.param("12.345", None, id="three decimals"),
        pytest.param("-5", None, id="negative"),
        pytest.param("1e3", None, id="with an exponent"),
        pytest.param("nan", None, id="not a number"),
        pytest.param("", None, id="nothing"),
        pytest.param("9" * 15, "9" * 15, id="as many digits as can be computed with"),
        pytest.param("9" * 16, None, id="more digits than can be computed with"),
    ],
)
def test_amounts_are_read_as_people_type_them_or_not_at_all(typed, amount):
    assert typed_amount(typed) == (None if amount is None else Decimal(amount))


def test_half_a_cent_of_vat_is_rounded_up():
    assert vat_of(Decimal("0.50"), Decimal(23)) == Decimal("0.12")


def test_a_token_stands_for_one_form_with_one_content():
    draft = new_draft()
    assert one_use(draft, {"a": 1, "b": 2}) == one_use(draft, {"b": 2, "a": 1})
    assert one_use(draft, {"a": 1}) != one_use(draft, {"a": 2})
    assert one_use(draft, {"a": 1}) != one_use(new_draft(), {"a": 1})


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_no_cell_of_the_download_is_taken_for_a_formula(start):
    assert harmless(start) == f"'{start}"


def test_the_download_is_what_a_spreadsheet_reads(office):
    office.sent("=cmd|'/c calc'!A1", Behaviour.REFUSE_SERIES)
    content = as_csv(office.runtime.export_invoices(InvoiceFilter()))
    assert content.startswith(b"\xef\xbb\xbf")
    (row,) = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
    assert row["Number"] == "'=cmd|'/c calc'!A1"
    assert row["Payer"] == "Café Tulipa"
    assert (row["Total"], row["Currency"], row["Status"], row["Tries"]) == ("123.00", "EUR", "Failed", "1")
