"""The 19 scores by numpy: worked by hand for two nodes, bounded for any, the same in a batch and alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from serflab.errors import InputError
from serflab.rebalance.algorithms import ALGORITHMS, PARETO_NODES, find_algorithm
from serflab.rebalance.scores import scores

NAMES = list(ALGORITHMS)
AMPLIFIED = "linear_amplified_ideal_point_positive_distance"

# A hot node (u .8, p .4, m .5, q .2) and an idle one; the mean is half of the first, and so is its deviation.
HOT = np.array([[0.8, 0.4, 0.5, 0.2], [0.0, 0.0, 0.0, 0.0]])
# ‖(.4, .2, .25, .1)‖² = .16 + .04 + .0625 + .01
NORM = 0.2725**0.5
BY_HAND = {
    "weighted_average": (0.475, 0),
    "max_metric": (0.8, 0),
    "euclidean_distance": (NORM, 0),
    "pressure_focused": (0.6 / 3 + 0.65 / 3, 0),
    "weighted_rms_positive_deviation": (0.050875**0.5, 0),
    "weighted_mean_square_positive_deviation": (0.15 * 0.16 + 0.35 * 0.04 + 0.15 * 0.0625 + 0.35 * 0.01, 0),
    "linear_weighted_positive_deviation": (0.15 * 0.65 + 0.35 * 0.3, 0),
    "pareto_front": (1, 0),
    "centroid_distance": (NORM / 2, NORM / 2),
    "directional_centroid_distance": (NORM / 2, 0),
    "variance_minimization": ((0.2225 + 2 * 0.05) ** 0.5 / 6**0.5, (0.2225 + 2 * 0.05) ** 0.5 / 6**0.5),
    "directional_variance_minimization": ((0.65 + 2 * 0.3) / 6, 0),
    "critical_dimension_focus": (0.4, 0),
    "ideal_point_positive_distance": (NORM, 0),
    f"{AMPLIFIED}:k1": (NORM, 0),
    f"{AMPLIFIED}:k3": (1, 0),
    f"{AMPLIFIED}:k5": (1, 0),
    "cpu_focused": (0.56 + 0.12, 0),
    "memory_focused": (0.35 + 0.06, 0),
}


def test_there_are_19_of_them_with_numbers_in_order():
    assert [algorithm.number for algorithm in ALGORITHMS.values()] == list(range(1, 20))
    assert set(BY_HAND) == set(ALGORITHMS)


@pytest.mark.parametrize("name", NAMES)
def test_a_hot_and_an_idle_node_as_worked_out_by_hand(name):
    assert scores(name, HOT) == pytest.approx(np.array(BY_HAND[name]), abs=1e-12)


def test_dominating_needs_all_four_and_one_more():
    nodes = np.array([[0.5] * 4, [0.5] * 4, [0.5, 0.5, 0.5, 0.6], [0.9, 0.9, 0.9, 0.1], [0.1] * 4])
    assert scores("pareto_front", nodes) == pytest.approx(np.array([1, 1, 3, 1, 0]) / 4)


def test_the_first_dimension_counts_when_two_are_spread_alike():
    nodes = np.array([[0.6, 0, 0.2, 0], [0.2, 0, 0.6, 0]])
    assert scores("critical_dimension_focus", nodes) == pytest.approx(np.array([0.2, 0]))


def test_memory_counts_when_it_is_spread_more_than_cpu():
    nodes = np.array([[0.6, 0, 0.1, 0], [0.2, 0, 0.9, 0]])
    assert scores("critical_dimension_focus", nodes) == pytest.approx(np.array([0, 0.4]))


@pytest.mark.parametrize("name", NAMES)
@given(nodes=arrays(float, st.tuples(st.integers(1, 9), st.just(4)), elements=st.floats(allow_nan=True)))
def test_every_score_is_in_0_to_1_and_missing_just_where_an_input_is(name, nodes):
    result = scores(name, nodes)
    missing = np.isnan(nodes).any(axis=-1)
    assert (np.isnan(result) == missing).all()
    assert ((result >= 0) & (result <= 1))[~missing].all()


@pytest.mark.parametrize("name", NAMES)
def test_a_node_without_a_sample_does_not_count_for_the_others(name):
    nodes = np.random.default_rng(7).random((6, 4))
    with_gap = np.insert(nodes, 2, [0.9, np.nan, 0.9, 0.9], axis=0)
    assert (np.delete(scores(name, with_gap), 2) == scores(name, nodes)).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_gives_the_bits_of_its_parts(name):
    batch = np.random.default_rng(8).random((3, 5, 40, 4))
    together = scores(name, batch)
    assert together.shape == (3, 5, 40)
    for index in np.ndindex(3, 5):
        assert (together[index] == scores(name, batch[index])).all()


@pytest.mark.parametrize("name", NAMES)
def test_equal_nodes_score_equal(name):
    result = scores(name, np.full((5, 4), 0.3))
    assert (result == result[0]).all()


def test_more_nodes_than_the_rules_compare_have_no_front():
    nodes = np.zeros((PARETO_NODES + 1, 4))
    assert np.isnan(scores("pareto_front", nodes)).all()
    assert (scores("pareto_front", nodes[1:]) == 0).all()


@pytest.mark.parametrize("shape", [(4,), (3, 5), ()])
def test_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"expected an array of shape \(\.\.\., nodes, 4\), found"):
        scores("max_metric", np.zeros(shape))


@pytest.mark.parametrize(
    "name",
    [
        f"{AMPLIFIED}:k3",
        "linear_amplified_ippd_k3",
        f"descheduler:node:{AMPLIFIED}:k3:avg1m",
        "descheduler:node:linear_amplified_ippd_k3:score",
    ],
)
def test_an_algorithm_goes_by_name_alias_and_record(name):
    assert find_algorithm(name).name == f"{AMPLIFIED}:k3"


def test_an_unknown_algorithm_is_a_finding_with_the_nearest_one():
    with pytest.raises(InputError) as refused:
        find_algorithm("cpu_focussed", file="policy.yaml", path="$.algorithm")
    (finding,) = refused.value.findings
    assert (finding.file, finding.path, finding.hint) == ("policy.yaml", "$.algorithm", 'did you mean "cpu_focused"?')
