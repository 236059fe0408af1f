"""Acting on many from the pages, without a browser: the preview, the start, the progress and what came of it."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from pages.parts import batch_progress
from pages.parts.say import plain
from tests.days import day
from tests.office import Office
from tests.test_page_doubts import button, doubtful, tick
from tests.test_page_invoices import FRAME, labels, listed, office, press, texts, visit
from toc_sync.database import writing
from toc_sync.model import Confirmed, Status
from toc_sync.sandbox import Behaviour
from toc_sync.tables import gate_log
from toc_sync.views import InvoiceFilter
from toc_sync.views_batches import Selection

__all__ = ["office"]
FAILED = Selection.matching(InvoiceFilter(statuses=(Status.FAILED,)))


def refused(office: Office, *numbers: str) -> list[int]:
    return [office.sent(number, Behaviour.REFUSE_SERIES) for number in numbers]


def start(office: Office) -> int:
    batch_id = office.runtime.batches.start(FAILED, actor="ana").batch_id
    assert batch_id
    return batch_id


def overview() -> AppTest:
    at = AppTest.from_file(str(FRAME), default_timeout=20).run()
    assert not at.exception
    return at


def test_the_button_for_all_that_match_needs_a_filter_and_counts_beyond_the_page(office):
    refused(office, "A 1", "A 2")
    office.sent("B 1")
    assert not any("all that match" in label for label in labels(visit()))
    assert "Retry all that match (2)" in labels(visit(status="Failed"))
    assert not any("all that match" in label for label in labels(tick(visit(status="Failed"), 0)))


def test_all_that_match_are_foretold_and_started_with_one_press(office):
    ids = refused(office, "A 1", "A 2")
    doubt, there = doubtful(office, "A 3"), office.sent("A 4")
    at = press(visit(q="A"), "Retry all that match (4)")
    said = texts(at)
    assert plain("2 invoices of 4 will be sent, €246.00 (€46.00 of it VAT).") in said
    assert plain(f"Oldest invoice date first ({day()}).") in said
    assert plain("Nothing is sending at present: they wait until a worker is alive.") in said
    assert plain("1 is in doubt: resolve it instead.") in said
    assert f"**1**: {plain('It is already in TOC Online. Nothing was sent.')} ({plain('A 4')})" in said
    press(at, "Retry 2 invoices")
    assert [toast.value for toast in at.toast] == [plain("Batch 1 was started: 2 invoices. It goes on by itself.")]
    assert "Retry 2 invoices" not in labels(at), "the dialog is shut"
    while office.runtime.batches.advance():
        pass
    assert [office.state(each).status for each in (*ids, doubt, there)] == [
        Status.QUEUED,
        Status.QUEUED,
        Status.IN_DOUBT,
        Status.SYNCED,
    ]


def test_what_the_dialog_is_about_stays_when_invoices_arrive_and_change(office):
    refused(office, "A 1", "A 2")
    at = press(visit(status="Failed"), "Retry all that match (2)")
    office.runtime.retry(office.ids("A 1")[0], actor="rui", confirmed=Confirmed.UNCHANGED)
    refused(office, "A 3")
    at.run()
    assert plain("2 invoices will be sent") in texts(at), "one went, one came: what matches is what is sent"
    press(at, "Retry 2 invoices")
    (batch,) = office.runtime.recent_batches()
    assert {item.invoice_number for item in office.runtime.export_batch(batch.batch_id)} == {"A 2", "A 3"}


def test_where_nothing_may_be_sent_the_press_is_disabled(office):
    doubtful(office, "A 1")
    at = press(visit(q="A"), "Retry all that match (1)")
    assert plain("None of 1 invoice may be sent now.") in texts(at)
    assert button(at, "Retry 0 invoices").disabled


@pytest.mark.parametrize("preset", ["Since midnight", "Last 24 hours"])
def test_recovering_since_a_ready_made_time(office, preset):
    (one,) = refused(office, "A 1")
    created = office.runtime.invoice_detail(one).created_at
    office.age(*refused(office, "OLD"), invoice_created_at=created - timedelta(days=9), last_attempt_at=None)
    at = press(visit(), preset)
    assert plain("1 invoice will be sent, €123.00 (€23.00 of it VAT).") in texts(at)
    press(at, "Retry 1 invoice")
    assert [batch.total for batch in office.runtime.recent_batches()] == [1]


def test_recovering_since_the_newest_outage(office):
    at = visit()
    assert not any("outage" in label for label in labels(at))
    (one,) = refused(office, "A 1")
    tried = office.runtime.invoice_detail(one).row.last_attempt_at
    entry = {"cause": "outage", "closed_by": "automatic", "closed_at": tried - timedelta(minutes=1)}
    with writing(office.runtime.engine) as conn:
        conn.execute(gate_log.insert().values(entry | {"opened_at": tried + timedelta(minutes=1)}))
    at = visit()
    press(at, next(label for label in labels(at) if label.startswith("The outage ")))
    assert plain("1 invoice will be sent") in texts(at)


@pytest.mark.parametrize(
    ("first", "last", "sentence"),
    [
        pytest.param(None, None, "Choose the day from which on to recover.", id="no day"),
        pytest.param(date(2026, 11, 20), date(2026, 11, 19), "The end of the time must come after", id="backwards"),
    ],
)
def test_a_time_that_is_none_opens_nothing(office, first, last, sentence):
    refused(office, "A 1")
    at = visit()
    at.date_input(key="recover_from_day").set_value(first)
    at.date_input(key="recover_to_day").set_value(last)
    press(at, "Show what would be sent")
    assert plain(sentence) in at.toast[0].value
    assert not any(label.startswith("Retry ") and "invoice" in label for label in labels(at))


def test_a_typed_time_is_lisbons_and_without_an_end_it_lasts_until_now(office):
    refused(office, "A 1")
    at = visit()
    at.date_input(key="recover_from_day").set_value(date(2026, 1, 1))
    press(at, "Show what would be sent")
    assert plain("Created or failed from 1 Jan 2026, 00:00 to ") in texts(at)
    assert plain("1 invoice will be sent") in texts(at)


@pytest.mark.parametrize("page", [pytest.param(overview, id="Overview"), pytest.param(visit, id="Invoices")])
def test_everybody_sees_a_running_batch_and_who_started_it_and_can_cancel_it(office, page):
    ids = refused(office, "A 1", "A 2")
    start(office)
    office.runtime.batches.advance()
    at = page()
    assert plain("Batch 1 by ana") in texts(at)
    assert at.get("progress")[0].proto.text == plain("0 of 2 done: 2 waiting")
    press(at, "Cancel")
    assert "2 invoices not sent" in at.toast[0].value.replace("\\", "")
    assert [office.state(each).status for each in ids] == [Status.FAILED, Status.FAILED]
    assert plain("Batch 1 by ana was cancelled by dashboard: 2 cancelled.") in texts(at)
    assert "Cancel" not in labels(at)


def test_afterwards_one_line_says_what_came_of_it_and_leads_to_its_invoices(office):
    ids = refused(office, "A 1", "A 2")
    start(office)
    refused(office, "OTHER")
    office.runtime.batches.advance()
    for each in ids:
        office.runtime.send_now(each, actor="the office")
    office.runtime.batches.advance()
    at = overview()
    assert plain("Batch 1 by ana is done: 2 synced.") in texts(at)
    link = next(link.proto for link in at.get("page_link") if link.proto.label == "Show its invoices")
    assert link.query_string == "batch=1"
    assert listed(visit(batch="1")) == ["A 2", "A 1"]
    assert listed(press(visit(q="OTHER"), "Show its invoices")) == ["A 2", "A 1"]


def test_the_results_can_be_read_in_a_spreadsheet(office):
    refused(office, "=A 1")
    batch_id = start(office)
    office.runtime.batches.advance()
    text = batch_progress._as_csv(batch_id).decode("utf-8-sig")
    headings, line = csv.reader(io.StringIO(text))
    named = dict(zip(headings, line, strict=True))
    assert (named["Number"], named["Total"], named["Result"]) == ("'=A 1", "123.00", "Waiting")


def test_nonsense_for_the_batch_is_left_out_with_a_word(office):
    office.invoice("A 1")
    at = visit(batch="many")
    assert listed(at) == ["A 1"]
    assert "batch" in at.toast[0].value
