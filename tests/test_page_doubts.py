"""Doubts on the pages, without a browser: many resolved at once, a declaration taken back, and how old they are."""

from __future__ import annotations

from datetime import timedelta
from zlib import crc32

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from pages.parts import resolve_many
from pages.parts.say import plain
from tests.office import Office
from tests.test_page_invoices import FRAME, labels, listed, office, press, texts, visit
from toc_sync import runtime, wording, wording_doubt
from toc_sync.model import Status
from toc_sync.sandbox import Behaviour

__all__ = ["office"]
ASK = "They are not in TOC Online…"


def doubtful(office: Office, number: str, *, minutes: float = 20) -> int:
    """An invoice in doubt whose request left so many minutes ago."""
    invoice_id = office.sent(number, Behaviour.HTML)
    at = office.runtime.invoice_detail(invoice_id).row.last_attempt_at - timedelta(minutes=minutes)
    office.age(invoice_id, last_attempt_at=at, doubt_since=at)
    return invoice_id


def tick(at: AppTest, *rows: int, table: str = "invoices") -> AppTest:
    """Ticks rows of the table that is drawn."""
    times, ids = at.session_state[f"_drawn_{table}"]
    at.session_state[f"{table}_{crc32(repr(ids).encode()):08x}_{times}"] = {
        "selection": {"rows": list(rows), "columns": [], "cells": []}
    }
    return at.run()


def drawn(at: AppTest) -> pd.DataFrame:
    """Returns the list of doubts that the dialog shows."""
    return next(each.value for each in at.dataframe if "next" in each.value and "status" not in each.value)


def button(at: AppTest, label: str):
    return next(each for each in at.button if each.label == label)


# Many at once ---------------------------------------------------------------------------------------------------------


def mark(at: AppTest, *positions: int) -> AppTest:
    """Ticks lines of the list of doubts that the dialog shows."""
    return tick(at, *positions, table="not_there")


def looked_up(at: AppTest) -> AppTest:
    return at.radio(key="reason_many").set_value(wording.LOOKED_UP).run()


def test_a_group_s_or_many_ticked_doubts_are_a_list_in_which_nothing_is_chosen_beforehand(office):
    ids = [doubtful(office, "A 1"), doubtful(office, "A 2"), doubtful(office, "A 3", minutes=1)]
    office.sent("A 4")
    at = press(tick(visit(), 0, 1, 2, 3), ASK)
    lines = drawn(at)
    assert list(lines["number"]) == ["A 1", "A 2", "A 3", "A 4"]
    assert list(lines["payer"]) == ["Café Tulipa"] * 4
    assert list(lines["total"]) == ["€123.00"] * 4
    assert list(lines["next"])[:2] == [wording_doubt.SENT_IF_TICKED] * 2
    assert lines["next"][2].startswith("TOC Online may still be working on it.")
    assert lines["next"][3] == "It is not in doubt any more: synced."
    assert button(at, "Send 0 again").disabled
    assert at.radio(key="reason_many").value is None
    assert {office.state(each).status for each in ids} == {Status.IN_DOUBT}


def test_only_what_is_marked_is_sent_again(office):
    one, two, three = (doubtful(office, number) for number in ("A 1", "A 2", "A 3"))
    at = looked_up(mark(press(tick(visit(), 0, 1, 2), ASK), 0, 2))
    assert plain("2 invoices will be sent again, €246.00.") in texts(at)
    press(at, "Send 2 again")
    assert [office.state(each).status for each in (one, two, three)] == [Status.QUEUED, Status.IN_DOUBT, Status.QUEUED]
    assert {office.runtime.invoice_detail(each).actions[0].reason for each in (one, three)} == {wording.LOOKED_UP}
    assert [toast.value for toast in at.toast] == [plain("2 on their way to TOC Online.")]
    assert "Send 2 again" not in labels(at)
    assert ASK not in labels(at), "nothing is ticked any more"


def test_a_marked_line_that_may_not_be_sent_again_is_not_sent(office):
    fresh = doubtful(office, "A 1", minutes=1)
    at = mark(press(tick(visit(), 0), ASK), 0)
    assert button(at, "Send 0 again").disabled
    assert office.state(fresh).status is Status.IN_DOUBT


