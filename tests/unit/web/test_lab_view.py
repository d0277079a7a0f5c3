"""What the API tells of a lab: nodes, links and sums, with serfs up, unreachable and absent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from serflab.emulation import names
from serflab.lab.cluster_objects import namespace_record, node_record, pod_record
from serflab.lab.inventory import FILE_NAME, Inventory, Serf
from serflab.lab.known_load import KnownLoad, LoadMemory
from serflab.lab.load import LabLoad, Load
from serflab.traces.model import AnnotationKeys

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flask.testing import FlaskClient


def nodes(client: FlaskClient) -> dict[str, dict[str, Any]]:
    return {node["name"]: node for node in client.get("/api/topology").get_json()["nodes"]}


@pytest.fixture
def inventory(checkout: Path, closed_port: int) -> Inventory:
    """A lab of one serf whose API server does not answer."""
    kubeconfig = checkout / "kubeconfig"
    server = f"http://127.0.0.1:{closed_port}"
    kubeconfig.write_text(
        json.dumps(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": server}}],
                "users": [{"name": "u", "user": {}}],
            }
        )
    )
    serf = Serf("serf1", kubeconfig, server, server, checkout / "config.json", checkout, {"SERFLAB_PHASE": "3"})
    return Inventory("small", "local", checkout / "topology.yaml", (serf,), server, server)


def test_without_a_lab_the_topology_is_shown_all_the_same(
    client: FlaskClient, settle: Callable[[Callable[[], bool]], None]
) -> None:
    settle(lambda: nodes(client)["watcher"]["state"] != "connecting")
    answer = client.get("/api/topology").get_json()
    assert (answer["name"], answer["lab"]["up"]) == ("small", False)
    assert answer["lab"]["message"].startswith("no lab is up")
    states = {name: node["state"] for name, node in nodes(client).items()}
    assert states == {
        "serf1": "absent", "serf2": "absent", "edge": "unmanaged", "watcher": "absent", "host": "unmanaged"
    }  # fmt: skip
    assert client.get("/api/health").get_json()["status"] == "no_lab"


def test_the_topology_tells_which_load_has_which_colour(client: FlaskClient) -> None:
    thresholds = client.get("/api/topology").get_json()["thresholds"]
    assert thresholds == {"cpu": [20, 60], "memory": [50, 80], "psi": [5, 20], "power": [50, 100]}


def test_links_name_their_interfaces_and_lead_to_nodes_that_are_listed(client: FlaskClient) -> None:
    links = client.get("/api/topology").get_json()["links"]
    assert [link["id"] for link in links] == ["serf1:eth1--serf2:eth1", "serf1:eth2--edge:e1-1", "edge:e1-2--host:eth0"]
    assert [link["state"] for link in links] == ["absent", "absent", "up"]
    ends = [(end["node"], end["interface"], end["state"]) for end in links[0]["endpoints"]]
    assert ends == [("serf1", "eth1", None), ("serf2", "eth1", None)]
    assert {end["node"] for link in links for end in link["endpoints"]} <= set(nodes(client))


def test_nodes_have_kind_and_role(client: FlaskClient) -> None:
    found = nodes(client)
    assert (found["edge"]["kind"], found["edge"]["role"]) == ("nokia_srlinux", "router")
    assert (found["watcher"]["role"], found["serf2"]["role"]) == ("prometheus", "serf")


def test_the_viewer_follows_a_lab_that_comes_up_and_goes(
    client: FlaskClient, checkout: Path, inventory: Inventory, settle: Callable[[Callable[[], bool]], None]
) -> None:
    inventory.save(checkout / ".serflab")
    settle(lambda: nodes(client)["serf1"]["state"] == "unreachable")
    answer = client.get("/api/topology").get_json()
    serf1, serf2 = nodes(client)["serf1"], nodes(client)["serf2"]
    assert "cannot be reached" in serf1["message"]
    assert serf1["stale_since"] <= answer["generated_at"]
    assert (serf2["state"], serf2["message"]) == ("absent", "not part of the lab that is up")
    assert answer["links"][1]["state"] == "down"
    assert answer["summary"] == {
        "serfs": {"ready": 0, "total": 1}, "pods": {"running": 0, "total": 0}, "targets": {"up": 0, "total": 1}
    }  # fmt: skip
    health = client.get("/api/health").get_json()
    assert (health["status"], health["serfs"][0]["api_server"]["state"]) == ("degraded", "unreachable")
    assert client.get("/api/node/serf1/cluster-info").get_json()["error"]["code"] == "cluster_unreachable"
    (checkout / ".serflab" / FILE_NAME).unlink()
    settle(lambda: nodes(client)["serf1"]["state"] == "absent")


@pytest.mark.parametrize(
    "path",
    [
        "node/serf1/timeseries?metric=psi&window=2h", "node/serf1/pod/ns1/web-0/timeseries",
        "node/serf1/pods/timeseries?pod=ns1/web-0", "node/serf1/stack?by=pod", "history?window=24h",
    ],
    ids=["serf", "pod", "pods", "stack", "history"],
)  # fmt: skip
def test_a_prometheus_that_does_not_answer_is_a_503_with_its_reason(
    client: FlaskClient, checkout: Path, inventory: Inventory, settle: Callable[[Callable[[], bool]], None], path: str
) -> None:
    inventory.save(checkout / ".serflab")
    settle(lambda: nodes(client)["watcher"]["state"] == "unreachable")
    answer = client.get(f"/api/{path}")
    error = answer.get_json()["error"]
    assert (answer.status_code, error["code"]) == (503, "prometheus_unavailable")
    assert error["details"] == {"reason": "unreachable", "retry_after": 5}
    assert answer.headers["Retry-After"] == "5"
    assert nodes(client)["watcher"]["stale_since"] is not None


def test_a_serf_of_which_nothing_answers_still_has_a_health(
    client: FlaskClient, checkout: Path, inventory: Inventory, settle: Callable[[Callable[[], bool]], None]
) -> None:
    inventory.save(checkout / ".serflab")
    settle(lambda: nodes(client)["serf1"]["state"] == "unreachable")
    health = client.get("/api/node/serf1/health").get_json()
    assert (health["api_server"]["state"], health["exporter"]["up"]) == ("unreachable", None)
    assert (health["replay"]["state"], health["replay"]["points"], health["replay"]["tick"]) == ("unknown", 2, None)
    assert client.get("/api/node/serf1/events").get_json()["error"]["code"] == "cluster_unreachable"


def test_an_inventory_of_another_version_is_told_and_not_fatal(
    client: FlaskClient, checkout: Path, settle: Callable[[Callable[[], bool]], None]
) -> None:
    (checkout / ".serflab").mkdir()
    (checkout / ".serflab" / FILE_NAME).write_text('{"serfs": [{}]}')
    settle(lambda: "another version" in client.get("/api/topology").get_json()["lab"]["message"])
    assert nodes(client)["serf1"]["state"] == "absent"


def test_the_emulation_config_comes_without_its_series_even_if_the_serf_is_not_up(client: FlaskClient) -> None:
    config = client.get("/api/node/serf1/emulation-config").get_json()
    assert config["pods"] == [{"namespace": "ns1", "pod_name": "web-0", "points": 2}]
    assert (config["node"], config["node_points"], config["namespaces"]) == ("serf1", 2, ["ns1"])
    assert "node_time_series" not in config
    assert client.get("/api/node/serf2/emulation-config").get_json()["error"]["code"] == "no_config"


def test_templates_are_listed_with_figures_and_broken_ones_with_their_problem(
    client: FlaskClient, checkout: Path
) -> None:
    directory = checkout / "workload_templates"
    directory.mkdir()
    rows = [{"cpu": cpu, "memory": 10, "power": 1.5, "psi": 0} for cpu in (100, 200, 600)]
    (directory / "burst.json").write_text(json.dumps({"description": "short peaks", "time_series": rows}))
    (directory / "broken.json").write_text('{"time_series": []}')
    broken, burst = client.get("/api/workload-templates").get_json()["templates"]
    assert (burst["name"], burst["points"], burst["description"], burst["problem"]) == ("burst", 3, "short peaks", "")
    assert burst["summary"]["cpu"] == {"min": 100.0, "mean": 300.0, "max": 600.0}
    assert (broken["name"], broken["points"], broken["summary"]) == ("broken", 0, None)
    assert "$.time_series" in broken["problem"]


def test_one_template_comes_with_its_series(client: FlaskClient, checkout: Path) -> None:
    directory = checkout / "workload_templates"
    directory.mkdir()
    rows = [{"cpu": cpu, "memory": 10, "power": 1.5, "psi": 0} for cpu in (100, 200)]
    (directory / "burst.json").write_text(json.dumps({"image_mib": 50, "time_series": rows}))
    (directory / "broken.json").write_text('{"time_series": []}')
    answer = client.get("/api/workload-templates/burst").get_json()
    assert answer.pop("series") == {"cpu": [100, 200], "memory": [10, 10], "power": [1.5, 1.5], "psi": [0, 0]}
    (listed,) = (item for item in client.get("/api/workload-templates").get_json()["templates"] if not item["problem"])
    assert answer == listed
    assert answer["image_mib"] == 50
    unknown = client.get("/api/workload-templates/bust")
    assert (unknown.status_code, unknown.get_json()["error"]["code"]) == (404, "unknown_template")
    assert unknown.get_json()["error"]["details"]["nearest"] == ["burst"]
    broken = client.get("/api/workload-templates/broken")
    assert (broken.status_code, broken.get_json()["error"]["code"]) == (503, "bad_input_file")
    assert client.get("/api/workload-templates/..%2Fconfig").status_code == 404


def test_templates_that_come_change_and_go_are_seen_without_a_restart(client: FlaskClient, checkout: Path) -> None:
    def listed() -> dict[str, int]:
        answer = client.get("/api/workload-templates").get_json()["templates"]
        return {template["name"]: template["points"] for template in answer}

    directory = checkout / "workload_templates"
    directory.mkdir()
    point = {"cpu": 1, "memory": 1, "power": 1, "psi": 0}
    assert listed() == {}
    (directory / "mine.json").write_text(json.dumps({"time_series": [point]}))
    assert listed() == {"mine": 1}
    (directory / "mine.json").write_text(json.dumps({"time_series": [point, point]}))
    assert listed() == {"mine": 2}
    (directory / "mine.json").unlink()
    assert listed() == {}


def test_a_pod_is_kept_as_what_the_page_shows_of_it() -> None:
    pod = {
        "metadata": {
            "namespace": "ns1", "name": "web-0", "creationTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {"my/cpu": "40.0m", "my/memory": "nonsense", "emulation.metrics.k8s.io/psi": "1.5%"},
        },
        "spec": {
            "nodeName": "n1",
            "containers": [{"resources": {"requests": {"cpu": "1500m", "memory": "1Gi"}}}, {"resources": {}}],
        },
        "status": {"phase": "Running"},
    }  # fmt: skip
    record = pod_record(AnnotationKeys(cpu="my/cpu", memory="my/memory"))(pod)
    assert (record.phase, record.node, record.cpu_request, record.memory_request) == ("Running", "n1", 1500.0, 1024.0)
    assert record.usage == {"cpu": 40.0, "psi": 1.5}


def test_a_pod_that_does_not_run_says_why_and_one_being_deleted_says_so() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes fit"}
    pod: dict[str, Any] = {
        "metadata": {"namespace": "ns1", "name": "web-0"},
        "status": {"phase": "Pending", "conditions": [condition]},
    }
    record = pod_record(AnnotationKeys())(pod)
    assert (record.phase, record.reason, record.node) == ("Pending", "0/1 nodes fit", "")
    pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert pod_record(AnnotationKeys())(pod).phase == "Terminating"


def test_nodes_and_namespaces_are_kept_with_capacity_and_readiness() -> None:
    node = {
        "metadata": {"name": "n1"},
        "spec": {"unschedulable": True},
        "status": {
            "capacity": {"cpu": "16", "memory": "60Gi", "pods": "110"},
            "conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": "True"}],
        },
    }
    record = node_record(node)
    assert (record.cpu, record.memory, record.pods) == (16000.0, 61440.0, 110)
    assert (record.ready, record.unschedulable) == (True, True)
    assert [(item.type, item.status, item.reason) for item in record.conditions] == [
        ("MemoryPressure", "False", ""),
        ("Ready", "True", ""),
    ]
    assert not node_record({"metadata": {"name": "new"}}).ready
    assert namespace_record({"metadata": {"name": "ns1"}, "status": {"phase": "Active"}}).phase == "Active"


@pytest.mark.parametrize("role", ["source", "remote"])
def test_a_side_of_a_virtual_pod_is_known_by_the_names_of_the_emulation(role: str) -> None:
    pod = {
        "metadata": {
            "namespace": "ns1", "name": "web-0",
            "labels": {names.VIRTUAL_POD_ID: "vp-001"}, "annotations": {names.ROLE: role},
        }
    }  # fmt: skip
    assert {names.SOURCE_ROLE, names.REMOTE_ROLE} == {"source", "remote"}
    assert pod_record(AnnotationKeys())(pod).virtual == ("vp-001", role)


def test_any_other_pod_is_no_side_of_a_virtual_pod() -> None:
    pod: dict[str, Any] = {"metadata": {"namespace": "ns1", "name": "web-0", "labels": {names.VIRTUAL_POD_ID: "vp-1"}}}
    assert pod_record(AnnotationKeys())(pod).virtual is None
    pod["metadata"]["annotations"] = {names.ROLE: "other"}
    assert pod_record(AnnotationKeys())(pod).virtual is None


def test_a_node_that_stands_for_another_serf_is_virtual() -> None:
    node = {"metadata": {"name": "serf2", "labels": {names.NODE_TYPE: names.VIRTUAL_NODE}}}
    assert node_record(node).virtual
    assert not node_record({"metadata": {"name": "n1", "labels": {}}}).virtual


def test_the_last_whole_load_stays_with_its_age_while_an_exporter_is_silent() -> None:
    memory = LoadMemory(started=100)
    assert memory.load("serf1").stale_since == 100
    memory.take(LabLoad({"serf1": Load(cpu=30.0, power=9.0)}, {"serf1": True}), now=110)
    assert memory.load("serf1") == KnownLoad(Load(cpu=30.0, power=9.0), stale_since=None)
    # The series of a dead exporter do not end all at the same moment.
    memory.take(LabLoad({"serf1": Load(power=9.0)}, {"serf1": False}), now=113)
    memory.take(LabLoad({}, {"serf1": False}), now=116)
    assert memory.load("serf1") == KnownLoad(Load(cpu=30.0, power=9.0), stale_since=110)
    assert memory.target_up("serf1") is False
    memory.take(LabLoad({"serf1": Load(cpu=50.0)}, {"serf1": True}), now=119)
    assert memory.load("serf1") == KnownLoad(Load(cpu=50.0), stale_since=None)


def test_everything_is_stale_since_the_last_answer_while_prometheus_is_silent() -> None:
    memory = LoadMemory(started=100)
    memory.take(LabLoad({"serf1": Load(cpu=30.0)}, {"serf1": True}), now=110)
    memory.fail("no answer")
    assert (memory.stale_since, memory.load("serf1").stale_since, memory.target_up("serf1")) == (110, 110, None)
    memory.take(LabLoad({"serf1": Load(cpu=31.0)}, {"serf1": True}), now=130)
    assert (memory.stale_since, memory.load("serf1").stale_since) == (None, None)
