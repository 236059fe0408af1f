"""Who else is at work on an invoice, as the drawer and the list say it; and what the drawer tells for support."""

from __future__ import annotations

from datetime import timedelta

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.parts.invoice_columns import WATCHED
from tests.days import day
from tests.office import Office
from tests.test_page_invoices import listed, office, texts, visit  # noqa: F401  # `office` is a fixture
from toc_sync import clock, wording
from toc_sync.database import writing
from toc_sync.model import VERSION
from toc_sync.sandbox import Behaviour
from toc_sync.tables import batch_items, batches, onlookers


def shown(at: AppTest) -> str:
    """Returns all words on the page as people read them."""
    return texts(at).replace("\\", "").replace("\u2060", "")


def opened(desk: Office) -> list[int]:
    """Returns which invoices are said to be open."""
    with writing(desk.runtime.engine) as conn:
        return list(conn.execute(onlookers.select().with_only_columns(onlookers.c.invoice_id)).scalars())


def test_an_open_drawer_says_so_once_and_does_not_call_its_own_reader_a_colleague(office):  # noqa: F811
    invoice_id = office.invoice("A 1")
    at = visit(invoice=str(invoice_id))
    assert opened(office) == [invoice_id]
    at.run()
    assert opened(office) == [invoice_id]
    assert "colleague" not in texts(at)
    assert listed(at) == ["A 1"]


def test_two_sessions_see_each_other(office):  # noqa: F811
    invoice_id = office.invoice("A 1")
    visit(invoice=str(invoice_id))
    second = visit(invoice=str(invoice_id))
    (onlooker, _) = office.runtime.activity.onlookers([invoice_id])
    since = wording.clock_time(onlooker.since_at)
    assert f"A colleague is looking at this invoice (since {since})." in shown(second)
    st.cache_data.clear()  # the list remembers for a second who looks
    assert listed(visit()) == [f"A 1 {WATCHED}"]
    third = visit(invoice=str(invoice_id))
    assert f"2 colleagues are looking at this invoice (the first since {since})." in shown(third)


def test_another_invoice_in_the_drawer_is_said_at_once_and_the_same_one_not_at_every_tick(office):  # noqa: F811
    first, second = office.invoice("A 1"), office.invoice("A 2")
    at = visit(invoice=str(first))
    with writing(office.runtime.engine) as conn:
        conn.execute(onlookers.delete())
    at.run()
    assert opened(office) == [], "said less than ten seconds ago"
    at.query_params["invoice"] = str(second)
    at.run()
    assert opened(office) == [second]


def test_an_invoice_that_does_not_exist_is_looked_at_by_nobody(office):  # noqa: F811
    visit(invoice="4242")
    assert opened(office) == []


def test_a_running_batch_that_holds_the_invoice_is_named(office):  # noqa: F811
    invoice_id = office.invoice("A 1")
    batch = {"id": 12, "kind": "retry", "description": "x", "actor": "*ana*", "total": 1}
    with writing(office.runtime.engine) as conn:
        conn.execute(batches.insert().values(batch | {"created_at": clock.now()}))
        conn.execute(
            batch_items.insert().values(
                batch_id=12, position=1, invoice_id=invoice_id, state="waiting", seen_attempts=0
            )
        )
    assert "In batch 12 started by *ana*, waiting." in shown(visit(invoice=str(invoice_id)))


@pytest.mark.parametrize(
    ("behaviour", "current"),
    [
        pytest.param(
            Behaviour.ISSUE_FLAT, ":green-badge[:material/check_circle: **In TOC Online FT YEAR/1", id="synced"
        ),
        pytest.param(Behaviour.REFUSE_SERIES, ":red-badge[:material/cancel: **Failed: refused", id="failed"),
        pytest.param(Behaviour.HTML, ":violet-badge[:material/help: **In doubt: unclear error", id="in doubt"),
        pytest.param(Behaviour.BOOT_ERROR, ":blue-badge[:material/sync: **Retry at", id="waiting"),
    ],
)
def test_the_drawer_tells_the_life_in_one_line_and_gives_it_to_support(office, behaviour, current):  # noqa: F811
    invoice_id = office.sent("A 1", behaviour, p_notes="Pays in cash.")
    at = visit(invoice=str(invoice_id))
    (line,) = (line for line in shown(at).splitlines() if "→" in line)
    assert line.startswith("Created ")
    assert current.replace("YEAR", str(day().year)) in line
    (support,) = (each.value for each in at.code if f"toc_sync {VERSION}" in each.value)
    assert f"Invoice: {invoice_id} (A 1)" in support
    assert "x-request-id" in support
    assert "cash" not in support


def test_what_the_document_is_in_law_stands_among_the_facts(office):  # noqa: F811
    at = visit(invoice=str(office.sent("A 1")))
    assert "SANDBOX-1" in texts(at)
    without = visit(invoice=str(office.sent("A 2", Behaviour.REFUSE_SERIES)))
    assert "ATCUD" not in [each.value for each in without.caption]


def test_who_was_not_heard_of_for_a_minute_is_no_colleague(office):  # noqa: F811
    invoice_id = office.invoice("A 1")
    office.runtime.onlookers.look("x", invoice_id, actor="ana")
    with writing(office.runtime.engine) as conn:
        conn.execute(onlookers.update().values(last_seen_at=clock.now() - timedelta(minutes=1)))
    assert "colleague" not in texts(visit(invoice=str(invoice_id)))
