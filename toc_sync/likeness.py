"""When two texts say the same: their wording without what differs from one invoice to the next.

Pure: no clock, no I/O. Ids, dates, numbers and quoted names are free; every other character counts. A number that may
be an HTTP status counts too: an error 400 and a time-out 504 are not the same, though the words may be.
"""

from __future__ import annotations

import re

from toc_sync.answer import one_line
from toc_sync.model import fold

MAX_NORMAL_FORM = 300

_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[t ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?(?:z|[+-][0-9]{2}:?[0-9]{2})?)?"
_LONG_ID = r"(?=[a-z_]*[0-9])(?=[0-9_]*[a-z])[0-9a-z_]{12,80}"
_ADDRESS = r"[0-9a-z._%+-]{1,64}@[0-9a-z.-]{1,100}"
_NUMBER = r"[0-9]+(?:[.,/:-][0-9]+)*"
_STATUS = r"[45][0-9]{2}(?![.,/:-]?[0-9])"
_IN_QUOTES = (r"'[^'|]{1,120}'", r"“[^”|]{1,120}”", r"«[^»|]{1,120}»")
_IN_DOUBLE_QUOTES = r'"[^"|]{1,120}"'
_JSON_INSIDE = re.compile(r"[{\[]")

_FREE = {"id": _ID, "date": _DATE, "address": _ADDRESS, "long_id": _LONG_ID, "number": _NUMBER}
_SHOWN = {"id": "<id>", "date": "<date>", "address": "<address>", "long_id": "<id>", "number": "<number>"}
_SHOWN_NAME = "<name>"
_WORD = re.compile(r"[a-z]{3,}")
_VALUE = re.compile(r"\w*=\S*")
_PLAIN = re.compile(r"[A-Za-z]+")


def normal_form(text: str) -> str:
    """Returns `text` on one line, folded, with a placeholder for each free part; at most 300 characters."""
    return free_form(text)[:MAX_NORMAL_FORM]


def free_form(text: str) -> str:
    """Returns the same in full length."""
    return "".join(piece if not kind else _shown(kind) for kind, piece in _pieces(text))


def pattern_of(text: str) -> str:
    """Returns a regular expression for the folded form of `text` and of whatever differs from it in free parts only."""
    parts = (_FREE.get(kind, _name_like(piece)) if kind else re.escape(piece) for kind, piece in _pieces(text))
    return rf"\A{''.join(parts)}\Z"


def words_of(text: str) -> list[str]:
    """Returns the words, folded and of three letters or more, outside the free parts and values with a name."""
    return [word for kind, piece in _pieces(text) if not kind for word in _WORD.findall(_VALUE.sub(" ", piece))]


def longest_fragment(text: str) -> str:
    """Returns the longest run of plain letters of `text`, as written, that is part of every text like it; or "".

    It stands in the same letters in every JSON that holds such a text, so that a database can look for it.
    """
    fixed = " ".join(words_of(text))
    free = " ".join(piece for kind, piece in _pieces(text) if kind)
    found = [run for run in _PLAIN.findall(text) if fold(run) in fixed and fold(run) not in free]
    return max(found, key=len, default="")


def _pieces(text: str) -> list[tuple[str, str]]:
    """Returns the folded text in pieces, each with the kind of the free part it is, or "" where every letter counts."""
    folded = fold(one_line(text))
    # Quotation marks of JSON inside a text stand around its keys too.
    quotes = _IN_QUOTES if _JSON_INSIDE.search(folded) else (*_IN_QUOTES, _IN_DOUBLE_QUOTES)
    pieces: list[tuple[str, str]] = []
    end = 0
    for found in _tokens(quotes).finditer(folded):
        kind = found.lastgroup or ""
        if kind == "status":
            continue
        pieces += [("", folded[end : found.start()]), (kind, found.group())]
        end = found.end()
    return [piece for piece in (*pieces, ("", folded[end:])) if piece[1]]


def _tokens(quotes: tuple[str, ...]) -> re.Pattern[str]:
    kinds = {"id": _ID, "date": _DATE, "name": "|".join(quotes), "status": _STATUS} | {
        kind: _FREE[kind] for kind in ("address", "long_id", "number")
    }
    return re.compile(r"(?<!\w)(?:" + "|".join(f"(?P<{kind}>{free})" for kind, free in kinds.items()) + r")(?!\w)")


def _name_like(piece: str) -> str:
    """Returns the expression for a name in the quotation marks of this one."""
    first, last = piece[0], piece[-1]
    return f"{first}[^{last}|]{{1,120}}{last}"


def _shown(kind: str) -> str:
    return _SHOWN.get(kind, _SHOWN_NAME)
