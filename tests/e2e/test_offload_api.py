"""Peerings and virtual pods by the REST API of a running lab: the viewer, the offload manager and two clusters."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
import requests
from offloading import OffloadApi
from running_lab import on_cluster, until

from openapi_schema import problems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from serflab.kube.client import ApiClient

MANAGER = "services:offload"
OURS = ("/api/v1/nodes", "/api/v1/namespaces", "/api/v1/pods")


@pytest.fixture
def api(lab: Any) -> Iterator[OffloadApi]:
    made = OffloadApi(lab.viewer_url)
    until(lambda: made.call("GET", "/liqo-connections").ok)
    yield made
    until(lambda: made.call("GET", "/liqo-connections").ok)
    made.clear()


@pytest.fixture
def described(api: OffloadApi) -> Callable[..., None]:
    """Hold an answer against the API's own description."""
    document = api.get("/openapi.json")

    def check(answer: Any, method: str, path: str, status: str = "200") -> None:
        response = document["paths"][path][method]["responses"][status]
        assert problems(answer, response["content"]["application/json"]["schema"], document) == []

    return check


def names(lab: Any, serf: str) -> dict[str, set[str]]:
    """Return the names of the objects of a serf, by collection."""

    async def read(client: ApiClient) -> dict[str, set[str]]:
        found = {}
        for collection in OURS:
            items = (await client.get(collection))["items"]
            found[collection] = {
                f"{item['metadata'].get('namespace', '')}/{item['metadata']['name']}" for item in items
            }
        return found

    return on_cluster(lab, serf, read)  # type: ignore[no-any-return]


def is_settled(lab: Any, serf: str) -> bool:
    """Whether nothing of what tests before have made is still on its way out."""

    async def read(client: ApiClient) -> bool:
        lists = [(await client.get(collection))["items"] for collection in OURS]
        return not any("deletionTimestamp" in item["metadata"] for items in lists for item in items)

    return on_cluster(lab, serf, read)  # type: ignore[no-any-return]


