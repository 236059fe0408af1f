"""How a secret may be spelled where it comes back: the forms of a secret, and the views of a text in which to look for them.

Pure. Everything is bytes of UTF-8, compared without case and white space and with one alphabet of base64; of escapes
only those of plain characters are decoded, again and again, as one encoding lies within another.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_ROUNDS = 3
_PLAIN = rb"([2-7][0-9A-Fa-f])"
# Begins with the few bytes that escapes begin with: all others are passed over quickly.
_ESCAPES = re.compile(
    rb"[\\%&=](?:(?<=\\)\\*(?:u00" + _PLAIN + rb"|x" + _PLAIN + rb"|[nrt])?"
    rb"|(?<=%)(?:25)*(?:" + _PLAIN + rb"|0[aAdD])"
    rb"|(?<=&)(?:amp;)*#(?:[xX]0*" + _PLAIN + rb"|0*([1-9][0-9]{1,2}));|(?<==)\r?\n)"
)
_BROKEN_OFF = re.compile(
    rb"(?:%(?:25)*[0-9A-Fa-f]?|\\+(?:u[0-9A-Fa-f]{0,3}|x[0-9A-Fa-f]?)?|&#?[xX]?[0-9A-Fa-f]{0,2})\Z"
)
_LONGEST_ESCAPE = 24
_WHITE = b" \t\r\n\v\f"
_ALIKE = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ-_", b"abcdefghijklmnopqrstuvwxyz+/")


@dataclass(frozen=True)
class View:
    """A text as it is compared; `at` says for each of its bytes where it began and ended in the text."""

    alike: bytes
    at: Sequence[tuple[int, int]]


def forms(secret: str) -> tuple[bytes, ...]:
    """Returns the forms under which a secret is looked for: as it is, quoted, in base64 at each alignment, in hex."""
    raw = secret.encode()
    quoted = {html.escape(secret), json.dumps(secret)[1:-1].replace("\\", ""), _percent(raw), secret.replace("\\", "")}
    found = [raw, *(text.encode() for text in sorted(quoted)), *_in_base64(raw), raw.hex().encode()]
    return tuple(dict.fromkeys(map(alike, found)))


def alike(raw: bytes) -> bytes:
    """Returns `raw` as it is compared."""
    return raw.translate(_ALIKE, _WHITE)


def views(raw: bytes) -> Iterator[bytes]:
    """Yields a text as it is compared: as it came, and decoded once, twice and so on while that changes anything."""
    yield alike(raw)
    for number in range(_ROUNDS):
        before, raw = raw, _ESCAPES.sub(_letter, raw if number else raw[: _whole_until(raw)])
        if raw == before:
            return
        yield alike(raw)


def views_with_places(raw: bytes) -> Iterator[View]:
    """Yields what `views` does, and where in the text it stands; this takes a hundred times as long."""
    places: Sequence[tuple[int, int]] = [(place, place + 1) for place in range(len(raw))]
    yield _as_view(raw, places)
    for number in range(_ROUNDS):
        before = raw
        end = len(raw) if number else _whole_until(raw)
        raw, places = _decoded(raw[:end], places[:end])
        if raw == before:
            return
        yield _as_view(raw, places)


def _whole_until(raw: bytes) -> int:
    """Returns where the escape begins in which a text that was cut ends, or else its end."""
    start = max(0, len(raw) - _LONGEST_ESCAPE)
    broken_off = _BROKEN_OFF.search(raw[start:])
    return start + broken_off.start() if broken_off else len(raw)


def _as_view(raw: bytes, places: Sequence[tuple[int, int]]) -> View:
    return View(alike(raw), [place for byte, place in zip(raw, places, strict=True) if byte not in _WHITE])


def _decoded(raw: bytes, places: Sequence[tuple[int, int]]) -> tuple[bytes, list[tuple[int, int]]]:
    letters, found, end = bytearray(), list[tuple[int, int]](), 0
    for escape in _ESCAPES.finditer(raw):
        letter = _letter(escape)
        letters += raw[end : escape.start()] + letter
        found += places[end : escape.start()]
        found += [(places[escape.start()][0], places[escape.end() - 1][1])] * len(letter)
        end = escape.end()
    return bytes(letters + raw[end:]), [*found, *places[end:]]


def _letter(escape: re.Match[bytes]) -> bytes:
    """Returns the plain character that an escape stands for; nothing for the end of a line or a backslash."""
    *in_hex, decimal = escape.groups()
    code = next((int(digits, 16) for digits in in_hex if digits), int(decimal or 0))
    return bytes([code]) if 0x20 <= code < 0x7F else b""


def _in_base64(raw: bytes) -> Iterator[bytes]:
    """Yields what is the same in every base64 of a text that holds `raw`, for the three places where it may begin."""
    for before in range(3):
        whole = base64.b64encode(bytes(before) + raw).rstrip(b"=")
        depends_on_what_follows = (before + len(raw)) % 3 != 0
        yield whole[(0, 2, 3)[before] : len(whole) - depends_on_what_follows]


def _percent(raw: bytes) -> str:
    return "".join(chr(byte) if byte < 0x80 else f"%{byte:02x}" for byte in raw)
