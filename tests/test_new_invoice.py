"""What a form or script asks to invoice: every mistake found at once, each under the name of its field."""

from __future__ import annotations

import contextlib
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core import standalone
from toc_sync.model import MAX_INVOICE_ID, InvalidInvoice
from toc_sync.new_invoice import CURRENCIES, parse_payload

LONG = "x" * 10_000
NOT_AN_AMOUNT = "Enter an amount such as 1234.50."


def mistakes(payload: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidInvoice) as error:
        parse_payload(payload)
    return {problem.field: problem.message for problem in error.value.problems}


def test_a_standalone_invoice_is_read() -> None:
    new = parse_payload(standalone(invoice_number=" A-1 ", invoice_date="2026-11-22", currency_code=" eur ", notes=""))
    assert new.standalone
    assert (new.invoice_number, new.invoice_date, new.currency_code, new.notes) == (
        "A-1",
        date(2026, 11, 22),
        "EUR",
        None,
    )
    assert (new.header_subtotal, new.header_vat, new.header_total) == (Decimal(100), Decimal(23), Decimal(123))


def test_an_invoice_from_orders_is_read() -> None:
    new = parse_payload({"p_invoice_order_ids": ["7", 8], "p_subtotal_overrides": {"7": "10", 8: 20.5}})
    assert (new.order_ids, new.standalone) == ((7, 8), False)
    assert new.subtotal_overrides == {7: Decimal("10.00"), 8: Decimal("20.50")}
    assert new.header_total is None


@pytest.mark.parametrize(
    ("typed", "amount"),
    [
        pytest.param("1234.5", "1234.50", id="one decimal"),
        pytest.param("0.01", "0.01", id="a cent"),
        pytest.param("1e2", "100.00", id="scientific"),
        pytest.param("999999999.99", "999999999.99", id="the largest"),
        pytest.param("1." + "0" * 10_000, "1.00", id="many zeros"),
        pytest.param(0.1, "0.10", id="a float as people write it"),
        pytest.param(7, "7.00", id="an integer"),
        pytest.param(Decimal("7.10"), "7.10", id="a decimal"),
    ],
)
def test_an_amount_is_exact(typed: Any, amount: str) -> None:
    new = parse_payload(standalone(header_subtotal=typed, header_vat=0, header_total=amount))
    assert str(new.header_subtotal) == amount


@pytest.mark.parametrize("field", ["header_subtotal", "header_vat", "header_total"])
@pytest.mark.parametrize(
    ("typed", "says"),
    [
        pytest.param("NaN", NOT_AN_AMOUNT, id="NaN"),
        pytest.param(float("nan"), NOT_AN_AMOUNT, id="NaN as a float"),
        pytest.param("sNaN", NOT_AN_AMOUNT, id="signalling NaN"),
        pytest.param("Infinity", NOT_AN_AMOUNT, id="Infinity"),
        pytest.param(float("-inf"), NOT_AN_AMOUNT, id="minus infinity"),
        pytest.param("1e400", "The amount must not exceed 999,999,999.99.", id="1e400"),
        pytest.param("1e99999", NOT_AN_AMOUNT, id="1e99999"),
        pytest.param("9" * 10_000, "The amount must not exceed 999,999,999.99.", id="10,000 digits"),
        pytest.param(10**5_000, NOT_AN_AMOUNT, id="an integer that Python does not write"),
        pytest.param("1000000000", "The amount must not exceed 999,999,999.99.", id="too large"),
        pytest.param("1.005", "Use at most two decimals.", id="three decimals"),
        pytest.param(0.1 + 0.2, "Use at most two decimals.", id="a float that is not exact"),
        pytest.param("1_000", NOT_AN_AMOUNT, id="underscores"),
        pytest.param("1,000.00", NOT_AN_AMOUNT, id="a thousands separator"),
        pytest.param("1.000,00", NOT_AN_AMOUNT, id="Portuguese writing"),
        pytest.param("١٢", NOT_AN_AMOUNT, id="digits of another script"),
        pytest.param("12 €", NOT_AN_AMOUNT, id="with a currency"),
        pytest.param("'; DROP TABLE x", NOT_AN_AMOUNT, id="SQL"),
        pytest.param("\x00", NOT_AN_AMOUNT, id="U+0000"),
        pytest.param(LONG, NOT_AN_AMOUNT, id="a long text"),
        pytest.param(True, NOT_AN_AMOUNT, id="a boolean"),
        pytest.param([1], NOT_AN_AMOUNT, id="a list"),
        pytest.param({}, NOT_AN_AMOUNT, id="a table"),
    ],
)
def test_what_is_no_amount_is_refused_beside_its_field(field: str, typed: Any, says: str) -> None:
    assert mistakes(standalone(**{field: typed})) == {field: says}


def test_amounts_are_above_zero_and_vat_is_not_below() -> None:
    found = mistakes(standalone(header_subtotal="0", header_vat="-0.01", header_total="-5"))
    assert found == {
        "header_subtotal": "The amount must be above 0.",
        "header_vat": "The amount must not be negative.",
        "header_total": "The amount must be above 0.",
    }
    assert parse_payload(standalone(header_vat="0", header_total="100")).header_vat == 0


