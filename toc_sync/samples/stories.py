"""What may become of an invoice: the answers to its attempts, in plain tables.

Answers are read by the same rules as real ones, so what a story leads to is decided there, not here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cache
from random import Random

from toc_sync.classify import classify
from toc_sync.model import NoReply, Reply, Unsent, Verdict
from toc_sync.outbox.settlement import Evidence
from toc_sync.refusals import shipped_refusals

RECENT_SHARE = 0.6
"""How much of a small sample lies within the last day, so that the hourly chart has something to show."""
RECENT_AT_MOST = 60
DAYS = 90
ATTENTION_SHARE = 0.08
UNUSUAL_SHARE = 0.16


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How one attempt ended, and what is kept of it."""

    verdict: Verdict
    evidence: Evidence


ISSUED = None
"""In place of an answer: a document is issued."""


class Elsewhere(StrEnum):
    """What the other application did with an invoice that it created."""

    NOTHING = "nothing"
    SUCCESS = "success"
    FAILURE = "failure"


@dataclass(frozen=True, kw_only=True)
class Story:
    """What became of one invoice.

    `answers` come to its attempts one after the other; there are none where the other application created it, which
    `elsewhere` says. `minutes_ago` is when it was created, where that matters. `declared`: a person found it in TOC
    Online in the end. `next_answer` names what the sandbox answers when it is sent once more.
    """

    answers: tuple[Answer | None, ...] = (ISSUED,)
    minutes_ago: float | None = None
    invoice_status: str = "issued"
    elsewhere: Elsewhere | None = None
    declared: bool = False
    next_answer: str | None = None


