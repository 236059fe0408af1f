"""The table of refusals: what the shipped rows recognise, what they must never recognise, and what a bad row says."""

from __future__ import annotations

import json

import pytest

from toc_sync.classify import classify
from toc_sync.model import ErrorKind, Fixer, Outcome, Refusal, Reply, SettingsError, fold
from toc_sync.refusals import parse_refusals, shipped_refusals

SHIPPED = shipped_refusals()
ROW = {"name": "n", "pattern": "série fechada", "kind": "rejected", "remedy": "Open it.", "fixer": "finance"}


def _recognised(text: str, refusals: tuple[Refusal, ...] = SHIPPED) -> str | None:
    body = json.dumps({"error": text}).encode()
    reply = Reply(http_status=500, headers={}, body=body, truncated=False, duration_ms=1)
    return classify(reply, refusals).refusal


SENTENCES = [
    ("O NIF português '285008413' não é válido!", "tax_number_invalid"),
    ("Não pode usar a série TEST (FT) porque ainda não foi comunicada à AT", "series_not_communicated"),
    ("O meio de pagamento (Cheque) não é reconhecido.", "payment_method_unknown"),
    ("A data do documento não pode ser anterior à data do último documento da série.", "date_before_last_document"),
    ("The date is earlier than the last document of the series", "date_before_last_document"),
    ("A linha 1 está isenta de IVA e não tem motivo de isenção.", "exemption_reason_missing"),
    ("É obrigatório indicar a razão de isenção na linha 2", "exemption_reason_missing"),
    ("Motivo de isenção em falta", "exemption_reason_missing"),
    ("Line 3 is exempt without exemption reason", "exemption_reason_missing"),
    ("JA002: Já existe o cliente 'Exemplo, Lda' com o NIF 500000000", "customer_exists"),
    ("Erro ao criar documento: Já existe o cliente 'Documento, Lda'", "customer_exists"),
    ("Invoice 12 not found", "invoice_not_found"),
    ("Error: Invoice with id 12 was not found.", "invoice_not_found"),
    ("Invoice not found: 12", "invoice_not_found"),
    ("Fatura 12 não encontrada", "invoice_not_found"),
    ("invoice_id is required", "invoice_id_unusable"),
    ("Missing or invalid invoice_id", "invoice_id_unusable"),
    ("Missing required field: invoice_id", "invoice_id_unusable"),
    ("invoice_id must be a positive integer", "invoice_id_unusable"),
    ("invoice has no lines", "invoice_without_lines"),
    ("Invoice 12 has no lines.", "invoice_without_lines"),
    ("TOC Online log-in failed: access_denied", "toc_access_denied"),
    ("unauthorized_client", "toc_client_unauthorized"),
    ("AUTH_INVALID_SESSION_ID", "toc_session_invalid"),
]


@pytest.mark.parametrize(("text", "name"), [pytest.param(*row, id=row[0]) for row in SENTENCES])
def test_a_refusal_is_recognised_in_capitals_and_without_accents_too(text, name):
    plain = fold(text).capitalize().replace("'", "’")
    assert [_recognised(form) for form in (text, text.upper(), plain)] == [name] * 3


def test_every_shipped_row_recognises_something_and_is_told_apart():
    assert {name for _, name in SENTENCES} == {refusal.name for refusal in SHIPPED}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Requested function was not found", id="the function itself is missing"),
        pytest.param("Document not found.", id="a document of TOC Online"),
        pytest.param("Invoice FT 2026/3 not found", id="a document by its number"),
        pytest.param("Invoice PDF not found", id="something about an invoice"),
        pytest.param("Invoice 12 was issued but its PDF was not found", id="issued, then something"),
        pytest.param('TOC error 404: {"error": "Invoice not found"}', id="not the function's own words"),
        pytest.param("Created, but the receipt has no lines", id="created, then something"),
        pytest.param("The document was created but has no lines", id="created without lines"),
        pytest.param("Já existe o documento FT 2026/3", id="the document exists"),
        pytest.param("O documento já existe", id="the document exists, the other way round"),
        pytest.param("Fatura já foi emitida", id="already issued"),
        pytest.param("Invoice already issued", id="already issued, in English"),
        pytest.param("Já existe uma fatura para o NIF, que não é válido", id="exists, and something is not valid"),
        pytest.param("JA002", id="a code alone"),
        pytest.param("Não é válido", id="half of a refusal"),
    ],
)
def test_what_does_not_say_that_nothing_was_issued_is_no_refusal(text):
    assert _recognised(text) is None


