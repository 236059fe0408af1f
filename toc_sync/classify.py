"""What one answer means: the rules that decide whether an invoice is in TOC Online, certainly not there, or in doubt.

Pure: no clock, no I/O, never raises. Fails closed: `failed` and `undelivered` only where it is positively recognised
that nothing was issued. Whatever nobody foresaw ends as in doubt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from toc_sync.answer import Content, document_no, message, one_line, read_body, read_text
from toc_sync.model import ErrorKind, NoReply, Outcome, Refusal, Reply, Unsent, Verdict

MAX_ERROR = 2_000
MAX_SENTENCE = 4_000
MAX_SPEECH = 65_536
"""Bodies of more characters are not searched for refusals."""

_WITHOUT_REPLY = {
    Unsent.CONFIGURATION: (Outcome.FAILED, ErrorKind.CONFIGURATION),
    Unsent.UNDELIVERED: (Outcome.UNDELIVERED, ErrorKind.UNREACHABLE),
    Unsent.HELD_BACK: (Outcome.UNDELIVERED, ErrorKind.UNREACHABLE),
    Unsent.TIMEOUT: (Outcome.IN_DOUBT, ErrorKind.TIMEOUT),
    Unsent.LOST: (Outcome.IN_DOUBT, ErrorKind.LOST),
}
_OF_GATEWAYS = frozenset({502, 503, 504, *range(520, 528), 530, 544, 546})
_BAD_KEY = re.compile(r"^(?:error:? )?(?:invalid jwt|missing authorization)\b", re.IGNORECASE)
_NO_FUNCTION = re.compile(r"^(?:requested )?function (?:was )?not found\W*$", re.IGNORECASE)
_NO = frozenset({"", "0", "false", "no", "none", "null", "undefined"})
_DOCUMENT_EXISTS = re.compile(
    r"\b(?:document|invoice)\b[^.]{0,60}\balready (?:exists?|been|issued|created)\b"
    r"|\balready (?:exists?|issued|created)\b[^.]{0,20}\b(?:document|invoice)\b"
    r"|\b(?:documento|fatura|factura)\b[^.]{0,60}\bja (?:existe|foi|esta|se encontra)\b(?! (?:o |um |este )?cliente)"
    r"|\bja (?:existem?|foi emitid[oa]|foi criad[oa])(?: [oa]s?| uma?| est[ea])? (?:documento|fatura|factura)"
)
"""Written for texts without accents. "Already exists" about a document is no refusal: it may be this invoice's."""

_STORED_PREFIX = re.compile(r"\A\s*(?:Error:\s*)?(?:TOC sync failed:\s*)?", re.IGNORECASE)
_STORED_ANSWER = re.compile(
    r"\s*(?:Error:\s*)?TOC sync failed:\s*(?P<status>[1-9][0-9]{2})(?![0-9])[\s:]*(?P<body>.*)\Z",
    re.IGNORECASE | re.DOTALL,
)
_NEVER_SENT = re.compile(r"(?:error: )?(?:no access token available|missing next_public_\w+)", re.IGNORECASE)
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
        return _read(reply, refusals)
    said = read_text(_STORED_PREFIX.sub("", text))
    error = _shorten(message(said.value) or said.raw) or "An error without a text"
    if _NEVER_SENT.match(said.plain):
        return Verdict(outcome=Outcome.FAILED, error_kind=ErrorKind.CONFIGURATION, error=error)
    if _BROKEN_OFF.match(said.plain):
        return Verdict(outcome=Outcome.IN_DOUBT, error_kind=ErrorKind.LOST, error=error)
    refusal = _recognised(None, said, refusals) if _is_firm(said) else None
    if refusal:
        return Verdict(outcome=Outcome.FAILED, error_kind=refusal.kind, error=error, refusal=refusal.name)
    return Verdict(outcome=Outcome.IN_DOUBT, error_kind=ErrorKind.SERVER_ERROR, error=error)


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
    codes = (_body_code(said), _header(reply, "sb-error-code"))
    is_readable = not 200 <= reply.http_status <= 299 or isinstance(said.value, dict)
    is_of_platform = reply.http_status in _OF_GATEWAYS or any(code.startswith("WORKER_") for code in codes)
    return is_readable and not is_of_platform and not reply.truncated


