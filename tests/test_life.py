"""An invoice's life in one line, and what can be copied for support: on both databases, from what stands there."""

from __future__ import annotations

import re

import pytest

from tests.core import ISSUED, LOST, REJECTED, TIMED_OUT, UNDELIVERED, Desk
from toc_sync.model import VERSION
from toc_sync.outbox import Evidence
from toc_sync.wording_activity import support_text
from toc_sync.wording_life import Mood, Step, life

TIME = re.compile(r"\b\d\d:\d\d\b")
TOOK = Evidence(duration_ms=1_234, headers={"sb-request-id": "b-1", "cf-ray": "8a"}, body="{}")


def steps(desk: Desk, invoice_id: int) -> tuple[Step, ...]:
    detail = desk.detail(invoice_id)
    assert detail
    return life(detail)


def told(desk: Desk, invoice_id: int) -> str:
    """Returns the line as text: the current step in stars, times as a clock, a mood that is not good in brackets."""
    parts = []
    for step in steps(desk, invoice_id):
        words = TIME.sub("⌚", f"{step.name} {step.when}".strip())
        mood = "" if step.mood is Mood.DONE else f" [{step.mood}]"
        parts.append(f"*{words}*{mood}" if step.is_current else f"{words}{mood}")
    return " → ".join(parts)


@pytest.mark.parametrize(
    ("verdict", "line"),
    [
        pytest.param(ISSUED, "Answered ⌚ (1.2 s) → *In TOC Online FT 2026/1 ⌚*", id="synced"),
        pytest.param(REJECTED, "Answered ⌚ (1.2 s) [failed] → *Failed: refused* [failed]", id="failed"),
        pytest.param(TIMED_OUT, "No answer ⌚ (1.2 s) [doubt] → *In doubt: no answer in time ⌚* [doubt]", id="doubt"),
        pytest.param(UNDELIVERED, "Not delivered ⌚ (1.2 s) [moving] → *Retry at ⌚* [moving]", id="undelivered"),
    ],
)
def test_a_life_tells_what_was_sent_what_came_back_and_where_the_invoice_is(desk, verdict, line):
    invoice_id = desk.create()
    desk.settle(desk.claim(invoice_id), verdict, TOOK)
    assert told(desk, invoice_id) == f"Created ⌚ → Sent ⌚ → {line}"


def test_a_life_begins_with_waiting_and_sending(desk):
    invoice_id = desk.create()
    assert told(desk, invoice_id) == "Created ⌚ → *Waiting for a free worker* [moving]"
    desk.claim(invoice_id)
    assert told(desk, invoice_id) == "Created ⌚ → *Sent ⌚* [moving]"


def test_earlier_attempts_are_counted_and_only_the_newest_is_told(desk):
    invoice_id = desk.create()
    desk.settle(desk.claim(invoice_id), REJECTED, TOOK)
    desk.retry(invoice_id)
    desk.settle(desk.claim(invoice_id), LOST, TOOK)
    assert told(desk, invoice_id).startswith("Created ⌚ → 1 earlier attempt [idle] → Sent ⌚ → No answer ⌚ (1.2 s)")


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        pytest.param({}, "Created 5 Jan 2026, ⌚ → *Not synced* [idle]", id="never sent"),
        pytest.param({"created_at": None}, "Created → *Not synced* [idle]", id="nobody knows when it was created"),
        pytest.param({"status": "cancelled"}, "Created 5 Jan 2026, ⌚ → *Not needed* [idle]", id="cancelled"),
        pytest.param(
            {
                "api_response": {
                    "success": True,
                    "synced_at": "2026-01-05T10:00:00Z",
                    "toc_data": {"document_no": "FT 7"},
                }
            },
            "Created 5 Jan 2026, ⌚ → *In TOC Online FT 7 ⌚*",
            id="sent by the other application",
        ),
    ],
)
def test_a_life_that_began_elsewhere_says_the_day_once(desk, changes, line):
    assert told(desk, desk.adopted(**changes)) == line


def test_exactly_one_step_is_where_the_invoice_is(desk):
    invoice_id = desk.create()
    desk.settle(desk.claim(invoice_id), ISSUED, TOOK)
    assert [step.is_current for step in steps(desk, invoice_id)] == [False, False, False, True]


def test_the_document_s_marks_are_read_from_what_stands_beside_the_invoice(desk):
    marks = {"document_no": "FT 7", "atcud": "CSDF-7", "communication_status": "sent"}
    detail = desk.detail(desk.adopted(api_response={"success": True, "toc_data": marks}))
    assert (detail.certification.atcud, detail.certification.communicated) == ("CSDF-7", "sent")


def test_support_gets_every_name_and_time_but_no_notes(desk):
    invoice_id = desk.create(invoice_number="A 7", notes="Pays in cash.")
    desk.settle(desk.claim(invoice_id), REJECTED, TOOK)
    desk.retry(invoice_id)
    desk.settle(desk.claim(invoice_id), TIMED_OUT, Evidence(duration_ms=9_000))
    detail = desk.detail(invoice_id)
    text = support_text(detail)
    first, second = desk.attempts(invoice_id)
    for expected in (
        f"Invoice: {invoice_id} (A 7)",
        "Status: In doubt",
        "Kind of error: No answer in time",
        "Attempt 2: In doubt, No answer in time, 9000 ms, ",
        "Attempt 1: Failed, Refused, HTTP 400, 1234 ms, ",
        f"x-request-id {second['request_id']}, worker test",
        f"x-request-id {first['request_id']}, sb-request-id b-1, cf-ray 8a, worker test",
        "  Wrong tax number.",
        f"Program: toc_sync {VERSION}, read ",
    ):
        assert expected in text
    assert detail.notes == "Pays in cash."
    assert "cash" not in text
