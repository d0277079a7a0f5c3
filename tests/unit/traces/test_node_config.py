"""Node modes: which nodes there are, and who goes where."""

from __future__ import annotations

import pytest

from serflab.traces.check import check_config
from serflab.traces.model import NodeSpec

BIG = {"cpu": "16", "memory": "60Gi"}


@pytest.fixture
def nodes(config):
    def load(node_config):
        return check_config(config | {"node_config": node_config}, "x")

    return load


@pytest.mark.parametrize("mode", ["single", "single_node"])
def test_single_puts_all_pods_on_one_node(nodes, mode):
    loaded = nodes({"mode": mode, "single_node": {"name": "only", "cpu": 4, "memory": "1Gi"}})
    assert loaded.nodes == (NodeSpec("only", 4000.0, 1024.0),)
    assert (loaded.node_for("shop"), loaded.node_for("data")) == ("only", "only")


@pytest.mark.parametrize("mode", ["per_namespace", "per_namespace_nodes"])
@pytest.mark.parametrize("section", ["per_namespace", "per_namespace_nodes", "nodes"])
@pytest.mark.parametrize(
    "entries",
    [
        {"data": {"name": "n2", "cpu": "2", "memory": "2Gi"}, "shop": {"name": "n1", "cpu": "1", "memory": "1Gi"}},
        [{"name": "n1", "cpu": "1", "memory": "1Gi"}, {"name": "n2", "cpu": "2", "memory": "2Gi"}],
        [
            {"namespace": "data", "name": "n2", "cpu": "2", "memory": "2Gi"},
            {"namespace": "shop", "name": "n1", "cpu": "1", "memory": "1Gi"},
        ],
    ],
)
def test_per_namespace_gives_each_namespace_its_node(nodes, mode, section, entries):
    loaded = nodes({"mode": mode, section: entries})
    assert loaded.nodes == (NodeSpec("n1", 1000.0, 1024.0), NodeSpec("n2", 2000.0, 2048.0))
    assert (loaded.node_for("shop"), loaded.node_for("data")) == ("n1", "n2")


def test_per_namespace_fills_in_what_is_not_said(nodes):
    loaded = nodes({"mode": "per_namespace", "nodes": {"data": {"cpu": "2"}}})
    assert loaded.nodes == (NodeSpec("shop-node", 16000.0, 61440.0), NodeSpec("data-node", 2000.0, 61440.0))


def test_a_pool_leaves_the_choice_to_the_scheduler(nodes):
    loaded = nodes({"mode": "pool", "pool": {"count": 3, **BIG}})
    assert [node.name for node in loaded.nodes] == ["emulation-node-1", "emulation-node-2", "emulation-node-3"]
    assert {(node.cpu_millicores, node.memory_mi) for node in loaded.nodes} == {(16000.0, 61440.0)}
    assert loaded.node_for("shop") is None


def test_a_pool_may_name_its_nodes(nodes):
    assert [node.name for node in nodes({"mode": "pool", "pool": {"count": 2, "name": "w", **BIG}}).nodes] == [
        "w-1",
        "w-2",
    ]


def test_sections_of_other_modes_may_stay(nodes, caplog):
    nodes({"mode": "pool", "pool": {"count": 1, **BIG}, "single_node": {"name": "unused", **BIG}})
    assert caplog.text == ""
