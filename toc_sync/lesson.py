"""What a person may teach: that one answer of the function always means that nothing was issued.

Pure: no clock, no chance. Fails closed: whatever might also be said after a document was issued is not learnt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from toc_sync import wording_teaching as words
from toc_sync.account import account_of, earlier_account_of
from toc_sync.answer import Content, read_body
from toc_sync.classify import classify, is_teachable
from toc_sync.likeness import exact_form, longest_fragment, pattern_of, words_of
from toc_sync.model import ErrorKind, Fixer, Outcome, Refusal, Reply, SettingsError, Verdict
from toc_sync.refusals import doubtful_answers, taught_refusal
from toc_sync.saying import MAX_SENTENCE
from toc_sync.telling import any_other_course

_MAX_BODY = 60_000
"""A stored body is cut at 64 KiB; one that is shorter than this is whole."""

_LEAST_WORDS = 2
_LEAST_LETTERS = 10
_NAMED_AT_MOST = 3


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What can be learnt from one answer: its sentence, what every such answer says, and how it is recognised."""

    example: str
    http_status: int
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
    said = read_body(reply.body)
    account = account_of(reply.http_status, said)
    return Lesson(
        example=classify(reply, ()).error or account,
        http_status=reply.http_status,
        form=exact_form(account),
        pattern=pattern_of(account),
        fragment=longest_fragment(said.raw if words_of(account) else ""),
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
    said = read_body(reply.body)
    account = account_of(reply.http_status, said)
    return _why_no_sentence(said, account) or _why_no_pattern(reply, said, pattern_of(account), known)


def _why_no_sentence(said: Content, account: str) -> str | None:
    if not account or len(account) > MAX_SENTENCE:
        return words.NO_WORDS
    if any_other_course(said.value if said.json else said.plain):
        return words.ABOUT_A_LOSS
    found = words_of(account)
    is_short = len(found) < _LEAST_WORDS or sum(map(len, found)) < _LEAST_LETTERS
    return words.TOO_SHORT if is_short else None


def _why_no_pattern(reply: Reply, said: Content, pattern: str, known: Sequence[Refusal]) -> str | None:
    try:
        # Its words alone must not be those that say nothing.
        taught_refusal("candidate", pattern_of(earlier_account_of(said)), "-", Fixer.FINANCE)
        candidate = taught_refusal("candidate", pattern, "-", Fixer.FINANCE)
    except SettingsError:
        return words.TOO_SHORT
    if classify(reply, (*known, candidate)).refusal != candidate.name:
        return words.NAMES_DOCUMENT
    doubtful = _also_fits(candidate, reply.http_status)
    return words.fits_doubtful_answers(doubtful[:_NAMED_AT_MOST]) if doubtful else None


def _also_fits(refusal: Refusal, http_status: int) -> list[str]:
    """Returns the names of the known doubtful answers that a refusal would recognise, whatever their status."""
    told = {name: account_of(http_status, read_body(reply.body)) for name, reply in doubtful_answers().items()}
    return [name for name, account in told.items() if refusal.pattern.search(account)]
