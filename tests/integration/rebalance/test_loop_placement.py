"""Nodes and VMs of a loop on a serf that has others: each VM on its node, and only what the loop made goes with it."""

from __future__ import annotations

import asyncio

import pytest
from unheard import Silent

from serflab.kube.client import ApiClient
from serflab.kube.credentials import load_credentials
from serflab.rebalance.placement import clear, make_nodes, place, remove_nodes, unwanted_nodes
from serflab.rebalance.scenario import VM, Node, Scenario

NODES = [
    Node("node-a", vms=[VM("vm-1", 0.05, 0.05)]),
    Node("node-b"),
    Node("node-c"),
    Node("loop-b", vms=[VM("vm-2", 0.05, 0.05)]),
]


@pytest.fixture
def ask(vm_serf):
    """Return a function that asks the shared serf."""

    def asked(work):
        async def connected():
            async with ApiClient(load_credentials(vm_serf.kubeconfig)) as client:
                return await work(client)

        return asyncio.run(connected())

    return asked


@pytest.fixture
def placed(vms, ask):
    """VMs of a loop beside one of somebody else, on a node of the loop's and on one that was there before."""
    vms.start()
    vms.create("other")
    vms.wait_running("other")

    async def put(client):
        await make_nodes(client, NODES)
        return await place(client, Scenario("s", NODES), NODES, vms.namespace, Silent())

    assert ask(put) == 2
    vms.wait_running("vm-1", "vm-2")
    yield vms
    ask(remove_nodes)


def names(vms, kind):
    return {item["metadata"]["name"] for item in vms.get(kind)}


def test_each_vm_starts_on_its_node(placed):
    assert placed.status("vm-1")["nodeName"] == "node-a"
    assert placed.status("vm-2")["nodeName"] == "loop-b"


def test_the_vms_of_others_stay_and_are_counted(placed, ask):
    assert ask(lambda client: clear(client, placed.namespace)) >= 1
    assert names(placed, "vm") == {"other"}
    assert [pod["metadata"]["name"] for pod in placed.get("pod")] == [placed.status("other")["podName"]]


def test_nodes_that_were_left_cordoned_are_opened(placed, ask):
    placed.serf.kubectl("cordon", "loop-b")
    assert ask(lambda client: place(client, Scenario("s", NODES), NODES, placed.namespace, Silent())) == 0
    assert "unschedulable" not in placed.get("node", "loop-b")["spec"]


def test_a_node_that_was_there_before_takes_part_and_stays(placed, ask):
    assert ask(lambda client: unwanted_nodes(client, NODES)) == []
    assert ask(lambda client: unwanted_nodes(client, NODES[:1])) == ["loop-b"]
    assert ask(lambda client: remove_nodes(client, NODES)) == 0
    assert ask(remove_nodes) == 1
    left = names(placed, "node")
    assert "node-a" in left
    assert "loop-b" not in left
