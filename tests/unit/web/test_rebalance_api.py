"""The loop over the API: none, one whose parts do not answer, one whose parts do, its past, and switching."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from openapi_schema import problems, resolve
from serflab.rebalance import loop as runtime
from serflab.rebalance.algorithms import ALGORITHMS
from serflab.rebalance.followed_loop import migration_row, vm_row
from serflab.rebalance.loop_settings import Loop, load_loop, loop_directory
from serflab.rebalance.observe import LoopObserver
from serflab.rebalance.rules import RuleSettings
from serflab.rebalance.spread import queries
from serflab.web.documentation import openapi

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask.testing import FlaskClient

DOCUMENT = openapi()
SCORES = {"kwok-node-1": 0.619, "kwok-node-2": 0.2, "kwok-node-10": 0.3}
METRICS = """
node_cpu_usage_ratio{node="kwok-node-1",instance="kwok-node-1"} 0.9
node_cpu_pressure_psi{node="kwok-node-1",instance="kwok-node-1"} 0.125
node_memory_usage_ratio{node="kwok-node-1",instance="kwok-node-1"} 0.5
node_memory_pressure_psi{node="kwok-node-1",instance="kwok-node-1"} 0.0
node_vm_count{node="kwok-node-1",instance="kwok-node-1"} 12
"""
VM = {
    "metadata": {"name": "vm-1", "namespace": "default"},
    "spec": {"resources": {"cpu": "0.15", "memory": "0.1"}},
    "status": {
        "nodeName": "kwok-node-1",
        "podName": "virt-launcher-vm-1-x1",
        "phase": "Running",
        "cpuConsumption": "0.2",
        "requests": {"cpu": "4800m", "memory": "12800Mi"},
    },
}
MIGRATION = {
    "metadata": {"name": "evac-1", "namespace": "default", "creationTimestamp": "2026-11-22T10:00:00Z"},
    "spec": {"vmiName": "vm-1"},
    "status": {
        "phase": "Running",
        "migrationState": {
            "sourceNode": "kwok-node-1",
            "sourcePod": "virt-launcher-vm-1-x1",
            "targetNode": "kwok-node-2",
            "startTimestamp": "2026-11-22T10:00:01.5Z",
        },
    },
}


class Parts:
    """Stands in for what a loop asks over HTTP: exporter, Prometheus, and the API server's two collections."""

    def __init__(self) -> None:
        self.queries: list[str] = []
        parts = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts.answer(self, parse_qs(urlsplit(self.path).query))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                parts.answer(self, parse_qs(body))

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._closing = threading.Event()
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler, parameters: dict[str, list[str]]) -> None:
        path = urlsplit(request.path).path
        if "watch" in parameters:
            self._closing.wait(30)
            return
        if path == "/metrics":
            text = METRICS
        elif path.endswith("/virtualmachines"):
            text = json.dumps({"metadata": {"resourceVersion": "7"}, "items": [VM]})
        elif path.endswith("/virtualmachineinstancemigrations"):
            text = json.dumps({"metadata": {"resourceVersion": "7"}, "items": [MIGRATION]})
        else:
            text = json.dumps({"status": "success", "data": {"result": self._result(path, parameters)}})
        request.send_response(200)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        request.wfile.write(text.encode())

    def _result(self, path: str, parameters: dict[str, list[str]]) -> list[dict[str, Any]]:
        self.queries.append(parameters["query"][0])
        if path.endswith("/query_range"):
            return [{"metric": {}, "values": [[int(parameters["start"][0]), "12.5"]]}]
        return [{"metric": {"instance": name}, "value": [0, str(score)]} for name, score in SCORES.items()]


@pytest.fixture
def parts() -> Iterator[Parts]:
    standing_in = Parts()
    yield standing_in
    standing_in.close()


def saved(checkout: Path, port: int, **values: Any) -> Loop:
    """Keep a loop in the lab's state directory as `serflab rebalance up` does, all its parts at one port."""
    directory = loop_directory(checkout / ".serflab")
    directory.mkdir(parents=True, exist_ok=True)
    kubeconfig = directory / "kubeconfig"
    kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                "users": [{"name": "u", "user": {}}],
            }
        )
    )
    asked: dict[str, Any] = {
        "kubeconfig": kubeconfig,
        "nodes": 3,
        "algorithm": "cpu_focused",
        "exporter_port": port,
        "prometheus": f"http://127.0.0.1:{port}",
    }
    loop = Loop.on_its_own_serf(checkout, directory.parent, 22000, **asked | values)
    loop.save()
    return loop


