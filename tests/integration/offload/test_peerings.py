"""A peering of two serfs: what it is made of, what `kubectl` shows of it, and that nothing of it is left in the end."""

from __future__ import annotations

import json

import pytest
from driver import QUOTAS, connected, disconnected, is_over, managing, objects, told, until

from serflab.kube.refusal import Refusal
from serflab.offload import peering_removal
from serflab.offload.peer_info import info
from serflab.offload.peering_commands import CONNECT, DISCONNECT, Ask, connect
from serflab.offload.peerings import connection, peering


def node(serf, name="serf2"):
    return json.loads(serf.kubectl("get", "node", name, "-o", "json"))


async def test_a_peering_appears_with_liqo_s_objects_and_goes_without_a_trace(fleet_serfs):
    one, two = fleet_serfs["serf1"], fleet_serfs["serf2"]
    async with managing(fleet_serfs) as manager:
        for serf in ("serf1", "serf2"):
            await manager.fleet.cluster(serf).enable()  # the custom resources stay, once they are there
        before = [objects(one), objects(two)]
        await connected(manager.fleet, "serf1", "serf2")
        made = set(objects(one)) - set(before[0])
        assert made == {
            "<none> ForeignCluster serf2",
            "<none> Namespace liqo-tenant-serf2",
            "<none> Node serf2",
            "kube-node-lease Lease serf2",
            "liqo-tenant-serf2 ResourceSlice serf2",
            "liqo-tenant-serf2 VirtualNode serf2",
        }
        assert "liqo-tenant-serf1 Quota serf2-serf1" in objects(two)
        await disconnected(manager.fleet, "serf1", "serf2")
        await until(lambda: objects(one) == before[0], "the consumer is as it was")
        await until(lambda: objects(two) == before[1], "the provider is as it was")


async def test_kubectl_knows_short_names_and_shows_liqo_s_columns(fleet_serfs):
    one, two = fleet_serfs["serf1"], fleet_serfs["serf2"]
    async with managing(fleet_serfs) as manager:
        await connected(manager.fleet, "serf1", "serf2", cpu="2")
        foreign = one.kubectl("get", "fc", "-o", "wide").split()
        assert foreign[:7] == ["NAME", "ROLE", "CLUSTERID", "AGE", "serf2", "Provider", "serf2"]
        rslice = one.kubectl("get", "rslice", "-A").split()
        assert rslice[:5] == ["NAMESPACE", "NAME", "AUTHENTICATION", "RESOURCES", "AGE"]
        assert rslice[5:9] == ["liqo-tenant-serf2", "serf2", "Accepted", "Accepted"]
        await told(one, "get", "vn", "-A", "-o", "wide", wanted=lambda text: text.split()[-2:] == ["Running"] * 2)
        assert two.kubectl("get", "fc", "serf1", "--no-headers").split()[:2] == ["serf1", "Consumer"]
        assert two.kubectl("get", "qt", "-A", "--no-headers").split()[:3] == [
            "liqo-tenant-serf1",
            "serf2-serf1",
            "None",
        ]
        assert one.kubectl("get", "node", "serf2", "--no-headers").split()[:3] == ["serf2", "Ready", "agent"]


async def test_the_virtual_node_is_liqo_s_and_has_the_capacity_of_the_slice(fleet_serfs):
    one = fleet_serfs["serf1"]
    async with managing(fleet_serfs) as manager:
        await connected(manager.fleet, "serf1", "serf2", cpu="2", memory="3Gi", pods="7")
        found = node(one)
        room = {"cpu": "2", "memory": "3Gi", "pods": "7"}
        assert found["status"]["capacity"] == found["status"]["allocatable"] == room
        labels = found["metadata"]["labels"]
        assert (labels["liqo.io/type"], labels["liqo.io/remote-cluster-id"]) == ("virtual-node", "serf2")
        taint = {"key": "virtual-node.liqo.io/not-allowed", "value": "true", "effect": "NoExecute"}
        # Kubernetes gives every new node one more until it has seen that it is ready.
        taints = ("get", "node", "serf2", "-o", "jsonpath={.spec.taints}")
        await told(one, *taints, wanted=lambda text: json.loads(text) == [taint])
        assert not any("kwok" in key for key in found["metadata"].get("annotations", {}))

        _, changed = await connect(manager.fleet, "serf1", "serf2", Ask({"cpu": "5"}))
        assert changed
        grown = {**room, "cpu": "5"}
        await told(
            one, "get", "node", "serf2", "-o", "json", wanted=lambda s: json.loads(s)["status"]["capacity"] == grown
        )
        quota = ("get", QUOTAS, "serf2-serf1", "-n", "liqo-tenant-serf1", "-o", "jsonpath={.spec.resources.cpu}")
        await told(fleet_serfs["serf2"], *quota, wanted="5")
        _, changed = await connect(manager.fleet, "serf1", "serf2", Ask({"cpu": "5"}))
        assert not changed


async def test_a_slice_larger_than_the_provider_is_denied_until_it_fits(fleet_serfs):
    one = fleet_serfs["serf1"]
    async with managing(fleet_serfs) as manager:
        await connect(manager.fleet, "serf1", "serf2", Ask({"cpu": "17"}))
        await is_over(manager.fleet, CONNECT, "serf1", "serf2", "Failed")
        link = connection(manager.fleet, peering(manager.fleet, "serf1", "serf2"))
        assert (link["state"], link["virtual_node"]) == ("Error", None)
        assert link["message"] == "asked for cpu 17; the provider's own nodes have 16"
        await told(one, "get", "rslice", "-A", "--no-headers", wanted="Denied")
        await connect(manager.fleet, "serf1", "serf2", Ask({"cpu": "16"}))
        await is_over(manager.fleet, CONNECT, "serf1", "serf2")
        assert node(one)["status"]["capacity"]["cpu"] == "16"


