"""`serflab rebalance exporter` beside a real cluster: what its pods show is what is published, and nothing old is."""

from __future__ import annotations

import json
import os

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from rebalance_program import running
from vms_of_tests import simulated
from waiting_for import eventually

from bare_serfs import CHECKOUT, port_block
from serflab.rebalance.names import CPU_CONSUMPTION, MIGRATION_JOB
from serflab.rebalance.pods import PodManager
from serflab.rebalance.virtual_machines import VMManager

PORT = port_block(1) + 10
URL = f"http://127.0.0.1:{PORT}"


def scraped():
    """Return the samples by metric and node, empty while nobody answers."""
    try:
        text = requests.get(f"{URL}/metrics", timeout=5).text
    except requests.ConnectionError:
        return {}
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(sample.name, sample.labels.get("instance", "")): sample.value for sample in samples}


def node(metric, name):
    return scraped().get((metric, name))


@pytest.fixture
def exporter(vm_serf, namespace, tmp_path):
    arguments = (f"--kubeconfig={vm_serf.kubeconfig}", f"--namespace={namespace}", f"--port={PORT}", "--stale-after=1")
    with running(tmp_path / "exporter.log", "exporter", *arguments, "--update-interval=0.05") as program:
        eventually(lambda: node("node_vm_count", "node-a") is not None)
        yield program


def test_the_pods_of_the_nodes_are_added_up_as_they_change(exporter, vm_serf, namespace):
    pods = PodManager(namespace, kubeconfig=vm_serf.kubeconfig)
    first = pods.create_pod(simulated("vm-1", 0.25, 0.5), "node-a")
    pods.create_pod(simulated("vm-2", 0.125, 0.25), "node-a")
    eventually(lambda: node("node_vm_count", "node-a") == 2)
    found = scraped()
    assert found["node_cpu_usage_ratio", "node-a"] == 0.375
    assert found["node_memory_usage_ratio", "node-a"] == 0.75
    assert found["node_vm_count", "node-b"] == 0, "a node without VMs has samples too"

    vm_serf.kubectl("-n", namespace, "annotate", "--overwrite", "pod", first, f"{CPU_CONSUMPTION}=0.875")
    eventually(lambda: node("node_cpu_usage_ratio", "node-a") == 1.0)
    assert node("node_cpu_pressure_psi", "node-a") == pytest.approx(0.067, abs=0.002)

    # The target of a migration: both pods carry the load, until the source is gone.
    body = json.loads(vm_serf.kubectl("-n", namespace, "get", "pod", first, "-o", "json"))
    body["metadata"] = {
        "name": "virt-launcher-vm-1-target",
        "labels": {**body["metadata"]["labels"], MIGRATION_JOB: "some-uid"},
        "annotations": body["metadata"]["annotations"],
    }
    del body["status"], body["spec"]["nodeName"]
    body["spec"]["nodeSelector"]["kubernetes.io/hostname"] = "node-b"
    vm_serf.kubectl("-n", namespace, "create", "-f", "-", stdin=json.dumps(body))
    eventually(lambda: node("node_vm_count", "node-b") == 1)
    assert node("node_vm_count", "node-a") == 2
    vm_serf.kubectl("-n", namespace, "delete", "pod", first, "--wait=false")
    eventually(lambda: node("node_vm_count", "node-a") == 1)

    # What nobody can read is no load, is told once, and is counted.
    vm_serf.kubectl(
        "-n", namespace, "annotate", "--overwrite", "pod", "virt-launcher-vm-1-target", f"{CPU_CONSUMPTION}=much"
    )
    eventually(lambda: node("node_cpu_usage_ratio", "node-b") == 0)
    assert scraped()["serflab_rebalance_unreadable_pods", ""] == 1
    assert exporter.log().count("found 'much'") == 1

    # A node that no longer takes part is not published.
    vm_serf.kubectl("label", "node", "node-c", "kubevirt.io/schedulable-")
    eventually(lambda: node("node_vm_count", "node-c") is None)
    vm_serf.kubectl("label", "node", "node-c", "kubevirt.io/schedulable=true")
    eventually(lambda: node("node_vm_count", "node-c") == 0)
    told = requests.post(f"{URL}/refresh", timeout=5).json()
    assert (told["status"], told["refreshed"][:3]) == ("success", ["node-a", "node-b", "node-c"])


