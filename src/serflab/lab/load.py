"""The load of serfs: what Prometheus says now, and the colour that stands for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serflab.lab.prometheus_query import Prometheus

GREEN_BELOW = 20.0
AMBER_UP_TO = 60.0
JOB = "kwok-emulation"

_RULES = {
    "serflab:serf_cpu:percent": "cpu",
    "serflab:serf_memory:percent": "memory",
    "serflab:serf_psi:percent": "psi",
    "serflab:serf_power:watts": "power",
}
_LOADS_QUERY = '{__name__=~"' + "|".join(_RULES) + '"}'
_TARGETS_QUERY = f'max by (serf) (up{{job="{JOB}"}})'
_POD_METRICS = {
    "emulation_pod_cpu_millicores": "cpu",
    "emulation_pod_memory_mi": "memory",
    "emulation_pod_psi_percent": "psi",
    "emulation_pod_power_watts": "power",
}
PODS_QUERY = '{__name__=~"' + "|".join(_POD_METRICS) + '",serf="%s"}'


@dataclass(frozen=True, slots=True)
class Load:
    """The load of one serf: cpu, memory and psi in percent, power in watts; None where nothing is known."""

    cpu: float | None = None
    memory: float | None = None
    psi: float | None = None
    power: float | None = None

    @property
    def level(self) -> str | None:
        """Return the colour of the CPU load: green, amber or red."""
        return None if self.cpu is None else level(self.cpu)


@dataclass(frozen=True, slots=True)
class LabLoad:
    """What one poll of Prometheus found: loads by serf, and whether each serf's exporter was scraped."""

    loads: dict[str, Load] = field(default_factory=dict)
    targets: dict[str, bool] = field(default_factory=dict)


def level(cpu_percent: float) -> str:
    """Return `green` below 20 % CPU, `amber` up to 60 %, `red` above."""
    if cpu_percent < GREEN_BELOW:
        return "green"
    return "amber" if cpu_percent <= AMBER_UP_TO else "red"


async def read_load(prometheus: Prometheus) -> LabLoad:
    """Ask Prometheus for the current load of every serf; raises `PrometheusError`."""
    values: dict[str, dict[str, float]] = {}
    for sample in await prometheus.instant(_LOADS_QUERY):
        serf = sample.labels.get("serf", "")
        values.setdefault(serf, {})[_RULES[sample.labels["__name__"]]] = sample.value
    targets = {sample.labels.get("serf", ""): sample.value == 1 for sample in await prometheus.instant(_TARGETS_QUERY)}
    return LabLoad({serf: Load(**measures) for serf, measures in values.items()}, targets)


async def read_pod_usage(prometheus: Prometheus, serf: str) -> dict[tuple[str, str], dict[str, float]]:
    """Return the current values of every pod of a serf by (namespace, pod): millicores, Mi, percent, watts.

    Raises `PrometheusError`.
    """
    usage: dict[tuple[str, str], dict[str, float]] = {}
    for sample in await prometheus.instant(PODS_QUERY % serf.replace("\\", "\\\\").replace('"', '\\"')):
        labels = sample.labels
        measures = usage.setdefault((labels.get("namespace", ""), labels.get("pod", "")), {})
        measures[_POD_METRICS[labels["__name__"]]] = sample.value
    return usage
