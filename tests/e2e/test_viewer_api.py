"""The REST API on a running lab: what it tells is what API servers and Prometheus tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
from running_lab import on_cluster, unschedulable_pod, until

from openapi_schema import problems
from serflab.lab.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable

    from serflab.kube.client import ApiClient


@pytest.fixture
def get(lab: Any) -> Callable[..., requests.Response]:
    return lambda path, **parameters: requests.get(f"{lab.viewer_url}{path}", params=parameters, timeout=20)


@pytest.fixture
def serf_name(lab: Any) -> str:
    name: str = lab.inventory.serfs[0].name
    return name


def pods(answer: requests.Response) -> dict[tuple[str, str], dict[str, Any]]:
    return {(pod["namespace"], pod["name"]): pod for pod in answer.json()["pods"]}


def test_answers_are_what_the_openapi_document_describes(get: Callable[..., requests.Response], serf_name: str) -> None:
    document = get("/api/openapi.json").json()
    pod = next(iter(pods(get(f"/api/node/{serf_name}/cluster-info")).values()))
    paths = {
        "/api/topology": "/api/topology",
        "/api/health": "/api/health",
        "/api/workload-templates": "/api/workload-templates",
        "/api/node/{node}/cluster-info": f"/api/node/{serf_name}/cluster-info",
        "/api/node/{node}/timeseries": f"/api/node/{serf_name}/timeseries",
        "/api/node/{node}/pod/{namespace}/{pod}/timeseries": (
            f"/api/node/{serf_name}/pod/{pod['namespace']}/{pod['name']}/timeseries"
        ),
    }
    for described, path in paths.items():
        schema = document["paths"][described]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        answer = get(path)
        assert answer.status_code == 200, path
        assert problems(answer.json(), schema, document) == [], path


def test_a_lab_that_works_is_healthy(get: Callable[..., requests.Response], lab: Any) -> None:
    until(lambda: get("/api/health").json()["status"] == "ok")
    serfs = get("/api/health").json()["serfs"]
    assert [item["name"] for item in serfs] == [item.name for item in lab.inventory.serfs]


def test_pods_and_their_phases_are_those_of_the_api_server(
    get: Callable[..., requests.Response], lab: Any, serf_name: str
) -> None:
    async def phases(client: ApiClient) -> dict[tuple[str, str], str]:
        items = (await client.list("/api/v1/pods"))["items"]
        return {(item["metadata"]["namespace"], item["metadata"]["name"]): item["status"]["phase"] for item in items}

    told = {key: pod["phase"] for key, pod in pods(get(f"/api/node/{serf_name}/cluster-info")).items()}
    assert told == on_cluster(lab, serf_name, phases)


def test_a_new_pod_is_seen_with_its_reason_and_a_deleted_one_is_gone(
    get: Callable[..., requests.Response], lab: Any, serf_name: str
) -> None:
    def probe() -> dict[str, Any] | None:
        return pods(get(f"/api/node/{serf_name}/cluster-info")).get(("default", "viewer-probe"))

    on_cluster(
        lab,
        serf_name,
        lambda client: client.create("/api/v1/namespaces/default/pods", unschedulable_pod("viewer-probe")),
    )
    try:
        until(lambda: bool((probe() or {}).get("reason")))
        seen = probe()
        assert seen is not None
        assert seen["phase"] == "Pending"
        assert "nodes are available" in seen["reason"]
        assert seen["cpu_millicores"] is None
    finally:
        path = "/api/v1/namespaces/default/pods/viewer-probe"
        on_cluster(lab, serf_name, lambda client: client.delete(path, grace=0))
    until(lambda: probe() is None)


@pytest.mark.parametrize("metric", list(METRICS))
def test_a_series_holds_the_values_of_prometheus(
    get: Callable[..., requests.Response], lab: Any, serf_name: str, metric: str
) -> None:
    def series() -> dict[str, Any]:
        answer: dict[str, Any] = get(f"/api/node/{serf_name}/timeseries", metric=metric, window="5m").json()["datasets"]
        return answer

    until(lambda: all(sum(v is not None for v in dataset["values"]) > 4 for dataset in series().values()))
    datasets = series()
    for name, query in (
        ("emulated_node", METRICS[metric].of_serfs(serf=serf_name)),
        ("real_node", METRICS[metric].of_real_machine(serf=serf_name)),
    ):
        dataset = datasets[name]
        known = [pair for pair in zip(dataset["timestamps"], dataset["values"], strict=True) if pair[1] is not None]
        # Not the newest, which Prometheus may still be about to replace.
        for at, value in known[-6:-2]:
            told = requests.get(f"{lab.prometheus_url}/api/v1/query", {"query": query, "time": at}, timeout=10).json()
            assert float(told["data"]["result"][0]["value"][1]) == pytest.approx(value)


def test_an_unknown_pod_or_namespace_comes_with_the_nearest_names(
    get: Callable[..., requests.Response], serf_name: str
) -> None:
    namespace, name = next(key for key in pods(get(f"/api/node/{serf_name}/cluster-info")))
    answer = get(f"/api/node/{serf_name}/pod/{namespace}/{name}x/timeseries")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_pod")
    assert name in answer.json()["error"]["details"]["nearest"]
    answer = get(f"/api/node/{serf_name}/pod/{namespace}x/{name}/timeseries")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_namespace")
    assert namespace in answer.json()["error"]["details"]["nearest"]


def test_the_emulation_config_is_the_serfs_own(get: Callable[..., requests.Response], lab: Any, serf_name: str) -> None:
    config = get(f"/api/node/{serf_name}/emulation-config").json()
    assert config["file"] == str(lab.inventory.serf(serf_name).config)
    assert all(pod["points"] > 0 and "time_series" not in pod for pod in config["pods"])
