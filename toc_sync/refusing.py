"""Whether what an answer says is a refusal: each sentence as a whole, once the words before it are taken off.

Pure: no clock, no I/O. A sentence that tells of a document or of another course of things refuses nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import islice

from toc_sync import telling
from toc_sync.answer import one_line
from toc_sync.model import Refusal, fold
from toc_sync.saying import MAX_SENTENCE, Sentence
from toc_sync.vocabulary import is_lead_in

QUOTED = "> "
"""Stands before each sentence that the function only passes on: a pattern with ^ matches nothing but its own words."""


_MOST_CLAUSES = 12
_MOST_LEAD_INS = 12


_ERROR_NAME = re.compile(r"(?:(?:uncaught )?\w{0,40}(?:error|exception): ?)*", re.IGNORECASE)
_LEAD_IN_ENDS = re.compile(r"(?:: ?| [-–—] ?|\] ?|\) ?| ?→ ?| ?\| ?)")
_CLAUSE_ENDS = re.compile(r"(?<=[.!?;|])\s+")


def refusals_in(said: list[Sentence], known: Sequence[Refusal]) -> list[Refusal]:
    """Returns the refusals that these sentences are; none where one of them is neither a refusal nor a mere lead-in."""
    found: list[Refusal] = []
    for sentence in said:
        refusal = _recognised(sentence, known)
        if refusal:
            found.append(refusal)
        elif not is_lead_in(sentence.text):
            return []
    return found


def any_refusal(value: object, known: Sequence[Refusal]) -> bool:
    """Tells whether any text of a value, however deep, is a refusal."""
    shipped = [refusal for refusal in known if not refusal.taught]
    texts = (leaf for _, leaf in telling.leaves(value) if isinstance(leaf, str) and leaf and len(leaf) <= MAX_SENTENCE)
    return any(_recognised(Sentence(text=one_line(text), passed_on=False), shipped) for text in texts)


def _recognised(sentence: Sentence, known: Sequence[Refusal]) -> Refusal | None:
    """Returns the refusal that a sentence is, as a whole or in each clause that is more than a lead-in."""
    if refusal := _refusal_of(sentence.text, sentence.passed_on, known):
        return refusal
    clauses = _clauses(sentence.text)
    if not 1 < len(clauses) <= _MOST_CLAUSES:
        return None
    found = [_refusal_of(clause, sentence.passed_on, known) for clause in clauses]
    is_alone = all(refusal or is_lead_in(clause) for refusal, clause in zip(found, clauses, strict=True))
    return next((refusal for refusal in found if refusal), None) if is_alone else None


def _refusal_of(text: str, passed_on: bool, known: Sequence[Refusal]) -> Refusal | None:
    for rest, is_quoted in _without_lead_in(text, passed_on):
        for form in dict.fromkeys((unicodedata.normalize("NFC", rest), fold(rest))):
            shown = QUOTED + form if is_quoted else form
            refusal = next((refusal for refusal in known if refusal.pattern.search(shown)), None)
            if refusal and not telling.tells_of_document(rest) and not telling.tells_of_another_course(rest):
                return refusal
    return None


def _without_lead_in(text: str, passed_on: bool) -> Iterator[tuple[str, bool]]:
    """Yields the text, then what is left of it after each lead-in; whoever names another speaker passes on."""
    yield text, passed_on
    for end in islice(_LEAD_IN_ENDS.finditer(text), _MOST_LEAD_INS):
        before, rest = text[: end.end()], text[end.end() :].strip()
        if not is_lead_in(before):
            return
        if rest:
            yield rest, passed_on or _ERROR_NAME.fullmatch(before.strip() + " ") is None


def _clauses(text: str) -> list[str]:
    """Returns the clauses of a text; a mark inside quotation marks ends none."""
    masked = telling.QUOTED.sub(lambda found: "x" * len(found.group()), text)
    cuts = [found.span() for found in _CLAUSE_ENDS.finditer(masked)]
    starts = [0, *(end for _, end in cuts)]
    ends = [*(start for start, _ in cuts), len(text)]
    return [text[start:end] for start, end in zip(starts, ends, strict=True)]
