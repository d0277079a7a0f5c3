"""Migrations on a real serf: phases, limits, load on both nodes, failures, and a controller that is killed anywhere."""

from __future__ import annotations

import json

import pytest
from waiting_for import eventually

from serflab.rebalance.names import CPU_CONSUMPTION, EVICTION_IN_PROGRESS, MIGRATION_JOB

PHASES = ["Pending", "Scheduling", "Scheduled", "PreparingTarget", "TargetReady", "Running", "Succeeded"]
# 0.05 of 128 GiB at 64 MiB/s is 102 s: half a second, or for those who look on meanwhile, far too long to end.
QUICK, SLOW = ("--time-scale=200", "--pending-timeout=12000"), ("--time-scale=0.1",)


def passed(migration):
    return [item["phase"] for item in migration["status"]["phaseTransitionTimestamps"]]


@pytest.mark.parametrize("strategy", ["create-first", "delete-first"])
def test_an_evicted_vm_moves_and_the_migration_tells_how(vms, strategy):
    vms.start(*QUICK, f"--strategy={strategy}")
    vms.create("vm-1")
    vms.wait_running("vm-1")
    source = vms.evict("vm-1")
    vms.wait_moved("vm-1", source)
    (migration,) = eventually(lambda: vms.migrations("Succeeded"))
    state = migration["status"]["migrationState"]
    assert passed(migration) == PHASES
    assert state["sourceNode"] == source
    assert (state["targetNode"], state["targetPod"]) == (vms.status("vm-1")["nodeName"], vms.status("vm-1")["podName"])
    assert state["completed"] is True
    assert state["startTimestamp"] < state["expectedEndTimestamp"] <= state["endTimestamp"]
    assert vms.pods("vm-1")[0]["metadata"]["labels"][MIGRATION_JOB] == migration["metadata"]["uid"]
    eventually(lambda: vms.events("VirtualMachine", "vm-1") >= {"Migrating", "Migrated"})
    eventually(lambda: "Migrated" in vms.events("Pod", state["targetPod"]))


def test_both_pods_show_the_load_and_are_protected_while_it_lasts(vms):
    vms.start(*SLOW)
    vms.create("vm-1", cpu="0.25")
    vms.wait_running("vm-1")
    vms.evict("vm-1")
    eventually(lambda: vms.migrations("Running"))
    pods = vms.pods("vm-1")
    assert [pod["metadata"]["annotations"][CPU_CONSUMPTION] for pod in pods] == ["0.25", "0.25"]
    assert len({pod["spec"]["nodeName"] for pod in pods}) == 2
    marked = [pod["metadata"]["name"] for pod in pods if EVICTION_IN_PROGRESS in pod["metadata"]["annotations"]]
    assert marked == [vms.status("vm-1")["podName"]]
    eventually(lambda: [budget["spec"]["minAvailable"] for budget in vms.get("pdb")] == [2])
    vms.patch("vm-1", {"resources": {"cpu": "0.3"}})
    eventually(lambda: {pod["metadata"]["annotations"][CPU_CONSUMPTION] for pod in vms.pods("vm-1")} == {"0.3"})
    # Stopped in the middle of it, nothing is left of either.
    vms.patch("vm-1", {"running": False})
    eventually(lambda: not vms.pods("vm-1"))
    (failed,) = vms.migrations("Failed")
    assert failed["status"]["migrationState"]["failureReason"] == "the VM was stopped"
    assert "evacuationNodeName" not in vms.status("vm-1")


def test_at_most_two_out_of_a_node_and_three_in_the_cluster(vms, vm_serf):
    vms.start(*SLOW, "--max-migrations=3")
    crowd = [f"vm-{number}" for number in range(4)]
    for other in ("node-b", "node-c"):
        vm_serf.kubectl("cordon", other)
    vms.create(*crowd)
    vms.wait_running(*crowd)
    vm_serf.kubectl("uncordon", "node-b")
    vm_serf.kubectl("uncordon", "node-c")
    vm_serf.kubectl("cordon", "node-a")
    try:
        vms.create("vm-4", "vm-5")
        vms.wait_running("vm-4", "vm-5")
    finally:
        vm_serf.kubectl("uncordon", "node-a")
    for name in [*crowd, "vm-4", "vm-5"]:
        vms.evict(name)
    eventually(lambda: len(vms.migrations("Running")) == 3 and len(vms.migrations("Pending")) == 3)
    sources = [item["status"]["migrationState"]["sourceNode"] for item in vms.migrations("Running")]
    assert sources.count("node-a") == 2
    # Those that wait say for what, also in a table of kubectl.
    reasons = {
        "waits: 3 of 3 migrations in the cluster are under way",
        "waits: 2 of 2 migrations out of node-a are under way",
    }
    eventually(lambda: {item["status"].get("message") for item in vms.migrations("Pending")} <= reasons)
    assert vms.kubectl("get", "vmim").count(" are under way") == 3
    assert not [item for item in vms.migrations("Running") if "message" in item["status"]]
    # The next begins when one of them is over.
    first = next(item for item in vms.migrations("Running"))
    vms.kubectl("delete", "vm", first["spec"]["vmiName"])
    eventually(lambda: len(vms.migrations("Running")) == 3 and len(vms.migrations("Pending")) == 2)
    # With a quick controller all arrive, each in one pod.
    vms.stop()
    left = {*crowd, "vm-4", "vm-5"} - {first["spec"]["vmiName"]}
    for migration in vms.migrations("Running"):
        change = json.dumps({"status": {"migrationState": {"expectedEndTimestamp": "2026-01-01T00:00:00Z"}}})
        name = migration["metadata"]["name"]
        vms.kubectl("patch", "vmim", name, "--subresource=status", "--type=merge", "-p", change)
    vms.start(*QUICK, "--max-migrations=3")
    eventually(lambda: all(vms.is_settled(name) for name in left))
    assert len(vms.migrations("Succeeded")) == 5


