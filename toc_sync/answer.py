"""What the body of an answer holds, before anyone decides what it means: values, texts and the message.

Pure: no clock, no I/O. Nothing here raises, whatever the bytes are. What cannot be read with certainty is left out, so
that nobody recognises anything in it.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

_MAX_DEPTH = 50
_MAX_DIGITS = 400
MAX_QUOTES = 4
_MESSAGE_FIELDS = ("error", "errors", "message", "msg", "detail", "title", "error_description", "code")
_JSON_LIKE = re.compile(r'\s*[{\["]')
_HTML = re.compile(r"\A\s*<|<\s*/?(?:!doctype|html|head|body)\b", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Json:
    """A decoded JSON value. `contradictory`: a key was repeated with another value; it holds the list of them all."""

    value: object
    contradictory: bool
    length: int = 0
    """Of its text."""


@dataclass(frozen=True, kw_only=True)
class Content:
    """One body: its text as it came, and what that is as JSON, or None where it is no (readable) JSON."""

    raw: str
    json: Json | None

    @property
    def plain(self) -> str:
        """The text of a body that people wrote, else nothing: broken JSON may hide anything, markup is a gateway's."""
        is_plain = self.json is None and not _JSON_LIKE.match(self.raw) and not is_markup(self.raw)
        return one_line(self.raw) if is_plain else ""

    @property
    def value(self) -> object:
        """The decoded JSON value, or None."""
        return self.json.value if self.json else None

    @property
    def contradicts_itself(self) -> bool:
        """Tells whether the body says two different things under one key."""
        return self.json is not None and self.json.contradictory


def read_body(body: bytes) -> Content:
    """Returns what `body` says; bytes that are no UTF-8 become U+FFFD."""
    return read_text(body.decode("utf-8-sig", "replace"))


def read_text(text: str) -> Content:
    """Returns what a body says that is already text."""
    return Content(raw=text, json=decode(text))


def decode(text: str) -> Json | None:
    """Returns the JSON value that `text` is as a whole, or None: no JSON, or nested deeper than is sane."""
    return _decode(text, 0, whole=True)


def embedded(text: str) -> list[object]:
    """Returns the JSON value that `text` is, or that stands in it after some words ("TOC error 500: {…}")."""
    return [found.value for _, found, _ in json_in(text)]


def json_in(text: str) -> list[tuple[str, Json, str]]:
    """Returns the JSON in a text, each with the words before and after it; a text that is a JSON text counts as well."""
    if text.lstrip().startswith('"'):
        whole = decode(text)
        return [("", whole, "")] if whole else []
    found = []
    for bracket in "{[":
        start = text.find(bracket)
        if start >= 0 and (inner := _decode(text, start, whole=False)):
            found.append((text[:start], inner, text[start + inner.length :]))
    return found


def is_markup(text: str) -> bool:
    """Tells whether a text is a page, or has one in it."""
    return _HTML.search(text) is not None


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
        value, end = (decoder.decode(text), len(text)) if whole else decoder.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return Json(value=value, contradictory=bool(contradictions), length=end - start) if _is_shallow(value) else None


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
