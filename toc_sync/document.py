"""The document that an answer names in its own place: number, total, and what makes it one in law.

Pure: no clock, no I/O. A number elsewhere in an answer, or under another name, is a trace (`traces`), not a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from toc_sync.answer import MAX_QUOTES, clean_text, decode, one_line
from toc_sync.model import Certification, fold

_NUMBER_FIELD = "document_no"
TOTAL_FIELD = "gross_total"
_BEYOND_ALL = Decimal(10) ** 15
_CENT = Decimal("0.01")
# What answers were seen to say, then what integrations of certified programs commonly say; the surest first.
_ATCUD_FIELDS = ("atcud", "at_cud", "document_atcud", "atcud_code")
_HASH_FIELDS = ("document_hash_sum", "document_hash", "saft_hash", "hash")
_COMMUNICATION_FIELDS = (
    "at_communication_status", "communication_status", "at_communication", "communicated_to_at", "at_communicated",
    "communicated", "at_communicated_at", "communicated_at", "at_communication_date", "communication_date",
)  # fmt: skip
_MAX_NUMBER = 100
_LONGEST_MARK = 512
_IS_NUMBER = re.compile(r"[a-z]{1,5}[ .\-_]?(?=\S)[^<>{}\[\]]*[0-9].*|[^<>{}\[\]]*[0-9]\s*/\s*[0-9]+")
_IS_NONE = re.compile(r"\b(?:undefined|null|none|nan|n/a|draft|rascunho|pending|pendente|provisorio|temp|test|teste)\b")
_NO_INVOICE = re.compile(r"(?:pf|or|ne|gt|gr|ga|gc|gd|rc|rg)\b")
"""Pro formas, quotes, orders, transport documents and receipts have numbers of the same form."""
_IS_SALE = re.compile(
    r"sales?_?documents?\b|invoice|fatura|factura|(?:ft|fr|fs|nc|nd)\b|documento?s?_?(?:de_)?venda|^document[os]?s?$"
)


def document_no(value: object) -> str | None:
    """Returns the document number of a decoded answer, flat or JSON:API: at the top, under `toc_data` or `data`."""
    return next((number for place in _sales(value) if (number := _number(place))), None)


def gross_total(value: object) -> Decimal | None:
    """Returns the total with VAT that a decoded answer names for the document, to the cent, or None.

    It stands where the document's number stands; a number or a text with digits and a point.
    """
    return next((total for place in _places(value, 0) if (total := _amount(place.get(TOTAL_FIELD))) is not None), None)


def certification(value: object) -> Certification:
    """Returns what a decoded answer says about its document in law, looked for where a document number may stand."""
    places = [
        {key.strip().casefold().replace("-", "_"): item for key, item in place.items()} for place in _places(value, 0)
    ]
    return Certification(
        atcud=_mark(places, _ATCUD_FIELDS),
        hash=_mark(places, _HASH_FIELDS),
        communicated=_mark(places, _COMMUNICATION_FIELDS),
    )


def _sales(value: object) -> Iterator[dict[str, object]]:
    """Yields the same objects without those that say, or whose resource says, that they are something else."""
    places = list(_places(value, 0))
    if all(_is_sale(place) for place in places):
        yield from places


def _places(value: object, depth: int) -> Iterator[dict[str, object]]:
    """Yields the objects in which this invoice's document may lie: first the place where we write its number."""
    if isinstance(value, str):
        inner = decode(value)
        value = inner.value if inner else None
    if not isinstance(value, dict) or depth > MAX_QUOTES:
        return
    yield value
    yield from _places(value.get("toc_data"), depth + 1)
    yield from _places(value.get("data"), depth + 1)
    yield from _places(value.get("attributes"), depth + 1)


def is_number(text: str) -> bool:
    """Tells whether a text can be the number of an invoice: `undefined`, `-`, `Rascunho` or a customer's are none."""
    folded = fold(text)
    is_short = 0 < len(text) <= _MAX_NUMBER
    return bool(is_short and _IS_NUMBER.fullmatch(folded) and not _IS_NONE.search(folded)) and not _NO_INVOICE.match(
        folded
    )


def names_no_document(value: object) -> bool:
    """Tells whether the place of the number holds something that is none, or whether a resource there is no sale."""
    return any(
        (_NUMBER_FIELD in place and _number(place) is None) or not _is_sale(place) for place in _places(value, 0)
    )


def _is_sale(place: dict[str, object]) -> bool:
    """A resource says what it is; what says nothing, or says it in another way, may be one."""
    kind = place.get("type")
    return not isinstance(kind, str) or not kind.strip() or _IS_SALE.search(fold(kind)) is not None


def _number(place: dict[str, object]) -> str | None:
    found = place.get(_NUMBER_FIELD)
    number = clean_text(found).strip() if isinstance(found, str) else ""
    return number if is_number(number) else None


def _amount(found: object) -> Decimal | None:
    if isinstance(found, bool) or not isinstance(found, int | float | str) or len(text := str(found)) > _MAX_NUMBER:
        return None
    try:
        amount = Decimal(text)
        # Beyond all amounts, the cents could not even be written.
        return amount.quantize(_CENT, rounding=ROUND_HALF_UP) if abs(amount) < _BEYOND_ALL else None
    except InvalidOperation:  # no number, or none that can be compared
        return None


def _mark(places: list[dict[str, object]], fields: tuple[str, ...]) -> str | None:
    found = (_mark_of(place.get(field)) for field in fields for place in places)
    return next((text for text in found if text), None)


def _mark_of(value: object) -> str | None:
    """Returns a short text or a truth value in words; of an object its state; of anything else nothing."""
    if isinstance(value, dict):
        value = next((value[name] for name in ("status", "state") if isinstance(value.get(name), str | bool)), None)
    if isinstance(value, bool):
        return "Yes" if value else "No"
    text = one_line(value) if isinstance(value, str) else ""
    return text if len(text) <= _LONGEST_MARK else None