def capacity(lab: Any, serf: str) -> float:
    """Return what the exporter of a serf tells of its nodes' CPU, in millicores."""
    text = requests.get(lab.inventory.serf(serf).metrics_url, timeout=20).text
    lines = [line for line in text.splitlines() if line.startswith("emulation_node_cpu_capacity_millicores{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def test_a_peering_and_a_virtual_pod_from_their_beginning_to_their_end(
    lab: Any, api: OffloadApi, described: Callable[..., None]
) -> None:
    until(lambda: all(is_settled(lab, serf) for serf in ("serf1", "serf2")))
    before = {serf: names(lab, serf) for serf in ("serf1", "serf2")}
    room = capacity(lab, "serf1")

    made = api.start("POST", "/liqo-connections", {"from": "serf1", "to": "serf2", "cpu": "2", "memory": "4Gi"})
    described(made, "post", "/api/liqo-connections", "202")
    again = api.call("POST", "/liqo-connections", {"from": "serf1", "to": "serf2", "cpu": "2", "memory": "4Gi"})
    assert again.status_code == 200
    (peering,) = api.get("/liqo-connections")["connections"]
    assert (peering["from"], peering["to"], peering["state"]) == ("serf1", "serf2", "Established")
    assert (peering["resources"]["cpu"], peering["resources"]["memory"]) == (2000, 4096)
    info = api.get("/liqo-info", node="serf1")
    described(info, "get", "/api/liqo-info")
    assert [item["clusterID"] for item in info["peerings"]] == ["serf2"]
    described(api.get("/liqo-info", node="serf2"), "get", "/api/liqo-info")

    identity = api.create("serf1", "serf2", name="visitor")
    pods = api.get("/virtual-pods", source_node="serf1", status="Running")
    described(pods, "get", "/api/virtual-pods")
    described(api.get(f"/virtual-pods/{identity}"), "get", "/api/virtual-pods/{virtual_pod}")
    described(api.get(f"/operations/create.{identity}"), "get", "/api/operations/{operation}")
    described(api.get("/liqo-connections"), "get", "/api/liqo-connections")
    assert [pod["id"] for pod in pods["virtual_pods"]] == [identity]
    assert api.get("/virtual-pods", dest_node="serf1")["virtual_pods"] == []

    cascade = api.call("DELETE", "/liqo-connections", **{"from": "serf1", "to": "serf2", "dry_run": "true"})
    described(cascade.json(), "delete", "/api/liqo-connections")
    assert [(item["id"], item["action"]) for item in cascade.json()["cascade"]["virtual_pods"]] == [
        (identity, "delete")
    ]
    assert api.get(f"/virtual-pods/{identity}")["virtual_pod"]["status"] == "Running"
    assert capacity(lab, "serf1") == room

    api.disconnect("serf1", "serf2")
    assert api.get("/liqo-connections")["connections"] == []
    assert api.get("/virtual-pods")["virtual_pods"] == []
    until(lambda: {serf: names(lab, serf) for serf in before} == before)
    gone = api.call("DELETE", "/liqo-connections", {"from": "serf1", "to": "serf2"})
    assert (gone.status_code, gone.json()["operation"]["state"]) == (200, "Succeeded")
    described(gone.json(), "delete", "/api/liqo-connections")


def test_the_overview_and_the_clusters_tell_of_virtual_pods(api: OffloadApi) -> None:
    until(lambda: api.get("/topology")["offload"]["available"])
    version = api.get("/topology")["offload"]["version"]
    api.connect("serf1", "serf2")
    identity = api.create("serf1", "serf2", name="visitor")

    def told() -> bool:
        offload = api.get("/topology")["offload"]
        return bool(offload["version"] != version and offload["virtual_pods"] == {"running": 1, "total": 1})

    until(told)
    (shown,) = api.get("/topology")["offload"]["connections"]
    assert shown == {
        "from": "serf1", "to": "serf2", "state": "Established", "ready": True, "cordoned": False,
        "running": 1, "total": 1,
    }  # fmt: skip

    def sides() -> dict[str, Any]:
        info = {serf: api.get(f"/node/{serf}/cluster-info") for serf in ("serf1", "serf2")}
        return {serf: [pod["virtual"] for pod in told["pods"] if pod["virtual"]] for serf, told in info.items()}

    until(lambda: sides() == {
        "serf1": [{"id": identity, "role": "source"}], "serf2": [{"id": identity, "role": "remote"}],
    })  # fmt: skip
    nodes = {node["name"]: node["virtual"] for node in api.get("/node/serf1/cluster-info")["nodes"]}
    assert nodes["serf2"] is True
    assert [name for name, virtual in nodes.items() if virtual] == ["serf2"]


def test_an_emulated_pod_goes_and_comes_home(api: OffloadApi) -> None:
    api.connect("serf1", "serf2")
    info = api.get("/node/serf1/cluster-info")
    pod = next(item for item in info["pods"] if item["phase"] == "Running" and item["cpu_millicores"] is not None)
    place = {"namespace": pod["namespace"], "pod": pod["name"]}
    body = {"source_node": "serf1", "dest_node": "serf2", **place}
    identity = api.start("POST", "/virtual-pods/offload", body)["virtual_pod"]["id"]
    away = api.get(f"/virtual-pods/{identity}")["virtual_pod"]
    assert (away["origin"], away["status"], away["source_pod_name"]) == ("offloaded", "Running", pod["name"])
    twice = api.call("POST", "/virtual-pods/offload", body)
    assert (twice.status_code, twice.json()["error"]["code"]) == (409, "already_offloaded")

    api.start("POST", f"/virtual-pods/{identity}/bring-back")
    assert api.get("/virtual-pods")["virtual_pods"] == []

    def is_home() -> bool:
        pods = api.get("/node/serf1/cluster-info")["pods"]
        found = next((item for item in pods if (item["namespace"], item["name"]) == tuple(place.values())), None)
        return found is not None and found["phase"] == "Running" and found["virtual"] is None

    until(is_home)


def test_cordon_and_drain(api: OffloadApi) -> None:
    api.connect("serf1", "serf2")
    api.create("serf1", "serf2", name="visitor")
    cordoned = api.call("POST", "/liqo-connections/serf1/serf2/cordon")
    assert (cordoned.status_code, cordoned.json()["connection"]["virtual_node"]["cordoned"]) == (200, True)
    api.start("POST", "/liqo-connections/serf1/serf2/drain")
    assert api.get("/virtual-pods")["virtual_pods"] == []
    freed = api.call("POST", "/liqo-connections/serf1/serf2/uncordon")
    assert (freed.status_code, freed.json()["connection"]["virtual_node"]["cordoned"]) == (200, False)


@pytest.mark.parametrize("path", ["/virtual-pods/vp-999999", "/operations/create.vp-999999", "/operations/x.y"])
def test_what_is_not_there_is_not_found(api: OffloadApi, path: str) -> None:
    assert api.call("GET", path).status_code == 404


def test_deleting_again_is_no_error(api: OffloadApi) -> None:
    api.connect("serf1", "serf2")
    identity = api.create("serf1", "serf2")
    api.start("DELETE", f"/virtual-pods/{identity}")
    again = api.call("DELETE", f"/virtual-pods/{identity}")
    assert (again.status_code, again.json()["operation"]["state"]) == (200, "Succeeded")
    assert api.call("GET", f"/virtual-pods/{identity}").status_code == 404


def test_a_manager_that_is_killed_comes_back_with_all_that_there_is(lab: Any, api: OffloadApi) -> None:
    api.connect("serf1", "serf2")
    identity = api.create("serf1", "serf2")
    before = lab.supervisor.state(MANAGER).pid
    os.kill(before, signal.SIGKILL)
    until(lambda: lab.supervisor.state(MANAGER).pid not in {0, before})
    until(lambda: api.call("GET", f"/virtual-pods/{identity}").ok)
    until(lambda: api.get(f"/virtual-pods/{identity}")["virtual_pod"]["status"] == "Running")
    assert api.get(f"/operations/create.{identity}")["operation"]["state"] == "Succeeded"
    assert [item["state"] for item in api.get("/liqo-connections")["connections"]] == ["Established"]


def test_without_its_manager_the_lab_says_so_and_the_rest_works(lab: Any, api: OffloadApi) -> None:
    lab.supervisor.stop(MANAGER)
    try:
        answer = api.call("GET", "/virtual-pods")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "offload_unavailable")
        until(lambda: not api.get("/topology")["offload"]["available"])
        assert not api.get("/health")["offload"]["available"]
        assert lab.status()["services"]["offload"] == "STOPPED"
    finally:
        lab.supervisor.start(MANAGER)
    until(lambda: api.get("/topology")["offload"]["available"])
