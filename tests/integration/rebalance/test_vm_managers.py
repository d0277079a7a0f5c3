"""`VMManager` and `PodManager` on a real serf, without a controller, and the examples in their documentation."""

from __future__ import annotations

import doctest
from types import SimpleNamespace

import pytest
from waiting_for import eventually

from serflab.errors import SerflabError
from serflab.rebalance import bodies, pods, virtual_machines
from serflab.rebalance.names import CPU_CONSUMPTION, MEMORY_CONSUMPTION
from serflab.rebalance.pods import PodManager
from serflab.rebalance.virtual_machines import VMManager


def vm(name: str, cpu: float = 0.1, memory: float = 0.1) -> SimpleNamespace:
    return SimpleNamespace(id=name, cpu_consumption=cpu, memory_consumption=memory, scheduled_node="", pod_name="")


@pytest.fixture
def manager(vm_serf, namespace):
    return VMManager(namespace, kubeconfig=vm_serf.kubeconfig)


@pytest.fixture
def pod_manager(vm_serf, namespace):
    return PodManager(namespace, kubeconfig=vm_serf.kubeconfig, timeout=10)


@pytest.fixture
def with_vms(vm_serf, namespace):
    return PodManager(namespace, kubeconfig=vm_serf.kubeconfig, create_vm_crs=True)


def test_examples_of_the_documentation(vm_serf, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(vm_serf.kubeconfig))
    vm_serf.kubectl("create", "namespace", "demo")
    try:
        for module in (bodies, pods, virtual_machines):
            result = doctest.testmod(module)
            assert (result.attempted > 0, result.failed) == (True, 0), module.__name__
    finally:
        vm_serf.kubectl("delete", "namespace", "demo", "--wait=false")


def test_vms_are_made_told_of_and_removed(manager):
    assert manager.create_vms([vm(f"vm-{number}") for number in range(3)]) == 3
    assert [item["metadata"]["name"] for item in manager.list_vms()] == ["vm-0", "vm-1", "vm-2"]
    assert manager.get_vm_status("vm-0").phase == "Pending"
    assert manager.create_vm(vm("vm-0", 0.5))["spec"]["resources"]["cpu"] == "0.5"
    assert manager.delete_vm("vm-2")
    assert not manager.delete_vm("vm-2")
    assert manager.cleanup_all_vms() == 2
    assert manager.get_vm_status("vm-0") is None


def test_a_missing_definition_is_said_with_what_to_do(serf, namespace, monkeypatch):
    monkeypatch.setattr(virtual_machines, "vm_path", lambda *_: "/apis/simulation.node-classifier.io/v1alpha1/nothing")
    with pytest.raises(SerflabError, match="serflab rebalance crd"):
        VMManager(namespace, kubeconfig=serf.kubeconfig).list_vms()


def test_a_pod_is_placed_by_the_scheduler_and_shows_what_the_vm_uses(pod_manager, objects):
    name = pod_manager.create_pod(vm("vm-1", 0.15, 0.2))
    node = eventually(lambda: pod_manager.get_pod_node_assignment("vm-1"))
    pod = objects("pod", name)
    assert pod["spec"]["nodeName"] == node
    assert pod["metadata"]["annotations"][CPU_CONSUMPTION] == "0.15"
    assert pod["metadata"]["annotations"][MEMORY_CONSUMPTION] == "0.2"
    requests = pod["spec"]["containers"][0]["resources"]["requests"]
    assert requests == {"cpu": "4800m", "memory": "26215Mi"}
    assert pod["metadata"]["labels"].items() >= {"app": "virt-launcher", "vm.kubevirt.io/name": "vm-1"}.items()


