"""What the body of an answer says, before anyone decides what it means: values, texts, message and document number.

Pure: no clock, no I/O. Nothing here raises, whatever the bytes are. What cannot be read with certainty is left out, so
that nobody recognises anything in it.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from toc_sync.model import Certification, fold

QUOTED = "> "
"""Stands before each text that the function only passes on: a pattern with ^ matches nothing but its own words."""

_MAX_DEPTH = 50
_MAX_DIGITS = 400
_MAX_NUMBER = 100
_MAX_QUOTES = 4
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
_LONGEST_MARK = 512
_MESSAGE_FIELDS = ("error", "errors", "message", "msg", "detail", "title", "error_description", "code")
_JSON_LIKE = re.compile(r'\s*[{\["]')
_HTML = re.compile(r"\A\s*<|<\s*/?(?:!doctype|html|head|body)\b", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Json:
    """A decoded JSON value. `contradictory`: a key was repeated with another value; it holds the list of them all."""

    value: object
    contradictory: bool


@dataclass(frozen=True, kw_only=True)
class Content:
    """One body: its text as it came, and what that is as JSON, or None where it is no (readable) JSON."""

    raw: str
    json: Json | None

    @property
    def plain(self) -> str:
        """The text of a body that people wrote, else nothing: broken JSON may hide anything, markup is a gateway's."""
        is_plain = self.json is None and not _JSON_LIKE.match(self.raw) and not _HTML.search(self.raw)
        return one_line(self.raw) if is_plain else ""

    @property
    def value(self) -> object:
        """The decoded JSON value, or None."""
        return self.json.value if self.json else None

    @property
    def contradicts_itself(self) -> bool:
        """Tells whether the body says two different things under one key."""
        return self.json is not None and self.json.contradictory

    @property
    def names_any_document(self) -> bool:
        """Tells whether a document number stands anywhere, also where it need not be this invoice's."""
        if self.json is None:
            return _NUMBER_FIELD in self.raw
        return any(isinstance(part, dict) and part.get(_NUMBER_FIELD) for part in _parts(self.value))

    @property
    def own_words(self) -> tuple[str, ...]:
        """The texts that are the function's own: at the top of the answer or directly under `error` or `errors`."""
        if not isinstance(self.value, dict):
            return _sentences(self.value if self.json else self.plain)
        return tuple(
            text
            for place in (self.value, self.value.get("error"), self.value.get("errors"))
            for text in _sentences(place)
        )

    @property
    def texts(self) -> tuple[str, ...]:
        """Every text: the function's own words first, then all it passes on, also inside JSON that is a string."""
        root = self.value if self.json else self.plain
        quoted = (QUOTED + text for part in _parts(root) for text in _sentences(part))
        return tuple(dict.fromkeys((*self.own_words, *quoted)))

    @property
    def speech(self) -> str:
        """Everything the answer says as one folded text, in the order it was written; "" where a part is markup.

        A value that is no text stands there with its name: `issued=true` and `issued=false` are not the same answer.
        """
        said = [one_line(text) for text in (_leaves(self.value) if self.json else (self.plain,))]
        return "" if any(_HTML.search(text) for text in said) else fold(" | ".join(filter(None, said)))


def read_body(body: bytes) -> Content:
    """Returns what `body` says; bytes that are no UTF-8 become U+FFFD."""
    return read_text(body.decode("utf-8-sig", "replace"))


def read_text(text: str) -> Content:
    """Returns what a body says that is already text."""
    return Content(raw=text, json=decode(text))


def decode(text: str) -> Json | None:
    """Returns the JSON value that `text` is as a whole, or None: no JSON, or nested deeper than is sane."""
    return _decode(text, 0, whole=True)


def document_no(value: object) -> str | None:
    """Returns the document number of a decoded answer, flat or JSON:API: at the top, under `toc_data` or `data`."""
    return next((number for place in _places(value, 0) if (number := _number(place))), None)


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


