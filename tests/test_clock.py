"""The clock: one time for the whole program, which a test can move."""

from __future__ import annotations

import threading
import time
from datetime import UTC, date, datetime, timedelta

import pytest

from toc_sync import clock
from toc_sync.database import queueing_time, writing

MOMENT = timedelta(seconds=20)


def test_a_shift_moves_the_process_and_the_database_and_time_goes_on(desk):
    before = desk.now()
    with clock.shifted(timedelta(days=40)):
        assert before + timedelta(days=40) <= desk.now() < before + timedelta(days=40) + MOMENT
        assert abs(clock.now() - desk.now()) < MOMENT
        first = desk.now()
        while desk.now() == first:
            pass
        assert desk.now() > first
    assert desk.now() < before + MOMENT


def test_an_instant_can_be_set_before_and_after_today(desk):
    for instant in (datetime(2024, 2, 29, 12, tzinfo=UTC), datetime(2030, 4, 25, 9, tzinfo=UTC)):
        with clock.set_to(instant):
            assert instant <= clock.now() < instant + MOMENT
            assert abs(desk.now() - instant) < MOMENT
            with writing(desk.engine) as conn:
                assert abs(queueing_time(conn) - instant) < MOMENT


def test_shifts_add_up_and_end_one_by_one():
    real = clock.now()
    with clock.shifted(timedelta(hours=1)):
        with clock.shifted(timedelta(hours=-3)):
            assert clock.now() - real < timedelta(hours=-2) + MOMENT
        assert timedelta(hours=1) <= clock.now() - real < timedelta(hours=1) + MOMENT
    assert clock.now() - real < MOMENT


def test_a_shift_holds_for_every_thread():
    told: list[datetime] = []
    with clock.set_to(datetime(2031, 1, 1, tzinfo=UTC)):
        thread = threading.Thread(target=lambda: told.append(clock.now()))
        thread.start()
        thread.join()
    assert told[0].year == 2031


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        pytest.param(datetime(2026, 12, 31, 23, 59, 30, tzinfo=UTC), date(2026, 12, 31), id="the year's last minute"),
        pytest.param(datetime(2027, 7, 14, 23, 30, tzinfo=UTC), date(2027, 7, 15), id="summer: an hour ahead of UTC"),
        pytest.param(datetime(2027, 1, 14, 23, 30, tzinfo=UTC), date(2027, 1, 14), id="winter: the same as UTC"),
        pytest.param(datetime(2028, 2, 29, 12, 0, tzinfo=UTC), date(2028, 2, 29), id="the leap day"),
        pytest.param(datetime(2027, 3, 28, 0, 59, tzinfo=UTC), date(2027, 3, 28), id="before the clocks go forward"),
        pytest.param(datetime(2027, 10, 31, 1, 30, tzinfo=UTC), date(2027, 10, 31), id="within the doubled hour"),
        pytest.param(datetime(2027, 10, 30, 23, 0, tzinfo=UTC), date(2027, 10, 31), id="midnight of the long day"),
    ],
)
def test_today_is_the_day_in_lisbon(instant, day):
    with clock.set_to(instant):
        assert clock.today() == day


def test_a_clock_set_wrong_moves_this_machine_alone(postgres_desk):
    before = postgres_desk.now()
    with clock.set_wrong(timedelta(hours=1)):
        assert clock.now() - before > timedelta(minutes=59)
        assert postgres_desk.now() - before < MOMENT


def test_uptime_is_counted_by_the_kernel_where_a_library_fakes_all_clocks(monkeypatch):
    real = clock.uptime()
    for faked in (timedelta(0), timedelta(hours=1), timedelta(hours=-1), timedelta(days=400)):
        monkeypatch.setattr(time, "clock_gettime", lambda _, faked=faked: (datetime.now(UTC) + faked).timestamp())
        told = [clock.uptime() for _ in range(100)]
        assert real - 1 < told[0] < real + MOMENT.total_seconds()
        assert told == sorted(told)


def test_uptime_goes_on_whatever_a_test_does_with_the_time():
    before = clock.uptime()
    with clock.shifted(timedelta(days=-400)):
        assert before <= clock.uptime() < before + MOMENT.total_seconds()
