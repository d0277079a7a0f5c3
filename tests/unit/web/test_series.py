"""Series as the charts get them: bounded, on one grid, gaps as gaps, numbers only."""

from __future__ import annotations

import math

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serflab.lab.prometheus_query import MAX_POINTS, Grid, grid, matcher, on_grid
from serflab.lab.span import RETENTION_SECONDS, WINDOWS

NOW = st.floats(min_value=1e9, max_value=3e9)


@given(now=NOW, window=st.sampled_from(list(WINDOWS.values())))
def test_a_window_has_at_most_500_points_and_ends_now(now: float, window: int) -> None:
    points = grid(now - window, now)
    assert len(points.timestamps) <= MAX_POINTS
    assert now - points.step < points.end <= now
    assert abs(points.end - points.start - window) <= points.step


@given(start=NOW, seconds=st.floats(min_value=0.001, max_value=RETENTION_SECONDS), most=st.integers(2, MAX_POINTS))
def test_any_range_has_at_most_that_many_points_and_at_least_one(start: float, seconds: float, most: int) -> None:
    points = grid(start, start + seconds, most)
    assert 1 <= len(points.timestamps) <= most
    assert points.start % points.step == points.end % points.step == 0


@given(now=NOW, later=st.floats(min_value=0, max_value=60), window=st.sampled_from(list(WINDOWS.values())))
def test_two_queries_in_a_row_ask_for_the_same_points(now: float, later: float, window: int) -> None:
    first, second = grid(now - window, now), grid(now + later - window, now + later)
    common = range(max(first.start, second.start), min(first.end, second.end) + 1, first.step)
    assert set(common) <= set(first.timestamps) & set(second.timestamps)


@pytest.mark.parametrize(("window", "step"), [("5m", 5), ("15m", 5), ("1h", 8), ("2h", 15)])
def test_the_steps_of_the_windows(window: str, step: int) -> None:
    assert grid(1.8e9 - WINDOWS[window], 1.8e9).step == step


def test_a_gap_stays_a_gap() -> None:
    points = Grid(100, 130, 10)
    assert on_grid([[100, "1"], [130, "4.5"]], points) == [1.0, None, None, 4.5]


def test_what_is_no_number_is_a_gap() -> None:
    values = on_grid([[0, "NaN"], [10, "+Inf"], [20, "-Inf"], [30, "7"]], Grid(0, 30, 10))
    assert values == [None, None, None, 7.0]


def test_samples_outside_the_grid_are_left_out() -> None:
    assert on_grid([[0, "1"], [200, "2"]], Grid(100, 110, 10)) == [None, None]


@given(st.lists(st.tuples(st.integers(0, 400), st.floats(allow_nan=True, allow_infinity=True)), max_size=50))
def test_a_series_is_always_json_of_the_grids_length(samples: list[tuple[int, float]]) -> None:
    points = Grid(0, 300, 15)
    values = on_grid([[at, str(value)] for at, value in samples], points)
    assert len(values) == len(points.timestamps)
    assert all(value is None or math.isfinite(value) for value in values)
    assert b"NaN" not in orjson.dumps(values)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("serf1", '{serf="serf1"}'),
        ('a"} or up{x="', '{serf="a\\"} or up{x=\\""}'),
        ("back\\slash\nline", '{serf="back\\\\slash\\nline"}'),
    ],
)
def test_names_cannot_break_out_of_a_query(value: str, expected: str) -> None:
    assert matcher(serf=value) == expected
