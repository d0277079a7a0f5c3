"""The admission policies on a real API server: what is refused, what goes on working, and what is filled in."""

from __future__ import annotations

import asyncio
import json

import pytest
from rebalance_program import RebalanceProgram
from vms_of_tests import simulated
from waiting_for import eventually

from serflab.kube.client import ApiClient, ApiError
from serflab.kube.credentials import load_credentials
from serflab.rebalance import admission
from serflab.rebalance.launchers import delete
from serflab.rebalance.names import CPU_CONSUMPTION, EVICT_ONLY, VM_CPU_CONSUMPTION
from serflab.rebalance.pods import PodManager
from serflab.rebalance.virtual_machines import VMManager


def run(serf, work):
    async def connected():
        async with ApiClient(load_credentials(serf.kubeconfig)) as client:
            return await work(client)

    return asyncio.run(connected())


@pytest.fixture(scope="module")
def policies(vm_serf):
    """The policies, in force."""
    run(vm_serf, admission.install)
    yield
    run(vm_serf, admission.remove)
    found = json.loads(vm_serf.kubectl("get", "validatingadmissionpolicy,mutatingadmissionpolicy", "-o", "json"))
    assert [item["metadata"]["name"] for item in found["items"] if "node-classifier" in item["metadata"]["name"]] == []


@pytest.fixture
def running_vm(policies, vm_serf, namespace, objects):  # noqa: ARG001 - they are to be in force
    """A VM that runs: its name and that of its pod."""
    pods = PodManager(namespace, kubeconfig=vm_serf.kubeconfig, create_vm_crs=True)
    pod = pods.create_pod(simulated("vm-1"))
    eventually(lambda: objects("pod", pod)["status"].get("phase") == "Running")
    pods.update_vm_node_assignments([simulated("vm-1")])
    assert objects("vm", "vm-1")["status"]["phase"] == "Running"
    return "vm-1", pod


@pytest.fixture
def kubectl(vm_serf, namespace):
    def call(*arguments):
        return run(vm_serf, lambda client: _answer(client, *arguments))

    async def _answer(client, method, path, body=None):
        try:
            await client.request(method, f"{path.format(ns=namespace)}", body=body)
        except ApiError as error:
            return error.status, error.text
        return 200, ""

    return call


VM = "/apis/simulation.node-classifier.io/v1alpha1/namespaces/{ns}/virtualmachines/vm-1"


@pytest.mark.usefixtures("policies")
def test_the_types_in_the_policies_are_right(vm_serf):
    def checked():
        found = json.loads(vm_serf.kubectl("get", "validatingadmissionpolicy", "-o", "json"))["items"]
        ours = [item for item in found if "node-classifier" in item["metadata"]["name"]]
        done = [item for item in ours if item.get("status", {}).get("observedGeneration") is not None]
        return ours if len(done) == len(ours) == 2 else None

    for policy in eventually(checked):
        assert policy["status"].get("typeChecking", {}).get("expressionWarnings", []) == []


def test_nobody_deletes_a_running_vm_or_its_pod_by_mistake(running_vm, kubectl, objects):
    _, pod = running_vm
    status, message = kubectl("DELETE", VM)
    assert (status, "VM vm-1 is running; stop it first" in message) == (403, True)
    status, message = kubectl("DELETE", "/api/v1/namespaces/{ns}/pods/" + pod)
    assert (status, f"pod {pod} runs a VM; evict it" in message) == (403, True)
    assert kubectl("DELETE", "/api/v1/namespaces/{ns}/pods")[0] == 403
    assert kubectl("DELETE", VM.removesuffix("/vm-1"))[0] == 403
    assert kubectl("DELETE", VM + "?dryRun=All")[0] == 403
    assert "deletionTimestamp" not in objects("pod", pod)["metadata"]
    assert "deletionTimestamp" not in objects("vm", "vm-1")["metadata"]


def test_who_is_to_deletes_it(running_vm, vm_serf, namespace, objects):
    _, pod = running_vm
    run(vm_serf, lambda client: delete(client, objects("pod", pod)))
    eventually(lambda: objects("pod") == [])
    assert VMManager(namespace, kubeconfig=vm_serf.kubeconfig).cleanup_all_vms() == 1


@pytest.mark.usefixtures("running_vm")
def test_a_stopped_vm_takes_its_pod_along(vm_serf, namespace, kubectl, objects):
    vm_serf.kubectl("-n", namespace, "patch", "vm", "vm-1", "--type=merge", "-p", '{"spec":{"running":false}}')
    assert kubectl("DELETE", VM)[0] == 200
    eventually(lambda: objects("pod") == [])


@pytest.mark.usefixtures("running_vm")
def test_a_namespace_goes_with_the_vms_in_it(vm_serf, namespace):
    vm_serf.kubectl("delete", "namespace", namespace, "--wait=false")
    eventually(lambda: not vm_serf.kubectl("get", "namespace", namespace, "--ignore-not-found", "-o", "name"))
    vm_serf.kubectl("create", "namespace", namespace)


@pytest.mark.usefixtures("policies")
def test_the_annotations_are_filled_in_where_they_are_missing(vm_serf, namespace, objects):
    body = {
        "apiVersion": "simulation.node-classifier.io/v1alpha1",
        "kind": "VirtualMachine",
        "metadata": {"name": "bare", "namespace": namespace},
        "spec": {"resources": {"cpu": "0.15", "memory": "0.2"}, "running": False},
    }
    vm_serf.kubectl("create", "-f", "-", stdin=json.dumps(body))
    assert objects("vm", "bare")["metadata"]["annotations"][VM_CPU_CONSUMPTION] == "0.15"
    body["metadata"] |= {"name": "own", "annotations": {VM_CPU_CONSUMPTION: "0.1", "other": "kept"}}
    vm_serf.kubectl("create", "-f", "-", stdin=json.dumps(body))
    annotations = objects("vm", "own")["metadata"]["annotations"]
    assert (annotations[VM_CPU_CONSUMPTION], annotations["other"]) == ("0.1", "kept")

    labels = {"kubevirt.io": "virt-launcher", "kubevirt.io/domain": "bare"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "virt-launcher-bare-x", "namespace": namespace, "labels": labels},
        "spec": {"containers": [{"name": "compute", "image": "vm"}]},
    }
    pod["metadata"]["annotations"] = {CPU_CONSUMPTION: "0.15"}
    eventually(lambda: vm_serf.kubectl("create", "-f", "-", stdin=json.dumps(pod), check=False))
    annotations = objects("pod", "virt-launcher-bare-x")["metadata"]["annotations"]
    assert annotations == {CPU_CONSUMPTION: "0.15", EVICT_ONLY: "", "kubevirt.io/domain": "bare"}


def test_by_the_command_line(vm_serf, tmp_path):
    kubeconfig = f"--kubeconfig={vm_serf.kubeconfig}"
    for arguments, told in (
        (["--print"], "kind: ValidatingAdmissionPolicy"),
        ([kubeconfig, "--dry-run"], "would be in force"),
        ([kubeconfig], "virt-launchers.simulation.node-classifier.io in force"),
        ([kubeconfig, "--remove"], "removed"),
        ([kubeconfig, "--remove"], "removed"),
    ):
        log = tmp_path / "-".join(arguments).replace("/", "_")[-40:]
        program = RebalanceProgram(log, "admission", *arguments)
        assert program.process.wait(timeout=60) == 0, program.log()
        assert told in program.log()
