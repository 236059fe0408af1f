"""What a person or script asks to invoice, checked as far as it can be without a database.

Pure. It reads both shapes of the payload of the billing application's function `create_and_issue_invoice` (with orders,
and standalone) and finds every mistake at once, each under the name of its field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation

from toc_sync.model import MAX_INVOICE_ID, InvalidInvoice, Problem

CENT = Decimal("0.01")
LARGEST_AMOUNT = Decimal("999999999.99")
TEXT_LIMITS = {"invoice_number": 60, "external_invoice_id": 200, "pdf_path": 500, "notes": 4_000}
EARLIEST_DATE, LATEST_DATE = date(2000, 1, 1), date(2100, 12, 31)

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

    Raises InvalidInvoice with one problem per mistake; fields are named without the `p_`.
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
    if new.standalone:
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
    header = (new.header_subtotal, new.header_vat, new.header_total)
    if not any(amount is None for amount in header) and header[0] + header[1] != header[2]:  # type: ignore[operator]
        problems.append(Problem(field="header_total", message="Subtotal and VAT do not add up to the total."))
    if unknown := set(new.subtotal_overrides) - set(new.order_ids):
        message = f"An amount is given for order {min(unknown)}, which is not among the orders."
        problems.append(Problem(field="subtotal_overrides", message=message))
    return problems


class _Reader:
    """Reads one field after the other and gathers the mistakes."""

    def __init__(self, payload: Mapping[str, object]) -> None:
        self.payload = payload
        self.problems: list[Problem] = []
        if unknown := sorted(set(payload) - {f"p_{name}" for name in NewInvoice.__dataclass_fields__ if name != "order_ids"} - {"p_invoice_order_ids"}):
            self._problem("", f"“{unknown[0][:40]}” is no parameter of an invoice.")

    def text(self, name: str) -> str | None:
        value = self._value(name)
        if value is None:
            return None
        if not isinstance(value, str):
            return self._problem(name, "Enter text.")
        if any(ord(char) < 32 and char not in "\n\r\t" or 0xD800 <= ord(char) <= 0xDFFF for char in value):
            return self._problem(name, "Remove the invisible control characters.")
        if len(value) > TEXT_LIMITS[name]:
            return self._problem(name, f"Use at most {TEXT_LIMITS[name]:,} characters; this has {len(value):,}.")
        return value.strip() or None

    def amount(self, name: str, *, smallest: Decimal = CENT) -> Decimal | None:
        value = self._value(name)
        return None if value is None else self._amount(name, value, smallest)

    def id(self, name: str) -> int | None:
        value = self._value(name)
        return None if value is None else self._id(name, value)

    def ids(self, name: str) -> tuple[int, ...]:
        value = self._value(name)
        if value is None:
            return ()
        if not isinstance(value, Sequence) or isinstance(value, str):
            self._problem(name, "Give the orders as a list of ids.")
            return ()
        if not value:
            self._problem(name, "Choose at least one order.")
        found = [self._id(name, item) for item in value]
        ids = tuple(item for item in found if item is not None)
        if len(set(ids)) < len(ids):
            self._problem(name, "The same order is listed twice.")
        return ids

    def overrides(self, name: str) -> dict[int, Decimal]:
        value = self._value(name)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self._problem(name, "Give the amounts as a table of order id and subtotal.")
            return {}
        pairs = [(self._id(name, key), self._amount(name, amount, CENT)) for key, amount in value.items()]
        return {key: amount for key, amount in pairs if key is not None and amount is not None}

    def day(self, name: str) -> date | None:
        value = self._value(name)
        if value is None:
            return None
        try:
            day = value if type(value) is date else date.fromisoformat(str(value))
        except ValueError:
            return self._problem(name, "Enter a date as year-month-day, for example 2026-11-22.")
        if not EARLIEST_DATE <= day <= LATEST_DATE:
            return self._problem(name, f"Use a date from {EARLIEST_DATE} to {LATEST_DATE}.")
        return day

    def currency(self, name: str) -> str | None:
        value = self._value(name)
        if value is None:
            return None
        code = str(value).strip().upper()
        return code if code in CURRENCIES else self._problem(name, "Use a currency code of ISO 4217, for example EUR.")

    def _value(self, name: str) -> object:
        value = self.payload.get(f"p_{name}")
        return None if isinstance(value, str) and not value.strip() else value

    def _id(self, name: str, value: object) -> int | None:
        text = "" if isinstance(value, bool) else str(value).strip()
        if not re.fullmatch(r"[0-9]{1,19}", text) or not 1 <= int(text) <= MAX_INVOICE_ID:
            return self._problem(name, f"“{text[:40]}” is not an id: use a whole number above 0.")
        return int(text)

    def _amount(self, name: str, value: object, smallest: Decimal) -> Decimal | None:
        try:
            amount = Decimal(str(value).strip()) if not isinstance(value, bool) else Decimal("nan")
        except InvalidOperation:
            amount = Decimal("nan")
        if not amount.is_finite():
            return self._problem(name, "Enter an amount such as 1234.50.")
        if amount < smallest:
            return self._problem(name, "The amount must be above 0." if smallest else "The amount must not be negative.")
        if amount > LARGEST_AMOUNT:
            return self._problem(name, f"The amount must not exceed {LARGEST_AMOUNT:,}.")
        if amount != amount.quantize(CENT):
            return self._problem(name, "Use at most two decimals.")
        return amount.quantize(CENT)

    def _problem(self, name: str, message: str) -> None:
        self.problems.append(Problem(field=name, message=message))
