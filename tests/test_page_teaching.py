"""Teaching an answer in the drawer of an invoice in doubt, and withdrawing it in the list, without a browser."""

from __future__ import annotations

import pytest
import streamlit as st

from tests.office import environment_of, open_office
from tests.test_page_invoices import labels, press, texts, visit
from toc_sync import runtime
from toc_sync.model import Status
from toc_sync.sandbox import Behaviour

ANSWER = "Ocorreu uma situação inesperada (ref. 7731)"
SUBMIT = "Teach and make 2 invoices retryable"


@pytest.fixture
def office(tmp_path, monkeypatch):
    for name, value in environment_of(tmp_path).items():
        monkeypatch.setenv(name, value)
    st.cache_data.clear()  # what pages of an earlier test remember is of another database
    opened = open_office()
    yield opened
    opened.runtime.close()
    runtime.close_current()


def opened(invoice_id):
    at = visit(invoice=str(invoice_id))
    at.toggle(key=f"teach_{invoice_id}").set_value(True).run()  # the library's way
    assert not at.exception
    return at


def fill(at, invoice_id, **fields):
    for name, value in fields.items():
        at.text_input(key=f"teach_{name}_{invoice_id}").input(value)
    return at


def test_an_unknown_answer_is_taught_retried_and_withdrawn(office):
    doubtful, other = (office.sent(number, Behaviour.UNKNOWN_ERROR) for number in ("ONE", "TWO"))
    at = opened(doubtful)
    shown = texts(at)
    assert ANSWER in shown
    assert "ocorreu uma situacao inesperada (ref. <number>)" in shown
    assert "2 past answers" in shown
    assert "€246" in shown

    press(at, SUBMIT)
    assert "how you know" in texts(at), "the rest is filled in to start with"
    assert office.state(doubtful).status is Status.IN_DOUBT

    press(fill(at, doubtful, name="odd", remedy="Wait a day.", reason="TOC said so"), SUBMIT)
    assert [office.state(each).status for each in (doubtful, other)] == [Status.FAILED] * 2
    at = visit(invoice=str(other))
    assert "Wait a day" in texts(at)
    assert "Retry" in labels(at)

    at = visit()
    assert "Taught answers (1)" in [each.label for each in at.expander]
    assert "2 invoices failed because of it now" in texts(at)
    press(at, "Withdraw")
    assert office.state(other).status is Status.FAILED
    at.text_input(key="withdraw_reason_odd").input("It was issued once")
    press(at, "Withdraw")
    assert [office.state(each).status for each in (doubtful, other)] == [Status.IN_DOUBT] * 2
    assert not visit().expander


@pytest.mark.parametrize(
    ("behaviour", "says"),
    [
        pytest.param(Behaviour.CRASH, "too short", id="a bare error"),
        pytest.param(Behaviour.HTML, "function itself", id="a gateway's page"),
        pytest.param(Behaviour.RESOURCE_LIMIT, "function itself", id="the platform"),
    ],
)
def test_an_answer_that_cannot_be_taught_says_why(office, behaviour, says):
    doubtful = office.sent("ONE", behaviour)
    at = opened(doubtful)
    assert says in texts(at)
    assert not [label for label in labels(at) if label.startswith("Teach")]


@pytest.mark.parametrize("behaviour", [Behaviour.ISSUE_THEN_CUT, Behaviour.TIMEOUT])
def test_without_an_answer_there_is_nothing_to_teach(office, behaviour):
    assert not visit(invoice=str(office.sent("ONE", behaviour))).toggle


def test_a_document_found_after_the_same_answer_forbids_it(office):
    found, doubtful = (office.sent(number, Behaviour.UNKNOWN_ERROR) for number in ("ONE", "TWO"))
    office.runtime.resolve_as_synced(found, "FT 2026/88", actor="ana", reason="seen")
    at = opened(doubtful)
    assert "Invoice ONE got this answer" in texts(at).replace("\\", "")
    assert not [label for label in labels(at) if label.startswith("Teach")]
