"""The clock: tick k is due at start + k * interval, whatever happened before."""

from __future__ import annotations

from math import inf, nextafter

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from serflab.traces.sampling import Clock

clocks = st.builds(
    Clock,
    start=st.floats(min_value=0, max_value=2e9),
    interval=st.floats(min_value=0.01, max_value=3600),
    length=st.integers(min_value=1, max_value=1000),
    loop=st.booleans(),
    phase=st.integers(min_value=0, max_value=3000),
)
ticks = st.integers(min_value=0, max_value=1_000_000)


@given(clocks, ticks)
def test_a_tick_is_current_from_the_moment_it_is_due(clock, tick):
    assume(clock.loop or tick < clock.length)
    assert clock.tick_at(clock.due(tick)) == tick


@given(clocks, ticks)
@example(Clock(start=0.0, interval=0.3, length=2, loop=True), 76)
def test_a_tick_is_not_current_a_moment_before(clock, tick):
    assert clock.tick_at(nextafter(clock.due(tick), -inf)) < tick


@given(clocks, st.floats(min_value=1.6e9, max_value=2.1e9))
def test_the_current_tick_is_due_and_the_next_one_is_not(clock, now):
    tick = clock.tick_at(now)
    if tick == -1:
        assert now < clock.start
    else:
        assert clock.due(tick) <= now
    if clock.loop or tick < clock.length - 1:
        assert now < clock.due(tick + 1)


@given(clocks, st.floats(min_value=1.6e9, max_value=2.1e9), st.floats(min_value=0, max_value=1e6))
def test_ticks_never_go_back(clock, now, later):
    assert clock.tick_at(now) <= clock.tick_at(now + later)


@given(clocks, st.integers(min_value=-1, max_value=10**9))
def test_every_tick_plays_a_point_of_the_series(clock, tick):
    assert 0 <= clock.index(tick) < clock.length


@given(clocks, ticks)
def test_a_finished_clock_plays_the_same_point_for_ever(clock, tick):
    assume(clock.finished(tick))
    assert clock.index(tick) == clock.index(tick + 1) == clock.length - 1


@given(clocks, ticks)
def test_an_unfinished_clock_moves_on(clock, tick):
    assume(not clock.finished(tick) and clock.length > 1)
    assert clock.index(tick) != clock.index(tick + 1)


def test_a_loop_starts_over_with_its_phase():
    clock = Clock(start=100.0, interval=5.0, length=4, loop=True, phase=3)
    assert [clock.index(tick) for tick in range(6)] == [3, 0, 1, 2, 3, 0]


def test_without_a_loop_the_last_point_stays():
    clock = Clock(start=100.0, interval=5.0, length=4, loop=False)
    assert [clock.tick_at(now) for now in (99.9, 100, 104.9, 105, 115, 120, 1e9)] == [-1, 0, 0, 1, 3, 3, 3]
    assert [clock.finished(tick) for tick in range(4)] == [False, False, False, True]


def test_without_a_loop_the_phase_skips_the_first_points():
    clock = Clock(start=100.0, interval=5.0, length=4, loop=False, phase=2)
    assert [clock.index(tick) for tick in range(4)] == [2, 3, 3, 3]
    assert [clock.finished(tick) for tick in range(4)] == [False, True, True, True]


def test_before_the_start_the_first_point_stands():
    clock = Clock(start=100.0, interval=5.0, length=4, loop=True, phase=2)
    assert clock.tick_at(0.0) == -1
    assert clock.index(-1) == clock.index(0) == 2


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"interval": 0.0}, "interval of a clock must be at least 0.001 s, found 0.0"),
        ({"interval": float("nan")}, "interval of a clock must be at least 0.001 s, found nan"),
        ({"length": 0}, "length of a series must be at least 1, found 0"),
        ({"phase": -1}, "phase of a clock must not be negative, found -1"),
        ({"start": float("inf")}, "start of a clock must be a time, found inf"),
    ],
)
def test_an_impossible_clock_is_refused(change, complaint):
    with pytest.raises(ValueError, match=complaint):
        Clock(**{"start": 0.0, "interval": 1.0, "length": 1, "loop": True} | change)