async def test_both_directions_are_two_peerings_that_share_their_foreign_clusters(fleet_serfs):
    one, two = fleet_serfs["serf1"], fleet_serfs["serf2"]
    role = ("get", "fc", "-o", "jsonpath={.items[*].status.role}")
    async with managing(fleet_serfs) as manager:
        await connected(manager.fleet, "serf1", "serf2")
        await connected(manager.fleet, "serf2", "serf1")
        for serf in (one, two):
            await told(serf, *role, wanted="ConsumerAndProvider")
        await disconnected(manager.fleet, "serf1", "serf2")
        await told(one, *role, wanted=lambda text: text == "Consumer")
        await told(two, *role, wanted=lambda text: text == "Provider")
        assert connection(manager.fleet, peering(manager.fleet, "serf2", "serf1"))["state"] == "Established"
        assert node(two, "serf1")["status"]["capacity"]["cpu"] == "4"
        await disconnected(manager.fleet, "serf2", "serf1")
        await told(one, "get", "fc,ns", "-o", "name", wanted=lambda text: "serf2" not in text)
        await told(two, "get", "fc,ns", "-o", "name", wanted=lambda text: "serf1" not in text)


async def test_whoever_deletes_the_slice_ends_the_peering_and_whoever_deletes_anything_else_does_not(fleet_serfs):
    one = fleet_serfs["serf1"]
    async with managing(fleet_serfs) as manager:
        await connected(manager.fleet, "serf1", "serf2")
        one.kubectl("delete", "node", "serf2")
        one.kubectl("delete", "fc", "serf2")
        one.kubectl("delete", "vn", "serf2", "-n", "liqo-tenant-serf2")
        fleet_serfs["serf2"].kubectl("delete", QUOTAS, "serf2-serf1", "-n", "liqo-tenant-serf1")
        await told(one, "get", "node,fc,vn", "-A", "-o", "name", wanted=lambda text: text.count("/serf2") == 3)
        await told(fleet_serfs["serf2"], "get", QUOTAS, "-A", "-o", "name", wanted="serf2-serf1")
        await is_over(manager.fleet, CONNECT, "serf1", "serf2")
        one.kubectl("delete", "rslice", "serf2", "-n", "liqo-tenant-serf2", "--wait=false")
        await is_over(manager.fleet, DISCONNECT, "serf1", "serf2")
        await told(one, "get", "node,fc,vn", "-A", "-o", "name", wanted=lambda text: "/serf2" not in text)


async def test_a_slice_that_somebody_makes_with_kubectl_begins_a_peering(fleet_serfs):
    one = fleet_serfs["serf1"]
    async with managing(fleet_serfs) as manager:
        await connected(manager.fleet, "serf1", "serf3")
        one.kubectl("create", "namespace", "liqo-tenant-serf2")
        body = {
            "apiVersion": "authentication.liqo.io/v1beta1",
            "kind": "ResourceSlice",
            "metadata": {"name": "serf2", "namespace": "liqo-tenant-serf2"},
            "spec": {"class": "default", "providerClusterID": "serf2"},
        }
        one.kubectl("create", "-f", "-", stdin=json.dumps(body))
        await until(lambda: peering(manager.fleet, "serf1", "serf2"), "the slice is seen")
        await is_over(manager.fleet, CONNECT, "serf1", "serf2")
        assert node(one)["status"]["capacity"] == {"cpu": "4", "memory": "8Gi", "pods": "110"}
        await disconnected(manager.fleet, "serf1", "serf2")


async def test_a_connect_that_was_killed_half_way_leaves_nothing_when_nobody_asks_again(fleet_serfs, monkeypatch):
    monkeypatch.setattr(peering_removal, "GRACE_SECONDS", 1.0)
    one = fleet_serfs["serf1"]
    async with managing(fleet_serfs) as manager:
        await connected(manager.fleet, "serf1", "serf3")
        labels = {"liqo.io/tenant-namespace": "true", "app.kubernetes.io/managed-by": "serflab"}
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "liqo-tenant-serf2", "labels": labels}}
        one.kubectl("create", "-f", "-", stdin=json.dumps(body))
        await told(one, "get", "ns", "-o", "name", wanted=lambda text: "liqo-tenant-serf2" not in text)


async def test_info_tells_what_liqoctl_tells(fleet_serfs):
    async with managing(fleet_serfs) as manager:
        await connected(manager.fleet, "serf1", "serf2")
        (peer,) = info(manager.fleet, "serf1")["peerings"]
        statuses = [peer[f"{name}Status"] for name in ("networking", "authentication", "offloading")]
        assert (peer["clusterID"], peer["role"], statuses) == ("serf2", "Provider", ["Healthy"] * 3)
        (peer,) = info(manager.fleet, "serf2")["peerings"]
        statuses = [peer[f"{name}Status"] for name in ("networking", "authentication", "offloading")]
        assert (peer["role"], statuses) == ("Consumer", ["Healthy", "Healthy", "Disabled"])


async def test_names_that_are_no_serfs_are_refused_with_the_nearest(fleet_serfs):
    async with managing(fleet_serfs) as manager:
        with pytest.raises(Refusal) as caught:
            await connect(manager.fleet, "serf1", "serf22", Ask())
        assert (caught.value.status, caught.value.code) == (404, "unknown_node")
        assert "serf2" in caught.value.details["nearest"]
