"""Generated answers: a trace of a document in a refusal, real refusals in real wrappings, a failure in a success."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core import REFUSALS
from toc_sync import api_response
from toc_sync.classify import classify, classify_text
from toc_sync.model import Outcome, Reply, Verdict

CERTAIN = (Outcome.FAILED, Outcome.UNDELIVERED)

refusals = st.sampled_from(
    [
        "O NIF português '285008413' não é válido!", "O NIF PORTUGUÊS '1' NÃO É VÁLIDO!", "O NIF do cliente nao e valido",
        "Não pode usar a série TEST (FT) porque ainda não foi comunicada à AT",
        "Não pode usar a série 'FT 2026' porque ainda não foi comunicada à AT.",
        "O meio de pagamento (Cheque) não é reconhecido.",
        "A data do documento não pode ser anterior à data do último documento da série.",
        "The date is earlier than the last document of the series",
        "A linha 1 está isenta de IVA e não tem motivo de isenção.", "Motivo de isenção em falta",
        "Line 3 is exempt without exemption reason",
        "Já existe o cliente 'Exemplo, Lda' com o NIF 500000000", "JA002: Já existe o cliente com NIF 501964843",
        "access_denied", "unauthorized_client", "AUTH_INVALID_SESSION_ID",
    ]
)  # fmt: skip
own_refusals = st.sampled_from(
    ["Invoice 12 not found", "invoice_id is required", "Missing or invalid invoice_id", "Invoice 12 has no lines."]
)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _reply(status: int, body: Any, headers: dict[str, str] | None = None) -> Reply:
    return Reply(http_status=status, headers=headers or {}, body=_text(body).encode(), truncated=False, duration_ms=1)


def _read(status: int, body: Any, headers: dict[str, str] | None = None) -> Verdict:
    return classify(_reply(status, body, headers), REFUSALS)


# Real wrappings -------------------------------------------------------------------------------------------------------

Wrap = Callable[[Any], Any]

jsonapi: list[Wrap] = [
    lambda text: {"errors": [{"code": "JA000", "detail": text, "status": "400 Bad Request"}]},
    lambda text: {"errors": [{"title": "Bad Request", "detail": text, "source": {"pointer": "/data/attributes/nif"}}]},
    lambda text: {"errors": [{"detail": text}], "jsonapi": {"version": "1.0"}},
    lambda text: {"error": text},
    lambda text: {"error": {"message": text, "code": "JA000", "details": None}},
    lambda text: [{"detail": text}],
    lambda text: text,
]
functions: list[Wrap] = [
    lambda said: {"error": said},
    lambda said: {"success": False, "error": said},
    lambda said: {"success": False, "error": "TOC sync failed", "details": said},
    lambda said: {"ok": False, "message": said, "statusCode": 400},
    lambda said: {"statusCode": 400, "message": said, "error": "Bad Request"},
    lambda said: {"sucesso": False, "erro": said},
    lambda said: {"success": False, "error": "TOC API error 400: " + _text(said)},
    lambda said: {"error": "TOC Online API error: 422 Unprocessable Entity - " + _text(said)},
    lambda said: {"error": "Error: " + _text(said)},
    lambda said: {"error": "Erro ao criar documento: " + _text(said)},
    lambda said: {"error": json.dumps(said) if not isinstance(said, str) else said},
    lambda said: {"error": "Failed to create invoice", "cause": said},
    lambda said: {"message": "Request failed with status code 400", "response": {"status": 400, "data": said}},
]
beside = st.fixed_dictionaries(
    {},
    optional={
        "request_id": st.uuids().map(str),
        "timestamp": st.datetimes().map(lambda at: at.isoformat() + "Z"),
        "invoice_id": st.integers(1, 10**9),
        "data": st.none(),
        "function": st.just("toc_invoice"),
        "duration_ms": st.integers(1, 10**5),
        "hint": st.none(),
    },
)
statuses = st.sampled_from([200, 400, 403, 404, 409, 422, 500])


@given(text=refusals, inner=st.sampled_from(jsonapi), outer=st.sampled_from(functions), more=beside, status=statuses)
def test_a_refusal_that_is_all_an_answer_says_is_one_however_it_is_wrapped(text, inner, outer, more, status):
    body = outer(inner(text)) | more
    assert _read(status, body, {"x-deno-execution-id": "e1"}).outcome is Outcome.FAILED
    assert classify_text(f"TOC sync failed: {status} {json.dumps(body)}", REFUSALS).outcome is Outcome.FAILED


@given(text=own_refusals, more=beside, status=statuses)
def test_a_refusal_of_the_function_itself_is_one(text, more, status):
    assert _read(status, {"success": False, "error": text} | more).outcome is Outcome.FAILED


# A document's trace ---------------------------------------------------------------------------------------------------

numbers = st.sampled_from(
    [
        "FT 2026/3",
        "FR 2026/12",
        "FS A/7",
        "NC 2026/1",
        "ND 2026/2",
        "FT M2026/33",
        "ft 2026/3",
        "FT2026/3",
        "Fatura FT 2026/3",
    ]
)
marks = st.one_of(
    numbers,
    st.sampled_from(["ABCD1234-3", "ATCUD:JFF8X2LK-12", "https://app.toconline.pt/d/77", "www.toconline.pt/77.pdf"]),
)
statements = st.sampled_from(
    ["issued", "Document created", "invoice was created", "already issued", "The document was issued.", "finalized",
     "emitida", "Fatura emitida", "documento criado", "Documento emitido com sucesso", "criada", "enviada ao cliente",
     "EMITIDA", "Fatura já emitida", "sent by e-mail", "saved", "gravado", "registado"]
)  # fmt: skip
names = st.sampled_from(
    ["id", "number", "numero", "nr", "document_no", "documentNo", "document_number", "document_id", "toc_id", "docId",
     "atcud", "ATCUD", "hash", "document_hash_sum", "pdf_url", "link", "url", "permalink", "qr", "series", "result",
     "toc_data", "data", "details", "note", "warning", "meta", "context", "x", "extra", "message", "info", "Number"]
)  # fmt: skip
flags = st.sampled_from(
    [{"success": True}, {"issued": True}, {"created": True}, {"already_issued": True}, {"in_doubt": True}, {"Success": 1},
     {"emitida": "sim"}, {"status": "issued"}, {"estado": "emitida"}, {"alreadyIssued": "true"}, {"inDoubt": True},
     {"id": 77}, {"toc_id": "77"}, {"document_id": 5}, {"issue_date": "2026-11-20"}, {"emitted_at": "2026-11-20T10:00:00Z"},
     {"document": {"total": 5}}, {"hash": "abc="}, {"pdf": "JVBERi0xLjQ="}]
)  # fmt: skip
traces = st.one_of(flags, st.builds(lambda name, value: {name: value}, names, st.one_of(marks, statements)))
containers = st.lists(
    st.sampled_from(
        ["error", "errors", "details", "data", "toc_data", "response", "meta", "body", "result", "context", "x"]
    ),
    max_size=4,
)


def _buried(trace: Any, path: list[str], *, listed: bool, quoted: bool) -> Any:
    for name in reversed(path):
        trace = {name: [trace] if listed else trace}
    return {"more": json.dumps(trace)} if quoted else trace


def _joined(first: Any, second: Any) -> Any:
    """Puts one into the other, whatever they are; where both use a key, both stand under it."""
    if isinstance(first, list):
        return [*first, second]
    if not isinstance(first, dict):
        return {"error": first} | second
    return first | {name: [first[name], item] if name in first else item for name, item in second.items()}


@settings(max_examples=400)
@given(
    text=st.one_of(refusals, own_refusals),
    inner=st.sampled_from(jsonapi),
    outer=st.sampled_from(functions),
    trace=traces,
    path=containers,
    listed=st.booleans(),
    quoted=st.booleans(),
    deep=st.booleans(),
    status=st.sampled_from([200, 400, 401, 402, 404, 405, 422, 500, 503, 540]),
)
def test_a_refusal_with_a_trace_of_a_document_anywhere_is_never_certain(
    text, inner, outer, trace, path, listed, quoted, deep, status
):
    buried = _buried(trace, path, listed=listed, quoted=quoted)
    body = outer(_joined(inner(text), buried)) if deep else _joined(outer(inner(text)), buried)
    assert _read(status, body).outcome not in CERTAIN
    assert classify_text(f"TOC sync failed: {status} {json.dumps(body)}", REFUSALS).outcome not in CERTAIN
    stored = {"success": False, "error": text} | (buried if not deep else {"details": buried})
    verdict = api_response.read(stored, REFUSALS)
    assert verdict is not None
    assert verdict.outcome not in CERTAIN or stored["error"] != text


@settings(max_examples=300)
@given(
    text=refusals,
    told=st.one_of(
        marks, statements, st.sampled_from(["timeout", "request aborted", "attempt 1", "step 2", "fetch failed"])
    ),
    between=st.sampled_from([": ", "; ", ". ", ", but ", " - ", " (", ", mas ", " | ", "\n", " "]),
    first=st.booleans(),
    outer=st.sampled_from(functions),
)
def test_a_refusal_with_another_statement_in_the_same_text_is_never_certain(text, told, between, first, outer):
    whole = told + between + text if first else text + between + told
    assert _read(500, outer(whole)).outcome not in CERTAIN


@given(
    platform=st.sampled_from(
        [
            (401, {"code": "UNAUTHORIZED_INVALID_JWT", "message": "Invalid JWT"}),
            (401, {"code": 401, "message": "Invalid Token or Protected Header formatting"}),
            (402, {"message": "exceeded_egress_quota"}),
            (404, {"code": "NOT_FOUND", "message": "Requested function was not found"}),
            (405, {"message": "Method not allowed"}),
            (503, {"code": "BOOT_ERROR", "message": "Function failed to start (please check logs)"}),
            (500, {"code": "LOAD_FUNCTION_ERROR", "message": "Function failed to load"}),
            (540, {"message": "project paused"}),
        ]
    ),
    trace=traces,
    path=containers,
)
def test_a_platforms_refusal_counts_only_if_it_is_all(platform, trace, path):
    status, body = platform
    assert _read(status, body).outcome in CERTAIN
    assert _read(status, body, {"X-Deno-Execution-Id": "e1"}).outcome not in CERTAIN
    assert _read(status, _joined(body, _buried(trace, path, listed=False, quoted=False))).outcome not in CERTAIN


# A trace of failure ---------------------------------------------------------------------------------------------------

failures = st.sampled_from(
    [
        {"ok": False}, {"Success": False}, {"error": "x"}, {"Error": "x"}, {"ERRORS": ["x"]}, {"erro": "NIF em falta"},
        {"erros": [{"detalhe": "x"}]}, {"status": "error"}, {"Status": "Failed"}, {"statusCode": 500}, {"status_code": 422},
        {"code": "JA000"}, {"skipped": True}, {"queued": True}, {"pending": True}, {"dry_run": True}, {"dryRun": "true"},
        {"status": "queued"}, {"state": "processing"}, {"estado": "pendente"}, {"document_no": "undefined"},
        {"document_no": None}, {"document_no": "Rascunho"}, {"document_no": "-"}, {"message": "Hello undefined!"},
        {"message": "O NIF português '1' não é válido!"}, {"detail": "Já existe o cliente 'X'"}, {"html": "<html>502</html>"},
        {"failed": 1}, {"issued": False}, {"emitida": False}, {"sucesso": "não"}, {"rejected": True}, {"timeout": True},
        {"message": "Não foi possível emitir a fatura"}, {"message": "request timed out"}, {"in_doubt": True},
        {"exception": "TypeError"}, {"data": []}, {"draft": True}, {"simulated": True}, {"voided": True},
    ]
)  # fmt: skip


@settings(max_examples=300)
@given(
    failure=failures,
    path=st.lists(st.sampled_from(["toc_data", "data", "attributes", "response", "result"]), max_size=3),
    as_text=st.booleans(),
    upper=st.booleans(),
)
def test_a_success_without_a_number_that_carries_a_trace_of_failure_is_none(failure, path, as_text, upper):
    in_its_place = path in ([], ["toc_data"], ["data"], ["toc_data", "data"], ["toc_data", "attributes"])
    if "document_no" in failure and not in_its_place:
        return
    named = "document_no" in failure or "data" in failure
    told: Any = {name.upper() if upper and not named else name: item for name, item in failure.items()}
    for name in reversed(path):
        told = {name: json.dumps(told) if as_text else told}
    body = {"success": True} | told if "success" not in told else told
    assert _read(200, body).outcome is not Outcome.SYNCED
    if body.get("document_no", "") is not None:  # a stored value of ours says so where none was named
        assert not api_response.is_success(body)


@given(
    more=st.sampled_from(
        [{}, {"error": None}, {"errors": []}, {"error": ""}, {"message": "Fatura emitida com sucesso"}]
    )
)
def test_a_success_that_says_nothing_else_is_one(more):
    assert _read(200, {"success": True} | more).outcome is Outcome.SYNCED
    assert api_response.is_success({"success": True} | more)