def test_nothing_is_sent_again_without_a_reason_that_the_person_chose(office):
    one = doubtful(office, "A 1")
    at = press(mark(press(tick(visit(), 0), ASK), 0), "Send 1 again")
    assert plain(wording_doubt.NEEDS_A_REASON) in texts(at)
    assert office.state(one).status is Status.IN_DOUBT


def test_in_the_drawer_too_the_reason_is_the_person_s_own(office):
    one = doubtful(office, "A 1")
    at = visit(invoice=str(one))
    at.segmented_control(key=f"found_{one}").set_value("It is not there: send again").run()
    assert at.radio(key=f"reason_{one}").value is None
    press(at, "Send again")
    assert plain(wording_doubt.NEEDS_A_REASON) in texts(at)
    assert office.state(one).status is Status.IN_DOUBT
    at.radio(key=f"reason_{one}").set_value(wording.LOOKED_UP).run()
    press(at, "Send again")
    assert office.state(one).status is Status.QUEUED


def test_of_more_doubts_than_one_list_holds_the_rest_is_named(office, monkeypatch):
    monkeypatch.setattr(resolve_many, "AT_MOST", 2)
    for number in ("A 1", "A 2", "A 3"):
        doubtful(office, number)
    at = press(AppTest.from_file(str(FRAME), default_timeout=20).run(), "Not in TOC Online…")
    assert len(drawn(at)) == 2
    assert plain("These are the first 2 of 3 invoices; the others come once these are done.") in texts(at)


def test_without_a_doubt_among_the_ticked_there_is_nothing_to_say(office):
    office.sent("A 1", Behaviour.REFUSE_SERIES)
    assert button(tick(visit(), 0), ASK).disabled
    doubtful(office, "A 2")
    assert not button(tick(visit(), 0, 1), ASK).disabled


def test_what_the_dialog_is_about_stays_when_ticks_and_rows_move(office):
    one = doubtful(office, "A 1")
    at = press(tick(visit(), 0), ASK)
    other = doubtful(office, "A 2")
    at.run()
    tick(at, 0)
    looked_up(mark(at, 0))
    assert plain("1 invoice will be sent again, €123.00.") in texts(at)
    press(at, "Send 1 again")
    assert (office.state(one).status, office.state(other).status) == (Status.QUEUED, Status.IN_DOUBT)


def test_what_was_resolved_meanwhile_is_refused_before_anything_is_pressed(office):
    one = doubtful(office, "A 1")
    at = mark(press(tick(visit(), 0), ASK), 0)
    office.runtime.resolve_as_synced(one, "FT 2026/50", actor="rui", reason="found it")
    at.run()
    assert list(drawn(at)["next"]) == ["It is not in doubt any more: synced."]
    assert button(at, "Send 0 again").disabled


def test_own_words_are_needed_where_they_were_chosen(office):
    one = doubtful(office, "A 1")
    at = mark(press(tick(visit(), 0), ASK), 0)
    at.radio(key="reason_many").set_value("In my own words").run()
    press(at, "Send 1 again")
    assert plain("Say how you know that it is not in TOC Online.") in texts(at)
    assert office.state(one).status is Status.IN_DOUBT
    at.text_input(key="words_many").set_value("Asked the accountant.")
    press(at, "Send 1 again")
    assert office.runtime.invoice_detail(one).actions[0].reason == "Asked the accountant."


# The list stands still ------------------------------------------------------------------------------------------------


def test_a_row_that_is_retried_stays_where_it_is_and_shows_what_became_of_it(office):
    ids = [office.sent(f"A {number}", Behaviour.REFUSE_SERIES) for number in range(3)]
    office.correct(ids[1])
    at = visit(status="Failed")
    assert listed(at) == ["A 2", "A 1", "A 0"]
    at = press(tick(at, 1), "Retry 1 selected")
    assert listed(at) == ["A 2", "A 1", "A 0"], "it does not match the filter any more, but it stays"
    office.runtime.send_now(ids[1], actor="the worker")
    runtime.current().changed()
    at.run()
    assert listed(at) == ["A 2", "A 1", "A 0"]
    assert list(at.dataframe[0].value["status"])[1] == ["Synced"]
    assert list(at.dataframe[0].value["document"])[1]
    assert wording.HELD in texts(at)


