"""Groups of errors on the pages, without a browser: what a row says, what its buttons do, and Retry without a change."""

from __future__ import annotations

from datetime import timedelta

import pytest
from streamlit.testing.v1 import AppTest

from pages.parts.say import plain
from tests.office import Office
from tests.test_page_doubts import looked_up, mark
from tests.test_page_invoices import FRAME, labels, listed, office, press, texts, visit
from toc_sync import wording_groups as words
from toc_sync.model import Fixer, Status
from toc_sync.sandbox import Behaviour
from toc_sync.views_groups import ErrorGroup

__all__ = ["office"]
TEACH = "Teach and make 2 invoices retryable"


def overview() -> AppTest:
    at = AppTest.from_file(str(FRAME), default_timeout=20).run()
    assert not at.exception
    return at


def groups(office: Office) -> tuple[ErrorGroup, ...]:
    return office.runtime.error_groups()


def toasts(at: AppTest) -> str:
    return "\n".join(toast.value for toast in at.toast)


# A row ----------------------------------------------------------------------------------------------------------------


def test_without_failures_nothing_is_drawn(office):
    office.sent("A 1")
    assert "What went wrong" not in texts(overview())


def test_each_cause_has_a_row_with_count_money_and_what_to_do(office):
    for number in ("A 1", "A 2"):
        office.sent(number, Behaviour.REFUSE_TAX_NUMBER)
    office.sent("A 3", Behaviour.ISSUE_THEN_CUT)
    at = overview()
    shown = texts(at).replace("\\", "")
    assert "What went wrong" in shown
    assert "Tax number invalid" in shown
    assert "2 invoices, €246.00, VAT €46.00" in shown.replace("**", "")
    assert "Correct it on the customer" in shown
    assert shown.index("Tax number invalid") < shown.index("Connection lost: ")
    assert [label for label in labels(at) if label in ("Retry 2", "Not in TOC Online…", "Teach…")] == [
        "Retry 2", "Not in TOC Online…",
    ]  # fmt: skip
    assert f"error_group={groups(office)[0].key}" in [
        link.proto.query_string for link in at.get("page_link") if link.proto.label == "Open"
    ]


def test_open_leads_to_exactly_these_invoices_and_the_filter_can_be_removed(office):
    office.sent("A 1", Behaviour.REFUSE_TAX_NUMBER)
    office.sent("A 2", Behaviour.REFUSE_SERIES)
    (key,) = (group.key for group in groups(office) if group.refusal == "tax_number_invalid")
    at = visit(error_group=key)
    assert listed(at) == ["A 1"]
    press(at, "Only Tax number invalid")
    assert listed(at) == ["A 2", "A 1"]
    assert "error_group" not in at.query_params


@pytest.mark.parametrize(
    ("asked", "label"),
    [
        pytest.param("0123456789ab", f"Only {words.GONE}", id="a group that is gone"),
        pytest.param("nonsense", None, id="nonsense"),
    ],
)
def test_a_link_to_no_group_is_said_to_be_one(office, asked, label):
    office.sent("A 1", Behaviour.REFUSE_TAX_NUMBER)
    at = visit(error_group=asked)
    assert (label in labels(at)) is bool(label)
    assert (plain("error_group") in toasts(at)) is (label is None)


def test_a_note_is_seen_by_everybody(office):
    office.sent("A 1", Behaviour.REFUSE_TAX_NUMBER)
    at = overview()
    key = groups(office)[0].key
    at.text_input(key=f"note_{key}").input("Rui asks the customer").run()
    press(at, "Save the note")
    assert words.NOTED[:-1] in toasts(at)
    assert "Rui asks the customer (dashboard" in texts(overview()).replace("\\", "")


# Acting on a group ----------------------------------------------------------------------------------------------------


def test_all_doubts_of_a_group_are_sent_again_after_one_look(office):
    ids = [office.sent(number, Behaviour.HTML) for number in ("A 1", "A 2")]
    for invoice_id in ids:
        at = office.runtime.invoice_detail(invoice_id).row.last_attempt_at - timedelta(minutes=20)
        office.age(invoice_id, last_attempt_at=at)
    page = looked_up(mark(press(overview(), "Not in TOC Online…"), 0, 1))
    press(page, "Send 2 again")
    assert [office.state(each).status for each in ids] == [Status.QUEUED] * 2
    assert "What went wrong" not in texts(page)


def test_a_group_is_taught_with_nothing_typed_but_the_reason_which_is_kept_for_the_next(office):
    ids = [office.sent(number, Behaviour.UNKNOWN_ERROR) for number in ("A 1", "A 2")]
    newest = ids[-1]
    page = press(overview(), "Teach…")
    assert page.text_input(key=f"teach_remedy_{newest}").value.endswith("press Retry.")
    page.text_input(key=f"teach_reason_{newest}").input("TOC Online said so")
    press(page, TEACH)
    assert [office.state(each).status for each in ids] == [Status.FAILED] * 2
    assert page.session_state["_teaching_reason"] == "TOC Online said so"
    assert TEACH not in labels(page)
    (group,) = groups(office)
    assert (group.failed, group.fixer) == (2, Fixer.FINANCE)
    assert "Retry 2" in labels(page)


# Retry without a change -----------------------------------------------------------------------------------------------


def test_the_failed_invoices_of_a_group_are_retried_together_after_a_look_at_what_would_be_sent(office):
    for number in ("A 1", "A 2", "A 3"):
        office.sent(number, Behaviour.REFUSE_TAX_NUMBER)
    page = press(overview(), "Retry 3")
    assert plain("3 invoices will be sent, €369.00") in texts(page)
    assert office.runtime.recent_batches() == ()
    press(page, "Retry 3 invoices")
    (batch,) = office.runtime.recent_batches()
    assert batch.total == 3


def test_the_drawer_names_the_thing_to_correct_and_asks_once(office):
    invoice_id = office.sent("A 1", Behaviour.REFUSE_TAX_NUMBER)
    at = visit(invoice=str(invoice_id))
    assert "Named in the answer:" in texts(at)
    at.button(key=f"send_{invoice_id}").click().run()
    assert "Nothing about this invoice has changed since it was refused: The customer's" in texts(at).replace("\\", "")
    assert not office.state(invoice_id).on_its_way
    at.button(key="anyway_drawer").click().run()
    assert office.state(invoice_id).on_its_way


def test_what_was_corrected_is_retried_without_a_question(office):
    invoice_id = office.sent("A 1", Behaviour.REFUSE_TAX_NUMBER)
    office.correct(invoice_id)
    at = visit(invoice=str(invoice_id))
    at.button(key=f"send_{invoice_id}").click().run()
    assert office.state(invoice_id).on_its_way
    assert "Retry anyway" not in labels(at)


def test_the_question_can_be_left(office):
    invoice_id = office.sent("A 1", Behaviour.REFUSE_TAX_NUMBER)
    at = visit(invoice=str(invoice_id))
    at.button(key=f"send_{invoice_id}").click().run()
    at.button(key="leave_drawer").click().run()
    assert "Retry anyway" not in labels(at)
    assert not office.state(invoice_id).on_its_way
