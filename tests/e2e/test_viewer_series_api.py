"""Series, sums, the past, events and health on a running lab: they are those of Prometheus and of the API servers."""

from __future__ import annotations

import csv
import io
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
import requests
from running_lab import on_cluster, unschedulable_pod, until

from openapi_schema import problems
from serflab.lab.comparison import compare
from serflab.lab.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable

    Get = Callable[..., requests.Response]


@pytest.fixture
def get(lab: Any) -> Get:
    return lambda path, **parameters: requests.get(f"{lab.viewer_url}{path}", params=parameters, timeout=20)


@pytest.fixture
def prometheus(lab: Any) -> Callable[..., list[dict[str, Any]]]:
    """The results of an instant query to the lab's own Prometheus."""

    def ask(query: str, **parameters: Any) -> list[dict[str, Any]]:
        url = f"{lab.prometheus_url}/api/v1/query"
        answer = requests.get(url, {"query": query, "lookback_delta": "15", **parameters}, timeout=20).json()
        results: list[dict[str, Any]] = answer["data"]["result"]
        return results

    return ask


@pytest.fixture
def past(get: Get, serf_name: str) -> dict[str, int]:
    """A range of 40 s that is over, in which the whole lab played."""

    def known() -> int:
        values = get(f"/api/node/{serf_name}/timeseries").json()["datasets"]["real_node"]["values"]
        return sum(value is not None for value in values)

    until(lambda: known() > 12)
    # Not the newest points, which Prometheus may still be about to fill.
    end = int(time.time()) // 5 * 5 - 10
    return {"from": end - 40, "to": end}


@pytest.fixture
def pod_names(get: Get, serf_name: str) -> list[str]:
    return [f"{pod['namespace']}/{pod['name']}" for pod in get(f"/api/node/{serf_name}/cluster-info").json()["pods"]]


def values_of(answer: dict[str, Any]) -> dict[str, list[float | None]]:
    return {name: dataset["values"] for name, dataset in answer["datasets"].items()}


def test_answers_are_what_the_openapi_document_describes(
    get: Get, serf_name: str, past: dict[str, int], pod_names: list[str]
) -> None:
    document = get("/api/openapi.json").json()
    calls: dict[str, dict[str, Any]] = {
        "/api/node/{node}/events": {},
        "/api/node/{node}/health": {},
        "/api/node/{node}/timeseries": past,
        "/api/node/{node}/pods/timeseries": {"pod": pod_names[:3], **past},
        "/api/node/{node}/stack": {"by": "pod", "metric": "memory", **past},
        "/api/history": past,
    }
    for path, parameters in calls.items():
        schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        answer = get(path.replace("{node}", serf_name), **parameters)
        assert answer.status_code == 200, path
        assert problems(answer.json(), schema, document) == [], path


def test_a_range_holds_the_points_that_were_asked_for(
    get: Get, prometheus: Any, serf_name: str, past: dict[str, int]
) -> None:
    answer = get(f"/api/node/{serf_name}/timeseries", metric="power", **past).json()
    assert (answer["window"], answer["from"], answer["to"], answer["step"]) == ("custom", past["from"], past["to"], 5)
    dataset = answer["datasets"]["emulated_node"]
    assert dataset["timestamps"] == list(range(past["from"], past["to"] + 1, 5))
    for at, value in zip(dataset["timestamps"], dataset["values"], strict=True):
        told = prometheus(METRICS["power"].of_serfs(serf=serf_name), time=at)
        assert float(told[0]["value"][1]) == value


def test_a_range_before_the_lab_was_there_is_all_gaps(get: Get, serf_name: str) -> None:
    answer = get(f"/api/node/{serf_name}/timeseries", **{"from": 1_000_000_000, "to": 1_000_003_600}).json()
    assert answer["comparison"] == {"mape_percent": None, "correlation": None, "mean_difference": None, "points": 0}
    assert {value for values in values_of(answer).values() for value in values} == {None}


def test_emulated_and_real_are_compared_over_what_is_answered(get: Get, serf_name: str, past: dict[str, int]) -> None:
    answer = get(f"/api/node/{serf_name}/timeseries", metric="memory", **past).json()
    values = values_of(answer)
    expected = compare(values["emulated_node"], values["real_node"])
    assert answer["comparison"]["points"] == expected.points > 5
    assert answer["comparison"]["mape_percent"] == expected.mape_percent
    assert 0 <= answer["comparison"]["mape_percent"] < 30


