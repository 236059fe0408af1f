"""What a taught answer reaches: the same answer for another invoice, and nothing that may mean something else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.core import REFUSALS
from toc_sync.classify import classify
from toc_sync.lesson import lesson_of, why_not
from toc_sync.model import Fixer, Outcome, Reply
from toc_sync.refusals import taught_refusal

E = "Falta a unidade de medida"


def answer(body: Any, status: int = 500) -> Reply:
    text = body if isinstance(body, str) else json.dumps(body)
    return Reply(http_status=status, headers={}, body=text.encode(), truncated=False, duration_ms=1)


def reaches(taught: Reply, other: Reply) -> bool:
    assert why_not(taught, REFUSALS) is None
    lesson = taught_refusal("taught", lesson_of(taught).pattern, "-", Fixer.FINANCE)
    assert classify(taught, (*REFUSALS, lesson)).refusal == "taught"
    return classify(other, (*REFUSALS, lesson)).outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("taught", "other"),
    [
        pytest.param({"error": f"Fatura 12: {E}"}, {"error": f"Fatura 98213: {E}"}, id="the invoice's id in words"),
        pytest.param({"error": f"Invoice #12: {E}"}, {"error": f"Invoice #7: {E}"}, id="the invoice's id after a sign"),
        pytest.param({"error": E, "invoice_id": 12}, {"error": E, "invoice_id": 13}, id="the invoice's id in a field"),
        pytest.param({"error": f"{E} (ref. 7731)"}, {"error": f"{E} (ref. 12)"}, id="a reference"),
        pytest.param({"error": f"{E} na fatura '12'"}, {"error": f"{E} na fatura '500'"}, id="the quoted id of the invoice"),
        pytest.param({"error": f"{E} na linha 1"}, {"error": f"{E} na linha 3"}, id="the line"),
        pytest.param({"error": f"NIF 501964843: {E}"}, {"error": f"NIF 285008413: {E}"}, id="the customer's tax number"),
        pytest.param({"error": f"{E}, total 123,00"}, {"error": f"{E}, total 9,50"}, id="the total"),
        pytest.param({"error": f"{E} em 2026-11-20"}, {"error": f"{E} em 2027-01-02"}, id="a date"),
        pytest.param({"error": f"{E} em 20-11-2026"}, {"error": f"{E} em 02/01/2027"}, id="a date as it is written here"),
        pytest.param(
            {"error": E, "request_id": "0b5f8a3e-9d1c-4c1c-8f6e-1f2d3c4b5a69"},
            {"error": E, "request_id": "9b5f8a3e-9d1c-4c1c-8f6e-1f2d3c4b5a60"}, id="the request's id",
        ),
        pytest.param({"error": E, "success": False}, {"error": E.upper(), "success": False}, id="capitals"),
        pytest.param({"error": E}, {"error": f" {E}\n"}, id="spaces"),
        pytest.param({"error": E}, {"error": "Falta a\u0300 unidade de medida".replace("\u0300", "")}, id="the same"),
    ],
)  # fmt: skip
def test_a_taught_answer_is_known_again_for_another_invoice(taught, other):
    assert reaches(answer(taught), answer(other))


@pytest.mark.parametrize(
    ("taught", "other"),
    [
        pytest.param({"error": "A unidade 'kg' não existe"}, {"error": "A unidade 'nova' não existe"}, id="what is quoted"),
        pytest.param({"error": "O passe “novo” serviu mal"}, {"error": "O passe “velho” serviu mal"}, id="other quotation marks"),
        pytest.param({"error": 'Serviu "nada" desta vez'}, {"error": 'Serviu "tudo" desta vez'}, id="double quotation marks"),
        pytest.param({"error": "Modo '0' da unidade"}, {"error": "Modo '1' da unidade"}, id="a quoted number"),
        pytest.param({"error": f"{E} (código 17)"}, {"error": f"{E} (código 18)"}, id="a code in words"),
        pytest.param({"error": E, "code": 17}, {"error": E, "code": 18}, id="a code in a field"),
        pytest.param({"error": E, "code": "U17"}, {"error": E, "code": "U18"}, id="a code that is a word"),
        pytest.param({"error": E, "codigo": "1017"}, {"error": E, "codigo": "1018"}, id="a code in Portuguese"),
        pytest.param({"error": f"TOC Online: 400 {E}"}, {"error": f"TOC Online: 409 {E}"}, id="a status in words"),
        pytest.param({"error": E, "status": 400}, {"error": E, "status": 201}, id="a status in a field"),
        pytest.param({"error": E, "toc": 10}, {"error": E, "toc": 11}, id="any other number"),
        pytest.param({"error": E, "retry": False}, {"error": E, "retry": True}, id="a flag"),
        pytest.param({"error": E, "rolled_back": True}, {"error": E, "rolled_back": False}, id="a flag that was true"),
        pytest.param({"error": E, "final": "no"}, {"error": E, "final": "yes"}, id="a flag in words"),
        pytest.param({"error": E, "final": 0}, {"error": E, "final": 1}, id="a flag in digits"),
        pytest.param({"error": E, "count": 0}, {"error": E, "count": 1}, id="a count"),
        pytest.param({"error": f"{E}: 0 de 3 linhas lidas"}, {"error": f"{E}: 3 de 3 linhas lidas"}, id="a count in words"),
        pytest.param({"error": E, "linhas": 0}, {"error": E, "linhas": 3}, id="a count of lines"),
        pytest.param({"error": E, "extra": None}, {"error": E, "extra": "x"}, id="a field that was null"),
        pytest.param({"error": E, "extra": ""}, {"error": E, "extra": "x"}, id="a field that was empty"),
        pytest.param({"error": E, "extra": []}, {"error": E, "extra": ["x"]}, id="a list that was empty"),
        pytest.param({"error": E, "ref": "12", "docs": ""}, {"error": E, "ref": "", "docs": "12"}, id="another field"),
        pytest.param({"error": E, "a": "x"}, {"error": E, "b": "x"}, id="another name"),
        pytest.param({"error": E}, {"error": E, "extra": 5}, id="a field more"),
        pytest.param({"error": E}, {"message": E}, id="another kind of text"),
        pytest.param({"error": f"{E} (ref. 12)"}, {"error": f"{E} (ref. FT 2026/3)"}, id="a document for a reference"),
        pytest.param({"error": E, "extra": {"n": 1}}, {"error": E, "extra": {"n": 2}}, id="a number deep inside"),
        pytest.param({"error": E, "toc": '{"n": 1}'}, {"error": E, "toc": '{"n": 2}'}, id="a number in JSON in a text"),
    ],
)  # fmt: skip
def test_a_taught_answer_does_not_reach_one_that_differs(taught, other):
    assert not reaches(answer(taught), answer(other))
    assert reaches(answer(taught), answer(taught))


def test_a_taught_answer_does_not_reach_the_same_words_with_another_status():
    assert not reaches(answer({"error": E}, 500), answer({"error": E}, 409))
    assert not reaches(answer({"error": E}, 500), answer({"success": False, "error": E}, 200))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"error": E, "id": 77}, id="an id"),
        pytest.param({"error": E, "numero": "FT 2026/3"}, id="a number"),
        pytest.param({"error": f"{E}; a fatura FT 2026/3 ficou por enviar"}, id="a number in words"),
        pytest.param({"error": E, "issued": True}, id="a flag"),
        pytest.param({"error": E, "pdf": "x"}, id="a file"),
        pytest.param({"error": f"Documento criado. {E}"}, id="a statement"),
        pytest.param({"error": f"{E} na segunda tentativa"}, id="a second try"),
        pytest.param({"error": f"Recibo: {E}"}, id="a later step"),
    ],
)
def test_an_answer_that_tells_of_a_document_or_another_course_teaches_nothing(body):
    assert why_not(answer(body), REFUSALS) is not None
