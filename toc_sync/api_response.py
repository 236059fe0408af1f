"""The column `issued_client_invoices.api_response`: how a value found there is read, and the values we write.

Pure: no clock, no I/O. The column is shared with another application, so anything may stand in it and reading never raises.
What we write keeps that application's keys with its meaning: `success`, `synced_at`, `toc_data`, `error`, `failed_at`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from toc_sync import answer, classify, document, saying, wording
from toc_sync.answer import Content, Json, clean_text
from toc_sync.model import ErrorKind, Outcome, Refusal, Reply, Verdict
from toc_sync.vocabulary import is_lead_in

_MAX_DEPTH = 60
_TOO_DEEP = "…"
_BOOKKEEPING = ("attempt", "http_status", "duration_ms", "error_kind", "next_attempt_at")
_CONTAINERS = (Mapping, list, tuple)
_MAX_BITS = 63
_MAX_DECIMAL_BITS = 10_000
_DOUBTS = (
    ErrorKind.TIMEOUT,
    ErrorKind.LOST,
    ErrorKind.UNREADABLE,
    ErrorKind.SERVER_ERROR,
    ErrorKind.ACCEPTED,
)


def read(value: object, refusals: Sequence[Refusal]) -> Verdict | None:
    """Returns what a value found in the column means where no record says more; None: not synced."""
    if value is None:
        return None
    if is_success(value):
        toc_data = _success_in(value).get("toc_data")
        return Verdict(outcome=Outcome.SYNCED, document_no=document_no(value), toc_data=toc_data)
    found = _unwrap(value)
    error = found.get("error")
    if not isinstance(error, str) or not answer.one_line(error):
        return _in_doubt(ErrorKind.UNREADABLE, "The stored answer does not say what happened.")
    if found.get("in_doubt") or error.startswith(wording.IN_DOUBT_NOTE):
        # Written by us: a doubt stays one, whatever words follow.
        kind = next((kind for kind in _DOUBTS if kind == found.get("error_kind")), ErrorKind.SERVER_ERROR)
        return _in_doubt(kind, answer.one_line(error.removeprefix(wording.IN_DOUBT_NOTE)) or error)
    verdict = classify.classify_text(error, refusals)
    is_certain = verdict.outcome in (Outcome.FAILED, Outcome.UNDELIVERED)
    if is_certain and _says_more(found):
        return _in_doubt(ErrorKind.SERVER_ERROR, verdict.error or error)
    return verdict


def is_success(value: object) -> bool:
    """Tells whether a value shows that TOC Online has the invoice: it names the document, or says so and nothing else."""
    return bool(_success_in(value))


def is_declared(value: object) -> bool:
    """Tells whether a value is a success that a person declared, and nobody else."""
    return is_success(value) and bool(_unwrap(value).get("declared_by"))


def is_doubt_about(value: object, attempt: int) -> bool:
    """Tells whether a value is the doubt that we wrote about this attempt."""
    found = _unwrap(value)
    return found.get("in_doubt") is True and found.get("attempt") == attempt


def answer_to_others(value: object) -> Reply | None:
    """Returns the answer of the function that others wrote down as an error's text, or None."""
    error = _unwrap(value).get("error")
    return classify.stored_reply(error) if isinstance(error, str) and not is_success(value) else None


def document_no(value: object) -> str | None:
    """Returns the document number a value carries, or None."""
    return document.document_no(_success_in(value) or _unwrap(value))


def gross_total(value: object) -> Decimal | None:
    """Returns the total with VAT that a value names for the document, to the cent, or None."""
    return document.gross_total(_unwrap(value))


def synced_at(value: object) -> datetime | None:
    """Returns when a value says that the invoice was synced, or None."""
    return _instant(_unwrap(value).get("synced_at"))


def failed_at(value: object) -> datetime | None:
    """Returns when a value says that sending failed, or None."""
    return _instant(_unwrap(value).get("failed_at"))


def synced(
    verdict: Verdict, *, at: datetime, attempt: int, duration_ms: int | None, previous: object
) -> dict[str, object]:
    """Returns the value of a synced invoice. A success that is `previous` keeps its `toc_data`."""
    toc_data = _kept(previous) or verdict.toc_data
    return _cleaned(
        {
            "success": True,
            "synced_at": _iso(at),
            "toc_data": toc_data,
            "document_no": document.document_no(toc_data) or verdict.document_no or document_no(previous),
            "attempt": attempt,
            "http_status": verdict.http_status,
            "duration_ms": duration_ms,
        }
    )


