"""What the exporter keeps of a cluster, told by events as its watches have them."""

from __future__ import annotations

import pytest
from cluster_stand_in import ClusterStandIn

from serflab.kube.watch import Event, EventKind
from serflab.rebalance.cluster_load import ClusterLoad, node_size
from serflab.rebalance.names import CPU_CONSUMPTION, MEMORY_CONSUMPTION


@pytest.fixture
def renewed():
    return []


@pytest.fixture
def load(renewed):
    return ClusterLoad(ClusterStandIn(), namespace="", stale_after=30, on_change=lambda: renewed.append(True))


def node(cpu="32", **told):
    return {"metadata": {"name": "node-a", **told}, "status": {"capacity": {"cpu": cpu, "memory": "128Gi"}}}


def pod(namespace, cpu, **told):
    annotations = {CPU_CONSUMPTION: cpu, MEMORY_CONSUMPTION: "0.1"}
    metadata = {"namespace": namespace, "name": "virt-launcher-vm-1-x", "annotations": annotations, **told}
    return {"metadata": metadata, "spec": {"nodeName": "node-a"}}


def test_a_node_that_gets_another_size_is_shown_and_its_heartbeats_change_nothing(load, renewed):
    def tell(kind, body):
        load._node_changed(Event(kind, 1, ("", "node-a"), node_size(body) if body else None))
        count = len(renewed)
        renewed.clear()
        return count

    assert tell(EventKind.ADDED, node()) == 1
    assert tell(EventKind.MODIFIED, node(annotations={"heartbeat": "1"})) == 0
    assert tell(EventKind.MODIFIED, node(cpu="16")) == 1
    assert tell(EventKind.MODIFIED, node(cpu="16")) == 0
    assert tell(EventKind.BOOKMARK, None) == 0
    assert tell(EventKind.DELETED, None) == 1
    assert tell(EventKind.LISTED, None) == 1


def test_pods_of_the_same_name_in_two_namespaces_are_two(load, caplog):
    for namespace in ("one", "two", "two"):
        load._load(pod(namespace, "nonsense"))
    assert load.unreadable == 2
    assert caplog.text.count("counts as a VM without load") == 2
    load._load(pod("one", "0.1"))
    load._load(pod("one", "nonsense", deletionTimestamp="2026-01-01T00:00:00Z"))
    assert load.unreadable == 1
