"""The gate on the pages, without a browser: the banner of each state, pausing, resuming, and what waits meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import streamlit as st
from sqlalchemy import select
from streamlit.testing.v1 import AppTest

from pages.parts.say import plain
from tests.days import day, written
from tests.office import environment_of, open_office
from toc_sync import clock, runtime, wording_gate
from toc_sync.database import writing
from toc_sync.model import GateCause, GateState
from toc_sync.tables import gate as gate_table
from toc_sync.tables import sync_actions
from toc_sync.views import GateView, Reopening

FRAME = Path(__file__).parent.parent / "pages" / "_frame.py"
PAGES = ["overview.py", "invoices.py", "invoice_orders.py"]
REASON = "TOC Online is **being** maintained"


@pytest.fixture
def office(tmp_path, monkeypatch):
    for name, value in environment_of(tmp_path).items():
        monkeypatch.setenv(name, value)
    st.cache_data.clear()  # what pages of an earlier test remember is of another database
    opened = open_office()
    yield opened
    opened.runtime.close()
    runtime.close_current()


def visit(page: str = "overview.py", **address: object) -> AppTest:
    """Opens a page as a link with these parameters would."""
    at = AppTest.from_file(str(FRAME), default_timeout=20).run()
    for name, value in address.items():
        at.query_params[name] = str(value)
    at.switch_page(page).run()
    assert not at.exception
    return at


def press(at: AppTest, label: str) -> AppTest:
    next(button for button in at.button if button.label == label).click().run()
    assert not at.exception
    return at


def banner(at: AppTest) -> str:
    return "\n".join(error.value for error in at.error)


def labels(at: AppTest) -> list[str]:
    return [button.label for button in at.button]


def gate(office) -> GateView:
    return office.runtime.sending().gate


def close(office, cause: GateCause) -> None:
    """Puts the gate into a state that only an outage, a wrong key or a failover brings about."""
    now = clock.now()
    paused = cause is GateCause.DATABASE
    values = {
        "state": GateState.PAUSED if paused else GateState.CLOSED,
        "cause": cause,
        "since": now,
        "changed_by": "the gate",
        "reason": wording_gate.GATE_REASONS[cause],
        "probe_at": now + timedelta(minutes=5) if cause is GateCause.OUTAGE else None,
    }
    with writing(office.runtime.engine) as conn:
        conn.execute(gate_table.update().values(values))


@pytest.mark.parametrize("page", PAGES)
def test_while_invoices_may_leave_no_page_speaks_of_it(office, page):
    at = visit(page)
    assert banner(at) == ""
    assert "Resume sending" not in labels(at)
    assert "Pause sending" in labels(at)


@pytest.mark.parametrize("page", PAGES)
def test_a_pause_stands_on_every_page_with_who_why_and_what_waits(office, page):
    office.runtime.gate.pause(actor="ana", reason=REASON)
    office.invoice("A 1"), office.invoice("A 2")
    at = visit(page)
    said = banner(at)
    for words in ("Sending is paused since ", " by ana.", REASON, "2 invoices wait, €246.00."):
        assert plain(words.strip()) in said
    assert "Resume sending" in labels(at)


@pytest.mark.parametrize(
    ("cause", "says"),
    [
        pytest.param(GateCause.OUTAGE, ["Sending has stopped by itself", "One invoice tries again at"], id="outage"),
        pytest.param(
            GateCause.CONFIGURATION,
            ["Sending has stopped by itself", "because of its set-up", "When the administrator has put it right"],
            id="configuration",
        ),
        pytest.param(
            GateCause.DATABASE,
            ["Sending is paused", "This database is not the one it was"],
            id="another database",
        ),
    ],
)
def test_the_banner_says_what_stopped_the_sending_and_what_happens_next(office, cause, says):
    close(office, cause)
    office.invoice("A 1")
    at = visit()
    said = banner(at)
    for words in [*says, "1 invoice waits, €123.00."]:
        assert plain(words) in said
    assert "Resume sending" in labels(at)


def test_a_clock_that_was_set_forward_stands_on_the_page_and_nobody_can_resume_it(office):
    with clock.set_wrong(timedelta(hours=1)):
        office.invoice("A 1")
        at = visit()
        said = banner(at)
    for words in ("Sending has stopped by itself", "This machine's clock was set forward", "1 invoice waits, €123.00."):
        assert plain(words) in said
    assert "Resume sending" not in labels(at)


def test_the_overview_does_not_call_on_its_way_what_waits(office):
    office.runtime.gate.pause(actor="ana", reason=REASON)
    office.invoice("A 1")
    (answer,) = [each.value for each in visit().header if "until sending goes on" in each.value]
    assert plain("1 invoice waits until sending goes on.") in answer


def test_before_resuming_on_another_database_the_way_to_look_first_is_named(office):
    close(office, GateCause.DATABASE)
    at = visit()
    assert any(plain("python -m toc_sync distrust") in markdown.value for markdown in at.markdown)


def test_pausing_without_a_reason_says_what_is_missing(office):
    at = press(visit(), "Pause sending")
    assert plain(wording_gate.PAUSE_NEEDS_A_REASON) in banner(at)
    assert gate(office).is_open


def test_pausing_with_a_reason_draws_the_banner_and_forgets_the_reason(office):
    at = visit()
    at.text_input(key="pause_reason").input("month end")
    at = press(at, "Pause sending")
    assert (gate(office).state, gate(office).reason) == (GateState.PAUSED, "month end")
    assert plain("month end") in banner(at)
    assert at.text_input(key="pause_reason").value == ""
    assert [toast.value for toast in at.toast] == [plain(wording_gate.PAUSED_NOW)]


def test_pausing_twice_says_who_was_first(office):
    office.runtime.gate.pause(actor="ana", reason="first")
    at = visit()
    at.text_input(key="pause_reason").input("second")
    at = press(at, "Pause sending")
    assert plain("Sending is paused already") in banner(at)
    assert gate(office).reason == "first"


def test_resuming_takes_the_banner_away_and_keeps_the_note(office):
    office.runtime.gate.pause(actor="ana", reason=REASON)
    at = visit()
    at.text_input(key="resume_note").input("they are back")
    at = press(at, "Resume sending")
    assert gate(office).is_open
    assert banner(at) == ""
    with office.runtime.engine.connect() as conn:
        actions = conn.execute(select(sync_actions.c.action, sync_actions.c.reason)).all()
    assert ("resume", "they are back") in actions


def test_afterwards_a_small_line_proves_how_those_fared_that_waited(office):
    office.runtime.gate.pause(actor="ana", reason=REASON)
    waiting = office.invoice("A 1")
    office.runtime.gate.resume(actor="ana")
    office.runtime.send_now(waiting, actor="ana")
    at = visit()
    assert banner(at) == ""
    (line,) = [caption.value for caption in at.caption if "waited" in caption.value]
    assert plain("1 waited, 1 synced, 0 in doubt.") in line


@pytest.mark.parametrize(
    ("opened_at", "words"),
    [
        pytest.param(
            datetime(2026, 11, 20, 10, 40, tzinfo=UTC),
            "Closed 20 Nov 2026, 09:12–10:40: 37 waited, 36 synced, 0 in doubt, 1 failed.",
            id="within a day",
        ),
        pytest.param(
            datetime(2026, 11, 21, 1, 5, tzinfo=UTC),
            "Closed 20 Nov 2026, 09:12–21 Nov 2026, 01:05: 37 waited, 36 synced, 0 in doubt, 1 failed.",
            id="over night",
        ),
    ],
)
def test_the_proof_names_every_status(opened_at, words):
    reopening = Reopening(
        cause=GateCause.OUTAGE,
        closed_at=datetime(2026, 11, 20, 9, 12, tzinfo=UTC),
        opened_at=opened_at,
        opened_by="the gate",
        waited=37,
        statuses={"failed": 1, "synced": 36},
    )
    assert wording_gate.reopening_line(reopening) == words


def test_an_invoice_that_waits_says_that_sending_is_paused_in_the_list_and_in_its_drawer(office):
    office.runtime.gate.pause(actor="ana", reason=REASON)
    waiting = office.invoice("A 1")
    at = visit("invoices.py", invoice=waiting)
    (said,) = [info.value for info in at.info]
    assert plain("Sending is paused since") in said
    assert "free worker" not in said
    assert list(at.dataframe[0].value["next"]) == ["Sending is paused"]


def test_an_invoice_that_an_earlier_date_holds_back_says_so(office):
    office.invoice("A 1", p_invoice_date=str(day(-1)))
    waiting = office.invoice("A 2")
    at = visit("invoices.py", invoice=waiting)
    (said,) = [info.value for info in at.info]
    assert plain(f"It waits for its issuer's invoice of {written(day(-1))}") in said


def test_what_is_created_or_asked_for_meanwhile_is_not_called_on_its_way(office):
    assert wording_gate.created("A 1", gate(office)) == "A 1 was created and is on its way to TOC Online."
    assert wording_gate.sent_together(2, gate(office)) == "2 on their way to TOC Online"
    office.runtime.gate.pause(actor="ana", reason=REASON)
    assert wording_gate.created("A 1", gate(office)).startswith("A 1 was created. It waits: sending is paused since ")
    assert wording_gate.sent_together(2, gate(office)) == "2 wait until sending goes on"