def write_log(loop: Loop) -> None:
    """Write the log of a cycle that asked for two evictions, one of which was refused."""
    node = {"node": {"name": "kwok-node-1"}, "usagePercentage": {"MetricResource": 61}, "category": "overutilized"}
    pods = [{"name": f"virt-launcher-vm-{number}-x1", "namespace": "default"} for number in (1, 2)]
    entries = [
        {"ts": 1000.0, "msg": "Resetting pod evictor counters"},
        {"ts": 1100.0, "msg": "Node has been classified", **node},
        {"ts": 1150.0, "msg": "Evicting pods from node", "node": {"name": "kwok-node-1"}},
        {"ts": 1200.0, "msg": "Eviction in background assumed", "pod": pods[0]},
        {"ts": 1300.0, "msg": "Error evicting pod", "pod": pods[1], "err": "not live-migratable"},
        {"ts": 1500.0, "msg": "Number of evictions/requests", "totalEvicted": 0, "evictionRequests": 1},
    ]
    loop.logs.mkdir()
    loop.descheduler_log.write_text("".join(json.dumps(entry) + "\n" for entry in entries))


def described(path: str, method: str, status: int) -> dict[str, Any]:
    answer = DOCUMENT["paths"][path][method]["responses"][str(status)]
    answer = resolve(answer["$ref"], DOCUMENT) if "$ref" in answer else answer
    schema: dict[str, Any] = answer["content"]["application/json"]["schema"]
    return schema