def cast_stories(rng: Random, count: int) -> list[tuple[timedelta, Story]]:
    """Returns how long ago each of `count` invoices was created and its story, the oldest first.

    The first few are one of each kind that people should see; the many after them are mostly ordinary.
    """
    notable = [(timedelta(minutes=story.minutes_ago or 0), story) for story in _notable()[:count]]
    others = count - len(notable)
    recent = max(min(round(count * RECENT_SHARE), RECENT_AT_MOST) - len(notable), count // DAYS)
    ages = [timedelta(hours=rng.uniform(0.4, 24) if n < recent else rng.uniform(24, DAYS * 24)) for n in range(others)]
    cast = notable + [(age, _ordinary(rng, old=age > timedelta(days=1))) for age in ages]
    return sorted(cast, key=lambda pair: pair[0], reverse=True)


def _ordinary(rng: Random, *, old: bool) -> Story:
    lot = rng.random()
    if old and lot < ATTENTION_SHARE:
        return rng.choice(_attention())
    return rng.choice(_unusual()) if old and lot < UNUSUAL_SHARE else _ISSUED_AT_ONCE


_ISSUED_AT_ONCE = Story()


@cache
def _notable() -> tuple[Story, ...]:
    """One of each kind, the most telling first."""
    a = _answers()
    return (
        Story(answers=(a["tax_number"],), minutes_ago=48),
        Story(answers=(a["cut"],), minutes_ago=190, next_answer="already_issued"),
        Story(answers=(), elsewhere=Elsewhere.NOTHING, minutes_ago=3),
        Story(answers=(a["boot_error"],) * 5, minutes_ago=61.5),
        Story(answers=(), elsewhere=Elsewhere.NOTHING, minutes_ago=620, invoice_status="cancelled"),
        Story(answers=(a["timeout"],), minutes_ago=5),
        Story(answers=(a["bad_key"],), minutes_ago=95),
        Story(answers=(a["refused_connection"],) * 6, minutes_ago=400),
        Story(answers=(a["series"],), minutes_ago=150),
        Story(answers=(a["date"],), minutes_ago=1_710),
        Story(answers=(a["timeout"],), minutes_ago=870),
        Story(answers=(a["html"],), minutes_ago=1_290),
        Story(answers=(a["unknown_error"],), minutes_ago=3_000),
        Story(answers=(a["accepted"],), minutes_ago=700, next_answer="already_issued"),
        Story(answers=(), elsewhere=Elsewhere.NOTHING, minutes_ago=75),
        Story(answers=(), elsewhere=Elsewhere.NOTHING, minutes_ago=1_200, invoice_status="draft"),
        Story(answers=(), elsewhere=Elsewhere.NOTHING, minutes_ago=4_500, invoice_status="paid"),
        Story(answers=(), elsewhere=Elsewhere.SUCCESS, minutes_ago=2_000),
        Story(answers=(), elsewhere=Elsewhere.NOTHING, minutes_ago=17_000, invoice_status="void"),
        Story(answers=(a["boot_error"], ISSUED), minutes_ago=330),
        Story(answers=(a["exemption"], ISSUED), minutes_ago=560),
        Story(answers=(a["silence"], ISSUED), minutes_ago=1_050),
        Story(answers=(a["timeout"],), declared=True, minutes_ago=1_130),
        Story(answers=(a["payment"], a["payment"], ISSUED), minutes_ago=2_600),
    )


@cache
def _attention() -> tuple[Story, ...]:
    a = _answers()
    refused = ("tax_number", "tax_number", "series", "date", "exemption", "payment", "customer")
    other = (
        "bad_key",
        "no_licence",
        "timeout",
        "timeout",
        "silence",
        "cut",
        "html",
        "crash",
        "unknown_error",
        "accepted",
    )
    alone = tuple(Story(answers=(a[name],)) for name in refused + other)
    return (*alone, Story(answers=(a["refused_connection"],) * 6), Story(answers=(), elsewhere=Elsewhere.FAILURE))


@cache
def _unusual() -> tuple[Story, ...]:
    a = _answers()
    return (
        Story(answers=(a["boot_error"], ISSUED)),
        Story(answers=(a["refused_connection"], a["refused_connection"], ISSUED)),
        Story(answers=(a["tax_number"], ISSUED)),
        Story(answers=(a["timeout"], ISSUED)),
        Story(answers=(a["silence"],), declared=True),
        Story(answers=(), elsewhere=Elsewhere.SUCCESS),
        Story(answers=(), elsewhere=Elsewhere.NOTHING),
        Story(answers=(), elsewhere=Elsewhere.NOTHING, invoice_status="cancelled"),
    )


@cache
def _answers() -> Mapping[str, Answer]:
    tax_number = {
        "errors": [
            {"code": "JA000", "detail": "O NIF português '285008413' não é válido!", "status": "400 Bad Request"}
        ]
    }
    return {
        "tax_number": _function(400, tax_number),
        "series": _function(500, {"error": "Não pode usar a série LX26 (FT) porque ainda não foi comunicada à AT"}),
        "date": _function(
            500, {"error": "A data do documento não pode ser anterior à data do último documento da série."}
        ),
        "exemption": _function(500, {"error": "A linha 1 está isenta de IVA e não tem motivo de isenção."}),
        "payment": _function(500, {"error": "O meio de pagamento (Cheque-prenda) não é reconhecido."}),
        "customer": _function(500, {"error": "JA002: Já existe o cliente 'Padaria do Largo, Lda' com o NIF 500000000"}),
        "no_licence": _function(500, {"error": "access_denied"}),
        "bad_key": _platform(401, "UNAUTHORIZED_INVALID_JWT_FORMAT", "Invalid JWT", 120),
        "boot_error": _platform(503, "BOOT_ERROR", "Function failed to start (please check logs)", 410),
        "timeout": _platform(504, "IDLE_TIMEOUT", "Request idle timeout limit (150s) reached", 150_240),
        "crash": _function(500, "Internal Server Error"),
        "unknown_error": _function(500, {"error": "Ocorreu uma situação inesperada (ref. 7731)"}),
        "html": _function(200, "<html><head><title>Manutenção</title></head><body>Voltamos já.</body></html>"),
        "accepted": _function(202, {"message": "accepted"}),
        "silence": _unanswered(Unsent.TIMEOUT, "No complete answer came in time (170 s)", 170_000),
        "cut": _unanswered(Unsent.LOST, "The connection broke before the answer was complete", 2_350),
        "refused_connection": _unanswered(
            Unsent.UNDELIVERED, "The function could not be reached: Connection refused", 4
        ),
    }


def _function(http_status: int, body: object) -> Answer:
    content_type = "application/json" if isinstance(body, dict) else "text/html"
    headers = {"content-type": content_type, "x-deno-execution-id": "b6a0c1de-5a4e-4a53-8d3c-6f0f6a0d2f11"}
    return _replied(http_status, headers, body, 1_340)


def _platform(http_status: int, code: str, message: str, duration_ms: int) -> Answer:
    headers = {"content-type": "application/json", "sb-error-code": code}
    return _replied(http_status, headers, {"code": code, "message": message}, duration_ms)


def _replied(http_status: int, headers: Mapping[str, str], body: object, duration_ms: int) -> Answer:
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    reply = Reply(
        http_status=http_status, headers=headers, body=text.encode(), truncated=False, duration_ms=duration_ms
    )
    evidence = Evidence(headers=headers, body=text, duration_ms=duration_ms)
    return Answer(verdict=classify(reply, shipped_refusals()), evidence=evidence)


def _unanswered(why: Unsent, error: str, duration_ms: int) -> Answer:
    verdict = classify(NoReply(why=why, error=error, duration_ms=duration_ms), shipped_refusals())
    return Answer(verdict=verdict, evidence=Evidence(duration_ms=duration_ms))
