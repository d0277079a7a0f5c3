"""What is published of nodes: sums, ratios of each node's own capacity, pressure, and the text for Prometheus."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from serflab.rebalance.cluster_load import node_size
from serflab.rebalance.node_exposition import NODE_METRICS, node_lines
from serflab.rebalance.node_load import NodeFigures, NodeSize, VMLoad, node_figures
from serflab.rebalance.psi import node_pressures
from serflab.rebalance.scenario import demand

LOADS = [("vm-1", "a", 0.25, 0.5), ("vm-2", "a", 0.75, 0.25), ("vm-3", "b", 0.5, 0.25), ("vm-4", "elsewhere", 1.0, 1.0)]


def figures(sizes, formula="expected-wait"):
    loads = [VMLoad.of(name, node, demand(cpu, memory)) for name, node, cpu, memory in LOADS]
    return node_figures(loads, sizes, formula)


def test_usage_is_a_ratio_of_the_nodes_own_capacity():
    found = figures({"a": NodeSize(), "b": NodeSize(16, 64), "empty": NodeSize()})
    assert (found["a"].cpu_usage, found["a"].memory_usage, found["a"].vms) == (1.0, 0.75, 2)
    assert (found["b"].cpu_usage, found["b"].memory_usage, found["b"].vms) == (1.0, 0.5, 1)
    assert found["empty"] == NodeFigures(0.0, 0.0, 0.0, 0.0, 0)


@pytest.mark.parametrize("formula", ["expected-wait", "knee", "none"])
def test_pressure_is_that_of_all_vms_of_the_node(formula):
    found = figures({"a": NodeSize(24, 64)}, formula)["a"]
    expected = node_pressures([demand(0.25, 0.5), demand(0.75, 0.25)], 24, 64, formula)
    assert (found.cpu_pressure, found.memory_pressure) == pytest.approx(expected)
    assert (found.cpu_pressure > 0) == (formula != "none")


def test_without_any_vm_or_node_there_is_nothing_to_add_up():
    assert node_figures([], {"a": NodeSize()}) == {"a": NodeFigures(0.0, 0.0, 0.0, 0.0, 0)}
    assert node_figures([], {}) == {}


def test_the_text_names_the_node_twice_and_escapes_it():
    lines = list(node_lines({'odd"name': NodeFigures(1.5, 0.25, 0.5, 0.125, 3)}))
    families = {family.name: family for family in text_string_to_metric_families("\n".join(lines) + "\n")}
    assert list(families) == [name for name, _ in NODE_METRICS]
    values = [family.samples[0].value for family in families.values()]
    assert values == [1.5, 0.25, 0.5, 0.125, 3]
    assert families["node_vm_count"].samples[0].labels == {"node": 'odd"name', "instance": 'odd"name'}
    assert list(node_lines({})) == []


@pytest.mark.parametrize(
    ("capacity", "size"),
    [
        ({"cpu": "48", "memory": "192Gi"}, NodeSize(48, 192)),
        ({"cpu": "500m"}, NodeSize(0.5, 128)),
        ({}, NodeSize(32, 128)),
        ({"cpu": "0", "memory": "0"}, NodeSize(32, 128)),
        ({"cpu": "many"}, NodeSize(32, 128)),
    ],
)
def test_a_node_that_does_not_tell_its_size_is_a_reference_node(capacity, size):
    assert node_size({"metadata": {"name": "a"}, "status": {"capacity": capacity}}) == size


def test_nodes_with_the_same_vms_have_the_same_figures_in_whatever_order_they_come():
    uses = [0.1, 0.2, 0.3]
    assert sum(uses) != sum(reversed(uses))
    loads = [VMLoad.of("vm", "a", demand(use, use)) for use in uses]
    loads += [VMLoad.of("vm", "b", demand(use, use)) for use in reversed(uses)]
    found = node_figures(loads, {"a": NodeSize(), "b": NodeSize()})
    assert found["a"] == found["b"]
