"""The VM controller on a real serf: a pod for each VM that runs, its status, budget and Events."""

from __future__ import annotations

import json

import pytest
from kwok_nodes import make_nodes, node
from waiting_for import eventually

from serflab.rebalance.names import CPU_CONSUMPTION, MEMORY_CONSUMPTION, SCHEDULABLE


def fail_pod(vms, name):
    patch = json.dumps({"status": {"phase": "Failed", "reason": "Crashed"}})
    vms.kubectl("patch", "pod", name, "--subresource=status", "--type=merge", "-p", patch)


def test_a_vm_gets_a_pod_a_status_a_budget_and_events(vms):
    vms.start()
    vms.create("vm-1", cpu="0.15", memory="0.2")
    vms.wait_running("vm-1")
    status, (pod,) = vms.status("vm-1"), vms.pods("vm-1")
    assert status["podName"] == pod["metadata"]["name"]
    assert status["nodeName"] == pod["spec"]["nodeName"]
    assert (status["cpuConsumption"], status["memoryConsumption"]) == ("0.15", "0.2")
    assert status["requests"] == pod["spec"]["containers"][0]["resources"]["requests"]
    assert status["createdAt"] == vms.get("vm", "vm-1")["metadata"]["creationTimestamp"]
    reasons = {item["type"]: (item["status"], item["reason"]) for item in status["conditions"]}
    assert reasons["PhaseRunning"] == ("True", "TransitionedToRunning")
    assert reasons["PhaseScheduling"] == ("False", "TransitionedToScheduling")
    assert set(reasons) == {"PhasePending", "PhaseScheduling", "PhaseScheduled", "PhaseRunning"}
    assert pod["metadata"]["ownerReferences"][0]["name"] == "vm-1"
    assert "descheduler.alpha.kubernetes.io/request-evict-only" in pod["metadata"]["annotations"]
    (budget,) = eventually(lambda: vms.get("pdb"))
    assert budget["spec"]["minAvailable"] == 1
    assert eventually(lambda: vms.get("pdb")[0].get("status", {}).get("currentHealthy"))
    eventually(lambda: vms.events("VirtualMachine", "vm-1") >= {"SuccessfulCreate", "Started"})
    assert vms.stop() == 0
    # As all programs of the loop tell it, so that their logs can be laid side by side.
    assert vms.log.read_text(encoding="utf-8").endswith("Z INFO stopped\n")


def test_what_a_vm_uses_shows_on_the_same_pod(vms):
    vms.start()
    vms.create("vm-1")
    vms.wait_running("vm-1")
    name = vms.status("vm-1")["podName"]
    vms.patch("vm-1", {"resources": {"cpu": "0.4", "memory": "0.3"}})
    shown = {CPU_CONSUMPTION: "0.4", MEMORY_CONSUMPTION: "0.3", "kwok.x-k8s.io/usage-cpu": "12800m"}
    eventually(lambda: shown.items() <= vms.get("pod", name)["metadata"]["annotations"].items())
    eventually(lambda: vms.status("vm-1")["cpuConsumption"] == "0.4")
    assert vms.status("vm-1")["podName"] == name


def test_a_vm_is_stopped_and_started_and_takes_its_pod_along(vms):
    vms.start()
    vms.create("vm-1", running=False)
    eventually(lambda: vms.status("vm-1").get("phase") == "Pending")
    assert vms.pods("vm-1") == []
    vms.patch("vm-1", {"running": True})
    vms.wait_running("vm-1")
    eventually(lambda: vms.get("pdb"))
    vms.patch("vm-1", {"running": False})
    eventually(lambda: not vms.pods("vm-1") and vms.status("vm-1")["phase"] == "Pending")
    assert (vms.status("vm-1")["podName"], vms.status("vm-1")["nodeName"]) == ("", "")
    eventually(lambda: not vms.get("pdb"))
    vms.patch("vm-1", {"running": True})
    vms.wait_running("vm-1")
    vms.kubectl("delete", "vm", "vm-1")
    eventually(lambda: not vms.pods("vm-1") and not vms.get("pdb"))


