"""Time series of a serf and of its pods: which metrics answer which question, over which window."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serflab.lab.prometheus_query import gather_queries, grid, matcher

if TYPE_CHECKING:
    from serflab.lab.prometheus_query import Prometheus

# The windows of the charts, in seconds.
WINDOWS = {"5m": 300, "15m": 900, "1h": 3600, "2h": 7200}


@dataclass(frozen=True, slots=True)
class Metric:
    """One of the four measures: the series of a serf, of a real machine and of a pod, and their units."""

    name: str
    serf: str
    real: str
    pod: str
    serf_unit: str
    pod_unit: str
    real_aggregation: str = "avg"


METRICS = {
    metric.name: metric
    for metric in (
        Metric(
            "cpu",
            "serflab:serf_cpu:percent",
            "real_node_cpu_percent",
            "emulation_pod_cpu_millicores",
            "percent",
            "millicores",
        ),
        Metric(
            "memory",
            "serflab:serf_memory:percent",
            "real_node_memory_percent",
            "emulation_pod_memory_mi",
            "percent",
            "Mi",
        ),
        Metric(
            "psi",
            "serflab:serf_psi:percent",
            "real_node_psi_percent",
            "emulation_pod_psi_percent",
            "percent",
            "percent",
        ),
        Metric(
            "power",
            "serflab:serf_power:watts",
            "real_node_power_watts",
            "emulation_pod_power_watts",
            "watts",
            "watts",
            real_aggregation="sum",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class PodName:
    """A pod of a serf."""

    serf: str
    namespace: str
    pod: str


@dataclass(frozen=True, slots=True)
class SeriesSet:
    """Several series over the same points: seconds since the epoch, and one value or None (a gap) for each."""

    unit: str
    step: int
    timestamps: list[int]
    values: dict[str, list[float | None]]

    @property
    def empty(self) -> bool:
        """Whether no series has any value."""
        return all(value is None for values in self.values.values() for value in values)


async def serf_series(prometheus: Prometheus, serf: str, metric: Metric, window: int) -> SeriesSet:
    """Return the emulated and the real series of a serf over the last `window` seconds.

    Raises `PrometheusError`.
    """
    selector = matcher(serf=serf)
    queries = {
        "emulated_node": f"sum by (serf) ({metric.serf}{selector})",
        "real_node": f"{metric.real_aggregation} by (serf) ({metric.real}{selector})",
    }
    points = grid(window, time.time())
    values = await gather_queries(prometheus, queries, points)
    return SeriesSet(metric.serf_unit, points.step, points.timestamps, values)


async def pod_series(prometheus: Prometheus, name: PodName, metric: Metric, window: int) -> SeriesSet:
    """Return the emulated series of one pod over the last `window` seconds, wherever it ran.

    Raises `PrometheusError`.
    """
    selector = matcher(serf=name.serf, namespace=name.namespace, pod=name.pod)
    points = grid(window, time.time())
    values = await gather_queries(prometheus, {"emulated_pod": f"max by (pod) ({metric.pod}{selector})"}, points)
    return SeriesSet(metric.pod_unit, points.step, points.timestamps, values)
