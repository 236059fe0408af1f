"""The Activity page without a browser: what it lists, filters, explains and lets people take away."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import openpyxl
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.parts.activity_download import HEADINGS, table
from pages.parts.activity_filters import Asked
from pages.parts.say import plain
from pages.parts.spreadsheet import LONGEST_TEXT, as_csv, as_xlsx
from tests.office import Office, environment_of, open_office
from tests.test_page_invoices import labels, texts
from toc_sync import runtime, wording_activity
from toc_sync.database import writing
from toc_sync.model import Confirmed, Outcome
from toc_sync.sandbox import Behaviour
from toc_sync.tables import sync_actions
from toc_sync.views_activity import EXPORTED_AT_MOST, ActivityFilter, Source

FRAME = Path(__file__).parent.parent / "pages" / "_frame.py"


@pytest.fixture
def office(tmp_path, monkeypatch):
    for name, value in environment_of(tmp_path).items():
        monkeypatch.setenv(name, value)
    st.cache_data.clear()  # what pages of an earlier test remember is of another database
    opened = open_office()
    yield opened
    opened.runtime.close()
    runtime.close_current()


def sent(office: Office, number: str, behaviour: Behaviour = Behaviour.ISSUE_FLAT) -> int:
    """Sends an invoice, and leaves out of the log what the office itself did for that."""
    invoice_id = office.sent(number, behaviour)
    with writing(office.runtime.engine) as conn:
        conn.execute(sync_actions.delete())
    return invoice_id


def visit(**address) -> AppTest:
    """Opens the page as a link with these parameters would."""
    at = AppTest.from_file(str(FRAME), default_timeout=20)
    for name, value in address.items():
        at.query_params[name] = value
    at.switch_page("activity.py").run()
    assert not at.exception
    return at


def listed(at: AppTest) -> list[tuple[str, str]]:
    if not at.dataframe:
        return []
    frame = at.dataframe[0].value
    return [(what, outcome[0]) for what, outcome in zip(frame["what"], frame["outcome"], strict=True)]


def choose(at: AppTest, row: int) -> AppTest:
    """Chooses a row, as a click beside it would."""
    key = at.dataframe[0].proto.id.rpartition("-")[2]
    at.session_state[key] = {"selection": {"rows": [row], "columns": [], "cells": []}}
    at.run()
    assert not at.exception
    return at


def test_nothing_has_happened_yet(office):
    at = visit()
    assert "Nothing happened that matches" in texts(at)
    assert "Nothing was sent or done in the last 7 d." in texts(at)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        pytest.param({}, [("Retry", "Done"), ("Attempt 1", "Failed"), ("Attempt 1", "Synced")], id="everything"),
        pytest.param({"who": "ana"}, [("Retry", "Done")], id="person"),
        pytest.param({"about": "A 1"}, [("Attempt 1", "Synced")], id="number"),
        pytest.param({"only": "People"}, [("Retry", "Done")], id="people"),
        pytest.param({"only": "Attempts", "what": "Failed"}, [("Attempt 1", "Failed")], id="outcome"),
        pytest.param({"what": "Retry"}, [("Retry", "Done")], id="action"),
        pytest.param({"to_day": "2026-01-01"}, [], id="days"),
    ],
)
def test_a_link_shows_the_list_it_was_made_of(office, address, expected):
    sent(office, "A 1")
    refused = sent(office, "A 2", Behaviour.REFUSE_SERIES)
    assert office.runtime.retry(refused, actor="ana", confirmed=Confirmed.UNCHANGED).done
    assert listed(visit(**address)) == expected


@pytest.mark.parametrize("address", [{"time": "x"}, {"what": "x"}, {"only": "x"}, {"from_day": "x"}])
def test_nonsense_in_the_address_is_left_out_with_a_word(office, address):
    sent(office, "A 1")
    at = visit(**address)
    assert listed(at) == [("Attempt 1", "Synced")]
    assert [toast.value for toast in at.toast] == [
        plain(f"The address asked for something unknown. It was left out: {next(iter(address))}.")
    ]


def test_a_filter_that_nothing_matches_can_be_cleared(office):
    sent(office, "A 1")
    at = visit(who="nobody")
    at.button(key="clear_in_list").click().run()
    assert listed(at) == [("Attempt 1", "Synced")]


def test_a_chosen_attempt_can_be_looked_into_and_copied_for_support(office):
    invoice_id = sent(office, "A 1", Behaviour.REFUSE_SERIES)
    at = choose(visit(), 0)
    assert {"Details", "Open invoice"} <= set(labels(at))
    at.button(key="details").click().run()
    (row,) = office.runtime.activity.page(ActivityFilter()).rows
    support, body = (code.value for code in at.code)
    assert f"Invoice: {invoice_id} (A 1)" in support
    assert f"x-request-id: {row.request_id}" in support
    assert "ainda não foi comunicada" in body


def test_a_link_to_no_attempt_is_one_sentence(office):
    assert "There is no such attempt" in texts(visit(attempt="4242"))


def test_what_a_person_did_without_an_invoice_opens_nothing(office):
    office.runtime.gate.pause(actor="Eva", reason="Maintenance.")
    at = choose(visit(), 0)
    assert listed(at) == [("Pause", "Done")]
    assert not {"Details", "Open invoice"} & set(labels(at))


def test_days_take_the_place_of_the_range_and_begin_at_midnight_in_lisbon():
    now = datetime(2026, 8, 20, 12, tzinfo=UTC)
    assert Asked().at(now).since == now - timedelta(days=7)
    assert Asked(range="All").at(now) == ActivityFilter()
    day = Asked(from_day=date(2026, 8, 1), to_day=date(2026, 8, 1)).at(now)
    assert (day.since, day.until) == (datetime(2026, 7, 31, 23, tzinfo=UTC), datetime(2026, 8, 1, 23, tzinfo=UTC))
    mixed = Asked(what=("Failed", "Retry"), only=Source.PERSON, who="ana", about="7").at(now)
    assert (mixed.outcomes, mixed.actions, mixed.source) == ((Outcome.FAILED,), ("retry",), Source.PERSON)
    assert (mixed.who, mixed.invoice) == ("ana", "7")


def test_both_files_hold_what_matches_and_no_formula(office):
    sent(office, "=cmd|'/c calc'!A1", Behaviour.REFUSE_SERIES)
    office.runtime.gate.pause(actor="=Eva", reason="@SUM(A1)")
    rows = list(office.runtime.activity.export(ActivityFilter()))
    content = as_csv(HEADINGS, table(rows)).decode("utf-8-sig")
    pause, attempt = csv.DictReader(io.StringIO(content))
    assert (pause["Who"], pause["Why"]) == ("'=Eva", "'@SUM(A1)")
    assert (attempt["Invoice number"], attempt["Outcome"]) == ("'=cmd|'/c calc'!A1", "Failed")
    sheet = openpyxl.load_workbook(io.BytesIO(as_xlsx("Activity", HEADINGS, table(rows)))).active
    assert [cell.value for cell in sheet[1]] == list(HEADINGS)
    assert {cell.data_type for row in sheet.iter_rows(min_row=2) for cell in row} <= {"s", "n", "d"}
    assert [sheet["B2"].value, sheet["E3"].value] == ["=Eva", "=cmd|'/c calc'!A1"]
    assert isinstance(sheet["A2"].value, datetime)


def test_a_file_that_cannot_hold_all_says_so_in_its_last_line():
    cut = wording_activity.cut(EXPORTED_AT_MOST + 1)
    assert "50,000 of 50,001" in cut
    assert list(table([], cut)) == [(cut,)]
    assert wording_activity.cut(EXPORTED_AT_MOST) == ""


def test_a_text_too_long_for_a_cell_is_cut():
    sheet = openpyxl.load_workbook(io.BytesIO(as_xlsx("x", ("a",), [("x" * 40_000,)]))).active
    assert len(sheet["A2"].value) == LONGEST_TEXT