def error(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.get_data(as_text=True)
    found: dict[str, Any] = response.get_json()["error"]
    return found


def test_without_a_loop_there_is_an_empty_list(client: FlaskClient) -> None:
    assert client.get("/api/rebalance").get_json() == {"loops": []}
    refusal = error(client.get("/api/rebalance/serf1/history"), 404)
    assert (refusal["code"], refusal["hint"]) == ("unknown_loop", "there is no loop at all")


def test_a_loop_whose_file_is_broken_is_told_with_a_hint(client: FlaskClient, checkout: Path) -> None:
    loop = saved(checkout, 1)
    (loop.directory / "loop.json").write_text("{")
    refusal = error(client.get("/api/rebalance"), 503)
    assert "loop.json cannot be read" in refusal["message"]
    assert "serflab rebalance down" in refusal["hint"]


def test_parts_that_do_not_answer_are_named(client: FlaskClient, checkout: Path, closed_port: int) -> None:
    saved(checkout, closed_port)
    answer = client.get("/api/rebalance").get_json()
    assert problems(answer, described("/api/rebalance", "get", 200), DOCUMENT) == []
    [loop] = answer["loops"]
    assert (loop["serf"], loop["own_serf"], loop["nodes"], loop["vms"], loop["average"]) == (
        "rebalance",
        True,
        [],
        [],
        None,
    )
    told = " | ".join(loop["problems"])
    assert "the exporter at" in told
    assert "Prometheus: it does not answer" in told
    assert "the API server: " in told


def test_a_loop_with_its_nodes_vms_migrations_and_evictions(client: FlaskClient, checkout: Path, parts: Parts) -> None:
    write_log(saved(checkout, parts.port, serf="serf1"))
    answer = client.get("/api/rebalance").get_json()
    assert problems(answer, described("/api/rebalance", "get", 200), DOCUMENT) == []
    [loop] = answer["loops"]
    assert (loop["serf"], loop["own_serf"], loop["scenario"]) == ("serf1", False, "sample_scenarios.json:hot-node")
    # 61, 20 and 30 percent: the average is 37, and what is up to it is under.
    assert (loop["average"], loop["low"], loop["high"]) == (37.0, 37.0, 47.0)
    assert [(node["name"], node["percent"], node["category"]) for node in loop["nodes"]] == [
        ("kwok-node-1", 61, "overutilized"),
        ("kwok-node-2", 20, "underutilized"),
        ("kwok-node-10", 30, "underutilized"),
    ]
    hot, cold = loop["nodes"][:2]
    assert (hot["cpu"], hot["cpu_pressure"], hot["vms"]) == (0.9, 0.125, 12)
    assert cold["cpu"] is None
    [vm] = loop["vms"]
    assert (vm["node"], vm["cpu"], vm["memory"], vm["migration"], vm["target"]) == (
        "kwok-node-1", 0.2, 0.1, "Running", "kwok-node-2",
    )  # fmt: skip
    assert (vm["requested_cpu"], vm["requested_memory"]) == (4800, 12800)
    [cycle] = loop["cycles"]
    assert (cycle["over"], cycle["evictions"], cycle["in_flight"]) == (1, 1, 1)
    assert [(item["vm"], item["outcome"], item["migration"], item["target"]) for item in loop["evictions"]] == [
        ("vm-2", "refused", None, ""),
        ("vm-1", "background", "Running", "kwok-node-2"),
    ]
    assert loop["problems"] == []
    assert parts.queries == ['descheduler:node:cpu_focused:avg1m{serf="serf1"}']


def test_many_readers_are_one_look(client: FlaskClient, checkout: Path, parts: Parts) -> None:
    saved(checkout, parts.port)
    moments = {client.get("/api/rebalance").get_json()["loops"][0]["at"] for _ in range(5)}
    assert len(moments) < 5
    assert len(parts.queries) == len(moments)


def test_a_loop_that_goes_is_gone_at_once(client: FlaskClient, checkout: Path, parts: Parts) -> None:
    loop = saved(checkout, parts.port)
    assert len(client.get("/api/rebalance").get_json()["loops"]) == 1
    (loop.directory / "loop.json").unlink()
    assert client.get("/api/rebalance").get_json() == {"loops": []}


def test_a_score_that_stops_the_descheduler_is_told(
    client: FlaskClient, checkout: Path, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SCORES, "kwok-node-2", 1.5)
    saved(checkout, parts.port)
    [loop] = client.get("/api/rebalance").get_json()["loops"]
    assert "outside of 0 to 1" in loop["problems"][0]
    assert {node["category"] for node in loop["nodes"]} == {""}


def test_the_past_has_three_measures_and_the_migrations_of_its_time(
    client: FlaskClient, checkout: Path, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    monkeypatch.setitem(MIGRATION, "metadata", {**MIGRATION["metadata"], "creationTimestamp": created})  # type: ignore[dict-item]
    saved(checkout, parts.port, serf="serf1")
    answer = client.get("/api/rebalance/serf1/history?window=5m").get_json()
    assert problems(answer, described("/api/rebalance/{serf}/history", "get", 200), DOCUMENT) == []
    assert set(answer["datasets"]) == {"cpu", "memory", "psi"}
    assert answer["datasets"]["psi"]["values"][0] == 12.5
    assert [row["vm"] for row in answer["migrations"]] == ["vm-1"]
    now = int(time.time())
    before = client.get(f"/api/rebalance/serf1/history?from={now - 4000}&to={now - 3900}").get_json()
    assert before["migrations"] == []
    assert sorted(parts.queries[:3]) == sorted(queries(RuleSettings(labels={"serf": "serf1"})).values())


def test_the_past_of_a_loop_without_prometheus_is_unavailable(
    client: FlaskClient, checkout: Path, closed_port: int
) -> None:
    saved(checkout, closed_port)
    refusal = error(client.get("/api/rebalance/rebalance/history"), 503)
    assert refusal["code"] == "prometheus_unavailable"
    assert refusal["details"]["reason"] == "unreachable"
    assert error(client.get("/api/rebalance/rebalance/history?window=3m"), 400)["code"] == "bad_parameter"
    assert error(client.get("/api/rebalance/rebalanc/history"), 404)["hint"] == "did you mean rebalance?"


def test_the_algorithms_are_the_19(client: FlaskClient) -> None:
    answer = client.get("/api/rebalance/algorithms").get_json()
    assert problems(answer, described("/api/rebalance/algorithms", "get", 200), DOCUMENT) == []
    assert [each["name"] for each in answer["algorithms"]] == list(ALGORITHMS)
    assert len(answer["algorithms"]) == 19


@pytest.fixture
def switched(monkeypatch: pytest.MonkeyPatch) -> list[Loop]:
    """The loops that the runtime was asked to go on with; nothing is restarted."""
    asked: list[Loop] = []

    def switch(loop: Loop) -> Loop:
        asked.append(loop.changed(since=time.time()))
        asked[-1].save()
        return asked[-1]

    monkeypatch.setattr(runtime, "switch", switch)
    return asked


def test_a_switch_changes_the_algorithm_and_the_threshold_if_one_is_given(
    client: FlaskClient, checkout: Path, switched: list[Loop], closed_port: int
) -> None:
    saved(checkout, closed_port)
    began = time.time()
    answer = client.post("/api/rebalance/rebalance/algorithm", json={"algorithm": "pareto_front"})
    assert answer.status_code == 200
    assert problems(answer.get_json(), described("/api/rebalance/{serf}/algorithm", "post", 200), DOCUMENT) == []
    kept = load_loop(checkout / ".serflab")
    assert (kept.algorithm, kept.target_threshold, kept.interval) == ("pareto_front", 10.0, 60.0)
    assert kept.since >= began
    asked = {"algorithm": "max_metric", "target_threshold": 4}
    told = client.post("/api/rebalance/rebalance/algorithm", json=asked).get_json()
    assert told["since"] == load_loop(checkout / ".serflab").since
    assert (told["algorithm"], told["target_threshold"]) == ("max_metric", 4)
    assert [loop.algorithm for loop in switched] == ["pareto_front", "max_metric"]
    assert client.get("/api/rebalance").get_json()["loops"][0]["algorithm"] == "max_metric"


@pytest.mark.usefixtures("switched")
def test_a_switch_keeps_what_another_one_has_changed_meanwhile(checkout: Path) -> None:
    before = saved(checkout, 1)
    before.changed(target_threshold=3.0, interval=30.0).save()
    LoopObserver(checkout / ".serflab").switch(before, "max_metric", None)
    kept = load_loop(checkout / ".serflab")
    assert (kept.algorithm, kept.target_threshold, kept.interval) == ("max_metric", 3.0, 30.0)


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({}, "algorithm"),
        ({"algorithm": "pareto"}, "algorithm"),
        ({"algorithm": 8}, "algorithm"),
        ({"algorithm": "pareto_front", "target_threshold": 101}, "target_threshold"),
        ({"algorithm": "pareto_front", "target_threshold": "10"}, "target_threshold"),
        ({"algorithm": "pareto_front", "interval": 5}, "interval"),
    ],
)
def test_a_wrong_switch_is_refused_and_changes_nothing(
    client: FlaskClient, checkout: Path, switched: list[Loop], body: dict[str, Any], parameter: str
) -> None:
    saved(checkout, 1)
    refusal = error(client.post("/api/rebalance/rebalance/algorithm", json=body), 400)
    assert refusal["details"]["parameter"] == parameter
    assert switched == []


