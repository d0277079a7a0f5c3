"""A lab that is up: what `serflab` shows of it, and that it heals by itself."""

from __future__ import annotations

import json
import os
import signal
import time

import psutil
import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from serflab.lab.processes import lab_processes

COMPONENTS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kwok",
    "replay",
    "exporter",
)


def wait_for(what, condition, seconds=60.0):
    """Wait until the condition holds and return what it returned."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(0.2)
    return answer


def answers(url):
    """Whether a URL answers with a good status."""
    try:
        return requests.get(url, timeout=10).ok
    except requests.ConnectionError:
        return False


def query(lab, expression):
    """Return {serf: value} of an instant query."""
    answer = requests.get(f"{lab.prometheus_url}/api/v1/query", params={"query": expression}, timeout=10).json()
    return {item["metric"].get("serf", ""): float(item["value"][1]) for item in answer["data"]["result"]}


def test_the_lab_is_healthy_and_complete(lab):
    status = wait_for("a healthy lab", lambda: (now := lab.status())["healthy"] and now)
    assert [serf["name"] for serf in status["serfs"]] == ["serf1", "serf2"]
    for serf in status["serfs"]:
        assert serf["state"] == "Ready"
        assert serf["version"] == "v1.36.3"
        assert serf["pods"] == {"Running": 80}
        assert serf["target"] == "up"
    assert status["services"] == {"prometheus": "RUNNING", "viewer": "RUNNING", "offload": "RUNNING"}
    assert status["memory"] > 200 * 2**20


def test_the_table_says_the_same(lab):
    text = lab.serflab("status", check=False).stdout
    assert "2/2 serfs Ready, 160/160 pods Running, 2/2 targets up, memory" in text


def test_up_again_changes_nothing(lab):
    before = {name: state.pid for name, state in lab.supervisor.states().items()}
    lab.up("--serfs=2", f"--interval={lab.interval:g}")
    assert {name: state.pid for name, state in lab.supervisor.states().items()} == before


def test_kubectl_lists_the_pods_of_a_serf(lab):
    pods = json.loads(lab.serflab("kubectl", "serf2", "--", "get", "pods", "-A", "-o", "json").stdout)["items"]
    assert len(pods) == 80
    assert {pod["status"]["phase"] for pod in pods} == {"Running"}
    assert {pod["spec"]["nodeName"] for pod in pods} == {"emulation-node-1"}


def test_kubeconfig_names_a_file_that_kubectl_takes(lab):
    path = lab.serflab("kubeconfig", "serf1").stdout.strip()
    assert path == str(lab.inventory.serf("serf1").kubeconfig)


def test_annotations_follow_the_trace(lab):
    def values():
        pods = json.loads(lab.serflab("kubectl", "serf1", "--", "get", "pods", "-n", "ns1", "-o", "json").stdout)
        return [pod["metadata"]["annotations"]["emulation.metrics.k8s.io/cpu"] for pod in pods["items"]]

    before = values()
    wait_for("other annotations", lambda: values() != before)


def test_the_serfs_play_different_phases(lab):
    wait_for("two time indexes", lambda: len(query(lab, "serflab_replay_time_index")) == 2)
    first, second = (query(lab, "serflab_replay_time_index")[name] for name in ("serf1", "serf2"))
    assert first != second


def test_prometheus_has_what_the_exporter_tells(lab):
    exposed = requests.get(lab.inventory.serf("serf1").metrics_url, timeout=10).text
    names = {family.name for family in text_string_to_metric_families(exposed)}
    assert {"emulation_pod_cpu_millicores", "emulation_node_cpu_percent", "real_node_power_watts"} <= names
    assert query(lab, "count by (serf) (emulation_pod_cpu_millicores)") == {"serf1": 80.0, "serf2": 80.0}
    labels = requests.get(
        f"{lab.prometheus_url}/api/v1/series", params={"match[]": "emulation_node_cpu_percent"}, timeout=10
    ).json()["data"]
    assert {label["job"] for label in labels} == {"kwok-emulation"}


def test_each_recording_rule_has_data_and_no_error(lab):
    groups = requests.get(f"{lab.prometheus_url}/api/v1/rules", timeout=10).json()["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) == 14
    for rule in rules:
        wait_for(rule["name"], lambda name=rule["name"]: query(lab, name))
        assert not rule.get("lastError"), rule


def test_recorded_sums_agree_with_the_pods(lab):
    def difference():
        return query(lab, "abs(sum by (serf) (emulation_pod_cpu_millicores) - serflab:serf_cpu:millicores)")

    # The rule is evaluated every 5 s and the pods a point every 4 s: they meet only now and then.
    wait_for("a moment at which both are of one scrape", lambda: (now := difference()) and max(now.values()) < 0.01)


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_killed_component_comes_back(lab, component):
    name = f"serf1:{component}"
    before = lab.supervisor.state(name).pid
    os.kill(before, signal.SIGKILL)
    wait_for(
        f"a new {component}",
        lambda: (now := lab.supervisor.state(name)).state == "RUNNING" and now.pid not in {0, before},
    )
    wait_for("a healthy lab", lambda: lab.status()["healthy"])


@pytest.mark.parametrize("service", ["prometheus", "viewer", "offload"])
def test_a_killed_service_comes_back(lab, service):
    before = lab.supervisor.state(f"services:{service}").pid
    os.kill(before, signal.SIGKILL)
    wait_for("another process", lambda: lab.supervisor.state(f"services:{service}").pid not in {0, before})
    wait_for("a healthy lab", lambda: lab.status()["healthy"])
    # RUNNING is not ready: the viewer's process has to import Flask first.
    wait_for("the page", lambda: answers(f"{lab.viewer_url}/api/health"))


def test_the_replay_goes_on_where_the_clock_is_after_a_kill(lab):
    def tick():
        return query(lab, "serflab_replay_tick").get("serf2", -1)

    before = wait_for("a first tick", lambda: (now := tick()) > 0 and now)
    os.kill(lab.supervisor.state("serf2:replay").pid, signal.SIGKILL)
    after = wait_for("a later tick", lambda: (now := tick()) > before + 3 and now)
    assert after < before + 60, "it started anew or ran ahead"


def test_a_serf_is_restarted_alone_and_keeps_its_objects(lab):
    lab.serflab("kubectl", "serf2", "--", "create", "namespace", "kept")
    before = lab.supervisor.states()
    assert "would restart the programs of serf2" in lab.serflab("restart", "serf2", "--dry-run").stdout
    assert {name: state.pid for name, state in lab.supervisor.states().items()} == {
        name: state.pid for name, state in before.items()
    }
    assert lab.serflab("restart", "serf2").stdout == "serf2 is ready\n"
    for name, state in lab.supervisor.states().items():
        assert (state.pid != before[name].pid) == name.startswith("serf2:"), name
    assert lab.serflab("kubectl", "serf2", "--", "get", "namespace", "kept", "-o", "name").stdout == "namespace/kept\n"
    lab.serflab("kubectl", "serf2", "--", "delete", "namespace", "kept")
    wait_for("a healthy lab", lambda: lab.status()["healthy"])


def test_logs_of_a_component(lab):
    assert "metrics at http://127.0.0.1:" in lab.serflab("logs", "serf1", "exporter").stdout
    refused = lab.serflab("logs", "serf1", "nothing", check=False)
    assert refused.returncode == 1
    assert "its logs are: create, etcd," in refused.stderr


def test_an_unknown_serf_is_refused_by_name(lab):
    refused = lab.serflab("kubectl", "serf9", "--", "get", "pods", check=False)
    assert refused.returncode == 1
    assert refused.stderr == "error: there is no serf 'serf9' in this lab\n  hint: the serfs are: serf1, serf2\n"


def test_everything_listens_on_loopback_only(lab):
    addresses = {
        connection.laddr.ip
        for process in lab_processes(lab.state_dir)
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses == {"127.0.0.1"}
