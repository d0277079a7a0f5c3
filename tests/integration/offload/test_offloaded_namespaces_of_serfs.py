"""NamespaceOffloadings on real serfs: where the twins are, what becomes of people's pods, and the end of it."""

from __future__ import annotations

import json

from driver import connected, managing, offloaded, told

PHASE = "jsonpath={.status.offloadingPhase}"


async def test_a_namespace_has_a_twin_in_every_provider_that_is_selected(fleet_serfs):
    one, two, three = fleet_serfs
    terms = [{"matchExpressions": [{"key": "liqo.io/remote-cluster-id", "operator": "In", "values": ["serf2"]}]}]
    async with managing(fleet_serfs) as manager:
        await connected(manager.fleet, "serf1", "serf2")
        one.kubectl("create", "namespace", "shop")
        await offloaded(one, "shop")
        await told(
            two,
            "get",
            "ns",
            "shop-serf1",
            "-o",
            "jsonpath={.metadata.labels}",
            wanted='"offloading.liqo.io/origin":"serf1"',
        )
        await connected(manager.fleet, "serf1", "serf3")
        await told(three, "get", "ns", "-o", "name", wanted="shop-serf1")
        selector = json.dumps({"spec": {"clusterSelector": {"nodeSelectorTerms": terms}}})
        one.kubectl("patch", "nso", "offloading", "-n", "shop", "--type=merge", "-p", selector)
        await told(three, "get", "ns", "-o", "name", wanted=lambda text: "shop-serf1" not in text)
        asked = "jsonpath={.status.remoteNamespacesConditions.serf3[0].reason}"
        await told(one, "get", "nso", "offloading", "-n", "shop", "-o", asked, wanted="ClusterNotSelected")
        one.kubectl("delete", "nso", "offloading", "-n", "shop", "--wait=false")
        await told(one, "get", "nso", "-A", "-o", "name", wanted=lambda text: not text)
        assert "shop-serf1" not in two.kubectl("get", "ns", "-o", "name")
        labels = one.kubectl("get", "ns", "shop", "-o", "jsonpath={.metadata.labels}")
        assert "liqo" not in labels
        assert "serflab" not in one.kubectl("get", "mutatingadmissionpolicies", "-o", "name")


async def test_a_name_that_is_taken_in_the_provider_fails_with_a_reason(fleet_serfs):
    one, two, _ = fleet_serfs
    two.kubectl("create", "namespace", "mine")
    async with managing(fleet_serfs) as manager:
        await connected(manager.fleet, "serf1", "serf2")
        one.kubectl("create", "namespace", "mine")
        await offloaded(one, "mine", phase="AllFailed", namespaceMappingStrategy="EnforceSameName")
        told_why = "jsonpath={.status.remoteNamespacesConditions.serf2[1].reason}"
        await told(one, "get", "nso", "offloading", "-n", "mine", "-o", told_why, wanted="CreationLoopBackOff")
        await connected(manager.fleet, "serf1", "serf3")
        await told(one, "get", "nso", "offloading", "-n", "mine", "-o", PHASE, wanted="SomeFailed")
        one.kubectl("delete", "nso", "offloading", "-n", "mine", "--wait=false")
        await told(one, "get", "nso", "-A", "-o", "name", wanted=lambda text: not text)
        assert "namespace/mine" in two.kubectl("get", "ns", "-o", "name"), "it is not ours to remove"
        one.kubectl("create", "namespace", "yours")
        await offloaded(one, "yours", namespaceMappingStrategy="SelectedName", remoteNamespaceName="chosen")
        assert "namespace/chosen" in two.kubectl("get", "ns", "-o", "name")


def spec_of(serf, namespace, **spec):
    body = {"containers": [{"name": "app", "image": "x"}], **spec}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": namespace}, "spec": body}
    return json.loads(serf.kubectl("create", "-f", "-", "--dry-run=server", "-o", "json", stdin=json.dumps(pod)))[
        "spec"
    ]


def tolerates(spec):
    return any(item.get("key") == "virtual-node.liqo.io/not-allowed" for item in spec["tolerations"])


def terms(spec):
    node = spec.get("affinity", {}).get("nodeAffinity", {})
    found = node.get("requiredDuringSchedulingIgnoredDuringExecution", {}).get("nodeSelectorTerms", [])
    return [
        [(item["key"], item["operator"], tuple(item["values"])) for item in term["matchExpressions"]] for term in found
    ]


async def test_the_strategy_decides_where_people_s_pods_may_run(fleet_serfs):
    one, *_ = fleet_serfs
    async with managing(fleet_serfs) as manager:
        await connected(manager.fleet, "serf1", "serf2")
        for namespace, strategy in (("any", "LocalAndRemote"), ("away", "Remote"), ("here", "Local")):
            one.kubectl("create", "namespace", namespace)
            await offloaded(one, namespace, podOffloadingStrategy=strategy)
        await told(one, "get", "ns", "away", "-o", "jsonpath={.metadata.annotations}", wanted="selected-clusters")

        def made(namespace, **spec):
            return spec_of(one, namespace, **spec)

        # A policy is in force a moment after it was made.
        await told(
            one, "get", "ns", "any", "-o", "name", wanted=lambda _: tolerates(made("any")) and terms(made("away"))
        )
        assert terms(made("any")) == []
        assert tolerates(made("away"))
        assert terms(made("away")) == [[("liqo.io/remote-cluster-id", "In", ("serf2",))]]
        own = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}]}
        affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": own}}
        both = [[("disk", "In", ("ssd",)), ("liqo.io/remote-cluster-id", "In", ("serf2",))]]
        assert terms(made("away", affinity=affinity)) == both
        assert not tolerates(made("here"))
        assert not tolerates(made("default"))
