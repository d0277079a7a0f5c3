"""The virtual node follows its provider: not Ready when it is away, its pods evicted by their tolerations, and back."""

from __future__ import annotations

import json

import pytest
from driver import QUOTAS, connected, disconnected, is_over, managing, offloaded, told, until

from serflab.offload import node_readiness
from serflab.offload.peering_commands import DISCONNECT, DRAIN, cordon, disconnect, drain, operation
from serflab.offload.peerings import connection, peering

READY = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
TAINTS = "jsonpath={.spec.taints[?(@.effect=='NoExecute')].key}"


@pytest.fixture(autouse=True)
def _hurry(monkeypatch):
    monkeypatch.setattr(node_readiness, "NOT_READY_SECONDS", 3.0)


def a_pod(name, **more):
    container = {"name": "app", "image": "x", "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}
    spec = {"containers": [container], "nodeSelector": {"kubernetes.io/hostname": "serf2"}, **more}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})


async def run_pods(serf, *bodies):
    for body in bodies:
        serf.kubectl("create", "-f", "-", stdin=body)
        name = json.loads(body)["metadata"]["name"]
        await told(serf, "get", "pod", name, "-o", READY, wanted="True")


async def test_a_provider_that_is_away_makes_its_node_not_ready_and_comes_back_without_a_duplicate(fleet_serfs):
    one, two = fleet_serfs["serf1"], fleet_serfs["serf2"]
    hasty = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1}
    async with managing(fleet_serfs) as manager:
        await connected(manager.fleet, "serf1", "serf2")
        await offloaded(one, "default")
        await run_pods(one, a_pod("patient"), a_pod("hasty", tolerations=[hasty]))
        two.stop("kube-apiserver")

        await told(one, "get", "node", "serf2", "-o", READY, wanted="False")
        assert connection(manager.fleet, peering(manager.fleet, "serf1", "serf2"))["state"] == "Error"
        await told(one, "get", "node", "serf2", "-o", TAINTS, wanted="node.kubernetes.io/not-ready")
        await told(one, "get", "pod", "patient", "-o", READY, wanted="False")
        deleted = "jsonpath={.metadata.deletionTimestamp}"
        await told(one, "get", "pod", "hasty", "-o", deleted, wanted=lambda text: text)
        assert not one.kubectl("get", "pod", "patient", "-o", deleted)

        two.start("kube-apiserver")
        await told(one, "get", "node", "serf2", "-o", READY, wanted="True")
        await told(one, "get", "node", "serf2", "-o", TAINTS, wanted=lambda text: "not-ready" not in text)
        await told(one, "get", "pod", "patient", "-o", READY, wanted="True")
        for serf, namespace in ((one, "default"), (two, "default-serf1")):
            pods = ("get", "pods", "-n", namespace, "-o", "name")
            await told(serf, *pods, wanted=lambda text: text.split() == ["pod/patient"])
        await disconnected(manager.fleet, "serf1", "serf2")


async def test_remote_pods_keep_running_while_their_consumer_is_down(fleet_serfs):
    one, two = fleet_serfs["serf1"], fleet_serfs["serf2"]
    async with managing(fleet_serfs) as manager:
        await connected(manager.fleet, "serf1", "serf2")
        await offloaded(one, "default")
        await run_pods(one, a_pod("lasting"))
        uid = ("get", "pod", "lasting", "-n", "default-serf1", "-o", "jsonpath={.metadata.uid} {.status.phase}")
        before = two.kubectl(*uid)
        one.stop("kube-apiserver")
        await until(lambda: not manager.fleet.reachable("serf1"), "the consumer is away")
    async with managing([two, fleet_serfs["serf3"]], fleet_serfs.topology) as manager:
        await until(lambda: manager.fleet.current("serf2") and manager.idle, "a manager that never saw it has looked")
        assert two.kubectl(*uid) == before
        assert two.kubectl("get", QUOTAS, "-A", "-o", "name") == "quota.offloading.liqo.io/serf2-serf1\n"
    one.start("kube-apiserver")
    async with managing(fleet_serfs) as manager:
        await until(lambda: manager.fleet.current("serf1"), "the consumer is back")
        await told(one, "get", "pod", "lasting", "-o", READY, wanted="True")
        assert two.kubectl(*uid) == before


async def test_a_peering_is_removed_as_far_as_it_can_be_reached_and_the_rest_when_the_provider_returns(fleet_serfs):
    one, two = fleet_serfs["serf1"], fleet_serfs["serf2"]
    async with managing(fleet_serfs) as manager:
        await connected(manager.fleet, "serf1", "serf2")
        await offloaded(one, "default")
        await run_pods(one, a_pod("short"))
        two.stop("kube-apiserver")
        await until(lambda: not manager.fleet.reachable("serf2"), "the provider is away")
        await disconnect(manager.fleet, "serf1", "serf2")
        await told(
            one, "get", "nodes,pods", "-o", "name", wanted=lambda text: text.split() == ["node/emulation-node-1"]
        )
        link = connection(manager.fleet, peering(manager.fleet, "serf1", "serf2"))
        assert link["state"] == "Removing"
        assert "serf2 does not answer" in link["message"]
        assert operation(manager.fleet, DISCONNECT, "serf1", "serf2")["state"] == "Running"
        two.start("kube-apiserver")
        await is_over(manager.fleet, DISCONNECT, "serf1", "serf2")
        await told(two, "get", "pods,namespaces,fc", "-A", "-o", "name", wanted=lambda text: "serf1" not in text)


async def test_cordon_keeps_pods_off_and_drain_empties_the_node(fleet_serfs):
    one, two = fleet_serfs["serf1"], fleet_serfs["serf2"]
    async with managing(fleet_serfs) as manager:
        await connected(manager.fleet, "serf1", "serf2")
        await offloaded(one, "default")
        await run_pods(one, a_pod("early"))
        assert (await cordon(manager.fleet, "serf1", "serf2", cordoned=True)).cordoned
        one.kubectl("create", "-f", "-", stdin=a_pod("late"))
        await told(one, "get", "pod", "late", "-o", "jsonpath={.status.conditions[0].reason}", wanted="Unschedulable")
        assert not (await cordon(manager.fleet, "serf1", "serf2", cordoned=False)).cordoned
        await told(one, "get", "pod", "late", "-o", READY, wanted="True")
        await drain(manager.fleet, "serf1", "serf2")
        await is_over(manager.fleet, DRAIN, "serf1", "serf2")
        assert one.kubectl("get", "pods", "-o", "name") == ""
        assert "SchedulingDisabled" in one.kubectl("get", "node", "serf2")
        await told(two, "get", "pods", "-n", "default-serf1", "-o", "name", wanted=lambda text: not text)
