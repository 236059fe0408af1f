"""What a person may teach: that one answer of the function always means that nothing was issued.

Pure: no clock, no chance. Fails closed: whatever might also be said after a document was issued is not learnt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from toc_sync import wording_teaching as words
from toc_sync.answer import read_body
from toc_sync.classify import MAX_SENTENCE, classify, is_teachable
from toc_sync.likeness import free_form, longest_fragment, pattern_of, words_of
from toc_sync.model import ErrorKind, Fixer, Outcome, Refusal, Reply, SettingsError, Verdict
from toc_sync.refusals import doubtful_answers, taught_refusal

_MAX_BODY = 60_000
"""A stored body is cut at 64 KiB; one that is shorter than this is whole."""

_LEAST_WORDS = 2
_LEAST_LETTERS = 10
_NAMED_AT_MOST = 3
_ABOUT_A_LOSS = re.compile(
    r"\btime[ds]?[ -]?out|timeout|\baborted\b|\bfetch failed\b|\bnetwork|\bsocket\b|connection|\beconn|\benotfound\b"
    r"|\betimedout\b|\bepipe\b|\bbroken pipe\b|\bhang ?up\b|gateway|\bupstream\b|\bunavailable\b|\bunexpected end\b"
    r"|\bunexpected token\b|not valid json|\btempo (?:limite|esgotado|de espera)|\bligacao\b|\bconexao\b|\bindisponivel"
)
"""Written for folded texts. The function itself was without an answer then: what it asked for may have been done."""


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What can be learnt from one answer: its sentence, what every such answer says, and how it is recognised."""

    example: str
    form: str
    """The whole answer, folded, with what is free in angle brackets."""
    pattern: str
    fragment: str
    """Letters that stand in the body of every such answer; "" where there are none."""


def whole_answer(http_status: int | None, headers: object, body: str | None) -> Reply | None:
    """Returns a stored answer as it came, or None where it was not kept whole."""
    if http_status is None or body is None or len(body.encode()) > _MAX_BODY:
        return None
    known = {str(name): str(value) for name, value in headers.items()} if isinstance(headers, dict) else {}
    return Reply(http_status=http_status, headers=known, body=body.encode(), truncated=False, duration_ms=0)


def lesson_of(reply: Reply) -> Lesson:
    """Returns what this answer would teach; whether it may is another question (`why_not`)."""
    text = read_body(reply.body)
    example = classify(reply, ()).error or text.speech
    return Lesson(
        example=example,
        form=free_form(text.speech),
        pattern=pattern_of(text.speech),
        fragment=longest_fragment(text.raw if words_of(text.speech) else ""),
    )


def is_unclear(verdict: Verdict) -> bool:
    """Tells whether an answer came that reports an error nobody knows: the only doubt that can be taught away."""
    return verdict.outcome is Outcome.IN_DOUBT and verdict.error_kind is ErrorKind.SERVER_ERROR


def why_not(reply: Reply, known: Sequence[Refusal]) -> str | None:
    """Returns why nothing may be learnt from this answer, as a sentence, or None where it may."""
    verdict = classify(reply, known)
    if verdict.refusal:
        return words.already_known(verdict.refusal)
    if not is_unclear(verdict) or not is_teachable(reply):
        return words.NOT_OF_FUNCTION
    speech = read_body(reply.body).speech
    return _why_no_sentence(speech) or _why_no_pattern(reply, pattern_of(speech), known)


def _why_no_sentence(speech: str) -> str | None:
    if not speech or len(speech) > MAX_SENTENCE:
        return words.NO_WORDS
    if _ABOUT_A_LOSS.search(speech):
        return words.ABOUT_A_LOSS
    found = words_of(speech)
    is_short = len(found) < _LEAST_WORDS or sum(map(len, found)) < _LEAST_LETTERS
    return words.TOO_SHORT if is_short else None


def _why_no_pattern(reply: Reply, pattern: str, known: Sequence[Refusal]) -> str | None:
    try:
        candidate = taught_refusal("candidate", pattern, "-", Fixer.FINANCE)
    except SettingsError:
        return words.TOO_SHORT
    if classify(reply, (*known, candidate)).refusal != candidate.name:
        return words.NAMES_DOCUMENT
    doubtful = _also_fits(candidate)
    return words.fits_doubtful_answers(doubtful[:_NAMED_AT_MOST]) if doubtful else None


def _also_fits(refusal: Refusal) -> list[str]:
    """Returns the names of the known doubtful answers that a refusal would recognise, whatever their status."""
    return [name for name, reply in doubtful_answers().items() if refusal.pattern.search(read_body(reply.body).speech)]
