"""What one answer means: the rules that decide whether an invoice is in TOC Online, certainly not there, or in doubt.

Pure: no clock, no I/O, never raises. Fails closed: `failed` and `undelivered` only where it is positively recognised
that nothing was issued. Whatever nobody foresaw ends as in doubt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from toc_sync import gateways, refusing, saying, success, telling
from toc_sync.account import account_of
from toc_sync.answer import Content, message, one_line, read_body, read_text
from toc_sync.document import document_no, names_no_document
from toc_sync.model import ErrorKind, NoReply, Outcome, Refusal, Reply, Unsent, Verdict
from toc_sync.saying import MAX_SENTENCE

MAX_ERROR = 2_000
MAX_SPEECH = 65_536
"""Bodies of more characters are not searched for refusals, nor for what speaks against a success without a number."""

_WITHOUT_REPLY = {
    Unsent.CONFIGURATION: (Outcome.FAILED, ErrorKind.CONFIGURATION),
    Unsent.UNDELIVERED: (Outcome.UNDELIVERED, ErrorKind.UNREACHABLE),
    Unsent.HELD_BACK: (Outcome.UNDELIVERED, ErrorKind.UNREACHABLE),
    Unsent.TIMEOUT: (Outcome.IN_DOUBT, ErrorKind.TIMEOUT),
    Unsent.LOST: (Outcome.IN_DOUBT, ErrorKind.LOST),
}
_STORED_PREFIX = re.compile(r"\A\s*(?:Error:\s*)?(?:TOC sync failed:\s*)?", re.IGNORECASE)
_STORED_ANSWER = re.compile(
    r"\s*(?:Error:\s*)?TOC sync failed:\s*(?P<status>[1-9][0-9]{2})(?![0-9])[\s:]*(?P<body>.*)\Z",
    re.IGNORECASE | re.DOTALL,
)
_NEVER_SENT = re.compile(r"(?:error: )?(?:no access token available|missing next_public_\w+)\W*", re.IGNORECASE)
_BROKEN_OFF = re.compile(r"(?:\w*error: )?(?:failed to fetch|networkerror\b|load failed)", re.IGNORECASE)


def classify(answer: Reply | NoReply, refusals: Sequence[Refusal]) -> Verdict:
    """Returns what one POST led to. `refusals` are the recognised ones, shipped and the operator's."""
    if isinstance(answer, NoReply):
        # Rules 1 to 3: the edge knows whether a byte may have left.
        outcome, kind = _WITHOUT_REPLY[answer.why]
        error = _shorten(answer.error) or f"No complete answer ({answer.why})"
        return Verdict(outcome=outcome, error_kind=kind, error=error, http_status=answer.http_status)
    return _read(answer, refusals)


def classify_text(text: str, refusals: Sequence[Refusal]) -> Verdict:
    """Returns what an old stored error text means, "TOC sync failed: <status> <body>" as that answer would."""
    if reply := stored_reply(text):
        verdict = _read(reply, refusals)
        # The headers were not kept: of the platform's own answers only a whole one is known for certain.
        return _doubted(verdict) if gateways.is_bare_code(read_text(reply.body.decode())) else verdict
    said = read_text(_STORED_PREFIX.sub("", text))
    error = _shorten(message(said.value) or said.raw) or "An error without a text"
    if _NEVER_SENT.fullmatch(said.plain):
        return Verdict(outcome=Outcome.FAILED, error_kind=ErrorKind.CONFIGURATION, error=error)
    if _BROKEN_OFF.match(said.plain):
        return Verdict(outcome=Outcome.IN_DOUBT, error_kind=ErrorKind.LOST, error=error)
    refusal = _recognised(None, said, refusals) if _is_firm(said) else None
    if refusal:
        return Verdict(outcome=Outcome.FAILED, error_kind=refusal.kind, error=error, refusal=refusal.name)
    return Verdict(outcome=Outcome.IN_DOUBT, error_kind=ErrorKind.SERVER_ERROR, error=error)


def _doubted(verdict: Verdict) -> Verdict:
    is_certain = verdict.outcome in (Outcome.FAILED, Outcome.UNDELIVERED)
    return replace(verdict, outcome=Outcome.IN_DOUBT, error_kind=ErrorKind.SERVER_ERROR) if is_certain else verdict


def stored_reply(text: str) -> Reply | None:
    """Returns the answer that an old stored error text repeats, or None where it repeats none."""
    stored = _STORED_ANSWER.match(text)
    if not stored:
        return None
    body = stored["body"].encode("utf-8", "replace")
    return Reply(http_status=int(stored["status"]), headers={}, body=body, truncated=False, duration_ms=0)


def is_teachable(reply: Reply) -> bool:
    """Tells whether the function itself wrote this answer, so that a person can know what it means.

    The platform and gateways on the way use other statuses and codes; a 2xx that is no JSON object is unreadable.
    """
    said = read_body(reply.body)
    is_readable = not 200 <= reply.http_status <= 299 or isinstance(said.value, dict)
    return is_readable and not gateways.speaks_for_the_function(reply, said) and not reply.truncated


def is_success(value: object) -> bool:
    """Tells whether a decoded 2xx answer shows that a document was issued: it names it, or says so and nothing else."""
    if success.is_rehearsal(value):
        return False
    if document_no(value):
        return True
    if not isinstance(value, dict) or not success.says_success(value):
        return False
    return not names_no_document(value) and not success.any_failure(value)


