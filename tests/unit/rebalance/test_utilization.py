"""Classes of nodes as descheduler v0.36 gives them; the numbers are worked out from its source."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serflab.rebalance import utilization
from serflab.rebalance.utilization import UnusableScoreError, classify, classify_nodes


def by_hand(scores: list[float], low: float, high: float) -> tuple[float, list[str]]:
    """Return the average and the classes as the descheduler's loops work them out, node by node in plain floats."""
    usage = [float(int(score * 100)) / 100.0 * 100 for score in scores]
    total = 0.0
    for value in usage:
        total += value
    average = total / len(usage)
    lower, higher = (min(max(bound, 0.0), 100.0) for bound in (average - low, average + high))
    names = ["under" if value <= lower else "over" if value > higher else "appropriate" for value in usage]
    return average, names


def test_its_examples():
    assert doctest.testmod(utilization).failed == 0


@given(
    st.lists(st.one_of(st.floats(0, 1), st.integers(0, 100).map(lambda n: n / 100)), min_size=1, max_size=40),
    st.sampled_from([0, 1, 5, 10, 33.5, 100]),
    st.sampled_from([0, 1, 5, 10, 33.5, 100]),
)
def test_classes_are_those_of_the_loops(scores, low, high):
    found = classify(scores, low, high)
    assert (float(found.average), found.names()) == by_hand(scores, low, high)


def test_scores_are_cut_to_whole_percent_as_floats_do_it():
    assert classify([0.29, 0.57, 0.999], 0, 10).percent.tolist() == [28, 56, 99]


def test_nodes_that_are_alike_are_all_under_and_nothing_is_evicted():
    found = classify([0.29] * 7, 0, 10)
    assert set(found.names()) == {"under"}
    assert not found.evicts


def test_percent_and_average_have_the_last_bits_of_the_descheduler():
    # 29/100*100 is a little less than 29, and each sum is rounded as it is made.
    scores = [0.291] * 9 + [0.571, 0.141]
    total = 0.0
    for value in [29 / 100 * 100] * 9 + [57 / 100 * 100, 14 / 100 * 100]:
        total += value
    assert float(classify(scores, 0, 10).average) == total / 11 != (29 * 9 + 57 + 14) / 11


def test_thresholds_stay_within_0_and_100():
    found = classify([0.02, 0.99], 60, 60)
    assert (float(found.low), float(found.high)) == (0.0, 100.0)
    assert not found.evicts


def test_a_node_at_the_threshold_is_under_but_not_over():
    found = classify([0.0, 0.5, 0.25, 0.35], 0, 7.5)
    assert (float(found.average), float(found.high)) == (27.5, 35.0)
    assert found.names() == ["under", "over", "under", "appropriate"]


def test_an_unschedulable_node_takes_nothing():
    names, found = classify_nodes({"a": 0.1, "b": 0.9}, 0, 10, unschedulable=frozenset("a"))
    assert names == {"a": "appropriate", "b": "over"}
    assert not found.evicts


def test_room_is_what_the_underutilised_nodes_lack_to_the_upper_threshold():
    found = classify([0.1, 0.2, 0.9], 0, 10)
    assert found.names() == ["under", "under", "over"]
    assert int(found.room) == (50 - 10) + (50 - 20)
    assert found.evicts
    assert found.sources.tolist() == [False, False, True]


def test_many_cycles_at_once_are_as_one_by_one():
    scores = np.random.default_rng(5).uniform(size=(3, 4, 9))
    together = classify(scores, 3, 10)
    for lane in np.ndindex(3, 4):
        alone = classify(scores[lane], 3, 10)
        assert together.over[lane].tolist() == alone.over.tolist()
        assert bool(together.evicts[lane]) == bool(alone.evicts)
        assert float(together.average[lane]) == float(alone.average)


@pytest.mark.parametrize(
    ("scores", "problem"),
    [
        ([0.1, float("nan")], "node 1 has the score NaN"),
        ([-0.1, 0.5], "node 0 has the score -0.1, outside of 0 to 1"),
        ([0.2, 0.5, 1.1], r"node 2 has the score 1\.1"),
        ([], "there is no score of any node"),
    ],
)
def test_scores_that_end_a_cycle(scores, problem):
    with pytest.raises(UnusableScoreError, match=problem):
        classify(scores, 0, 10)
