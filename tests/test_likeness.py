"""When two texts say the same: what is free in a wording, and that a pattern fits no other one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toc_sync.account import account_of
from toc_sync.answer import one_line, read_text
from toc_sync.likeness import MAX_NORMAL_FORM, longest_fragment, normal_form, pattern_of, words_of
from toc_sync.model import fold


def fits(pattern: str, text: str) -> bool:
    return re.search(pattern, fold(one_line(text)), re.IGNORECASE) is not None


@pytest.mark.parametrize(
    ("text", "form"),
    [
        pytest.param("A série  está\n FECHADA", "a serie esta fechada", id="one line, no accents, no capitals"),
        pytest.param("Invoice 123: total 1.234,50 EUR", "invoice <number>: total <number> eur", id="numbers, amounts"),
        pytest.param("Fatura FT 2026/17 de 23-11-2026", "fatura ft <number> de <number>", id="a document, a date"),
        pytest.param("at 2026-11-23T10:15:30.123Z", "at <date>", id="an instant"),
        pytest.param("at 2026-11-23 10:15", "at <date>", id="a time of day"),
        pytest.param("id 0A1B2C3D-0000-4111-8222-0123456789ab!", "id <id>!", id="a uuid"),
        pytest.param("request req_01hxyz98765abc failed", "request <id> failed", id="a long id"),
        pytest.param("cliente 'João, Lda' e “Sá” e \"X\"", "cliente <name> e <name> e <name>", id="quoted names"),
        pytest.param("mail to ana.sa@example.com", "mail to <address>", id="an address"),
        pytest.param("can't do what isn't there", "can't do what isn't there", id="apostrophes"),
        pytest.param("code JA002 of v2", "code ja002 of v2", id="a code is a word"),
        pytest.param("TOC error 500: 17", "toc error 500: <number>", id="what may be a status counts"),
        pytest.param("total 500.00 of 4,50", "total <number> of <number>", id="an amount is no status"),
        pytest.param('{"code":"JA1","detail":"x"}', '{"code":"ja1","detail":"x"}', id="JSON's own quotation marks"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_a_wording_is_freed_of_what_differs_from_invoice_to_invoice(text, form):
    assert normal_form(text) == form


def test_a_normal_form_is_short():
    assert len(normal_form("word " * 10_000)) == MAX_NORMAL_FORM


@given(st.text(max_size=200))
def test_a_pattern_fits_its_own_text(text):
    assert fits(pattern_of(text), text)


@given(
    st.lists(
        st.sampled_from(["Fatura", "O cliente", "da linha", "(ref.", "Invoice #", "NIF:", "| invoice_id ="]), min_size=1
    ),
    st.lists(st.integers(1_000, 10**9), min_size=10, max_size=10),
    st.lists(st.integers(1_000, 10**9), min_size=10, max_size=10),
)
def test_a_pattern_fits_texts_that_differ_in_numbers_of_the_invoice_only(words, numbers, others):
    text, like = (
        " ".join(f"{word} {number}" for word, number in zip(words, each * len(words), strict=False))
        for each in (numbers, others)
    )
    assert fits(pattern_of(text), like)
    assert normal_form(text) == normal_form(like)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param("A unidade 'kg' não existe. Foi emitida FT 2026/1", id="more behind it"),
        pytest.param("Emitida, mas a unidade 'kg' não existe", id="more before it"),
        pytest.param("A unidade 'kg' já existe", id="another word"),
        pytest.param("A unidade 'litro' não existe", id="another name"),
        pytest.param("A unidade kg não existe", id="a name without its quotation marks"),
        pytest.param("A unidade 'kg' não existe (504)", id="a status"),
        pytest.param("A unidade 'k' e 'g' não existe", id="two names"),
        pytest.param("A unidade 'kg | não existe", id="over the end of a text"),
    ],
)
def test_a_pattern_fits_nothing_else(other):
    pattern = pattern_of("A unidade 'kg' não existe")
    assert fits(pattern, "a unidade 'kg' NAO existe")
    assert not fits(pattern, other)


def test_statuses_are_told_apart():
    pattern = pattern_of("TOC Online answered 500")
    assert not fits(pattern, "TOC Online answered 504")
    assert not fits(pattern, "TOC Online answered 200")


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        pytest.param("Ocorreu uma situação inesperada 12", "inesperada", id="the longest plain word"),
        pytest.param("'Aproveitamento' não", "", id="not out of a name"),
        pytest.param("'serie' série falta", "falta", id="not one that is written otherwise"),
        pytest.param("12 34", "", id="none"),
    ],
)
def test_the_fragment_to_look_for_stands_in_every_such_text(text, fragment):
    assert longest_fragment(text) == fragment


def test_values_beside_the_words_are_no_words():
    assert words_of("success=false | falta a unidade") == ["falta", "unidade"]


@pytest.mark.parametrize(
    ("body", "account"),
    [
        pytest.param('{"error": "É tarde"}', "http=500 | error: e tarde", id="one text"),
        pytest.param(
            '{"success": false, "error": "a", "of": {"code": 7, "to": ["b"]}}',
            "http=500 | success=false | error: a | of.code=7 | of.to: b", id="all",
        ),
        pytest.param(
            '{"error": "a", "none": null, "empty": "", "list": []}',
            "http=500 | error: a | none=(empty) | empty=(empty) | list=(empty)", id="nothing said",
        ),
        pytest.param('{"error": "{\\"docId\\": 5}"}', "http=500 | error.json.doc_id=5", id="JSON inside text"),
        pytest.param('{"error": "a", "page": "<html>b</html>"}', "", id="markup"),
        pytest.param("Só texto", "http=500 | so texto", id="plain text"),
        pytest.param("<html>b</html>", "", id="a page"),
        pytest.param('{"error": "cut', "", id="broken"),
    ],
)  # fmt: skip
def test_an_account_has_everything_that_an_answer_says(body, account):
    assert account_of(500, read_text(body)) == account