@pytest.mark.parametrize(
    ("field", "limit"), [("invoice_number", 60), ("external_invoice_id", 200), ("pdf_path", 500), ("notes", 4_000)]
)
def test_texts_have_a_limit_and_no_invisible_characters(field: str, limit: int) -> None:
    assert getattr(parse_payload(standalone(**{field: "é" * limit})), field) == "é" * limit
    assert mistakes(standalone(**{field: "é" * (limit + 1)}))[field].startswith(f"Use at most {limit:,} characters")
    assert mistakes(standalone(**{field: LONG}))[field].endswith("this has 10,000.")
    assert mistakes(standalone(**{field: 5})) == {field: "Enter text."}
    for odd in ("a\x00b", "a\x1bb", "a\ud800b"):
        assert "control characters" in mistakes(standalone(**{field: odd}))[field]


def test_only_notes_have_several_lines() -> None:
    assert parse_payload(standalone(notes="a\r\nb")).notes == "a\r\nb"
    assert "line breaks" in mistakes(standalone(invoice_number="a\nb"))["invoice_number"]


@pytest.mark.parametrize(
    "typed",
    [
        pytest.param("22.11.2026", id="another writing"),
        pytest.param("2026-02-30", id="no such day"),
        pytest.param("1999-12-31", id="too early"),
        pytest.param("2101-01-01", id="too late"),
        pytest.param("10000-01-01", id="five digits"),
        pytest.param(datetime(2026, 1, 1, 12), id="a time"),  # noqa: DTZ001  # as a script may pass it
        pytest.param(20261122.5, id="a number"),
        pytest.param("\x00", id="U+0000"),
    ],
)
def test_what_is_no_date_is_refused(typed: Any) -> None:
    assert list(mistakes(standalone(invoice_date=typed))) == ["invoice_date"]


@pytest.mark.parametrize(
    "typed", ["Euro", "€", "EURO", "XXX", "12", 5, pytest.param("\x00", id="U+0000"), pytest.param(LONG, id="long")]
)
def test_what_is_no_currency_is_refused(typed: Any) -> None:
    assert mistakes(standalone(currency_code=typed)) == {
        "currency_code": "Use a currency code of ISO 4217, for example EUR."
    }
    assert len(CURRENCIES) > 150


@pytest.mark.parametrize(
    "typed",
    [
        *(
            pytest.param(typed, id=repr(typed)[:20])
            for typed in (0, -1, "x", "1.0", 1.5, True, MAX_INVOICE_ID + 1, "9" * 40, "١", "1; DROP TABLE x", LONG, [1])
        ),
        pytest.param(10**5_000, id="an integer that Python does not write"),
        pytest.param([10**5_000], id="a list of one"),
        pytest.param("\x00", id="U+0000"),
    ],
)
def test_what_is_no_id_is_refused(typed: Any) -> None:
    assert list(mistakes(standalone(payer_team_id=typed))) == ["payer_team_id"]
    assert list(mistakes({"p_invoice_order_ids": [typed]})) == ["invoice_order_ids"]


@pytest.mark.parametrize(
    ("payload", "field", "says"),
    [
        pytest.param({"p_invoice_order_ids": []}, "invoice_order_ids", "Choose at least one order.", id="no order"),
        pytest.param({"p_invoice_order_ids": "7"}, "invoice_order_ids", "Give the orders as a list of ids.", id="text"),
        pytest.param({"p_invoice_order_ids": [7, "7"]}, "invoice_order_ids", "listed twice", id="twice"),
        pytest.param(
            {"p_invoice_order_ids": [7], "p_subtotal_overrides": {8: 1}},
            "subtotal_overrides",
            "order 8",
            id="not among",
        ),
        pytest.param(
            {"p_invoice_order_ids": [7], "p_subtotal_overrides": [1]}, "subtotal_overrides", "as a table", id="a list"
        ),
        pytest.param(
            {"p_invoice_order_ids": [7], "p_subtotal_overrides": {7: "x"}}, "order:7", NOT_AN_AMOUNT, id="no amount"
        ),
        pytest.param(
            {"p_invoice_order_ids": [7], "p_subtotal_overrides": {7: "-1"}}, "order:7", "must be above 0", id="negative"
        ),
        pytest.param({"p_invoice_order_ids": [7], "p_speed": 1}, "", "“p_speed” is no parameter", id="unknown"),
        pytest.param(
            {"p_invoice_order_ids": [7], "p_issuer_team_id": 1, "p_payer_team_id": 1},
            "payer_team_id",
            "differ",
            id="same",
        ),
    ],
)
def test_orders_that_do_not_fit_are_refused(payload: dict[str, Any], field: str, says: str) -> None:
    found = mistakes(payload)
    assert list(found) == [field]
    assert says in found[field]


def test_a_standalone_invoice_names_everything_that_is_missing_at_once() -> None:
    assert set(mistakes({})) == {
        "issuer_team_id",
        "payer_team_id",
        "currency_code",
        "header_subtotal",
        "header_vat",
        "header_total",
    }


def test_the_header_adds_up_and_the_payer_is_somebody_else() -> None:
    found = mistakes(standalone(header_total="123.01", payer_team_id=1))
    assert found == {
        "payer_team_id": "The payer must differ from the issuer.",
        "header_total": "Subtotal and VAT do not add up to the total.",
    }


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.dates() | st.decimals(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*standalone(), "p_subtotal_overrides", "p_invoice_date"]), ANYTHING))
def test_whatever_is_passed_becomes_an_exact_invoice_or_a_refusal(changes: dict[str, Any]) -> None:
    with contextlib.suppress(InvalidInvoice):
        new = parse_payload(standalone() | changes)
        amounts = (new.header_subtotal, new.header_vat, new.header_total, *new.subtotal_overrides.values())
        assert all(amount is None or amount.as_tuple().exponent == -2 for amount in amounts)
