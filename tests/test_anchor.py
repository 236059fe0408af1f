"""The ledger's time: whatever people do with the clock, it never jumps, and nothing that it measures ends too soon."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toc_sync.anchor import FARTHEST_S, HELD_S, TOLERANCE_S, Anchor, begin, follow, from_values, to_values
from toc_sync.model import ClockReading

NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)
HOUR_S = 3600.0


def at(uptime_s: float, wrong_s: float = 0.0, boot: str = "monday") -> ClockReading:
    """What the clocks say so long after noon; `wrong_s` is how far somebody has set the wall."""
    return ClockReading(boot=boot, uptime_s=100 + uptime_s, wall=NOON + timedelta(seconds=uptime_s + wrong_s))


def time_s(anchor: Anchor, reading: ClockReading) -> float:
    """The ledger's time in seconds after noon."""
    return (anchor.time_at(reading.uptime_s) - NOON).total_seconds()


def followed(*readings: ClockReading) -> Anchor:
    anchor = begin(at(0), None)
    for reading in readings:
        anchor = follow(anchor, reading, in_flight=False)
    return anchor


def test_while_nobody_sets_the_clock_it_is_the_wall_and_the_anchor_stays():
    anchor = begin(at(0), None)
    assert follow(anchor, at(1_000_000), in_flight=True) is anchor
    assert anchor.time_at(at(1_000_000).uptime_s) == at(1_000_000).wall


@pytest.mark.parametrize("wrong_s", [TOLERANCE_S - 1, 1 - TOLERANCE_S])
def test_a_small_correction_changes_nothing(wrong_s):
    anchor = begin(at(0), None)
    assert follow(anchor, at(10, wrong_s), in_flight=False) is anchor


def test_small_corrections_that_add_up_are_noticed():
    anchor = followed(at(10, 10), at(20, 20))
    assert anchor.held_since_s == at(20).uptime_s


def test_set_forward_it_goes_on_as_before_and_nothing_is_sent():
    anchor = followed(at(10, HOUR_S))
    assert time_s(anchor, at(20)) == 20
    assert anchor.held_since == NOON + timedelta(seconds=10)


def test_set_forward_and_back_it_goes_on_as_if_nothing_had_been():
    anchor = followed(at(10, HOUR_S), at(600))
    assert (time_s(anchor, at(700)), anchor.held_since) == (700, None)


def test_what_was_set_forward_is_believed_when_it_has_stood_for_long():
    early, late = at(10 + HELD_S - 1, HOUR_S), at(10 + HELD_S, HOUR_S)
    assert followed(at(10, HOUR_S), early).held_since is not None
    anchor = followed(at(10, HOUR_S), early, late)
    assert (anchor.time_at(late.uptime_s), anchor.held_since) == (late.wall, None)


def test_set_forward_once_more_meanwhile_it_still_counts_from_the_first():
    late = at(10 + HELD_S, 3 * HOUR_S)
    assert followed(at(10, HOUR_S), at(500, 3 * HOUR_S), late).time_at(late.uptime_s) == late.wall


def test_while_a_request_is_on_its_way_it_is_not_believed():
    late = at(10 + HELD_S, HOUR_S)
    anchor = follow(followed(at(10, HOUR_S)), late, in_flight=True)
    assert (time_s(anchor, late), anchor.held_since is None) == (10 + HELD_S, False)


def test_a_year_that_somebody_mistyped_is_never_believed_until_the_machine_starts_anew():
    late = at(10 + 100 * HELD_S, FARTHEST_S + HOUR_S)
    anchor = followed(at(10, FARTHEST_S + HOUR_S), late)
    assert (time_s(anchor, late), anchor.held_since is None) == (10 + 100 * HELD_S, False)
    assert begin(replace(late, boot="tuesday"), NOON).time == late.wall


def test_set_back_it_goes_on_a_tenth_slower_until_the_wall_has_caught_up():
    anchor = followed(at(10, -HOUR_S))
    assert time_s(anchor, at(10)) == 10
    assert time_s(anchor, at(1010)) == pytest.approx(910)
    assert time_s(anchor, at(10 + 10 * HOUR_S)) == pytest.approx(10 + 9 * HOUR_S)
    assert time_s(anchor, at(10 + 20 * HOUR_S)) == pytest.approx(10 + 19 * HOUR_S)
    assert anchor.held_since is None
    for later in (at(1010, -HOUR_S), at(10 + 20 * HOUR_S, -HOUR_S)):
        assert follow(anchor, later, in_flight=False) is anchor


def test_set_back_and_right_again_long_after_it_is_behind_by_what_it_has_lost_as_by_a_clock_set_forward():
    anchor = followed(at(10, -HOUR_S), at(1010))
    assert (time_s(anchor, at(1010)), anchor.held_since is None) == (pytest.approx(910), False)


def test_set_back_and_right_again_it_stops_going_slower():
    anchor = followed(at(10, -HOUR_S), at(110))
    assert (time_s(anchor, at(110)), anchor.held_since, anchor.excess_s) == (pytest.approx(100), None, 0)


def test_after_a_start_of_the_machine_the_wall_is_believed():
    assert begin(at(0, boot="tuesday"), NOON - timedelta(days=3)).time == NOON


@pytest.mark.parametrize("wrong_s", [-1, -HOUR_S, -50 * 365 * 86_400.0])
def test_after_a_start_of_the_machine_it_is_never_before_what_the_ledger_has_seen(wrong_s):
    anchor = begin(at(0, wrong_s, boot="tuesday"), NOON)
    assert (anchor.time, anchor.excess_s) == (NOON, -wrong_s)


@pytest.mark.parametrize(
    ("reading", "counts"),
    [
        pytest.param(at(10), True, id="the same start"),
        pytest.param(at(10, boot="tuesday"), False, id="another start"),
        pytest.param(at(-1), False, id="less uptime, where the system names no start"),
    ],
)
def test_an_anchor_counts_for_its_own_start_of_the_machine(reading, counts):
    assert begin(at(0), None).counts_for(reading) is counts


def test_an_anchor_can_be_written_and_read():
    for anchor in (followed(at(10, HOUR_S)), followed(at(10, -HOUR_S))):
        assert from_values(json.loads(json.dumps(to_values(anchor)))) == anchor


_STEPS = st.lists(
    st.tuples(
        st.floats(min_value=0, max_value=2000),
        st.floats(min_value=-3 * HOUR_S, max_value=3 * HOUR_S) | st.just(0.0),
    ),
    max_size=30,
)


@given(_STEPS)
def test_no_wait_ever_ends_before_its_time_and_none_takes_a_tenth_more(steps):
    """What is noted while nothing is held needs at least as much real time as it would on a right clock."""
    anchor, passed_s = begin(at(0), None), 0.0
    noted = [(0.0, 0.0)]
    for step_s, wrong_s in steps:
        passed_s += step_s
        reading = at(passed_s, wrong_s)
        before = time_s(anchor, reading)
        anchor = follow(anchor, reading, in_flight=False)
        now = time_s(anchor, reading)
        assert now >= before - 1e-3
        for noted_at, real in noted:
            shown, needed = now - noted_at, min(now - noted_at, HELD_S)
            assert passed_s - real >= needed - 1e-3
            assert shown >= 0.9 * (passed_s - real) - 1e-3
        if anchor.held_since is None:  # while it is held, nothing is sent
            noted.append((now, passed_s))