def test_a_csv_file_holds_the_values_of_the_json(get: Get, serf_name: str, past: dict[str, int]) -> None:
    path = f"/api/node/{serf_name}/timeseries"
    dataset = get(path, **past).json()["datasets"]
    answer = get(path, format="csv", **past)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{serf_name}-cpu-custom.csv"'
    header, *rows = csv.reader(io.StringIO(answer.text))
    assert header == ["time", "emulated_node", "real_node"]
    assert [datetime.fromisoformat(row[0]).timestamp() for row in rows] == dataset["real_node"]["timestamps"]
    assert [float(row[1]) if row[1] else None for row in rows] == dataset["emulated_node"]["values"]
    assert [float(row[2]) if row[2] else None for row in rows] == dataset["real_node"]["values"]


def test_several_pods_in_one_answer_are_what_each_is_alone(
    get: Get, serf_name: str, past: dict[str, int], pod_names: list[str]
) -> None:
    names = [pod_names[5], pod_names[0], pod_names[-1]]
    together = get(f"/api/node/{serf_name}/pods/timeseries", pod=names, metric="memory", **past).json()
    assert list(together["datasets"]) == names
    assert together["unit"] == "Mi"
    for name in names:
        alone = get(f"/api/node/{serf_name}/pod/{name}/timeseries", metric="memory", **past).json()
        assert alone["datasets"]["emulated_pod"] == together["datasets"][name]
        assert any(value is not None for value in alone["datasets"]["emulated_pod"]["values"])


def test_one_unknown_pod_among_several_comes_with_the_nearest_names(
    get: Get, serf_name: str, pod_names: list[str]
) -> None:
    answer = get(f"/api/node/{serf_name}/pods/timeseries", pod=[pod_names[0], f"{pod_names[1]}x"])
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_pod")
    assert pod_names[1].partition("/")[2] in answer.json()["error"]["details"]["nearest"]


@pytest.mark.parametrize(
    "asked",
    [{"metric": metric, "by": part} for metric in ("cpu", "memory", "power") for part in ("namespace", "pod")],
    ids=lambda asked: " by ".join(asked.values()),
)
def test_a_stack_adds_up_to_the_sum_of_all_pods(
    get: Get, prometheus: Any, serf_name: str, past: dict[str, int], asked: dict[str, str]
) -> None:
    answer = get(f"/api/node/{serf_name}/stack", **asked, **past).json()
    values = values_of(answer)
    assert len(values) <= 10
    assert (answer["other"] is None) == (asked["by"] == "namespace")
    parts = [*values.values(), *([answer["other"]["values"]] if answer["other"] else [])]
    for index, at in enumerate(range(past["from"], past["to"] + 1, 5)):
        told = float(prometheus(f'sum({METRICS[asked["metric"]].pod}{{serf="{serf_name}"}})', time=at)[0]["value"][1])
        assert sum(series[index] or 0 for series in parts) == pytest.approx(told)


def test_the_biggest_pods_of_a_stack_come_first(
    get: Get, prometheus: Any, serf_name: str, past: dict[str, int]
) -> None:
    answer = get(f"/api/node/{serf_name}/stack", metric="memory", by="pod", **past).json()
    means = [sum(value or 0 for value in values) for values in values_of(answer).values()]
    assert len(means) == 10
    assert means[0] > means[-1]
    query = f'topk(1, avg_over_time(emulation_pod_memory_mi{{serf="{serf_name}"}}[40s]))'
    biggest = prometheus(query, time=past["to"])[0]["metric"]
    assert next(iter(answer["datasets"])) == f"{biggest['namespace']}/{biggest['pod']}"


def test_a_stack_over_a_day_shows_what_was_there_for_minutes(get: Get, serf_name: str, past: dict[str, int]) -> None:
    answer = get(f"/api/node/{serf_name}/stack", by="pod", **{"from": past["to"] - 86400, "to": past["to"]}).json()
    assert answer["step"] > 120
    assert len(answer["datasets"]) == 10
    assert all(any(values) for values in values_of(answer).values())


