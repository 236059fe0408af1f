"""What gateways and the platform answer in the function's place, and when that proves that the function never ran.

Pure: no clock, no I/O. Proof is: no execution id, and a body that is the platform's own from its first word to its last.
"""

from __future__ import annotations

import re

from toc_sync import saying, telling
from toc_sync.answer import Content
from toc_sync.model import GATEWAY_STATUSES, Reply

_LONGEST = 240
_MOST_SENTENCES = 5
_OF_THE_FUNCTION = ("", "EDGE_FUNCTION_ERROR")
_TURNED_AWAY = (402, 405, 540)

_PREFIX = r"^(?:[A-Za-z]{0,40}(?:error|expired|failed|invalid|key|exception)?: )*"
_ABOUT_THE_KEY = re.compile(
    _PREFIX + r"(?:"
    # what the platform says of a request without a usable key
    r"invalid (?:jwt|jws|api ?key|compact jws|jws header|token or protected header formatting|authentication credentials)"
    r"|(?:missing|no) (?:authorization|auth) (?:header|credentials)|missing (?:or invalid )?api ?key"
    r"|no api ?key found in request|no auth(?:entication)? credentials found"
    r"|auth(?:orization)? header is not|legacy api ?keys are disabled|this endpoint requires a|unregistered api ?key"
    # what its JWT libraries say of a key that is none of this project's
    r"|jwt (?:expired|is expired|has expired|claims set must|cryptographic|issued at future|malformed)|invalid jwt\b"
    r"|(?:jwt |token |jws )?signature (?:verification failed|is invalid|mismatch)|(?:the )?jwt(?:'s)? (?:signature|is )"
    r"|the (?:jwt|serialization of the jwt)\b|token is expired|token has (?:expired|invalid claims)|jw[st]error\b"
    r"|no applicable key found|no suitable key|unrecogni[sz]ed jwt kid|(?:unknown|missing|unrecogni[sz]ed|no matching) kid\b"
    r"|kid (?:not found|missing|is )|key for the (?:hs|es|rs|ps|ed)\w{3,5} algorithm|key not found for"
    r"|[\"']?(?:exp|nbf|iat|aud|iss|sub)[\"']? claim|unexpected [\"']?(?:aud|iss|alg|typ)\b|missing required [\"']?\w{2,5}[\"']? claim"
    r"|[\"']?alg[\"']? \(algorithm\)|(?:unsupported|unexpected|invalid|wrong|disallowed) (?:jwt |signing )?[\"']?alg(?:orithm)?\b"
    r"|jws (?:protected header|signature|payload)|failed to (?:base64url )?decode (?:the )?(?:payload|jwt|token|signature|base64)"
    r"|invalid (?:jwt )?signature|bad[_ ]jwt|invalid claim"
    r")",
    re.IGNORECASE,
)
_NO_FUNCTION = re.compile(r"^(?:error: )?(?:requested )?function (?:was )?not found\W*$", re.IGNORECASE)
_STARTING = re.compile(r"^[^.;|]{0,60}\b(?:function|worker|module|bundle|eszip|isolate)\b[^;|]{0,120}$", re.IGNORECASE)


def has_run(reply: Reply) -> bool:
    """Tells whether the function ran, and with it whether it may have issued something."""
    return any(name.lower() == "x-deno-execution-id" for name in reply.headers)


def header(reply: Reply, wanted: str) -> str:
    """Returns a header's value, or ""."""
    return next((value.strip() for name, value in reply.headers.items() if name.lower() == wanted), "")


def body_code(said: Content) -> str:
    """Returns the `code` of a body, or "" where it has none that is text."""
    code = said.value.get("code") if isinstance(said.value, dict) else None
    return code if isinstance(code, str) else ""


def is_bare_code(said: Content) -> bool:
    """Tells whether a body is nothing but a code that others use too; the platform adds a message."""
    return (
        isinstance(said.value, dict)
        and set(said.value) == {"code"}
        and not body_code(said).startswith("LOAD_FUNCTION_")
    )


def is_crash(reply: Reply, said: Content) -> bool:
    """Tells whether the platform ended the function, or speaks in its place: what it did before is unknown."""
    codes = (body_code(said), header(reply, "sb-error-code"))
    spoke = header(reply, "sb-error-code") not in _OF_THE_FUNCTION
    return reply.http_status == 546 or spoke or any(code.startswith("WORKER_") for code in codes)


def speaks_for_the_function(reply: Reply, said: Content) -> bool:
    """Tells whether an answer is a gateway's or the platform's, so that nobody can know what it means."""
    codes = (body_code(said), header(reply, "sb-error-code"))
    return reply.http_status in GATEWAY_STATUSES or any(code.startswith("WORKER_") for code in codes)


def turned_away(reply: Reply, said: Content) -> bool:
    """Tells whether the platform refused the request because of this installation's set-up: key, address, project."""
    if has_run(reply) or header(reply, "sb-error-code") == "EDGE_FUNCTION_ERROR":
        return False
    code = header(reply, "sb-error-code") or body_code(said)
    if reply.http_status == 540 and saying.is_page(said):
        return True  # nobody else uses this status
    sentences = _own(said)
    if sentences is None:
        return False
    if reply.http_status == 401:
        return code.startswith("UNAUTHORIZED_") or any(_ABOUT_THE_KEY.match(sentence) for sentence in sentences)
    if reply.http_status == 404:
        return code.startswith("NOT_FOUND") or any(_NO_FUNCTION.match(sentence) for sentence in sentences)
    return reply.http_status in _TURNED_AWAY


def never_started(reply: Reply, said: Content) -> bool:
    """Tells whether the platform could not start the function: the next try may succeed."""
    code = body_code(said)
    is_boot = reply.http_status == 503 and code == "BOOT_ERROR"
    is_load = 500 <= reply.http_status <= 599 and code.startswith("LOAD_FUNCTION_")
    # A function can pass on such a body from elsewhere; the platform's header cannot be forged by it.
    if not (is_boot or is_load) or header(reply, "sb-error-code") not in ("", code) or has_run(reply):
        return False
    sentences = _own(said, losses=True)
    return sentences is not None and all(text == code or _STARTING.match(text) for text in sentences)


def _own(said: Content, *, losses: bool = False) -> list[str] | None:
    """Returns the sentences of a body that is the platform's own, or None; with `losses` it may speak of a time-out."""
    sentences = saying.sentences(said, hints=True)
    if sentences is None or len(sentences) > _MOST_SENTENCES:
        return None
    texts = [sentence.text for sentence in sentences]
    is_own = all(
        len(text) <= _LONGEST
        and not telling.tells_of_document(text)
        and (losses or not telling.tells_of_another_course(text))
        for text in texts
    )
    return texts if is_own else None