def test_another_sites_page_cannot_switch(client: FlaskClient, checkout: Path, switched: list[Loop]) -> None:
    saved(checkout, 1)
    foreign = {"Origin": "https://elsewhere.example"}
    body = {"algorithm": "pareto_front"}
    answer = client.post("/api/rebalance/rebalance/algorithm", json=body, headers=foreign)
    assert error(answer, 403)["code"] == "foreign_origin"
    assert error(client.post("/api/rebalance/serf1/algorithm", json=body), 404)["code"] == "unknown_loop"
    assert switched == []


def test_what_is_kept_of_vms_and_migrations_that_have_no_status_yet() -> None:
    vm = vm_row({"metadata": {"name": "vm-1"}, "spec": {"resources": {"cpu": "0.15", "memory": "0.1"}}})
    assert (vm.node, vm.phase, vm.cpu, vm.memory) == ("", "Pending", 0.15, 0.1)
    assert vm.requested_cpu is vm.requested_memory is None
    migration = migration_row({"metadata": MIGRATION["metadata"], "spec": {"vmiName": "vm-1"}})
    assert (migration.phase, migration.source, migration.started, migration.under_way) == ("Pending", "", None, True)


def test_the_pressure_whose_spread_is_shown_is_the_larger_of_a_nodes_two() -> None:
    psi = queries(RuleSettings(labels={"serf": "a"}))["psi"]
    cpu, memory = (f'descheduler:node:{name}_pressure:psi{{serf="a"}}' for name in ("cpu", "memory"))
    assert psi == f"100 * stddev({cpu} > {memory} or {memory})"


def test_the_description_names_the_algorithms_that_can_be_chosen():
    choice = DOCUMENT["components"]["schemas"]["AlgorithmChoice"]["properties"]
    assert choice["algorithm"]["enum"] == list(ALGORITHMS)