def test_no_old_figures_are_published_when_the_cluster_is_away(exporter, vm_serf):
    vm_serf.stop("kube-apiserver")
    try:
        eventually(lambda: node("node_vm_count", "node-a") is None)
        health = requests.get(f"{URL}/health", timeout=5)
        assert (health.status_code, health.json()["status"]) == (503, "unhealthy")
        assert "nothing was heard of the cluster" in health.json()["problem"]
        assert scraped()["serflab_rebalance_up", ""] == 0
        refused = requests.post(f"{URL}/refresh", timeout=60)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "cluster_unreachable")
        assert "node-a" in refused.json()["error"]["details"]["failed"]
    finally:
        vm_serf.start("kube-apiserver")
        eventually(vm_serf.api_is_ready)
    eventually(lambda: node("node_vm_count", "node-a") == 0)
    assert requests.get(f"{URL}/health", timeout=5).json()["status"] == "healthy"
    assert "no node is published" in exporter.log()
    assert exporter.stop() == 0


@pytest.mark.usefixtures("exporter")
def test_a_scenario_becomes_vms_of_the_cluster_and_feedback_migrations(vm_serf, namespace, objects):
    VMManager(namespace, kubeconfig=vm_serf.kubeconfig).create_vm(simulated("old"))
    nodes = [{"name": "node-a", "vms": [{"id": "vm-1", "cpu_consumption": 0.5, "memory_consumption": 0.25}]}]
    told = requests.post(f"{URL}/scenario", json={"name": "one", "nodes": nodes}, timeout=30).json()
    assert (told["source"], told["vms"], told["deleted"]) == ("cluster", 1, 1)
    assert [item["metadata"]["name"] for item in objects("vm")] == ["vm-1"]

    status = {"status": {"nodeName": "node-a"}}
    vm_serf.kubectl(
        "-n", namespace, "patch", "vm", "vm-1", "--subresource=status", "--type=merge", "-p", json.dumps(status)
    )
    move = {"vm_id": "vm-1", "from_node": "node-a", "to_node": "node-b"}
    told = requests.post(f"{URL}/feedback", json={"migrations": [move]}, timeout=30).json()
    (migration,) = objects("vmim")
    assert migration["metadata"]["name"] == told["migrations"][0]["migration"]
    assert migration["spec"] == {"vmiName": "vm-1", "addedNodeSelector": {"kubernetes.io/hostname": "node-b"}}

    anywhere = {"vm_id": "vm-1", "from_node": "node-a"}
    told = requests.post(f"{URL}/feedback", json={"migrations": [anywhere]}, timeout=30).json()
    specs = {item["metadata"]["name"]: item["spec"] for item in objects("vmim")}
    assert specs[told["migrations"][0]["migration"]] == {"vmiName": "vm-1"}

    wrong = [
        {**move, "from_node": "node-b", "to_node": "node-a"},
        {**move, "vm_id": "nobody"},
        {**move, "to_node": "x"},
    ]
    refused = requests.post(f"{URL}/feedback", json={"migrations": wrong}, timeout=30)
    assert refused.status_code == 409
    errors = [item["error"] for item in refused.json()["error"]["details"]["migrations"]]
    assert [
        text for text in ("is on node-a", "no VirtualMachine", "no node 'x'") if not any(text in e for e in errors)
    ] == []


