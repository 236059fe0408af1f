"""What a person or script asks to invoice, checked as far as it can be without a database.

Pure. It reads both shapes of the payload of the billing application's function `create_and_issue_invoice` (with orders,
and standalone) and finds every mistake at once, each under the name of its field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from numbers import Number
from typing import TypeVar

from toc_sync.model import MAX_INVOICE_ID, InvalidInvoice, Problem

CENT = Decimal("0.01")
LARGEST_AMOUNT = Decimal("999999999.99")
TEXT_LIMITS = {"invoice_number": 60, "external_invoice_id": 200, "pdf_path": 500, "notes": 4_000}
SEVERAL_LINES = frozenset({"notes"})
EARLIEST_DATE, LATEST_DATE = date(2000, 1, 1), date(2100, 12, 31)

_PARAMETERS = frozenset(
    """p_invoice_order_ids p_subtotal_overrides p_invoice_number p_external_invoice_id p_invoice_date p_pdf_path p_notes
    p_header_subtotal p_header_vat p_header_total p_issuer_team_id p_payer_team_id p_currency_code""".split()
)
_AMOUNT = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")

T = TypeVar("T")

# ISO 4217, the active codes.
CURRENCIES = frozenset(
    """AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY
    COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS
    INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP
    MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR
    SDG SEK SGD SHP SLE SOS SRD SSP STN SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV
    WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG""".split()
)


@dataclass(frozen=True, kw_only=True)
class NewInvoice:
    """An invoice to create: from orders (`order_ids`, amounts default to what remains) or standalone (header amounts)."""

    order_ids: tuple[int, ...] = ()
    subtotal_overrides: Mapping[int, Decimal] = field(default_factory=dict)
    invoice_number: str | None = None
    external_invoice_id: str | None = None
    invoice_date: date | None = None
    pdf_path: str | None = None
    notes: str | None = None
    header_subtotal: Decimal | None = None
    header_vat: Decimal | None = None
    header_total: Decimal | None = None
    issuer_team_id: int | None = None
    payer_team_id: int | None = None
    currency_code: str | None = None

    @property
    def standalone(self) -> bool:
        """Tells whether it belongs to no order."""
        return not self.order_ids


def parse_payload(payload: Mapping[str, object]) -> NewInvoice:
    """Returns the invoice that `payload` (keys `p_…`) asks for.

    Raises InvalidInvoice with one problem per mistake; fields are named without the `p_`, the amount for order 7 is
    `order:7`.
    """
    reader = _Reader(payload)
    new = NewInvoice(
        order_ids=reader.ids("invoice_order_ids"),
        subtotal_overrides=reader.overrides("subtotal_overrides"),
        invoice_number=reader.text("invoice_number"),
        external_invoice_id=reader.text("external_invoice_id"),
        invoice_date=reader.day("invoice_date"),
        pdf_path=reader.text("pdf_path"),
        notes=reader.text("notes"),
        header_subtotal=reader.amount("header_subtotal"),
        header_vat=reader.amount("header_vat", smallest=Decimal(0)),
        header_total=reader.amount("header_total"),
        issuer_team_id=reader.id("issuer_team_id"),
        payer_team_id=reader.id("payer_team_id"),
        currency_code=reader.currency("currency_code"),
    )
    problems = reader.problems + _contradictions(new, {problem.field for problem in reader.problems})
    if problems:
        raise InvalidInvoice(tuple(problems))
    return new


def _contradictions(new: NewInvoice, already: set[str]) -> list[Problem]:
    problems = []
    if new.standalone and "invoice_order_ids" not in already:
        problems += [
            Problem(field=name, message=message)
            for name, message, value in (
                ("issuer_team_id", "Choose who issues the invoice.", new.issuer_team_id),
                ("payer_team_id", "Choose who pays the invoice.", new.payer_team_id),
                ("currency_code", "Choose a currency.", new.currency_code),
                ("header_subtotal", "Enter the subtotal.", new.header_subtotal),
                ("header_vat", "Enter the VAT; 0 if there is none.", new.header_vat),
                ("header_total", "Enter the total.", new.header_total),
            )
            if value is None and name not in already
        ]
    if new.issuer_team_id is not None and new.issuer_team_id == new.payer_team_id:
        problems.append(Problem(field="payer_team_id", message="The payer must differ from the issuer."))
    subtotal, vat, total = new.header_subtotal, new.header_vat, new.header_total
    if subtotal is not None and vat is not None and total is not None and subtotal + vat != total:
        problems.append(Problem(field="header_total", message="Subtotal and VAT do not add up to the total."))
    if unknown := set(new.subtotal_overrides) - set(new.order_ids):
        message = f"An amount is given for order {min(unknown)}, which is not among the orders."
        problems.append(Problem(field="subtotal_overrides", message=message))
    return problems


class _Mistake(Exception):
    """What is wrong with one value, as a sentence."""


class _Reader:
    """Reads one field after the other and gathers the mistakes."""

    def __init__(self, payload: Mapping[str, object]) -> None:
        self.payload = payload
        self.problems: list[Problem] = []
        if unknown := [name for name in payload if name not in _PARAMETERS]:
            self._note("", f"“{str(unknown[0])[:40]}” is no parameter of an invoice.")

    def text(self, name: str) -> str | None:
        return self._field(name, lambda value: _text(value, TEXT_LIMITS[name], lines=name in SEVERAL_LINES))

    def amount(self, name: str, *, smallest: Decimal = CENT) -> Decimal | None:
        return self._field(name, lambda value: _amount(value, smallest))

    def id(self, name: str) -> int | None:
        return self._field(name, _id)

    def day(self, name: str) -> date | None:
        return self._field(name, _day)

    def currency(self, name: str) -> str | None:
        return self._field(name, _currency)

    def ids(self, name: str) -> tuple[int, ...]:
        value = self._value(name)
        if value is None:
            return ()
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            self._note(name, "Give the orders as a list of ids.")
            return ()
        if not value:
            self._note(name, "Choose at least one order.")
        found = [self._checked(name, item, _id) for item in value]
        ids = tuple(item for item in found if item is not None)
        if len(set(ids)) < len(ids):
            self._note(name, "The same order is listed twice.")
        return ids

    def overrides(self, name: str) -> dict[int, Decimal]:
        value = self._value(name)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self._note(name, "Give the amounts as a table of order id and subtotal.")
            return {}
        found = {}
        for key, item in value.items():
            order_id = self._checked(name, key, _id)
            amount = self._checked(f"order:{order_id}" if order_id else name, item, lambda given: _amount(given, CENT))
            if order_id is not None and amount is not None:
                found[order_id] = amount
        return found

    def _field(self, name: str, read: Callable[[object], T]) -> T | None:
        value = self._value(name)
        return None if value is None else self._checked(name, value, read)

    def _checked(self, name: str, value: object, read: Callable[[object], T]) -> T | None:
        try:
            return read(value)
        except _Mistake as mistake:
            self._note(name, str(mistake))
            return None

    def _value(self, name: str) -> object:
        value = self.payload.get(f"p_{name}")
        return None if isinstance(value, str) and not value.strip() else value

    def _note(self, name: str, message: str) -> None:
        self.problems.append(Problem(field=name, message=message))


def _text(value: object, limit: int, *, lines: bool) -> str:
    if not isinstance(value, str):
        raise _Mistake("Enter text.")
    text = value.strip()
    if len(text) > limit:
        raise _Mistake(f"Use at most {limit:,} characters; this has {len(text):,}.")
    allowed = "\n\r\t" if lines else ""
    if any((ord(char) < 32 and char not in allowed) or 0xD800 <= ord(char) <= 0xDFFF for char in text):
        raise _Mistake(
            "Remove line breaks and invisible control characters."
            if not lines
            else "Remove the invisible control characters."
        )
    return text


def _amount(value: object, smallest: Decimal) -> Decimal:
    text = _digits(value)
    if not _AMOUNT.fullmatch(text):
        raise _Mistake("Enter an amount such as 1234.50.")
    amount = Decimal(text)
    if amount < smallest:
        raise _Mistake("The amount must be above 0." if smallest else "The amount must not be negative.")
    if amount > LARGEST_AMOUNT:
        raise _Mistake(f"The amount must not exceed {LARGEST_AMOUNT:,}.")
    in_cents = amount.quantize(CENT)
    if amount != in_cents:
        raise _Mistake("Use at most two decimals.")
    return in_cents


def _digits(value: object) -> str:
    """Returns how a number is written; nothing for what is none, or too long for Python to write."""
    is_number = isinstance(value, str | Number) and not isinstance(value, bool)
    is_writable = not isinstance(value, int) or value.bit_length() <= 1_000
    return str(value).strip() if is_number and is_writable else ""


def _id(value: object) -> int:
    text = _digits(value)
    if not re.fullmatch(r"[0-9]{1,19}", text) or not 1 <= int(text) <= MAX_INVOICE_ID:
        raise _Mistake(f"“{text[:40]}” is not an id: use a whole number above 0.")
    return int(text)


def _day(value: object) -> date:
    try:
        day = value if type(value) is date else date.fromisoformat(value.strip() if isinstance(value, str) else "")
    except ValueError:
        raise _Mistake("Enter a date as year-month-day, for example 2026-11-22.") from None
    if not EARLIEST_DATE <= day <= LATEST_DATE:
        raise _Mistake(f"Use a date from {EARLIEST_DATE} to {LATEST_DATE}.")
    return day


def _currency(value: object) -> str:
    code = value.strip().upper() if isinstance(value, str) else ""
    if code not in CURRENCIES:
        raise _Mistake("Use a currency code of ISO 4217, for example EUR.")
    return code
