"""Offloading changes where load is, not how much there is: CPU, memory and energy of all pods of a serf together.

The window of a hand-over, in which a pod may be shown on both sides or on none (docs/decisions/0012), is left out: only
points at which every pod was seen are compared.
"""

from __future__ import annotations

import time
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from offloading import OffloadApi
from running_lab import on_cluster, until

from serflab.emulation.names import REMOTE_ROLE, ROLE, SOURCE_NODE, VIRTUAL
from serflab.offload.names import SOURCE_NAMESPACE
from serflab.traces.check import load_config
from serflab.traces.quantity import parse_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from serflab.kube.client import ApiClient
    from serflab.traces.model import EmulationConfig

MOVED = 3
POINTS = 4
Key = tuple[str, str]
Row = tuple[float, float, float, float]


@pytest.fixture
def api(lab: Any) -> Iterator[OffloadApi]:
    made = OffloadApi(lab.viewer_url)
    until(lambda: made.call("GET", "/liqo-connections").ok)
    yield made
    made.clear()


@pytest.fixture
def config(lab: Any) -> EmulationConfig:
    return load_config(lab.inventory.serf("serf1").config)


def shown(lab: Any, config: EmulationConfig) -> list[tuple[Key, int, Row]]:
    """Return what is shown of the pods of serf1, wherever they run: the pod, the point, its values."""
    keys = config.annotation_keys

    async def read(client: ApiClient) -> list[dict[str, Any]]:
        return (await client.list("/api/v1/pods"))["items"]  # type: ignore[no-any-return]

    found = []
    for serf in ("serf1", "serf2"):
        for pod in on_cluster(lab, serf, read):
            metadata = pod["metadata"]
            annotations = metadata.get("annotations") or {}
            away = annotations.get(ROLE) == REMOTE_ROLE and annotations.get(SOURCE_NODE) == "serf1"
            at_home = serf == "serf1" and annotations.get(VIRTUAL) != "true"
            if keys.time_index not in annotations or not (away or at_home):
                continue
            row = tuple(
                parse_value(metric, annotations[getattr(keys, metric)]) for metric in ("cpu", "memory", "power", "psi")
            )
            namespace = annotations[SOURCE_NAMESPACE] if away else metadata["namespace"]
            found.append(((namespace, metadata["name"]), int(annotations[keys.time_index]), row))
    return found


def whole_points(lab: Any, config: EmulationConfig, wanted: int) -> dict[int, dict[Key, Row]]:
    """Watch until so many points were seen of every pod of serf1, and return those."""
    names = {(pod.namespace, pod.name) for pod in config.pods}
    points: dict[int, dict[Key, Row]] = {}
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        for key, index, row in shown(lab, config):
            points.setdefault(index, {})[key] = row
        whole = {index: rows for index, rows in points.items() if rows.keys() == names}
        if len(whole) >= wanted:
            return whole
        time.sleep(0.1)
    pytest.fail(f"no {wanted} points were seen of all pods: { {index: len(rows) for index, rows in points.items()} }")


def sums(rows: dict[Key, Row]) -> tuple[float, float, float]:
    """Return CPU (millicores), memory (Mi) and power (W) of all pods together."""
    return tuple(round(sum(row[column] for row in rows.values()), 1) for column in range(3))  # type: ignore[return-value]


def recorded(config: EmulationConfig, index: int) -> tuple[float, float, float]:
    """Return the same sums as they are in the config."""
    keys = {(pod.namespace, pod.name): pod.series.row(index) for pod in config.pods}
    return sums({key: tuple(round(value, 2) for value in row) for key, row in keys.items()})  # type: ignore[misc]


def test_load_and_energy_are_the_same_before_while_and_after_pods_are_away(
    lab: Any, api: OffloadApi, config: EmulationConfig
) -> None:
    api.start("POST", "/liqo-connections", {"from": "serf1", "to": "serf2", "cpu": "4", "memory": "16Gi"})
    moved = [(pod.namespace, pod.name) for pod in config.pods[:MOVED]]
    for namespace, name in moved:
        body = {"source_node": "serf1", "namespace": namespace, "pod": name, "dest_node": "serf2"}
        api.start("POST", "/virtual-pods/offload", body)

    away = whole_points(lab, config, POINTS)
    for index, rows in away.items():
        assert sums(rows) == pytest.approx(recorded(config, index), abs=1.0)
    joules = lab.interval * sum(sums(rows)[2] for rows in away.values())
    assert joules == pytest.approx(lab.interval * sum(recorded(config, index)[2] for index in away), abs=1.0)

    # Each pod is somewhere, and none is in two places.
    places = Counter(key for key, _, _ in shown(lab, config))
    assert set(places.values()) == {1}
    assert places.keys() == {(pod.namespace, pod.name) for pod in config.pods}

    for pod in api.get("/virtual-pods")["virtual_pods"]:
        api.start("POST", f"/virtual-pods/{pod['id']}/bring-back", {})
    back = whole_points(lab, config, 2)
    for index, rows in back.items():
        assert sums(rows) == pytest.approx(recorded(config, index), abs=1.0)


def test_trace_time_goes_on_without_a_gap_or_a_jump(lab: Any, api: OffloadApi, config: EmulationConfig) -> None:
    pod = config.pods[5]
    key = pod.namespace, pod.name
    api.start("POST", "/liqo-connections", {"from": "serf1", "to": "serf2"})
    body = {"source_node": "serf1", "namespace": pod.namespace, "pod": pod.name, "dest_node": "serf2"}
    api.start("POST", "/virtual-pods/offload", body)
    until(lambda: key in {there for there, _, _ in shown(lab, config)})
    seen: list[tuple[int, int]] = []
    deadline = time.monotonic() + 120
    while len(seen) < POINTS and time.monotonic() < deadline:
        points = shown(lab, config)
        own = [index for there, index, _ in points if there == key]
        others = Counter(index for there, index, _ in points if there != key).most_common(1)
        if own and (not seen or own[0] != seen[-1][0]):
            seen.append((own[0], others[0][0]))
        time.sleep(0.1)
    steps = [(later[0] - sooner[0]) % config.length for sooner, later in pairwise(seen)]
    assert steps == [1] * (POINTS - 1), seen
    # It is at the same point as the pods that stayed, or a moment ahead of or behind them.
    assert all((own - other) % config.length in {0, 1, config.length - 1} for own, other in seen), seen
