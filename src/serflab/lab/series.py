"""Time series of a serf and of its pods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from serflab.lab.prometheus_query import Grid, gather_queries, grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from serflab.lab.metrics import Metric
    from serflab.lab.prometheus_query import Prometheus
    from serflab.lab.span import Span

EMULATED = "emulated_node"
REAL = "real_node"
EMULATED_POD = "emulated_pod"


@dataclass(frozen=True, slots=True)
class PodName:
    """A pod of a serf."""

    serf: str
    namespace: str
    pod: str

    @property
    def full_name(self) -> str:
        """Return `namespace/pod`."""
        return f"{self.namespace}/{self.pod}"


@dataclass(frozen=True, slots=True)
class SeriesSet:
    """Several series over the same points: for each, one value or None (a gap) at every point of the grid."""

    unit: str
    points: Grid
    values: dict[str, list[float | None]]

    @property
    def silent(self) -> list[str]:
        """Return the names of the series that have no value at all."""
        return [name for name, values in self.values.items() if all(value is None for value in values)]


async def serf_series(prometheus: Prometheus, serf: str, metric: Metric, span: Span) -> SeriesSet:
    """Return the emulated and the real series of a serf.

    Raises `PrometheusError`.
    """
    queries = {EMULATED: metric.of_serfs(serf=serf), REAL: metric.of_real_machine(serf=serf)}
    points = grid(span.start, span.end)
    return SeriesSet(metric.node_unit, points, await gather_queries(prometheus, queries, points))


async def pod_series(prometheus: Prometheus, name: PodName, metric: Metric, span: Span) -> SeriesSet:
    """Return the emulated series of one pod, wherever it ran.

    Raises `PrometheusError`.
    """
    query = metric.of_pod(serf=name.serf, namespace=name.namespace, pod=name.pod)
    points = grid(span.start, span.end)
    return SeriesSet(metric.pod_unit, points, await gather_queries(prometheus, {EMULATED_POD: query}, points))


async def pods_series(prometheus: Prometheus, names: Sequence[PodName], metric: Metric, span: Span) -> SeriesSet:
    """Return the emulated series of several pods by `namespace/pod`, in the order of the names, with one query.

    Raises `PrometheusError`.
    """
    selected = [metric.of_pod(serf=name.serf, namespace=name.namespace, pod=name.pod) for name in names]
    points = grid(span.start, span.end)
    values: dict[str, list[float | None]] = {name.full_name: [None] * len(points.timestamps) for name in names}
    for labels, series in await prometheus.over(" or ".join(selected), points):
        values[f"{labels['namespace']}/{labels['pod']}"] = series
    return SeriesSet(metric.pod_unit, points, values)