def test_a_pod_that_is_deleted_or_fails_is_made_anew(vms):
    vms.start("--time-scale=20")
    vms.create("vm-1")
    vms.wait_running("vm-1")
    first = vms.status("vm-1")["podName"]
    vms.kubectl("delete", "pod", first)
    eventually(lambda: vms.is_settled("vm-1") and vms.status("vm-1")["podName"] != first)
    second = vms.status("vm-1")["podName"]
    fail_pod(vms, second)
    failed = eventually(lambda: (status := vms.status("vm-1"))["phase"] == "Failed" and status)
    assert failed["startFailure"]["consecutiveFailCount"] == 1
    eventually(lambda: vms.is_settled("vm-1") and vms.status("vm-1")["podName"] != second)
    eventually(lambda: "startFailure" not in vms.status("vm-1"))
    eventually(lambda: "PodFailed" in vms.events("VirtualMachine", "vm-1") & vms.events("Pod", second))


def test_a_vm_that_fits_nowhere_says_why_until_there_is_room(vms, vm_serf):
    vms.start()
    vms.create("vm-1", cpu="1.5")
    told = eventually(lambda: (s := vms.status("vm-1")).get("phase") == "Scheduling" and s["conditions"][-1])
    eventually(lambda: "Insufficient cpu" in vms.status("vm-1")["conditions"][-1]["message"])
    assert (told["type"], told["status"]) == ("PhaseScheduling", "True")
    make_nodes(vm_serf, node("node-large", cpu="64"))
    try:
        vms.wait_running("vm-1")
        assert vms.status("vm-1")["nodeName"] == "node-large"
    finally:
        vms.kubectl("delete", "vm", "vm-1")
        vm_serf.kubectl("delete", "node", "node-large")


def test_a_vm_whose_node_vanishes_runs_elsewhere(vms, vm_serf):
    vms.start()
    make_nodes(vm_serf, node("node-brief"))
    others = ("node-a", "node-b", "node-c")
    for other in others:
        vm_serf.kubectl("cordon", other)
    try:
        vms.create("vm-1")
        vms.wait_running("vm-1")
        assert vms.status("vm-1")["nodeName"] == "node-brief"
    finally:
        for other in others:
            vm_serf.kubectl("uncordon", other)
        vm_serf.kubectl("delete", "node", "node-brief")
    vms.wait_moved("vm-1", "node-brief")


def test_requests_follow_the_spec_and_pods_stay_on_nodes_for_vms(vms, vm_serf):
    body = node("node-plain")
    del body["metadata"]["labels"][SCHEDULABLE]
    make_nodes(vm_serf, body)
    vms.start()
    names = [f"vm-{number}" for number in range(6)]
    vms.create(*names, requests={"cpu": "0.1", "memory": "0.25"})
    vms.wait_running(*names)
    assert {vms.status(name)["nodeName"] for name in names} <= {"node-a", "node-b", "node-c"}
    requests = vms.pods("vm-0")[0]["spec"]["containers"][0]["resources"]["requests"]
    assert requests == {"cpu": "3200m", "memory": "32Gi"}
    vm_serf.kubectl("delete", "node", "node-plain")


def test_admission_is_asked_before_the_budget(vms):
    """What the eviction webhook answers is heard although the budget of each VM forbids its eviction, too."""
    vms.start()
    vms.create("vm-1")
    vms.wait_running("vm-1")
    eventually(lambda: [item.get("status", {}).get("currentHealthy") for item in vms.get("pdb")] == [1])
    pod = vms.status("vm-1")["podName"]
    path = f"/api/v1/namespaces/{vms.namespace}/pods/{pod}/eviction"
    body = json.dumps({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}})

    def evict() -> str:
        with pytest.raises(AssertionError) as told:
            vms.serf.kubectl("create", "--raw", path, "-f", "-", stdin=body)
        return str(told.value)

    assert "disruption budget" in evict()
    name = f"refuse-{vms.namespace}"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods/eviction"]}
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": "false", "message": "asked first"}],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {
            "policyName": name,
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": vms.namespace}}},
        },
    }
    both = json.dumps({"apiVersion": "v1", "kind": "List", "items": [policy, binding]})
    vms.serf.kubectl("create", "-f", "-", stdin=both)
    try:
        eventually(lambda: "asked first" in evict())
    finally:
        vms.serf.kubectl("delete", "-f", "-", stdin=both)
