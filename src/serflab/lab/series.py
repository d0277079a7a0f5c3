"""Time series of a serf and of its pods over the windows of the charts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serflab.lab.prometheus_query import gather_queries, grid

if TYPE_CHECKING:
    from serflab.lab.metrics import Metric
    from serflab.lab.prometheus_query import Prometheus

# In seconds.
WINDOWS = {"5m": 300, "15m": 900, "1h": 3600, "2h": 7200}


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
    queries = {"emulated_node": metric.of_serfs(serf=serf), "real_node": metric.of_real_machine(serf=serf)}
    points = grid(window, time.time())
    values = await gather_queries(prometheus, queries, points)
    return SeriesSet(metric.node_unit, points.step, points.timestamps, values)


async def pod_series(prometheus: Prometheus, name: PodName, metric: Metric, window: int) -> SeriesSet:
    """Return the emulated series of one pod over the last `window` seconds, wherever it ran.

    Raises `PrometheusError`.
    """
    query = metric.of_pod(serf=name.serf, namespace=name.namespace, pod=name.pod)
    points = grid(window, time.time())
    values = await gather_queries(prometheus, {"emulated_pod": query}, points)
    return SeriesSet(metric.pod_unit, points.step, points.timestamps, values)
