"""Addresses that nobody means: whatever stands behind a parameter of any page, the page is drawn, with a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.office import environment_of, open_office
from toc_sync import runtime
from toc_sync.sandbox import Behaviour

FRAME = Path(__file__).parent.parent / "pages" / "_frame.py"
PARAMETERS = {
    "overview.py": ("range", "month", "since", "until"),
    "invoices.py": (
        "status", "since", "until", "issuer", "payer", "q", "min", "max", "old_doubts", "at_risk", "due", "finding",
        "order", "batch", "page", "error_group", "attempted_from", "attempted_until", "attempt_outcome", "invoice",
    ),
    "invoice_orders.py": (
        "find", "remaining", "project", "order_status", "period_from", "period_to", "order_page", "create", "draft",
    ),
    "month_close.py": ("month",),
    "activity.py": ("time", "about", "who", "only", "what", "from_day", "to_day", "activity_page", "attempt"),
}  # fmt: skip
NONSENSE = {
    "nothing": "",
    "white space": " ",
    "not a number": "nan",
    "infinite": "inf",
    "infinite, below": "-Infinity",
    "beyond all numbers": "1e999",
    "a huge number": "9" * 400,
    "a number beyond bigint": "9223372036854775808",
    "negative": "-1",
    "a fraction": "0.5",
    "digits of another script": "٣",
    "a digit that is none": "²",
    "a day that is none": "2026-02-30",
    "a day beyond the calendar": "99999-01-01",
    "an instant beyond the calendar": "0001-01-01T00:00:00+14:00",
    "a character that no database takes": "a\x00b",
    "SQL": "'; drop table teams; --",
    "markup": "<script>alert(1)</script>",
    "10,000 characters": "x" * 10_000,
    "twice": ["1", "nan"],
    "twice nothing": ["", ""],
    "many times": ["x"] * 200,
    "a list": "[1,2]",
}


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    folder = tmp_path_factory.mktemp("addresses")
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in environment_of(folder).items():
            monkeypatch.setenv(name, value)
        st.cache_data.clear()
        opened = open_office()
        opened.sent("A 1")
        opened.sent("A 2", Behaviour.REFUSE_SERIES)
        yield opened
        opened.runtime.close()


@pytest.fixture(autouse=True)
def _settings(office, monkeypatch):
    """Every test of this module works in the one office."""
    monkeypatch.setenv("DATABASE_URL", office.runtime.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("TOC_SYNC_SANDBOX", "true")
    yield
    runtime.close_current()


def visit(page: str, /, **address: str | list[str]) -> AppTest:
    at = AppTest.from_file(str(FRAME), default_timeout=60)
    for name, value in address.items():
        at.query_params[name] = value
    at.switch_page(page).run()
    return at


@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE.keys())
@pytest.mark.parametrize("page", PARAMETERS)
def test_a_page_is_drawn_whatever_all_its_parameters_say(page, nonsense):
    at = visit(page, **dict.fromkeys(PARAMETERS[page], nonsense))
    assert not at.exception
    assert at.title


@pytest.mark.parametrize("value", ["inf", "nan", "1e999", "-1", "0.5", "9999999999", "٣"])
def test_a_batch_that_cannot_be_is_left_out_with_a_sentence(value):
    at = visit("invoices.py", batch=value)
    assert not at.exception
    assert any("batch" in toast.value for toast in at.toast)
    assert len(at.dataframe[0].value) == 2, "the list is there, and whole"


def test_an_empty_range_is_the_usual_one():
    at = visit("overview.py", range="")
    assert not at.exception
    assert [element.value for element in at.title] == ["Overview"]
