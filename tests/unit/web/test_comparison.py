"""Emulated against real, in figures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serflab.lab.comparison import Comparison, compare

VALUES = st.lists(st.tuples(st.floats(1, 1e4), st.floats(1, 1e4)), min_size=3, max_size=60)


def test_an_emulation_that_follows_the_real_machine_exactly() -> None:
    assert compare([1.0, 2.0, 4.0], [1.0, 2.0, 4.0]) == Comparison(0.0, 1.0, 0.0, 3)


def test_a_worked_example() -> None:
    found = compare([11.0, 18.0, 33.0], [10.0, 20.0, 30.0])
    assert found.mape_percent == pytest.approx(10.0)
    assert found.mean_difference == pytest.approx(2 / 3)
    assert found.correlation == pytest.approx(0.97866, abs=1e-5)


def test_only_points_at_which_both_are_known_count() -> None:
    assert compare([None, 5.0, 6.0, 9.0], [1.0, None, 6.0, 10.0]).points == 2


def test_a_real_value_of_zero_has_no_percentage_but_a_difference() -> None:
    found = compare([1.0, 3.0], [0.0, 2.0])
    assert (found.mape_percent, found.mean_difference, found.points) == (50.0, 1.0, 2)
    assert compare([1.0], [0.0]).mape_percent is None


@pytest.mark.parametrize(
    ("emulated", "real"),
    [([], []), ([1.0], [2.0]), ([1.0, 1.0], [2.0, 3.0]), ([1.0, 2.0], [3.0, 3.0]), ([None, 1.0], [1.0, None])],
    ids=["nothing", "one point", "emulated constant", "real constant", "never both"],
)
def test_what_has_no_correlation_says_so(emulated: list[float | None], real: list[float | None]) -> None:
    assert compare(emulated, real).correlation is None


@given(VALUES)
def test_the_figures_are_those_of_numpy(pairs: list[tuple[float, float]]) -> None:
    emulated, real = np.array(pairs).T
    found = compare(emulated.tolist(), real.tolist())
    assert found.mape_percent == pytest.approx(float(np.mean(np.abs(emulated - real) / real) * 100))
    assert found.mean_difference == pytest.approx(float(np.mean(emulated - real)), abs=1e-6)
    if min(emulated.std() / emulated.mean(), real.std() / real.mean()) > 1e-3:
        assert found.correlation == pytest.approx(float(np.corrcoef(emulated, real)[0, 1]), abs=1e-6)


@given(VALUES)
def test_no_figure_is_ever_nan(pairs: list[tuple[float, float]]) -> None:
    found = compare([ours * 1e300 for ours, _ in pairs], [theirs for _, theirs in pairs])
    figures = (found.mape_percent, found.correlation, found.mean_difference)
    assert all(figure is None or math.isfinite(figure) for figure in figures)
