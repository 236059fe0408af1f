"""When two texts say the same: their wording without what differs from one invoice to the next.

Pure: no clock, no I/O. Two strengths. To put errors into groups, ids, dates, numbers and quoted names are free; a number
that may be an HTTP status counts, as an error 400 and a time-out 504 are not the same. To know an answer again, what is
quoted counts as well, and every number that is not named as one of the invoice's own: a code, a count or a flag may
make the difference between nothing and a document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from toc_sync.answer import one_line
from toc_sync.model import fold

MAX_NORMAL_FORM = 300
_LONGEST_LEAD = 40

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
_OWN_NUMBER = re.compile(
    r"(?:^|[^a-z0-9])(?:invoice|fatura|factura|order|encomenda|customer|cliente|nif|contribuinte|linha|line|ref|refer\w{4,6}"
    r"|total|subtotal|valor|montante|amount|iva|vat)(?:[ _]?(?:id|no|nr|n[.ºo°]{1,2}|number|numero|amount))?"
    r"(?: (?:de|of|do|da))?[\s:=#.(\"'“«]{0,4}\Z"
)
"""What stands before a number of the invoice itself."""
_DAY = re.compile(r"[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{4}")
_DIGITS_IN_QUOTES = re.compile(r"\W[0-9]+\W")
_WORD = re.compile(r"[a-z]{3,}")
_VALUE = re.compile(r"[\w.]*=\S*")
_NAME = re.compile(r"(?:^|(?<=\| ))[\w.]*: ")
_PLAIN = re.compile(r"[A-Za-z]+")


def normal_form(text: str) -> str:
    """Returns `text` on one line, folded, with a placeholder for each free part; at most 300 characters."""
    return "".join(piece if not kind else _shown(kind) for kind, piece in _pieces(text))[:MAX_NORMAL_FORM]


def exact_form(text: str) -> str:
    """Returns `text` in full length, folded, with a placeholder only for what is the invoice's own."""
    return "".join(piece if not kind else _shown(kind) for kind, piece in _exact_pieces(text))


def pattern_of(text: str) -> str:
    """Returns a regular expression for the folded form of `text`, and of what differs from it in the invoice's own only."""
    parts = (_FREE.get(kind, _number_like(piece)) if kind else re.escape(piece) for kind, piece in _exact_pieces(text))
    return rf"\A{''.join(parts)}\Z"


def words_of(text: str) -> list[str]:
    """Returns the words, folded and of three letters or more, outside the free parts, names, and values with a name."""
    spoken = ((kind, _NAME.sub(" ", _VALUE.sub(" ", piece))) for kind, piece in _pieces(text))
    return [word for kind, piece in spoken if not kind for word in _WORD.findall(piece)]


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
    return _cut(folded, [found for found in _tokens(folded) if found.lastgroup != "status"])


def _exact_pieces(text: str) -> list[tuple[str, str]]:
    """Returns the same, with only what is the invoice's own as a free part."""
    folded = fold(one_line(text))
    return _cut(folded, [found for found in _tokens(folded) if _is_own(found, folded)])


def _cut(folded: str, free: list[re.Match[str]]) -> list[tuple[str, str]]:
    pieces: list[tuple[str, str]] = []
    end = 0
    for found in free:
        pieces += [("", folded[end : found.start()]), (found.lastgroup or "", found.group())]
        end = found.end()
    return [piece for piece in (*pieces, ("", folded[end:])) if piece[1]]


def _is_own(found: re.Match[str], folded: str) -> bool:
    if found.lastgroup in ("number", "status", "name"):
        is_number = found.lastgroup != "name" or _DIGITS_IN_QUOTES.fullmatch(found.group()) is not None
        before = folded[max(0, found.start() - _LONGEST_LEAD) : found.start()]
        return _DAY.fullmatch(found.group()) is not None or (is_number and _OWN_NUMBER.search(before) is not None)
    return True


def _tokens(folded: str) -> Iterator[re.Match[str]]:
    # Quotation marks of JSON inside a text stand around its keys too.
    return _TOKENS[_JSON_INSIDE.search(folded) is None].finditer(folded)


def _token_pattern(quotes: tuple[str, ...]) -> re.Pattern[str]:
    kinds = {"id": _ID, "date": _DATE, "name": "|".join(quotes), "status": _STATUS} | {
        kind: _FREE[kind] for kind in ("address", "long_id", "number")
    }
    return re.compile(r"(?<!\w)(?:" + "|".join(f"(?P<{kind}>{free})" for kind, free in kinds.items()) + r")(?!\w)")


_TOKENS = {True: _token_pattern((*_IN_QUOTES, _IN_DOUBLE_QUOTES)), False: _token_pattern(_IN_QUOTES)}


def _number_like(piece: str) -> str:
    """Returns the expression for a number, in the quotation marks of this one where it has any."""
    first, last = piece[0], piece[-1]
    return _NUMBER if first.isdigit() else rf"{re.escape(first)}[0-9]{{1,20}}{re.escape(last)}"


def _shown(kind: str) -> str:
    return _SHOWN.get(kind, _SHOWN_NAME)
