"""The Month close page without a browser, and the command: what they say, where they lead, and the workbook."""

from __future__ import annotations

import io
import json
from pathlib import Path

import openpyxl
import pytest
import streamlit as st
from click.testing import CliRunner
from streamlit.testing.v1 import AppTest

from pages.parts import invoice_filters, month_choice
from pages.parts.say import plain
from tests.days import day, month
from tests.invented_records import insert_invented
from tests.office import environment_of, open_office
from toc_sync import runtime, wording
from toc_sync.cli import program
from toc_sync.database import writing
from toc_sync.sandbox import Behaviour
from toc_sync.views import InvoiceFilter, last_day_of, month_filter
from toc_sync.views_legal import DueFilter

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


def visit(page: str = "month_close.py", **address) -> AppTest:
    at = AppTest.from_file(str(FRAME), default_timeout=30).run()
    for name, value in address.items():
        at.query_params[name] = value
    at.switch_page(page).run()
    assert not at.exception
    return at


def texts(at: AppTest) -> str:
    kinds = (at.title, at.header, at.subheader, at.markdown, at.caption, at.error, at.info, at.warning)
    return "\n".join(element.value for kind in kinds for element in kind)


def test_without_invoices_there_is_nothing_to_choose(office):
    at = visit()
    assert "No invoices yet." in texts(at)
    assert not at.selectbox


@pytest.mark.hard_days
def test_a_complete_month_is_green_and_an_incomplete_one_says_what_is_missing(office):
    office.sent("A 1")
    office.sent("A 2", Behaviour.REFUSE_SERIES, p_invoice_date=str(month(-1)))
    office.sent("A 3", Behaviour.HTML, p_invoice_date=str(last_day_of(month(-1))))
    this, last = visit(month=f"{month():%Y-%m}"), visit(month=f"{month(-1):%Y-%m}")
    assert f":green[:material/check_circle:] {month():%B %Y} is complete" in texts(this)
    assert plain(f"{month(-1):%B %Y} is not complete yet: 2 missing.") in texts(last)
    assert ":orange[:material/pending_actions:]" in texts(last)
    assert "**Failed: 1**" in texts(last)
    assert "**In doubt: 1**" in texts(last)
    assert "Never sent: 0" in texts(last)
    sides = last.dataframe[0].value
    assert sides.values.tolist() == [
        ["Issued here", "2", "EUR", "200.00", "46.00", "246.00"],
        ["In TOC Online", "0", "", "", "", ""],
        ["Difference", "2", "EUR", "200.00", "46.00", "246.00"],
    ]
    assert this.dataframe[0].value.values.tolist()[-1] == ["Difference", "0", "EUR", "0.00", "0.00", "0.00"]


def test_the_month_of_a_link_is_shown_and_nonsense_is_left_out_with_a_word(office):
    office.sent("A 1")
    office.sent("A 2", p_invoice_date=str(month(-1)))
    this, last = f"{month():%Y-%m}", f"{month(-1):%Y-%m}"
    at = visit(month=last)
    assert at.selectbox(key="month").value == last
    assert at.selectbox(key="month").options == [this, last]
    at = visit(month="2026-13")
    assert at.selectbox(key="month").value == this
    assert [toast.value for toast in at.toast] == [
        plain("The address asked for something unknown. It was left out: month.")
    ]


def test_every_link_leads_to_a_list_as_long_as_was_counted(office):
    with writing(office.runtime.engine) as conn:
        insert_invented(conn, 200, around=day())
    close = office.runtime.month(month())
    for line, sums in close.lines.items():
        at = visit("invoices.py", **invoice_filters.address(month_filter(line, close.month)))
        assert f"of {wording.invoices(sums.count)}." in texts(at), line


def test_a_link_can_ask_for_a_legal_deadline(office):
    wanted = InvoiceFilter(due=DueFilter.SOON)
    assert invoice_filters.address(wanted) == {"due": "Next working day"}


def test_the_workbook_is_made_when_it_is_asked_for(office):
    office.sent("A 1")
    at = visit(month=f"{month():%Y-%m}")
    assert len(at.get("download_button")) == 1
    book = openpyxl.load_workbook(io.BytesIO(month_choice.workbook(office.runtime.months()[0])))
    assert book["Invoices"].cell(row=2, column=1).value == "A 1"


def test_the_list_and_the_drawer_show_the_legal_deadline(office):
    invoice_id = office.sent("A 1", Behaviour.REFUSE_SERIES, p_invoice_date="2020-01-02")
    office.sent("A 2")
    at = visit("invoices.py")
    synced, refused = at.dataframe[0].value["deadline"]
    assert (len(synced), len(refused)) == (0, 1)
    assert refused[0].endswith(" days overdue")
    at = visit("invoices.py", due="Overdue")
    assert [name.partition(": ")[2] for name in at.dataframe[0].value["number"]] == ["A 1"]
    at = visit("invoices.py", order="Legal deadline first")
    assert [name.partition(": ")[2] for name in at.dataframe[0].value["number"]] == ["A 1", "A 2"]
    at = visit("invoices.py", invoice=str(invoice_id))
    assert plain("Legal deadline: Thu 9 Jan 2020") in texts(at)
    assert plain("communication to the tax authority by 5 Feb 2020.") in texts(at)


# The command ----------------------------------------------------------------------------------------------------------


def run(*arguments):
    result = CliRunner().invoke(program, ["month", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_the_command_tells_a_complete_month_by_its_exit_status(office, tmp_path):
    office.sent("A 1")
    done = run(f"{month():%Y-%m}", "--xlsx", tmp_path / "month.xlsx")
    assert (done.exit_code, done.stdout.splitlines()[0]) == (
        0,
        f"{month():%B %Y} is complete: the only invoice is in TOC Online, €123.00.",
    )
    assert openpyxl.load_workbook(tmp_path / "month.xlsx").sheetnames == ["Totals", "Invoices", "Missing"]


def test_the_command_says_what_is_missing_also_as_json(office):
    office.sent("A 1", Behaviour.REFUSE_SERIES)
    done = run(f"{month():%Y-%m}")
    assert done.exit_code == 5
    assert "Failed" in done.stdout
    assert "€100.00 and €23.00 VAT, together €123.00" in done.stdout
    done = run(f"{month():%Y-%m}", "--json")
    facts = json.loads(done.stdout)
    assert (done.exit_code, facts["complete"], facts["missing"], facts["lines"]["failed"]["totals"]) == (
        *(5, False, 1),
        {"EUR": "123.00"},
    )


@pytest.mark.parametrize("month", ["2026-13", "november", "2026-11-01", "0000-01"])
def test_the_command_refuses_what_is_no_month(office, month):
    assert run(month).exit_code == 2


def test_the_command_says_when_the_workbook_cannot_be_written(office, tmp_path):
    done = run(f"{month():%Y-%m}", "--xlsx", tmp_path / "nowhere" / "x.xlsx")
    assert done.exit_code == 1
    assert "could not be written" in done.stderr