def test_what_comes_in_meanwhile_waits_until_it_is_asked_for(office):
    first = office.sent("A 1", Behaviour.REFUSE_SERIES)
    office.correct(first)
    at = press(tick(visit(), 0), "Retry 1 selected")
    office.sent("A 2")
    runtime.current().changed()
    at.run()
    assert listed(at) == ["A 1"]
    assert listed(press(at, "Show what matches now")) == ["A 2", "A 1"]


def test_another_filter_or_page_shows_what_matches_now(office):
    ids = [office.sent(f"A {number}", Behaviour.REFUSE_SERIES) for number in range(2)]
    office.correct(ids[0])
    at = press(tick(visit(status="Failed"), 1), "Retry 1 selected")
    assert listed(at) == ["A 1", "A 0"]
    at.session_state["q"] = "A"
    at.run()
    assert listed(at) == ["A 1"]


def test_the_last_row_of_a_filter_stays_too(office):
    first = office.sent("A 1", Behaviour.REFUSE_SERIES)
    office.correct(first)
    at = press(tick(visit(status="Failed"), 0), "Retry 1 selected")
    assert listed(at) == ["A 1"]
    assert "Nothing matches these filters" not in texts(at)


# Back from a declaration ----------------------------------------------------------------------------------------------


def test_a_declaration_can_be_taken_back_with_a_reason(office):
    one = doubtful(office, "A 1")
    office.runtime.resolve_as_synced(one, "FT 2026/50", actor="rui", reason="found it")
    at = visit(invoice=str(one))
    assert [each.label for each in at.expander if each.label == "It is not there after all?"]
    press(at, "Put it back in doubt")
    assert plain("Say how you know") in texts(at)
    assert office.state(one).status is Status.SYNCED
    at.text_input(key=f"why_{one}").set_value("Another customer.")
    press(at, "Put it back in doubt")
    assert office.state(one).status is Status.IN_DOUBT
    assert "Reopened by dashboard: Another customer." in texts(at)


def test_what_toc_online_answered_cannot_be_taken_back(office):
    at = visit(invoice=str(office.sent("A 1")))
    assert "Put it back in doubt" not in labels(at)


# Once by itself -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("idempotent", ["true", "false"])
def test_the_drawer_says_when_a_doubt_is_retried_by_itself(office, monkeypatch, idempotent):
    monkeypatch.setenv("TOC_FUNCTION_IS_IDEMPOTENT", idempotent)
    one = doubtful(office, "A 1", minutes=2)
    at = visit(invoice=str(one))
    due = office.runtime.invoice_detail(one).row.last_attempt_at + timedelta(minutes=10)
    sentence = plain(f"It will be retried by itself at {wording.clock_time(due)}.")
    assert (sentence in texts(at)) == (idempotent == "true")


# How old doubts are ---------------------------------------------------------------------------------------------------


def test_old_doubts_are_counted_apart_on_the_list_and_can_be_filtered(office):
    doubtful(office, "OLD")
    doubtful(office, "FRESH", minutes=2)
    office.sent("THERE")
    at = visit()
    strip = button(at, next(label for label in labels(at) if "In doubt" in label))
    assert "**2**" in strip.label
    assert "1 over 15 min" in strip.label
    assert listed(visit(old_doubts="true")) == ["OLD"]
    assert listed(visit(old_doubts="false")) == ["THERE", "FRESH", "OLD"]
    waits = list(at.dataframe[0].value["next"])
    assert not isinstance(waits[0], str)
    assert all(each.startswith("since ") for each in waits[1:])


def test_nonsense_for_the_filter_of_old_doubts_is_left_out_with_a_word(office):
    office.invoice("A 1")
    at = visit(old_doubts="maybe")
    assert listed(at) == ["A 1"]
    assert "old" in at.toast[0].value


def test_the_overview_counts_old_doubts_apart_and_leads_to_them(office):
    doubtful(office, "OLD")
    doubtful(office, "FRESH", minutes=2)
    runtime.current().changed()
    at = AppTest.from_file(str(FRAME), default_timeout=20).run()
    assert not at.exception
    assert plain(", 1 of them in doubt for more than 15 minutes.") in texts(at)
    links = [link.proto.label for link in at.get("page_link")]
    assert ":red[1 over 15 min]" in links