@pytest.mark.parametrize("strategy", ["create-first", "delete-first"])
def test_a_pod_moves_to_another_node(vm_serf, namespace, objects, strategy):
    pods_ = PodManager(namespace, kubeconfig=vm_serf.kubeconfig, strategy=strategy)
    mine = vm("vm-1")
    pods_.create_pod(mine, "node-b")
    eventually(lambda: pods_.get_pod_node_assignment("vm-1") == "node-b")
    assert pods_.migrate_vm_pod(mine, "node-a") == objects("pod")[0]["metadata"]["name"]
    name = pods_.migrate_vm_pod(mine, "node-b")
    assert pods_.get_pod_node_assignment("vm-1") in {"node-a", "node-c"}
    assert [pod["metadata"]["name"] for pod in objects("pod")] == [name]
    pods_.migrate_vm_pod(mine, pods_.get_pod_node_assignment("vm-1"), "node-b")
    assert pods_.update_vm_node_assignments([mine]) == {"vm-1": "node-b"}
    assert (mine.scheduled_node, len(objects("pod"))) == ("node-b", 1)


@pytest.mark.parametrize("strategy", ["create-first", "delete-first"])
def test_a_vm_that_fits_nowhere_else_stays(vm_serf, namespace, objects, strategy):
    pods_ = PodManager(namespace, kubeconfig=vm_serf.kubeconfig, strategy=strategy, timeout=1)
    mine = vm("vm-1")
    pods_.create_pod(mine, "node-b")
    eventually(lambda: pods_.get_pod_node_assignment("vm-1") == "node-b")
    with pytest.raises(SerflabError, match="cannot leave node-b: 0/"):
        pods_.migrate_vm_pod(mine, "node-b", "node-of-nobody")
    eventually(lambda: pods_.get_pod_node_assignment("vm-1"))
    assert len(objects("pod")) == 1


def test_pods_follow_the_list_of_vms(pod_manager, objects):
    first = pod_manager.sync_pods_with_vms([vm("a"), vm("b")])
    assert sorted(first.created) == ["a", "b"]
    second = pod_manager.sync_pods_with_vms([vm("b", 0.3), vm("c")])
    assert (second.created, second.updated, second.deleted) == (("c",), ("b",), ("a",))
    shown = {
        pod["metadata"]["labels"]["vm.kubevirt.io/name"]: pod["metadata"]["annotations"][CPU_CONSUMPTION]
        for pod in objects("pod")
    }
    assert shown == {"b": "0.3", "c": "0.1"}
    assert pod_manager.sync_pods_with_vms([vm("b", 0.3), vm("c")]) == pods.SyncResult()


def test_vms_and_pods_belong_together(with_vms, manager, objects):
    mine = vm("vm-1", 0.15)
    name = with_vms.create_pod(mine)
    assert manager.get_vm_status("vm-1").pod_name == name
    assert objects("pod", name)["metadata"]["ownerReferences"][0]["kind"] == "VirtualMachine"
    eventually(lambda: objects("pod", name)["status"]["phase"] == "Running")
    node = with_vms.update_vm_node_assignments([mine])["vm-1"]
    status = manager.get_vm_status("vm-1")
    assert (status.phase, status.node_name, status.cpu_consumption) == ("Running", node, "0.15")
    assert [item["type"] for item in status.conditions if item["status"] == "True"] == ["PhaseRunning"]
    assert {item["reason"] for item in status.conditions} >= {"TransitionedToScheduling", "TransitionedToRunning"}
    assert with_vms.sync_pods_with_vms([]).deleted == ("vm-1",)
    assert (objects("vm"), objects("pod")) == ([], [])


def test_a_migration_that_no_controller_looks_at_is_given_up(vm_serf, namespace, objects):
    pods_ = PodManager(namespace, kubeconfig=vm_serf.kubeconfig, create_vm_crs=True, timeout=1)
    pods_.create_pod(vm("vm-1"))
    node = eventually(lambda: pods_.get_pod_node_assignment("vm-1"))
    with pytest.raises(SerflabError, match="nobody has looked at it") as told:
        pods_.migrate_vm_pod(vm("vm-1"), node)
    assert "serflab rebalance controller" in told.value.hint
    assert objects("vmim") == []