def test_shipped_rows_tell_a_person_what_to_do():
    for refusal in SHIPPED:
        assert refusal.remedy.endswith(("Retry.", "version."))
    kinds = {refusal.name: (refusal.kind, refusal.fixer) for refusal in SHIPPED}
    assert kinds["tax_number_invalid"] == (ErrorKind.REJECTED, Fixer.FINANCE)
    assert kinds["toc_access_denied"] == (ErrorKind.CONFIGURATION, Fixer.ADMINISTRATOR)


def test_a_row_of_the_operator_decides_like_a_shipped_one():
    added = parse_refusals("\ufeff" + json.dumps([ROW]), "mine.json")
    body = "Esta SERIE FECHADA não aceita documentos".encode()
    verdict = classify(Reply(http_status=500, headers={}, body=body, truncated=False, duration_ms=1), added)
    assert (verdict.outcome, verdict.error_kind, verdict.refusal) == (Outcome.IN_DOUBT, ErrorKind.SERVER_ERROR, None)
    body = "Esta Série Fechada não aceita documentos".encode()
    verdict = classify(Reply(http_status=500, headers={}, body=body, truncated=False, duration_ms=1), added)
    assert (verdict.outcome, verdict.error_kind, verdict.refusal) == (Outcome.FAILED, ErrorKind.REJECTED, "n")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("[", "mine.json is not JSON", id="no JSON"),
        pytest.param("[" * 100_000, "mine.json is not JSON", id="nested without end"),
        pytest.param("{}", "mine.json must be a JSON list", id="no list"),
        pytest.param("[1]", "mine.json, row 1: must be an object", id="no object"),
        pytest.param(json.dumps([ROW, ROW]), "mine.json, row 2: the name “n” is already used", id="same name"),
        pytest.param(json.dumps([ROW | {"more": "x"}]), "row 1: must be an object with exactly", id="unknown field"),
        pytest.param(json.dumps([{"name": "n"}]), "row 1: must be an object with exactly", id="missing field"),
        pytest.param(json.dumps([ROW | {"pattern": " "}]), "row 1: pattern must be a text", id="empty pattern"),
        pytest.param(json.dumps([ROW | {"remedy": 5}]), "row 1: remedy must be a text", id="remedy is no text"),
        pytest.param(json.dumps([ROW | {"kind": "timeout"}]), "row 1: kind must be one of", id="kind of a doubt"),
        pytest.param(json.dumps([ROW | {"fixer": "me"}]), "row 1: fixer must be one of", id="unknown fixer"),
        pytest.param(json.dumps([ROW | {"pattern": "("}]), "row 1: pattern is not a regular", id="bad pattern"),
        pytest.param(json.dumps([ROW | {"pattern": "a{99999999999999}"}]), "row 1: pattern is not", id="too large"),
        pytest.param(json.dumps([ROW | {"pattern": "x?"}]), "fits an empty text", id="fits nothing"),
        pytest.param(json.dumps([ROW | {"pattern": ".+"}]), "row 1: pattern is too wide", id="fits everything"),
        pytest.param(json.dumps([ROW | {"pattern": "error"}]), "pattern is too wide", id="fits a crash"),
        pytest.param(json.dumps([ROW | {"pattern": "j[aá] existe"}]), "pattern is too wide", id="document exists"),
    ],
)
def test_a_bad_table_stops_with_one_sentence_that_names_source_and_row(text, sentence):
    with pytest.raises(SettingsError) as caught:
        parse_refusals(text, "mine.json")
    assert sentence in str(caught.value)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)