def test_the_past_of_all_serfs_is_that_of_prometheus(get: Get, prometheus: Any, lab: Any, past: dict[str, int]) -> None:
    answer = get("/api/history", **past).json()
    assert list(answer["metrics"]) == ["cpu", "memory", "psi", "power"]
    assert answer["metrics"]["power"]["unit"] == "watts"
    for name, metric in METRICS.items():
        serfs = answer["metrics"][name]["serfs"]
        assert set(serfs) == {serf.name for serf in lab.inventory.serfs}
        for index, at in enumerate(answer["timestamps"]):
            told = {item["metric"]["serf"]: float(item["value"][1]) for item in prometheus(metric.of_serfs(), time=at)}
            assert {serf: values[index] for serf, values in serfs.items()} == pytest.approx(told, abs=0.001)


def test_the_past_begins_with_the_oldest_sample(get: Get, prometheus: Any) -> None:
    until(lambda: get("/api/history", metric="cpu").json()["earliest"] is not None)
    samples = [at for series in prometheus('up{job="kwok-emulation"}[1d]') for at, _ in series["values"]]
    assert get("/api/history", metric="cpu").json()["earliest"] == pytest.approx(min(samples), abs=0.001)


def test_a_day_of_the_past_has_at_most_300_points(get: Get) -> None:
    answer = get("/api/history", window="24h", metric=["cpu", "psi"]).json()
    assert list(answer["metrics"]) == ["cpu", "psi"]
    assert len(answer["timestamps"]) <= 300
    assert answer["to"] - answer["from"] > 86400 - 2 * answer["step"]


def test_what_happens_in_the_cluster_is_told_the_newest_first(get: Get, lab: Any, serf_name: str) -> None:
    def events() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = get(f"/api/node/{serf_name}/events").json()["events"]
        return found

    on_cluster(
        lab,
        serf_name,
        lambda client: client.create("/api/v1/namespaces/default/pods", unschedulable_pod("event-probe")),
    )
    try:
        until(lambda: any(event["name"] == "event-probe" for event in events()))
    finally:
        path = "/api/v1/namespaces/default/pods/event-probe"
        on_cluster(lab, serf_name, lambda client: client.delete(path, grace=0))
    told = events()
    probe = next(event for event in told if event["name"] == "event-probe")
    assert (probe["type"], probe["reason"], probe["kind"]) == ("Warning", "FailedScheduling", "Pod")
    assert (probe["namespace"], probe["source"]) == ("default", "default-scheduler")
    assert "nodes are available" in probe["message"]
    times = [event["time"] for event in told]
    assert times == sorted(times, reverse=True)
    known = on_cluster(lab, serf_name, lambda client: client.list("/api/v1/events"))["items"]
    assert len(told) == min(500, len(known))


def test_a_pod_has_its_requests_and_its_share_of_its_node(get: Get, serf_name: str) -> None:
    info = get(f"/api/node/{serf_name}/cluster-info").json()
    nodes = {node["name"]: node for node in info["nodes"]}
    playing = [pod for pod in info["pods"] if pod["cpu_millicores"]]
    assert playing
    for pod in playing:
        capacity = nodes[pod["node"]]["capacity"]
        assert pod["cpu_percent"] == pytest.approx(100 * pod["cpu_millicores"] / capacity["cpu_millicores"])
        assert pod["memory_percent"] == pytest.approx(100 * pod["memory_mi"] / capacity["memory_mi"])
    assert all(pod["ready"] and pod["requests"]["memory_mi"] > 0 for pod in playing)
    requested = sum(pod["requests"]["cpu_millicores"] for pod in info["pods"])
    assert requested == pytest.approx(sum(node["requested"]["cpu_millicores"] for node in info["nodes"]))


def test_a_serf_that_plays_says_so_and_one_whose_replay_stopped_as_well(get: Get, lab: Any) -> None:
    name = lab.inventory.serfs[1].name

    def replay() -> dict[str, Any]:
        answer: dict[str, Any] = get(f"/api/node/{name}/health").json()["replay"]
        return answer

    until(lambda: replay()["state"] == "playing" and replay()["tick"] > 0)
    health, first = get(f"/api/node/{name}/health").json(), replay()
    assert (health["api_server"]["state"], health["exporter"]["up"]) == ("ready", True)
    assert health["exporter"]["samples"] > 100
    assert 0 < health["exporter"]["scrape_seconds"] < 4
    assert (first["points"], first["interval_seconds"]) == (132, lab.interval)
    until(lambda: replay()["tick"] > first["tick"])
    lab.supervisor.stop(f"{name}:replay")
    try:
        until(lambda: replay()["state"] == "stopped")
    finally:
        lab.supervisor.start(f"{name}:replay")
    until(lambda: replay()["state"] == "playing")
