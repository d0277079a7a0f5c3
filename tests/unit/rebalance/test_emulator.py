"""The offline loop: whom the descheduler asks, limits, conservation of VMs, and the same bytes for the same seed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serflab.errors import InputError
from serflab.rebalance.algorithms import ALGORITHMS, DEFAULT_ALGORITHM
from serflab.rebalance.emulator import Emulation, emulate
from serflab.rebalance.emulator_cluster import Cluster
from serflab.rebalance.emulator_descheduler import evictions, random_keys, sources_in_order, victims_in_order
from serflab.rebalance.emulator_measures import Measures
from serflab.rebalance.emulator_settings import Settings
from serflab.rebalance.names import SAMPLES
from serflab.rebalance.scenario import VM, Node, Scenario
from serflab.rebalance.scenario_check import load_scenarios

K3 = "linear_amplified_ideal_point_positive_distance:k3"
SCENARIOS = load_scenarios(Path(__file__).resolve().parents[3] / SAMPLES)
SHORT = Settings(cycles=12)


def asked(nodes, in_flight=(), policy=SHORT, fits=lambda _vm, _node: True):
    return list(evictions(nodes, in_flight, policy, fits))


class TestEvictions:
    def test_two_of_each_node_until_five_are_on_their_way(self):
        nodes = [(0, [1, 2, 3]), (1, [4, 5, 6]), (2, [7, 8, 9])]
        assert asked(nodes) == [(1, 0), (2, 0), (4, 1), (5, 1), (7, 2)]

    def test_those_on_their_way_count(self):
        assert asked([(0, [1, 2, 3]), (1, [4, 5])], [(9, 0), (8, 7), (7, 7)]) == [(1, 0), (4, 1)]

    def test_one_on_its_way_that_comes_again_uses_up_the_limit_of_the_cycle(self):
        policy = replace(SHORT, eviction_limit=1, max_per_node=5)
        assert asked([(0, [1, 2])], [(1, 0)], policy) == []
        assert asked([(0, [2, 1])], [(1, 0)], policy) == [(2, 0)]

    def test_without_a_limit_of_the_plugin_exactly_one_a_node(self):
        assert asked([(0, [1, 2]), (1, [3, 4])], policy=replace(SHORT, eviction_limit=None)) == [(1, 0), (3, 1)]

    def test_one_that_fits_nowhere_else_is_passed_over(self):
        assert asked([(0, [1, 2, 3])], fits=lambda vm, _node: vm != 1) == [(2, 0), (3, 0)]
        stay = replace(SHORT, node_fit=False)
        assert asked([(0, [1, 2, 3])], policy=stay, fits=lambda vm, _node: vm != 1) == [(1, 0), (2, 0)]

    @given(
        st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30)), unique_by=lambda pair: pair[1], max_size=30),
        st.integers(0, 5),
        st.integers(1, 6),
        st.integers(1, 4),
        st.none() | st.integers(1, 4),
    )
    def test_limits_hold(self, placed, flying, total, per_node, limit):
        policy = replace(SHORT, max_total=total, max_per_node=per_node, eviction_limit=limit)
        nodes = [(node, [vm for home, vm in placed if home == node]) for node in range(6)]
        in_flight = [(vm, home) for home, vm in placed[:flying]]
        found = asked(nodes, in_flight, policy)
        leaving = Counter(node for _, node in found)
        assert len(found) + len(in_flight) <= max(total, len(in_flight))
        assert all(count <= (1 if limit is None else limit) for count in leaving.values())
        for node, count in leaving.items():
            assert count + sum(home == node for _, home in in_flight) <= per_node
        assert not {vm for vm, _ in found} & {vm for vm, _ in in_flight}
        assert len(set(found)) == len(found)


def test_the_fullest_node_comes_first_and_equals_in_an_order_of_the_seed():
    percent = np.array([50, 70, 60, 60, 60, 10])
    over = np.array([True, True, True, True, True, False])
    orders = {tuple(sources_in_order(over, percent, seed, 0)) for seed in range(50)}
    assert all(order[0] == 1 and order[-1] == 0 for order in orders)
    assert len(orders) == 6


def test_every_vm_is_as_likely_to_be_asked_first():
    first = Counter(victims_in_order(np.arange(5), seed, cycle)[0] for seed in range(40) for cycle in range(25))
    assert set(first) == set(range(5))
    assert min(first.values()) > 150


def test_random_keys_depend_on_everything():
    base = random_keys(1, 2, 3, np.arange(4))
    assert len({*base.tolist(), *random_keys(2, 2, 3, np.arange(4)).tolist()}) == 8
    assert not np.array_equal(base, random_keys(1, 3, 3, np.arange(4)))
    assert not np.array_equal(base, random_keys(1, 2, 2, np.arange(4)))
    assert np.array_equal(base[2:], random_keys(1, 2, 3, np.arange(2, 4)))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_balanced_cluster_stays_as_it_is_for_30_cycles(algorithm):
    outcome = emulate(SCENARIOS["balanced"], algorithm, Settings(cycles=30, jitter=0.0), range(3))
    assert outcome.evicted.sum() == 0
    assert outcome.figures["inert"].tolist() == [1.0] * 3
    assert outcome.figures["time_to_balance"].tolist() == [0.0] * 3


@pytest.mark.parametrize("scenario", ["hot-node", "memory-heavy", "bursty"])
def test_same_seed_same_bytes_however_the_seeds_are_divided(scenario):
    together = emulate(SCENARIOS[scenario], K3, SHORT, range(1, 5))
    for seed in range(1, 5):
        alone = emulate(SCENARIOS[scenario], K3, SHORT, [seed])
        assert alone.sigma.tobytes() == together.sigma[seed - 1 : seed].tobytes()
        for name, values in alone.figures.items():
            assert values.tobytes() == together.figures[name][seed - 1 : seed].tobytes(), name
    assert len({row.tobytes() for row in together.sigma}) == 4


options = st.builds(
    Settings,
    cycles=st.just(8),
    interval=st.sampled_from([15.0, 30.0, 60.0]),
    high=st.sampled_from([0.0, 5.0, 10.0]),
    max_total=st.integers(1, 6),
    max_per_node=st.integers(1, 3),
    eviction_limit=st.none() | st.integers(1, 4),
    create_first=st.booleans(),
    exclude_source=st.booleans(),
    requests=st.sampled_from(["proportional", "equal"]),
    bandwidth=st.sampled_from([0.05, 0.3, 5.0]),
)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(["hot-node", "memory-heavy", "bursty"]), st.sampled_from(list(ALGORITHMS)), options)
def test_no_vm_is_lost_and_no_limit_is_passed(scenario, algorithm, policy):
    run = Watched(Cluster(SCENARIOS[scenario], policy, [1, 2]), algorithm)
    outcome = run.run()
    assert run.most_in_flight <= policy.max_total
    assert run.most_leaving <= policy.max_per_node
    assert outcome.evicted.max() <= policy.max_total
    for row in range(2):
        expected = Counter(run.place[row].tolist()) + Counter(one.target for one in run.migrations[row])
        assert run.requested[row].pods.tolist() == [expected[node] for node in range(5)]
        assert (run.requested[row].cpu <= 32000).all()
        assert run.requested[row].cpu.sum() == run.cluster.request_cpu[row].sum() + sum(
            run.cluster.request_cpu[row, one.vm] for one in run.migrations[row]
        )


class Watched(Emulation):
    """An emulation that looks at its migrations whenever one has begun."""

    most_in_flight = 0
    most_leaving = 0

    def _migrate(self, row, vm, source, tick):
        super()._migrate(row, vm, source, tick)
        self.most_in_flight = max(self.most_in_flight, len(self.migrations[row]))
        leaving = Counter(one.source for one in self.migrations[row])
        self.most_leaving = max(self.most_leaving, *leaving.values(), 0)
        assert len({one.vm for one in self.migrations[row]}) == len(self.migrations[row])


def test_going_back_is_ping_pong_and_staying_is_not():
    measures = Measures(replace(SHORT, cycles=1), 2, 3)
    for seed, vm, source, target in [
        (0, 0, 1, 2),
        (0, 0, 2, 1),
        (0, 1, 1, 2),
        (0, 1, 2, 3),
        (1, 0, 1, 1),
        (1, 0, 1, 1),
    ]:
        measures.moved(seed, vm, source, target, 2.5)
    figures = measures.outcome().figures
    assert figures["migrations"].tolist() == [4, 2]
    assert figures["ping_pong"].tolist() == [0.25, 0]
    assert figures["gib_moved"].tolist() == [10, 5]
    assert figures["most_moves_of_a_vm"].tolist() == [2, 2]


def test_spread_and_fairness_are_those_of_their_formulas():
    measures = Measures(replace(SHORT, cycles=2), 1, 1)
    nodes = np.array([[[0.2, 0.0, 0.5, 0.3], [0.6, 0.1, 0.5, 0.0], [1.3, 0.5, 0.5, 0.2]]])
    for cycle, sample in enumerate((nodes, nodes.mean(axis=1, keepdims=True).repeat(3, axis=1))):
        measures.cycle(cycle, sample)
        measures.tick(sample)
    outcome = measures.outcome()
    assert outcome.sigma[0, 0] == pytest.approx([100 * np.std([0.2, 0.6, 1.3]), 0, 100 * np.std([0.3, 0.1, 0.5])])
    assert outcome.sigma[0, 1] == pytest.approx([0, 0, 0], abs=1e-12)
    assert measures._jain[0, 0, 0] == pytest.approx(2.1**2 / (3 * (0.04 + 0.36 + 1.69)))
    assert measures._jain[0, 0, 2] == pytest.approx(0.9**2 / (3 * (0.09 + 0.01 + 0.25)))
    assert outcome.figures["overload_seconds"].tolist() == [15]
    assert outcome.figures["psi_seconds"] == pytest.approx([15 * 1.1 * 2])
    assert outcome.figures["overshoot"].tolist() == [0]


@pytest.mark.parametrize("high", [1.0, 10.0, 99.0])
def test_balanced_is_the_same_for_every_threshold(high):
    above = np.array([0.05, 0.15, 0.25]) * 3 / 2  # what the first of three nodes has more than the mean of all, ÷ 2/3
    measures = Measures(replace(SHORT, cycles=3, high=high, balanced_within=10.0), 3, 1)
    wider = Measures(replace(SHORT, cycles=3, high=high, balanced_within=20.0), 3, 1)
    nodes = np.zeros((3, 3, 4))
    nodes[:, :, (0, 2)] = 0.2
    nodes[:, 0, 0] += above
    for cycle in range(3):
        measures.cycle(cycle, nodes)
        wider.cycle(cycle, nodes)
    assert measures.outcome().figures["balanced"].tolist() == [1, 0, 0]
    assert wider.outcome().figures["balanced"].tolist() == [1, 1, 0]


def test_one_hot_node_comes_to_rest_with_the_defaults():
    outcome = emulate(SCENARIOS["hot-node"], K3, Settings(cycles=30), range(1, 6))
    assert (outcome.sigma[:, -1, 0] < outcome.sigma[:, 0, 0] / 2).all()
    assert outcome.evicted[:, -5:].sum() == 0


@pytest.mark.parametrize("scenario", ["balanced", "hot-node", "memory-heavy"])
def test_a_loop_with_the_default_score_comes_to_rest(scenario):
    policy = Settings(cycles=40, high=ALGORITHMS[DEFAULT_ALGORITHM].threshold)
    outcome = emulate(SCENARIOS[scenario], DEFAULT_ALGORITHM, policy, range(1, 11))
    assert outcome.figures["at_rest"].tolist() == [1] * 10
    assert outcome.figures["migrations"].max() <= 8
    assert (outcome.figures["sigma_memory"] < 12).all()
    assert (outcome.figures["sigma_cpu"] < 12).all()


def test_with_equal_requests_and_a_source_that_may_be_chosen_again_most_never_come_to_rest():
    prototype = Settings(cycles=30, requests="equal", exclude_source=False, create_first=False)
    outcome = emulate(SCENARIOS["hot-node"], K3, prototype, range(1, 6))
    assert (outcome.evicted[:, -5:].sum(axis=1) > 0).sum() >= 3
    assert (
        outcome.figures["migrations"].mean()
        > 2 * emulate(SCENARIOS["hot-node"], K3, Settings(cycles=30), range(1, 6)).figures["migrations"].mean()
    )


def test_an_interval_shorter_than_the_averaging_window_oscillates():
    calm, hasty = (emulate(SCENARIOS["hot-node"], K3, Settings(cycles=30, interval=s), range(1, 6)) for s in (120, 30))
    assert hasty.figures["sigma_cpu"].mean() > 1.5 * calm.figures["sigma_cpu"].mean()
    assert hasty.figures["overshoot"].mean() > calm.figures["overshoot"].mean()


def test_while_a_migration_lasts_both_nodes_bear_the_load():
    scenario = Scenario("two", [Node("a", vms=[VM("v", 0.5, 0.5), VM("w", 0.2, 0.1)]), Node("b")])
    slow = Settings(cycles=1, interval=60, bandwidth=0.1, jitter=0, max_total=1)
    run = Emulation(Cluster(scenario, slow, [1]), "max_metric")
    before = run._nodes[0, :, 0].copy()
    run.run()
    moved = run.migrations[0][0]
    load = (0.5, 0.2)[moved.vm]
    assert run._nodes[0, :, 0] == pytest.approx([*before[:1], before[1] + load])


def test_a_vm_that_starts_nowhere_gets_its_node_from_the_scheduler():
    scenario = Scenario("loose", [Node("a", vms=[VM("v", 0.5, 0.5)]), Node("b")], [VM("w", 0.2, 0.2)])
    assert Cluster(scenario, SHORT, [1]).place.tolist() == [[0, 1]]


def test_many_small_vms_find_room_and_move():
    small = [VM(f"vm-{number}", 0.004, 0.003) for number in range(1000)]
    nodes = [Node(name, vms=small[start : start + 240]) for name, start in (("a", 0), ("b", 240))]
    scenario = Scenario("small", [*nodes, Node("c"), Node("d"), Node("e")], small[480:])
    outcome = emulate(scenario, "max_metric", replace(SHORT, jitter=0), [1])
    assert outcome.figures["migrations"].tolist() > [0]
    assert outcome.figures["unplaced"].tolist() == [0]


def test_all_settings_that_cannot_be_used_at_once():
    with pytest.raises(InputError) as caught:
        Settings(cycles=0, interval=-1, high=101, jitter=1, requests="some", window=float("nan"))  # type: ignore[arg-type]
    assert [finding.path for finding in caught.value.findings] == [
        "interval", "window", "cycles", "high", "jitter", "requests", "interval",
    ]  # fmt: skip
