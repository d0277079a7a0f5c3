"""The calls of the exporter with a scenario alone, and what it refuses."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from cluster_stand_in import ClusterStandIn
from prometheus_client.parser import text_string_to_metric_families

from serflab.errors import SerflabError
from serflab.rebalance import exporter as exporter_module
from serflab.rebalance.cluster_load import ClusterLoad
from serflab.rebalance.exporter import Exporter
from serflab.rebalance.exporter_http import LARGEST_BODY, TOKEN_ENV, application
from serflab.rebalance.exporter_writes import Writes
from serflab.rebalance.names import vm_path
from serflab.rebalance.placement import LOOP_INSTANCE, OWN
from serflab.rebalance.scenario import VM, Node, Scenario
from serflab.rebalance.scenario_load import ScenarioLoad

NODES = [{"name": "a", "vms": [{"id": "vm-1", "cpu_consumption": 0.5, "memory_consumption": 0.25}]}, {"name": "b"}]


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def scenario():
    wave = ((0.25, 0.5), (0.75, 0.5))
    busy = VM("vm-2", 0.5, 0.5, series=wave)
    unplaced = VM("vm-3", 0.125, 0.125)
    return Scenario("two nodes", [Node("a", vms=[VM("vm-1", 0.5, 0.25), busy]), Node("b")], [unplaced], step_seconds=10)


@pytest.fixture
def exporter(clock):
    made = Exporter("expected-wait", now=clock)
    made.scenario = ScenarioLoad(scenario(), clock.now)
    made.renew()
    return made


@pytest.fixture
async def client(exporter):
    app = application(exporter, Writes(exporter, None, "default"), "127.0.0.1")
    async with TestClient(TestServer(app)) as made:
        yield made


async def scraped(client):
    text = await (await client.get("/metrics")).text()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(sample.name, sample.labels.get("node", "")): sample.value for sample in samples}


async def refused(answer, status, code):
    error = (await answer.json())["error"]
    assert (answer.status, error["code"]) == (status, code)
    return error


async def test_the_metrics_follow_the_series_of_the_vms(client, exporter, clock):
    before = await scraped(client)
    assert before["node_cpu_usage_ratio", "a"] == 0.75
    assert before["node_vm_count", "b"] == 1, "a VM without a node starts where least is requested"
    clock.now += 10
    exporter.renew()
    assert (await scraped(client))["node_cpu_usage_ratio", "a"] == 1.25


async def test_a_change_is_shown_also_when_it_comes_while_changes_are_gathered(monkeypatch, clock):
    monkeypatch.setattr(exporter_module, "_LONGEST_PAUSE", 0.001)
    exporter = Exporter("none", update_interval=0.2, now=clock)
    exporter.scenario = ScenarioLoad(scenario(), clock.now)
    working = asyncio.create_task(exporter.run())
    await asyncio.sleep(0.1)
    first = exporter.picture
    exporter.changed()
    async with asyncio.timeout(10):
        while exporter.picture is first:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    working.cancel()


async def test_health_says_that_there_is_no_cluster(client):
    told = await (await client.get("/health")).json()
    assert (told["status"], told["source"], told["pod_manager_enabled"], told["nodes"]) == (
        "healthy",
        "scenario",
        False,
        2,
    )


async def test_without_anything_read_yet_it_is_not_healthy_and_takes_no_refresh():
    fresh = Exporter("none")
    async with TestClient(TestServer(application(fresh, Writes(fresh, None, "default"), "127.0.0.1"))) as empty:
        assert (await empty.get("/health")).status == 503
        await refused(await empty.post("/refresh"), 503, "nothing_read")
        moves = {"migrations": [{"vm_id": "vm-1", "from_node": "a", "to_node": "b"}]}
        await refused(await empty.post("/feedback", json=moves), 503, "nothing_read")
        assert ("node_vm_count", "a") not in await scraped(empty)


async def test_refresh_names_the_nodes(client):
    told = await (await client.post("/refresh")).json()
    assert told == {"status": "success", "refreshed": ["a", "b"], "failed": [], "total": 2}


async def test_feedback_moves_vms(client):
    moves = {"migrations": [{"vm_id": "vm-2", "from_node": "a", "to_node": "b"}]}
    told = await (await client.post("/feedback", json=moves)).json()
    assert told["status"] == "success"
    found = await scraped(client)
    assert (found["node_vm_count", "a"], found["node_vm_count", "b"]) == (1, 2)


async def test_feedback_tells_of_each_vm_that_was_not_moved(client):
    ids = {"vm-1": ("a", "b"), "vm-2": ("b", "a"), "nobody": ("a", "b"), "vm-3": ("b", "nowhere")}
    moves = [{"vm_id": vm, "from_node": source, "to_node": target} for vm, (source, target) in ids.items()]
    error = await refused(await client.post("/feedback", json={"migrations": moves}), 409, "not_moved")
    results = {item["vm_id"]: item.get("error", "") for item in error["details"]["migrations"]}
    assert results["vm-1"] == ""
    assert "is on a" in results["vm-2"]
    assert "no VM 'nobody'" in results["nobody"]
    assert "no node 'nowhere'" in results["vm-3"]


async def test_feedback_that_does_not_say_where_to_leaves_it_to_the_scheduler(client):
    moves = {"migrations": [{"vm_id": "vm-2", "from_node": "a"}]}
    told = await (await client.post("/feedback", json=moves)).json()
    assert told["migrations"] == [{"vm_id": "vm-2", "from_node": "a"}]
    found = await scraped(client)
    assert (found["node_vm_count", "a"], found["node_vm_count", "b"]) == (1, 2)


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ([], ["$"]),
        ({}, ["$.migrations"]),
        ({"migrations": []}, ["$.migrations"]),
        (
            {"migrations": [1, {"vm_id": ""}]},
            ["$.migrations[0]", "$.migrations[1].from_node"],
        ),
        ({"migrations": [{"vm_id": "x", "from_node": "a", "to_node": "a"}]}, ["$.migrations[0].to_node"]),
    ],
)
async def test_feedback_names_every_place_that_is_wrong(client, body, paths):
    error = await refused(await client.post("/feedback", json=body), 400, "bad_input")
    assert [finding["path"] for finding in error["details"]["findings"]] == paths


async def test_another_scenario_takes_the_place_of_the_first_and_can_be_read_again(client):
    answer = await client.post("/scenario", json={"name": "other", "nodes": NODES})
    assert (await answer.json())["vms"] == 1
    told = await (await client.get("/scenario")).json()
    assert told["name"] == "other"
    assert [(node["name"], [vm["id"] for vm in node["vms"]]) for node in told["nodes"]] == [("a", ["vm-1"]), ("b", [])]
    assert (await scraped(client))["node_cpu_usage_ratio", "a"] == 0.5


async def test_a_wrong_scenario_changes_nothing(client):
    before = await (await client.get("/scenario")).json()
    wrong = {"nodes": [{"name": "a", "vms": [{"id": "vm-1", "cpu_consumption": -1, "memory_consumption": "x"}]}]}
    error = await refused(await client.post("/scenario", json=wrong), 400, "bad_input")
    assert len(error["details"]["findings"]) == 2
    assert await (await client.get("/scenario")).json() == before


async def test_what_is_no_json_or_too_much_of_it_is_refused(client):
    await refused(await client.post("/scenario", data=b"{}"), 415, "not_json")
    kind = {"Content-Type": "application/json"}
    await refused(await client.post("/scenario", data=b"{", headers=kind), 400, "not_json")
    await refused(await client.post("/scenario", data=b" " * (LARGEST_BODY + 1), headers=kind), 413, "too_large")
    await refused(await client.get("/feedback"), 405, "method_not_allowed")
    await refused(await client.get("/nowhere"), 404, "not_found")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Origin": "https://example.org"}, "foreign_origin"),
        ({"Sec-Fetch-Site": "cross-site"}, "foreign_origin"),
        ({"Host": "rebound.example.org"}, "foreign_host"),
    ],
)
@pytest.mark.parametrize("call", ["/refresh", "/scenario", "/feedback"])
async def test_other_sites_pages_write_nothing(client, call, headers, code):
    await refused(await client.post(call, json={}, headers=headers), 403, code)


async def test_beyond_this_machine_writes_need_the_token(exporter, monkeypatch):
    async def asked(token, **headers):
        monkeypatch.setenv(TOKEN_ENV, token)
        app = application(exporter, Writes(exporter, None, "default"), "0.0.0.0")
        async with TestClient(TestServer(app)) as client:
            assert (await client.get("/metrics")).status == 200
            return (await client.post("/refresh", headers=headers)).status

    assert await asked("") == 403
    assert await asked("secret") == 401
    assert await asked("secret", Authorization="Bearer wrong") == 401
    assert await asked("secret", Authorization="Bearer secret") == 200


async def test_every_metric_is_documented(client):
    text = await (await client.get("/metrics")).text()
    page = (Path(__file__).parents[3] / "docs/rebalancing/metrics.md").read_text(encoding="utf-8")
    names = set(re.findall(r"^# TYPE (\S+)", text, flags=re.MULTILINE))
    documented = set(re.findall(r"`((?:node|serflab)_[a-z_]+)`", page))
    only_of_a_cluster = {"watch_connected", "snapshot_age_seconds", "unreadable_pods"}
    assert documented == names | {f"serflab_rebalance_{name}" for name in only_of_a_cluster}


async def test_vms_of_a_scenario_sent_to_the_exporter_of_a_loop_go_with_the_loop(exporter):
    cluster = ClusterStandIn()
    writes = Writes(exporter, cluster, "default", instance=LOOP_INSTANCE)
    await writes.create_vms([VM("sent", 0.1, 0.1)])
    await Writes(exporter, cluster, "default").create_vms([VM("others", 0.1, 0.1)])
    labels = {name: cluster.objects[vm_path("default", name)]["metadata"]["labels"] for name in ("sent", "others")}
    assert labels["sent"].items() >= OWN.items()
    assert not labels["others"].items() >= OWN.items()


async def test_what_of_the_cluster_has_not_been_read_is_named_with_the_reason():
    load = ClusterLoad(None, namespace="demo", stale_after=30, on_change=lambda: None)
    pods, nodes = load.problem(0).split("; ")
    assert pods == "/api/v1/namespaces/demo/pods with kubevirt.io=virt-launcher has not been read yet"
    assert nodes == "/api/v1/nodes with kubevirt.io/schedulable=true has not been read yet"
    before = load.state(0)
    load._nodes.last_error = SerflabError("nodes is forbidden")
    assert load.problem(0).endswith("has not been read yet: nodes is forbidden")
    assert load.state(0) != before
