"""What becomes of an eviction, in KubeVirt's words."""

from __future__ import annotations

import pytest

from serflab.rebalance.eviction import ALLOWED, Verdict, is_dry_run, judge, requested_by, vm_of_launcher

TRIGGERED = 'Eviction triggered evacuation of VMI "ns/vm-1"'


def pod(node="node-a", phase="Running", labels=None):
    labels = {"kubevirt.io": "virt-launcher"} if labels is None else labels
    metadata = {"name": "virt-launcher-vm-1-x", "labels": labels, "annotations": {"kubevirt.io/domain": "vm-1"}}
    return {"metadata": metadata, "spec": {"nodeName": node}, "status": {"phase": phase}}


def vm(strategy=None, migratable="True", **status):
    spec = {"evictionStrategy": strategy} if strategy else {}
    conditions = [{"type": "LiveMigratable", "status": migratable}]
    return {
        "metadata": {"namespace": "ns", "name": "vm-1"},
        "spec": spec,
        "status": {"nodeName": "node-a", "conditions": conditions, **status},
    }


@pytest.mark.parametrize("default", ["LiveMigrate", "LiveMigrateIfPossible", "External"])
def test_a_vm_without_a_strategy_has_that_of_the_webhook(default):
    assert judge(pod(), vm(), default) == Verdict(allowed=False, message=TRIGGERED, mark="node-a")
    assert judge(pod(), vm("None"), default) == ALLOWED
    assert judge(pod(), vm(default), "None").mark == "node-a"


def test_a_vm_that_is_marked_is_not_marked_again():
    verdict = judge(pod(), vm(evacuationNodeName="node-a"))
    assert verdict == Verdict(allowed=False, message=f"Evacuation in progress: {TRIGGERED}")


@pytest.mark.parametrize("node", ["node-b", "", None])
def test_the_pod_elsewhere_than_the_vm_is_the_target_of_a_migration(node):
    assert judge(pod(), vm(nodeName=node)) == Verdict(allowed=False, message="Eviction request for target Pod")


@pytest.mark.parametrize("node", ["", None])
def test_a_pod_without_a_node_is_evicted_for_there_is_nothing_to_migrate(node):
    """Refused in the words of an evacuation, it would be one that never comes: there is no node to leave."""
    assert judge(pod(node), vm(nodeName=node)) == ALLOWED
    assert judge(pod(node), vm(nodeName="node-b")).message == "Eviction request for target Pod"
    assert not judge(pod(node), vm("LiveMigrate", "False", nodeName=node)).allowed


def test_what_cannot_migrate_is_ended_only_where_its_strategy_says_so():
    refusal = "VMI vm-1 is configured with an eviction strategy but is not live-migratable"
    assert judge(pod(), vm("LiveMigrate", "False")) == Verdict(allowed=False, message=refusal)
    assert judge(pod(), vm("LiveMigrateIfPossible", "False")) == ALLOWED
    assert judge(pod(), vm("External", "False")).mark == "node-a"
    assert judge(pod(), vm("LiveMigrate", "Unknown")).mark == "node-a"


def test_only_pods_of_vms_that_have_not_ended_count():
    assert vm_of_launcher(pod()) == "vm-1"
    assert vm_of_launcher(pod(phase="Failed")) == vm_of_launcher(pod(phase="Succeeded")) == ""
    assert vm_of_launcher(pod(labels={})) == ""


def test_a_dry_run_is_one_by_its_query_or_by_its_own_options():
    assert is_dry_run({"dryRun": True})
    assert is_dry_run({"dryRun": False, "object": {"deleteOptions": {"dryRun": ["All"]}}})
    assert not is_dry_run({"dryRun": False, "object": {"deleteOptions": {}}})
    assert not is_dry_run({})


def test_who_asks():
    annotated = {"object": {"metadata": {"annotations": {"requested-by": "sigs.k8s.io/descheduler"}}}}
    assert requested_by(annotated) == "sigs.k8s.io/descheduler"
    assert requested_by({"userInfo": {"username": "anna"}}) == "anna"
    assert requested_by({}) == "somebody"
