"""Means and their confidence intervals, the Pareto front and the recommendation."""

from __future__ import annotations

import doctest
from math import inf, nan

import pytest

from serflab.rebalance import compare_statistics
from serflab.rebalance.compare_statistics import Estimate, Row, estimate, pareto_front, recommend, t_quantile


def row(name: str, migrations: float, spread: float, *, start: float = 20.0, **more: float) -> Row:
    figures = {"migrations": migrations, "sigma_cpu": spread, "sigma_memory": spread, "inert": 0.0, "ping_pong": 0.0}
    figures |= {"sigma_cpu_start": start, "sigma_memory_start": start} | more
    return Row(name, 10.0, {key: Estimate(value, 0.1, 9) for key, value in figures.items()})


def test_its_examples():
    assert doctest.testmod(compare_statistics).failed == 0


@pytest.mark.parametrize(
    ("degrees", "table"), [(1, 12.706), (2, 4.303), (4, 2.776), (5, 2.571), (9, 2.262), (29, 2.045), (99, 1.984)]
)
def test_students_t_is_that_of_the_tables(degrees, table):
    assert t_quantile(degrees) == pytest.approx(table, abs=0.005)


def test_an_estimate_leaves_out_what_does_not_exist():
    assert estimate([nan, 4.0, nan]) == Estimate(4.0, None, 1)
    assert estimate([nan]) == Estimate(None, None, 0)
    assert row("a", 1, 1).mean("migrations") == 1
    assert Row("a", 10, {"time_to_balance": estimate([nan])}).mean("time_to_balance") == inf


def test_the_pareto_front_leaves_out_what_another_beats_in_both():
    rows = [row("many", 9, 1), row("beaten", 9, 3), row("few", 2, 5), row("middle", 4, 2), row("same", 4, 2)]
    assert [one.algorithm for one in pareto_front(rows)] == ["few", "middle", "many"]


def test_the_fewest_migrations_among_those_that_spread_as_well_as_the_best():
    advice = recommend([row("best", 40, 2.0), row("as-good", 12, 3.7), row("cheap", 7, 10.9), row("useless", 1, 15.0)])
    assert advice.algorithm == "as-good"
    assert advice.reason == (
        "as-good brings the spread from 20.0 to 3.7 points with 12.0 migrations; best gets to 2.0 but needs 40.0."
    )


def test_one_that_is_much_cheaper_is_worth_a_word():
    advice = recommend([row("best", 40, 2.0), row("cheap", 6, 10.9)])
    assert advice.algorithm == "best"
    assert advice.reason.endswith("40.0 migrations. Cheaper: cheap gets to 10.9 with 6.0.")


def test_drawbacks_of_what_is_recommended_are_told():
    advice = recommend([row("a", 5, 2.0, ping_pong=0.2, inert=0.1), row("idle", 0, 20, inert=1.0)])
    assert advice.algorithm == "a"
    assert advice.reason.endswith(
        "20% of its moves go back to where the VM came from. In 10% of the draws it did nothing."
        " Never acted at its threshold: idle."
    )


def test_nothing_is_recommended_where_nothing_helps():
    assert recommend([row("idle", 0, 20, inert=1.0)]).algorithm is None
    worse = recommend([row("worse", 50, 25)])
    assert worse.algorithm is None
    assert "leave the VMs alone" in worse.reason
