"""What an answer says, and whether it says nothing else: its own sentences, unwrapped, and what may stand around them.

Pure: no clock, no I/O. Everything in an answer is accounted for: a sentence, or a field that can tell nothing of the
invoice (a request's id, an instant, a code, `success: false`). One thing too many, and nothing counts as said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from toc_sync import telling
from toc_sync.answer import MAX_QUOTES, Content, decode, is_markup, json_in, one_line
from toc_sync.model import GATEWAY_STATUSES
from toc_sync.vocabulary import is_lead_in

MAX_SENTENCE = 4_000
_MOST_SENTENCES = 40
_SPEECH = frozenset(
    "error errors erro erros message messages msg mensagem mensagens detail details detalhe detalhes title titulo reason"
    " motivo description descricao error_description error_message error_msg error_detail error_details cause causa"
    " exception text status_text body response result data toc_data toc_error toc_errors toc_response toc_online_error"
    " toc_message original_error inner inner_error response_body response_text response_data api_error meta jsonapi"
    " code error_code codigo type kind status state error_type category level severity name source".split()
)
_FIELDS = frozenset(
    "nif vat tax number customer client cliente series serie document_series payment payment_method payment_mechanism"
    " method lines line exemption exemption_reason tax_exemption_reason customer_tax_registration_number"
    " tax_registration_number date invoice_id base issues".split()
)
"""What forms name their errors after, under `errors`."""

_NO_FLAGS = frozenset(
    "success ok sucesso succeeded successful issued created emitida emitido criada criado already_issued in_doubt done"
    " synced valid retry retryable should_retry data toc_data result status".split()
)
_YES_FLAGS = frozenset("error erro failed falhou is_error has_error has_errors is_axios_error rejected refused".split())
_IDS = frozenset(
    "request_id x_request_id sb_request_id requestid correlation_id trace_id span_id execution_id invoice_id error_id"
    " event_id log_id deployment_id region function function_name service env environment version api_version runtime".split()
)
_TIMES = frozenset(
    "timestamp time ts occurred_at failed_at server_time elapsed elapsed_ms duration duration_ms took took_ms".split()
)
_PLACES = frozenset("path instance endpoint method pointer parameter field attribute property param".split())
_STATUSES = frozenset("status status_code statuscode http_status http_code code error_code toc_status codigo".split())

_ID = re.compile(r"[\w.:\-]{1,80}")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.,]{5,20}(?:Z|[+-][0-9:]{4,6})?|[0-9]{1,16}(?:\.[0-9]+)? ?(?:ms|s)?"
)
_PLACE = re.compile(
    r"[A-Za-z_/.\[\]\-]{0,40}(?:v[0-9]/)?[A-Za-z_/.\[\]\-]{0,100}(?:\[?\b[0-9]{1,2}\b\]?[A-Za-z_/.\[\]\-]{1,60})?"
)
_PROBLEM_TYPE = re.compile(
    r"about:blank|https?://(?:tools\.ietf\.org|datatracker\.ietf\.org|www\.rfc-editor\.org)/\S{1,80}"
)
_FRAME = re.compile(r"\s*at [^\n]{1,200}")


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """One text that an answer says; `passed_on`: in somebody else's words."""

    text: str
    passed_on: bool


class _SaysMore(Exception):
    """Something in the answer is neither a sentence nor without meaning."""


def sentences(said: Content, *, hints: bool = False) -> list[Sentence] | None:
    """Returns all that an answer says, or None where anything else is in it. With `hints` a `hint` is a sentence too."""
    if is_page(said) or (said.json is None and said.raw.strip() and not said.plain):
        return None
    root = said.value if said.json else said.plain
    if hints and isinstance(root, dict):
        root = {("detail" if name == "hint" else name): item for name, item in root.items()}
    try:
        found = list(_heard(root, level=0, quotes=0))
    except _SaysMore:
        return None
    return found if len(found) <= _MOST_SENTENCES else None


def is_page(said: Content) -> bool:
    """Tells whether a body is markup."""
    return said.json is None and is_markup(said.raw)


def _heard(value: object, *, level: int, quotes: int) -> Iterator[Sentence]:
    """Yields the sentences in `value`. Its own are those at the top (level 0) or directly under `error` (1)."""
    if _is_empty(value):
        return
    if isinstance(value, str):
        yield from _heard_text(value, level=level, quotes=quotes)
    elif isinstance(value, list):
        for item in value:
            yield from _heard(item, level=level if isinstance(item, str) else 2, quotes=quotes)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _heard_field(telling.key_of(key), item, level=level, quotes=quotes)
    else:
        raise _SaysMore


def _heard_text(text: str, *, level: int, quotes: int) -> Iterator[Sentence]:
    whole = decode(text) if text.lstrip()[:1] in '{["' else None
    around = [("", whole, "")] if whole else json_in(text)[:1]
    if not around:
        if is_markup(text) or len(text) > MAX_SENTENCE:
            raise _SaysMore
        yield Sentence(text=one_line(_without_frames(text)), passed_on=level > 1 or quotes > 0)
        return
    before, inner, after = around[0]
    if quotes >= MAX_QUOTES or inner.contradictory or not is_lead_in(before) or not is_lead_in(after):
        raise _SaysMore
    yield from _heard(inner.value, level=2, quotes=quotes + 1)


def _heard_field(name: str, item: object, *, level: int, quotes: int) -> Iterator[Sentence]:
    if _is_empty(item) or _says_nothing(name, item):
        return
    if name == "stack" and isinstance(item, str):
        name = "error"
    is_known = name in _SPEECH or (level == 1 and name in _FIELDS)
    if not is_known or not isinstance(item, str | list | dict):
        raise _SaysMore
    is_own = level == 0 and (isinstance(item, str) or name in ("error", "errors"))
    next_level = (
        level if is_own and isinstance(item, str) else 1 if is_own or (level == 1 and isinstance(item, str)) else 2
    )
    yield from _heard(item, level=next_level, quotes=quotes)


def _is_empty(value: object) -> bool:
    return value is None or value in ("", [], {}) or (isinstance(value, str) and not value.strip())


def _says_nothing(name: str, item: object) -> bool:  # noqa: PLR0911  # one for each kind of field
    """Tells whether a field can tell nothing of the invoice."""
    if isinstance(item, bool):
        return name in (_YES_FLAGS if item else _NO_FLAGS)
    if isinstance(item, int | float):
        is_error = name in _STATUSES and 400 <= item <= 599 and item not in GATEWAY_STATUSES
        return is_error or name in _TIMES or (name == "invoice_id" and item > 0) or (name in _NO_FLAGS and item == 0)
    if not isinstance(item, str):
        return False
    if name in _NO_FLAGS and telling.is_no(item):
        return True
    if name in _IDS:
        return _ID.fullmatch(item.strip()) is not None and not telling.tells_of_document(item)
    if name in _TIMES:
        return _INSTANT.fullmatch(item.strip()) is not None
    if name in _PLACES:
        return _PLACE.fullmatch(item.strip()) is not None
    return name == "type" and _PROBLEM_TYPE.fullmatch(item) is not None


def _without_frames(text: str) -> str:
    """Returns the text of an exception without the lines that say where it came from."""
    return "\n".join(
        line for line in text.split("\n") if not _FRAME.fullmatch(line) or telling.tells_of_another_course(line)
    )