def _read(reply: Reply, refusals: Sequence[Refusal]) -> Verdict:  # noqa: PLR0911  # one for each rule
    """The rules 4 to 13 of the contract, the most authoritative first; the first that fits decides."""
    # What was cut off may say the opposite: half an answer is text at best.
    said = (
        read_body(reply.body) if not reply.truncated else Content(raw=reply.body.decode("utf-8", "replace"), json=None)
    )
    status = reply.http_status
    is_2xx = 200 <= status <= 299
    number = document_no(said.value)

    # 4: it will be done later, whatever is known by now.
    if status == 202:
        return _in_doubt(ErrorKind.ACCEPTED, reply, said, number)
    # 5 and 6: a 2xx shows that a document was issued.
    if is_2xx and _shows_success(said, number, refusals):
        return _synced(reply, said, number)
    # 5: a number exists only on a document that was issued; beside an error somebody has to look.
    if number:
        return _in_doubt(ErrorKind.SERVER_ERROR, reply, said, number)
    # 7 to 10 say "certainly not issued": only an answer that is whole and says one thing can.
    if not reply.truncated and _is_firm(said) and (verdict := _not_issued(reply, said, refusals)):
        return verdict
    # 11: a success that does not say of what.
    if is_2xx and not isinstance(said.value, dict):
        return _in_doubt(ErrorKind.UNREADABLE, reply, said)
    # 12: somebody on the way stopped waiting; the function may go on.
    if status in (504, 524):
        return _in_doubt(ErrorKind.TIMEOUT, reply, said)
    # 13: everything else may have happened after the document was issued.
    return _in_doubt(ErrorKind.SERVER_ERROR, reply, said)


def _shows_success(said: Content, number: str | None, refusals: Sequence[Refusal]) -> bool:
    if number is None and (said.contradicts_itself or len(said.raw) > MAX_SPEECH):
        return False
    return is_success(said.value) and (number is not None or not refusing.any_refusal(said.value, refusals))


def _is_firm(said: Content) -> bool:
    return len(said.raw) <= MAX_SPEECH and not said.contradicts_itself


def _not_issued(reply: Reply, said: Content, refusals: Sequence[Refusal]) -> Verdict | None:
    # 7: the platform turned the request away before the function ran.
    if gateways.turned_away(reply, said):
        return _failed(ErrorKind.CONFIGURATION, reply, said)
    # 8: the function never started; the platform may do better next time.
    if gateways.never_started(reply, said):
        return _verdict(Outcome.UNDELIVERED, ErrorKind.UNREACHABLE, reply, said)
    # 9 and 10: somebody said no before anything was issued.
    if not gateways.is_crash(reply, said) and (refusal := _recognised(reply, said, refusals)):
        return _failed(refusal.kind, reply, said, refusal)
    return None


def _recognised(reply: Reply | None, said: Content, refusals: Sequence[Refusal]) -> Refusal | None:
    shipped = [refusal for refusal in refusals if not refusal.taught]
    sentences = saying.sentences(said)
    if sentences and (found := refusing.refusals_in(sentences, shipped)):
        # Rule 9 before rule 10: what is wrong with the invoice is the nearer reason.
        return min(found, key=lambda refusal: refusal.kind is not ErrorKind.REJECTED)
    if reply is None or len(shipped) == len(refusals) or not is_teachable(reply):
        return None
    # What people taught comes last, and only for a whole answer of the function: every word of it has to fit.
    whole = account_of(reply.http_status, said)
    taught = (refusal for refusal in refusals if refusal.taught)
    found_taught = next((each for each in taught if len(whole) <= MAX_SENTENCE and each.pattern.search(whole)), None)
    return found_taught if found_taught and not tells_more(said) else None


def tells_more(said: Content) -> bool:
    """Tells whether an answer tells of a document, or of another way it may have ended."""
    root = said.value if said.json else said.plain
    return telling.any_document(root) or telling.any_other_course(root)


def _synced(reply: Reply, said: Content, number: str | None) -> Verdict:
    return Verdict(
        outcome=Outcome.SYNCED, http_status=reply.http_status, document_no=number, toc_data=_toc_data(said, number)
    )


def _in_doubt(kind: ErrorKind, reply: Reply, said: Content, number: str | None = None) -> Verdict:
    return _verdict(Outcome.IN_DOUBT, kind, reply, said, number=number)


def _failed(kind: ErrorKind, reply: Reply, said: Content, refusal: Refusal | None = None) -> Verdict:
    return _verdict(Outcome.FAILED, kind, reply, said, refusal=refusal)


def _verdict(
    outcome: Outcome,
    kind: ErrorKind,
    reply: Reply,
    said: Content,
    *,
    number: str | None = None,
    refusal: Refusal | None = None,
) -> Verdict:
    return Verdict(
        outcome=outcome,
        error_kind=kind,
        error=_explain(reply, said, number),
        http_status=reply.http_status,
        document_no=number,
        toc_data=_toc_data(said, number),
        refusal=refusal.name if refusal else None,
    )


def _toc_data(said: Content, number: str | None) -> object:
    """What the function returned under `toc_data`, else the document itself; None where there is none."""
    if isinstance(said.value, dict) and said.value.get("toc_data") is not None:
        return said.value["toc_data"]
    return said.value if number else None


def _explain(reply: Reply, said: Content, number: str | None) -> str:
    lacks = "an explanation" if isinstance(said.value, dict) else "a readable body"
    error = _shorten(message(said.value) or said.plain) or f"HTTP {reply.http_status} without {lacks}"
    return _shorten(f"It names document {number}. {error}") if number else error


def _shorten(text: str) -> str:
    return one_line(text)[:MAX_ERROR]