def failed(verdict: Verdict, *, at: datetime, attempt: int) -> dict[str, object]:
    """Returns the value of an invoice that is certainly not in TOC Online."""
    return _cleaned(_failure(verdict, at, attempt) | {"status": "failed"})


def in_doubt(verdict: Verdict, *, at: datetime, attempt: int) -> dict[str, object]:
    """Returns the value of an invoice that may be in TOC Online; its `error` warns who sees it beside a retry button.

    A document number of the answer is left out: whoever reads the column would take it for a success.
    """
    error = f"{wording.IN_DOUBT_NOTE} {verdict.error or ''}".strip()
    return _cleaned(_failure(verdict, at, attempt) | {"error": error, "status": "in_doubt", "in_doubt": True})


def waiting(verdict: Verdict, *, at: datetime, attempt: int, next_attempt_at: datetime) -> dict[str, object]:
    """Returns the value of an invoice whose last try did not arrive and which is sent again by itself."""
    return _cleaned(_failure(verdict, at, attempt) | {"status": "queued", "next_attempt_at": _iso(next_attempt_at)})


def declared(document_no: str | None, *, at: datetime, by: str, reason: str, previous: object) -> dict[str, object]:
    """Returns the value of an invoice that a person found in TOC Online."""
    return _cleaned(
        {
            "success": True,
            "synced_at": _iso(at),
            "toc_data": _kept(previous),
            "document_no": document_no,
            "declared_by": by,
            "reason": reason,
        }
    )


def clean(value: object) -> object:
    """Returns `value` as jsonb takes it: no U+0000, lone surrogates, NaN, Infinity, endless digits or depth."""
    return _clean(value, 0)


def _clean(value: object, depth: int) -> object:
    if isinstance(value, str) or not isinstance(value, _CONTAINERS):
        return _clean_leaf(value)
    if depth >= _MAX_DEPTH:
        return _TOO_DEEP
    if isinstance(value, Mapping):
        return {str(_clean_leaf(key)): _clean(item, depth + 1) for key, item in value.items()}
    return [_clean(item, depth + 1) for item in value]


def _clean_leaf(value: object) -> object:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return _clean_int(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return clean_text(str(value))


def _clean_int(value: int) -> int | str:
    if value.bit_length() <= _MAX_BITS:
        return int(value)
    # Python refuses to write very long numbers in decimal.
    return str(value) if value.bit_length() <= _MAX_DECIMAL_BITS else hex(value)


def _cleaned(value: Mapping[str, object]) -> dict[str, object]:
    return {name: clean(item) for name, item in value.items()}


def _unwrap(value: object) -> dict[str, object]:
    """Returns the object that a value is, or that a text holds; an empty one where there is none."""
    for _ in range(3):
        if not isinstance(value, str):
            break
        inner = answer.decode(value)
        value = inner.value if inner and not inner.contradictory else None
    return value if isinstance(value, dict) else {}


def _success_in(value: object) -> dict[str, object]:
    """Returns the object by which a value shows success, be it in the answer that an error's text repeats, or {}."""
    found = _unwrap(value)
    if found.get("declared_by") and found.get("success") is True:
        return found
    said = {name: item for name, item in found.items() if name not in (*_BOOKKEEPING, "synced_at")}
    if said.get("document_no", "") is None:
        del said["document_no"]  # we write it down where none was named
    if classify.is_success(said):
        return found
    error = found.get("error")
    reply = classify.stored_reply(error) if isinstance(error, str) else None
    if reply and classify.classify(reply, ()).outcome is Outcome.SYNCED:
        return _unwrap(reply.body.decode())
    return {}


def _says_more(found: Mapping[str, object]) -> bool:
    """Tells whether a failure says more than its error's text: anything but when, how often and that it failed."""
    rest = {name: item for name, item in found.items() if name not in (*_BOOKKEEPING, "error")}
    said = saying.sentences(Content(raw="", json=Json(value=rest, contradictory=False)))
    return said is None or not all(is_lead_in(sentence.text) for sentence in said)


def _kept(previous: object) -> object:
    return _unwrap(previous).get("toc_data") if is_success(previous) else None


def _failure(verdict: Verdict, at: datetime, attempt: int) -> dict[str, object]:
    return {
        "success": False,
        "error": verdict.error,
        "failed_at": _iso(at),
        "error_kind": verdict.error_kind,
        "http_status": verdict.http_status,
        "attempt": attempt,
    }


def _in_doubt(kind: ErrorKind, error: str) -> Verdict:
    return Verdict(outcome=Outcome.IN_DOUBT, error_kind=kind, error=error)


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _instant(value: object) -> datetime | None:
    """Returns the instant a text names; one without a zone is UTC."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value.strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
