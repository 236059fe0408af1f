"""Pages that stay open over midnight, and machines whose clock is wrong while somebody looks at a page."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from pages.parts.say import plain
from tests.office import ISSUER, PAYER
from tests.test_page_batches import refused
from tests.test_page_invoices import fill, new_invoice, office, press, texts, visit  # noqa: F401  # `office` is a fixture
from toc_sync import clock
from toc_sync.views import InvoiceFilter

NIGHTS = pytest.mark.parametrize(
    ("before", "day", "next_day"),
    [
        pytest.param(datetime(2026, 12, 31, 23, 50, tzinfo=UTC), date(2026, 12, 31), date(2027, 1, 1), id="new year"),
        pytest.param(datetime(2028, 2, 28, 23, 50, tzinfo=UTC), date(2028, 2, 28), date(2028, 2, 29), id="a leap day"),
        pytest.param(datetime(2027, 7, 14, 22, 50, tzinfo=UTC), date(2027, 7, 14), date(2027, 7, 15), id="summer"),
        pytest.param(datetime(2027, 3, 27, 23, 50, tzinfo=UTC), date(2027, 3, 27), date(2027, 3, 28), id="spring"),
        pytest.param(datetime(2027, 10, 30, 22, 50, tzinfo=UTC), date(2027, 10, 30), date(2027, 10, 31), id="autumn"),
    ],
)
QUARTER = timedelta(minutes=15)


def day_of(at: AppTest) -> date:
    (field,) = [each for each in at.date_input if each.label == "Invoice date"]
    return field.value


@NIGHTS
def test_a_form_that_is_open_over_midnight_proposes_the_new_day(office, before, day, next_day):  # noqa: F811
    with clock.set_to(before):
        at = new_invoice(issuer=ISSUER, payer=PAYER, subtotal="100")
        assert day_of(at) == day
        with clock.shifted(QUARTER):
            at = fill(at, invoice_number="A 1")
            assert day_of(at) == next_day
            press(at, "Create invoice")
            (row,) = office.runtime.list_invoices(InvoiceFilter()).rows
    assert row.invoice_date == next_day


@NIGHTS
def test_a_day_that_somebody_chose_stays_over_midnight(office, before, day, next_day):  # noqa: F811
    chosen = day - timedelta(days=3)
    with clock.set_to(before):
        at = new_invoice(issuer=ISSUER, payer=PAYER, subtotal="100")
        (field,) = [each for each in at.date_input if each.label == "Invoice date"]
        field.set_value(chosen)
        at.run()
        with clock.shifted(QUARTER):
            assert day_of(fill(at, invoice_number="A 1")) == chosen


@pytest.mark.parametrize("preset", ["Since midnight", "Last 24 hours"])
def test_what_failed_just_now_is_recovered_by_a_machine_whose_clock_is_behind(office, preset):  # noqa: F811
    with clock.set_to(datetime(2027, 1, 13, 12, tzinfo=UTC)):
        refused(office, "A 1")
        with clock.set_wrong(timedelta(hours=-1)):
            at = press(visit(), preset)
            assert plain("1 invoice will be sent") in texts(at)