def test_without_a_cluster_a_scenario_is_enough_and_is_said_to_be_the_source(tmp_path):
    environment = {"HOME": str(tmp_path), "KUBECONFIG": ""}
    arguments = ("exporter", f"--scenario={CHECKOUT}/sample_scenarios.json:balanced", f"--port={PORT}")
    with running(tmp_path / "exporter.log", *arguments, environment=environment) as program:
        eventually(lambda: node("node_vm_count", "kwok-node-1"))
        assert requests.get(f"{URL}/health", timeout=5).json()["source"] == "scenario"
        assert "without a Kubernetes API" in program.log()


def test_a_scenario_is_the_source_only_until_the_cluster_answers(vm_serf, namespace, tmp_path):
    nodes = [{"name": "n", "vms": [{"id": "wave", "cpu_consumption": 0.5, "memory_consumption": 0.5}]}]
    nodes[0]["vms"][0]["time_series"] = [{"cpu": 0.25, "memory": 0.5}, {"cpu": 0.75, "memory": 0.5}]
    file = tmp_path / "wave.json"
    file.write_text(json.dumps({"name": "wave", "step_seconds": 1, "nodes": nodes}), encoding="utf-8")
    arguments = (
        f"--kubeconfig={vm_serf.kubeconfig}",
        f"--namespace={namespace}",
        f"--port={PORT}",
        f"--scenario={file}",
    )
    vm_serf.stop("kube-apiserver")
    try:
        with running(tmp_path / "exporter.log", "exporter", *arguments) as program:
            eventually(lambda: node("node_vm_count", "n") == 1)
            assert "computed from the scenario" in program.log()
            vm_serf.start("kube-apiserver")
            eventually(lambda: node("node_vm_count", "node-a") == 0)
            assert node("node_vm_count", "n") is None

            # Its VM is made, and its series is played onto it.
            def cpu():
                found = vm_serf.kubectl(
                    "-n", namespace, "get", "vm", "wave", "-o", "jsonpath={.spec.resources.cpu}", check=False
                )
                return found.strip()

            eventually(lambda: cpu() == "0.75")
            eventually(lambda: cpu() == "0.25")
    finally:
        vm_serf.start("kube-apiserver") if not vm_serf.api_is_ready() else None
        eventually(vm_serf.api_is_ready)


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["--offline"], 1, "--offline needs a scenario"),
        (["--scenario=nowhere.json"], 2, "nowhere.json"),
        (["--kubeconfig=nowhere", "--scenario=sample_scenarios.json:balanced"], 2, "nowhere"),
    ],
)
def test_bad_usage_is_told(arguments, status, told, tmp_path):
    with running(
        tmp_path / "log", "exporter", *arguments, environment={"KUBECONFIG": "", "HOME": os.devnull}
    ) as program:
        assert program.process.wait(timeout=30) == status
        assert told in program.log()


def test_asked_to_play_only_it_makes_no_vm_and_the_others_follow_their_series(vm_serf, namespace, objects, tmp_path):
    wave = [{"cpu": 0.25, "memory": 0.5}, {"cpu": 0.75, "memory": 0.5}]
    vms = [{"id": "vm-1", "time_series": wave}, {"id": "vm-2", "cpu_consumption": 0.5, "memory_consumption": 0.25}]
    scenario = tmp_path / "waves.json"
    scenario.write_text(json.dumps({"step_seconds": 0.5, "nodes": [{"name": "node-a", "vms": vms}]}))
    VMManager(namespace, kubeconfig=vm_serf.kubeconfig).create_vm(simulated("vm-1"))
    arguments = (f"--kubeconfig={vm_serf.kubeconfig}", f"--namespace={namespace}", f"--port={PORT}", "--play-only")
    with running(tmp_path / "exporter.log", "exporter", *arguments, f"--scenario={scenario}"):
        for wanted in ("0.75", "0.25", "0.75"):
            eventually(lambda wanted=wanted: objects("vm", "vm-1")["spec"]["resources"]["cpu"] == wanted)
        assert [item["metadata"]["name"] for item in objects("vm")] == ["vm-1"]
