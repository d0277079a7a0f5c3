"""The load of serfs: what Prometheus says now, and the colour that stands for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from serflab.lab.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from serflab.lab.prometheus_query import Prometheus

# Of each measure: green below the first, amber up to the second, red above; units as in `Load`.
THRESHOLDS: Mapping[str, tuple[float, float]] = {
    "cpu": (20.0, 60.0),
    "memory": (50.0, 80.0),
    "psi": (5.0, 20.0),
    "power": (50.0, 100.0),
}
JOB = "kwok-emulation"

_TARGETS_QUERY = f'max by (serf) (up{{job="{JOB}"}})'


@dataclass(frozen=True, slots=True)
class Load:
    """The load of one serf: cpu, memory and psi in percent, power in watts; None where nothing is known."""

    cpu: float | None = None
    memory: float | None = None
    psi: float | None = None
    power: float | None = None


@dataclass(frozen=True, slots=True)
class LabLoad:
    """What one poll of Prometheus found: loads by serf, and whether each serf's exporter was scraped."""

    loads: dict[str, Load] = field(default_factory=dict)
    targets: dict[str, bool] = field(default_factory=dict)


def level(value: float | None, thresholds: tuple[float, float]) -> str | None:
    """Return `green` below the first threshold, `amber` up to the second, `red` above; None for an unknown value."""
    if value is None:
        return None
    green_below, amber_up_to = thresholds
    if value < green_below:
        return "green"
    return "amber" if value <= amber_up_to else "red"


async def read_load(prometheus: Prometheus) -> LabLoad:
    """Ask Prometheus for the current load of every serf; raises `PrometheusError`."""
    queries = [_TARGETS_QUERY, *(metric.of_serfs() for metric in METRICS.values())]
    targets, *measures = await asyncio.gather(*(prometheus.instant(query) for query in queries))
    values: dict[str, dict[str, float]] = {}
    for name, samples in zip(METRICS, measures, strict=True):
        for sample in samples:
            values.setdefault(sample.labels.get("serf", ""), {})[name] = sample.value
    return LabLoad(
        {serf: Load(**loads) for serf, loads in values.items()},
        {sample.labels.get("serf", ""): sample.value == 1 for sample in targets},
    )