def message(value: object) -> str | None:
    """Returns the sentence by which a decoded answer explains itself, or None."""
    if isinstance(value, str):
        inner = decode(value)
        return (message(inner.value) if inner else None) or one_line(value) or None
    if isinstance(value, dict):
        value = [value.get(name) for name in _MESSAGE_FIELDS]
    if isinstance(value, list):
        return next((found for item in value if (found := message(item))), None)
    return None


def one_line(text: str) -> str:
    """Returns `text` on one line and storable everywhere."""
    return " ".join(clean_text(text).split())


def clean_text(text: str) -> str:
    """Returns `text` without what PostgreSQL refuses: U+0000 and lone surrogates."""
    return text.replace("\x00", "").encode("utf-8", "ignore").decode("utf-8")


def _decode(text: str, start: int, *, whole: bool) -> Json | None:
    contradictions: list[str] = []

    def merge(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for name, item in pairs:
            contradicts = name in merged and merged[name] != item
            contradictions.extend([name] * contradicts)
            merged[name] = [merged[name], item] if contradicts else item
        return merged

    decoder = json.JSONDecoder(
        object_pairs_hook=merge, parse_float=_finite, parse_int=_whole, parse_constant=lambda _: None
    )
    try:
        value = decoder.decode(text) if whole else decoder.raw_decode(text, start)[0]
    except (ValueError, RecursionError):
        return None
    return Json(value=value, contradictory=bool(contradictions)) if _is_shallow(value) else None


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _whole(digits: str) -> int | str:
    # Python refuses to convert very long digits; kept as text they harm nobody.
    return int(digits) if len(digits) <= _MAX_DIGITS else digits


def _is_shallow(value: object) -> bool:
    level: list[object] = [value]
    for _ in range(_MAX_DEPTH):
        level = [child for part in level for child in _children(part)]
        if not level:
            return True
    return False


def _children(part: object) -> list[object]:
    if isinstance(part, dict):
        return list(part.values())
    return part if isinstance(part, list) else []


def _leaves(value: object, name: str = "") -> Iterator[str]:
    """Yields what stands at the ends of `value`: texts as they are, anything else with the name it has."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, name)
    elif isinstance(value, str):
        yield value
    elif value is not None:
        yield f"{name}={json.dumps(value)}"


def _parts(value: object, quotes: int = 0) -> Iterator[object]:
    """Yields `value` and all that is in it, also inside JSON that is itself a string."""
    yield value
    inside = _children(value)
    if isinstance(value, str) and quotes < _MAX_QUOTES:
        inside, quotes = _embedded(value), quotes + 1
    for part in inside:
        yield from _parts(part, quotes)


def _embedded(text: str) -> list[object]:
    """Returns the JSON value that `text` is, or that stands in it after some words ("TOC error 500: {…}")."""
    if text.lstrip().startswith('"'):
        found = decode(text)
        return [found.value] if found else []
    starts = (start for bracket in "{[" if (start := text.find(bracket)) >= 0)
    return [found.value for start in starts if (found := _decode(text, start, whole=False))]


def _sentences(place: object) -> tuple[str, ...]:
    """Returns the texts directly in `place`, each as written and without accents; none of a body that is no speech."""
    texts = [place] if isinstance(place, str) else [part for part in _children(place) if isinstance(part, str)]
    lines = [one_line(text) for text in texts if not _HTML.search(text)]
    return tuple(form for line in lines for form in (unicodedata.normalize("NFC", line), fold(line)) if form)


def _places(value: object, depth: int) -> Iterator[dict[str, object]]:
    """Yields the objects in which this invoice's document may lie: first the place where we write its number."""
    if isinstance(value, str):
        inner = decode(value)
        value = inner.value if inner else None
    if not isinstance(value, dict) or depth > _MAX_QUOTES:
        return
    yield value
    yield from _places(value.get("toc_data"), depth + 1)
    yield from _places(value.get("data"), depth + 1)
    yield from _places(value.get("attributes"), depth + 1)


def _number(place: dict[str, object]) -> str | None:
    found = place.get(_NUMBER_FIELD)
    number = clean_text(found).strip() if isinstance(found, str) else ""
    return number if 0 < len(number) <= _MAX_NUMBER else None


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