def is_truthy(success: object) -> bool:
    """Tells whether a `success` says yes; the texts "false", "no" and the like do not."""
    return bool(success) and not (isinstance(success, str) and success.strip().lower() in _NO)


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
    # 5: a number exists only on a document that was issued; beside an error somebody has to look.
    if number:
        return _synced(reply, said, number) if is_2xx else _in_doubt(ErrorKind.SERVER_ERROR, reply, said, number)
    # 6: the function reports success, even if it names no number.
    if is_2xx and _reports_success(said):
        return _synced(reply, said, None)
    # 7 to 10 say "certainly not issued": only an answer that is whole and speaks of one thing can.
    if not reply.truncated and _is_firm(said):
        # 7: the platform turned the request away before the function ran.
        if _is_turned_away(reply, said):
            return _failed(ErrorKind.CONFIGURATION, reply, said)
        # 8: the function never started; the platform may do better next time.
        if _never_started(reply, said):
            return _verdict(Outcome.UNDELIVERED, ErrorKind.UNREACHABLE, reply, said)
        # 9 and 10: somebody said no before anything was issued.
        if refusal := _recognised(reply, said, refusals):
            return _failed(refusal.kind, reply, said, refusal)
    # 11: a success that does not say of what.
    if is_2xx and not isinstance(said.value, dict):
        return _in_doubt(ErrorKind.UNREADABLE, reply, said)
    # 12: somebody on the way stopped waiting; the function may go on.
    if status in (504, 524):
        return _in_doubt(ErrorKind.TIMEOUT, reply, said)
    # 13: everything else may have happened after the document was issued.
    return _in_doubt(ErrorKind.SERVER_ERROR, reply, said)


def _reports_success(said: Content) -> bool:
    value = said.value
    if not isinstance(value, dict) or said.contradicts_itself or value.get("error") or value.get("errors"):
        return False
    return "success" not in value or is_truthy(value["success"])


def _is_firm(said: Content) -> bool:
    return len(said.raw) <= MAX_SPEECH and not said.contradicts_itself and not said.names_any_document


def _is_turned_away(reply: Reply, said: Content) -> bool:
    code = _header(reply, "sb-error-code") or _body_code(said)
    if reply.http_status == 401:
        return code.startswith("UNAUTHORIZED_") or any(_BAD_KEY.match(text) for text in said.own_words)
    if reply.http_status == 404 and not _has_run(reply):
        return code.startswith("NOT_FOUND") or any(_NO_FUNCTION.match(text) for text in said.own_words)
    return reply.http_status in (402, 405, 540)


def _never_started(reply: Reply, said: Content) -> bool:
    code = _body_code(said)
    is_boot = reply.http_status == 503 and code == "BOOT_ERROR"
    is_load = 500 <= reply.http_status <= 599 and code.startswith("LOAD_FUNCTION_")
    # A function can pass on such a body from elsewhere; the platform's header cannot be forged by it.
    return (is_boot or is_load) and _header(reply, "sb-error-code") in ("", code) and not _has_run(reply)


def _recognised(reply: Reply | None, said: Content, refusals: Sequence[Refusal]) -> Refusal | None:
    texts = said.texts
    if any(_DOCUMENT_EXISTS.search(text.lower()) for text in texts):
        return None
    shipped = [refusal for refusal in refusals if not refusal.taught]
    # Rule 9 before rule 10: what is wrong with the invoice is the nearer reason.
    in_order = sorted(shipped, key=lambda refusal: refusal.kind is not ErrorKind.REJECTED)
    found = next((refusal for refusal in in_order if any(_fits(refusal, text) for text in texts)), None)
    if found or reply is None or len(shipped) == len(refusals) or not is_teachable(reply):
        return found
    # What people taught comes last, and only for a whole answer of the function: every word of it has to fit.
    speech = said.speech
    return next((refusal for refusal in refusals if refusal.taught and _fits(refusal, speech)), None)


def _fits(refusal: Refusal, text: str) -> bool:
    # A pattern of the operator may be slow on long texts; a refusal is a sentence.
    return len(text) <= MAX_SENTENCE and refusal.pattern.search(text) is not None


def _has_run(reply: Reply) -> bool:
    return any(name.lower() == "x-deno-execution-id" for name in reply.headers)


def _header(reply: Reply, wanted: str) -> str:
    return next((value.strip() for name, value in reply.headers.items() if name.lower() == wanted), "")


def _body_code(said: Content) -> str:
    code = said.value.get("code") if isinstance(said.value, dict) else None
    return code if isinstance(code, str) else ""


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