def test_a_migration_without_room_fails_is_tried_again_and_given_up(vms, vm_serf):
    vms.start("--time-scale=200", "--max-attempts=2")
    vms.create("vm-1")
    vms.wait_running("vm-1")
    source = vms.status("vm-1")["nodeName"]
    others = {"node-a", "node-b", "node-c"} - {source}
    pod = vms.status("vm-1")["podName"]
    for other in others:
        vm_serf.kubectl("cordon", other)
    try:
        vms.evict("vm-1")
        failed = eventually(lambda: len(vms.migrations("Failed")) == 2 and vms.migrations("Failed"))
        eventually(lambda: vms.is_settled("vm-1"))
        reason = failed[0]["status"]["migrationState"]["failureReason"]
        assert "could not be started: 0/" in reason
        assert passed(failed[0]) == ["Pending", "Scheduling", "Failed"]
        assert vms.status("vm-1")["podName"] == pod
        assert EVICTION_IN_PROGRESS not in vms.pods("vm-1")[0]["metadata"]["annotations"]
        eventually(lambda: vms.events("VirtualMachine", "vm-1") >= {"FailedMigration", "EvacuationAborted"})
        eventually(lambda: "FailedMigration" in vms.events("Pod", pod))
    finally:
        for other in others:
            vm_serf.kubectl("uncordon", other)
    # The failures of the eviction that was given up do not count for the next one.
    vms.stop()
    vms.start(*QUICK, "--max-attempts=2")
    vms.evict("vm-1")
    vms.wait_moved("vm-1", source)


def test_a_person_asks_for_a_migration_to_a_node(vms):
    vms.start(*QUICK)
    vms.create("vm-1")
    vms.wait_running("vm-1")
    source = vms.status("vm-1")["nodeName"]
    target = max({"node-a", "node-b", "node-c"} - {source})
    migration = {
        "apiVersion": "simulation.node-classifier.io/v1alpha1",
        "kind": "VirtualMachineInstanceMigration",
        "metadata": {"generateName": "mine-"},
        "spec": {"vmiName": "vm-1", "addedNodeSelector": {"kubernetes.io/hostname": target}},
    }
    vms.kubectl("create", "-f", "-", stdin=json.dumps(migration))
    vms.wait_moved("vm-1", source)
    assert vms.status("vm-1")["nodeName"] == target


def test_a_mark_for_a_node_that_the_vm_is_not_on_goes_away(vms):
    vms.start(*QUICK)
    vms.create("vm-1")
    vms.wait_running("vm-1")
    pod = vms.status("vm-1")["podName"]
    vms.evict("vm-1", "node-of-old")
    eventually(lambda: vms.is_settled("vm-1"))
    assert (vms.migrations(), vms.status("vm-1")["podName"]) == ([], pod)


@pytest.mark.parametrize("victim", ["source", "target"])
def test_a_pod_that_vanishes_during_its_migration_costs_no_vm(vms, victim):
    vms.start(*SLOW)
    vms.create("vm-1")
    vms.wait_running("vm-1")
    source_node = vms.evict("vm-1")
    (migration,) = eventually(lambda: vms.migrations("Running"))
    state = migration["status"]["migrationState"]
    vms.kubectl("delete", "pod", state[f"{victim}Pod"])
    eventually(lambda: vms.migrations("Failed"))
    assert f"{victim} pod" in vms.migrations("Failed")[0]["status"]["migrationState"]["failureReason"]
    if victim == "source":
        vms.wait_moved("vm-1", source_node)
        assert vms.status("vm-1")["podName"] == state["targetPod"]
    else:
        assert vms.status("vm-1")["podName"] == state["sourcePod"]
        assert len(vms.pods("vm-1")) == 1


@pytest.mark.parametrize("moment", ["Pending", "Scheduling", "Running", "completed"])
def test_a_controller_that_is_killed_goes_on_where_it_was(vms, vm_serf, moment):
    """It is killed with SIGKILL in that state and started anew; the VM ends up in one pod, elsewhere."""
    vms.start(*SLOW)
    vms.create("vm-1")
    vms.wait_running("vm-1")
    source = vms.status("vm-1")["nodeName"]
    others = sorted({"node-a", "node-b", "node-c"} - {source})
    if moment == "Pending":
        vms.kill()
        vms.evict("vm-1")
    elif moment == "Scheduling":
        for other in others:
            vm_serf.kubectl("cordon", other)
        vms.evict("vm-1")
        eventually(lambda: vms.migrations("Scheduling") and len(vms.pods("vm-1")) == 2)
        vms.kill()
        for other in others:
            vm_serf.kubectl("uncordon", other)
    else:
        vms.evict("vm-1")
        (migration,) = eventually(lambda: vms.migrations("Running"))
        vms.kill()
        change = {"expectedEndTimestamp": "2026-01-01T00:00:00Z"}
        if moment == "completed":
            # Killed between two steps: the source is gone, and the VM's status still names it.
            change |= {"completed": True, "endTimestamp": "2026-01-01T00:00:00Z"}
            vms.kubectl("delete", "pod", migration["status"]["migrationState"]["sourcePod"])
        patch = json.dumps({"status": {"migrationState": change}})
        name = migration["metadata"]["name"]
        vms.kubectl("patch", "vmim", name, "--subresource=status", "--type=merge", "-p", patch)
    vms.start(*QUICK)
    vms.wait_moved("vm-1", source)
    assert [item["status"]["phase"] for item in vms.migrations()] == ["Succeeded"]
