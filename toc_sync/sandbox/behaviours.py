"""What the sandbox can be told to do with an invoice: one row per behaviour.

A table of values. Touches nothing: the application carries a row out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from toc_sync.sandbox.answers import Answer, from_function, from_gateway, from_platform

TocDocument = Mapping[str, object]
"""A document as TOC Online describes it, flat."""


class Behaviour(StrEnum):
    """What happens to one POST for an invoice. `COURSES` has the row of each."""

    ISSUE_FLAT = "issue_flat"
    ISSUE_JSONAPI = "issue_jsonapi"
    ALREADY_ISSUED = "already_issued"
    ISSUE_THEN_SILENCE = "issue_then_silence"
    ISSUE_THEN_CUT = "issue_then_cut"
    ACCEPTED = "accepted"
    TIMEOUT = "timeout"
    REFUSE_TAX_NUMBER = "refuse_tax_number"
    REFUSE_SERIES = "refuse_series"
    REFUSE_PAYMENT = "refuse_payment"
    REFUSE_DATE = "refuse_date"
    REFUSE_EXEMPTION = "refuse_exemption"
    REFUSE_CUSTOMER_EXISTS = "refuse_customer_exists"
    BOOT_ERROR = "boot_error"
    CRASH = "crash"
    RESOURCE_LIMIT = "resource_limit"
    HTML = "html"
    UNKNOWN_ERROR = "unknown_error"

    @property
    def label(self) -> str:
        """The end of the sentence "TOC Online answers: …", in plain English."""
        return COURSES[self].label


class Issues(StrEnum):
    """Whether a document exists afterwards."""

    NOTHING = "nothing"
    ANOTHER = "another"
    """A new document, also when the invoice has one: that is how a duplicate comes about."""
    IF_MISSING = "if_missing"


class Unanswered(StrEnum):
    """How a request ends that gets no answer."""

    SILENCE = "silence"
    """The connection stays open until the client gives up."""
    CUT = "cut"
    """The connection is closed without a byte."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """One row: first what is issued, then how the request ends."""

    label: str
    issues: Issues
    ending: Answer | Callable[[TocDocument], Answer] | Unanswered


def _flat(document: TocDocument) -> Answer:
    return from_function(200, {"success": True, "toc_data": dict(document)})


def _jsonapi(document: TocDocument) -> Answer:
    attributes = {name: value for name, value in document.items() if name != "id"}
    resource = {"id": str(document["id"]), "type": "commercial_sales_documents", "attributes": attributes}
    return from_function(200, {"success": True, "toc_data": {"data": resource}})


def _already_issued(document: TocDocument) -> Answer:
    return from_function(200, {"success": True, "already_issued": True, "toc_data": dict(document)})


def _issues(label: str, ending: Answer | Callable[[TocDocument], Answer] | Unanswered) -> Course:
    return Course(label=label, issues=Issues.ANOTHER, ending=ending)


def _issues_nothing(label: str, answer: Answer) -> Course:
    return Course(label=label, issues=Issues.NOTHING, ending=answer)


def _refuses(label: str, sentence: str) -> Course:
    # TOC Online reports plain validation errors as HTTP 500.
    return _issues_nothing(f"Refuses it: {label}", from_function(500, {"error": sentence}))


_TAX_NUMBER_ERRORS = {
    "errors": [{"code": "JA000", "detail": "O NIF português '285008413' não é válido!", "status": "400 Bad Request"}]
}
_GATEWAY_PAGE = """<html>
<head><title>502 Bad Gateway</title></head>
<body><center><h1>502 Bad Gateway</h1></center><hr><center>cloudflare</center></body>
</html>
"""

COURSES: Mapping[Behaviour, Course] = {
    Behaviour.ISSUE_FLAT: _issues("Issues it", _flat),
    Behaviour.ISSUE_JSONAPI: _issues("Issues it, answers in JSON:API form", _jsonapi),
    Behaviour.ALREADY_ISSUED: Course(
        label="Says it is already issued", issues=Issues.IF_MISSING, ending=_already_issued
    ),
    Behaviour.ISSUE_THEN_SILENCE: _issues("Issues it, then never answers", Unanswered.SILENCE),
    Behaviour.ISSUE_THEN_CUT: _issues("Issues it, then cuts the connection", Unanswered.CUT),
    Behaviour.ACCEPTED: _issues(
        "Issues it, answers only that it was accepted", from_function(202, {"message": "accepted"})
    ),
    Behaviour.TIMEOUT: _issues_nothing(
        "Time-out of the platform, not issued",
        from_platform(504, "IDLE_TIMEOUT", "Request idle timeout limit (150s) reached"),
    ),
    Behaviour.REFUSE_TAX_NUMBER: _issues_nothing(
        "Refuses it: tax number not valid", from_function(400, _TAX_NUMBER_ERRORS)
    ),
    Behaviour.REFUSE_SERIES: _refuses(
        "series not communicated", "Não pode usar a série TEST (FT) porque ainda não foi comunicada à AT"
    ),
    Behaviour.REFUSE_PAYMENT: _refuses(
        "means of payment unknown", "O meio de pagamento (Cheque-prenda) não é reconhecido."
    ),
    Behaviour.REFUSE_DATE: _refuses(
        "date before the last document",
        "A data do documento não pode ser anterior à data do último documento da série.",
    ),
    Behaviour.REFUSE_EXEMPTION: _refuses(
        "exemption reason missing", "A linha 1 está isenta de IVA e não tem motivo de isenção."
    ),
    Behaviour.REFUSE_CUSTOMER_EXISTS: _refuses(
        "customer exists already", "JA002: Já existe o cliente 'Exemplo, Lda' com o NIF 500000000"
    ),
    Behaviour.BOOT_ERROR: _issues_nothing(
        "Function does not start, not issued",
        from_platform(503, "BOOT_ERROR", "Function failed to start (please check logs)"),
    ),
    Behaviour.CRASH: _issues_nothing("Function crashes, not issued", from_function(500, "Internal Server Error")),
    Behaviour.RESOURCE_LIMIT: _issues_nothing(
        "Function runs out of resources, not issued",
        from_platform(
            546,
            "WORKER_RESOURCE_LIMIT",
            "Function failed due to not having enough compute resources (please check logs)",
        ),
    ),
    Behaviour.HTML: _issues_nothing("Error page of a gateway, not issued", from_gateway(502, _GATEWAY_PAGE)),
    Behaviour.UNKNOWN_ERROR: _issues_nothing(
        "Error nobody knows, not issued", from_function(500, {"error": "Ocorreu uma situação inesperada (ref. 7731)"})
    ),
}
