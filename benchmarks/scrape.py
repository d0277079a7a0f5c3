"""(d) Making the text of 10,000 series: our exposition against a prometheus_client collector with the same series."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from benchmarks.comparison import Aim, Comparison, compare
from serflab.emulation.exposition import Capacity, Exposition, PodState

if TYPE_CHECKING:
    from collections.abc import Iterable

PODS = 1667  # six series each
_METRICS = (
    "emulation_pod_cpu_millicores",
    "emulation_pod_cpu_percent",
    "emulation_pod_memory_mi",
    "emulation_pod_memory_percent",
    "emulation_pod_power_watts",
    "emulation_pod_psi_percent",
)
_NODE = Capacity(16000.0, 61440.0)


def measure(runs: int = 15) -> Comparison:
    """Compare the time of one text; every value differs from text to text."""
    exposition = Exposition("max")
    numbers = itertools.count()
    registry = CollectorRegistry()
    registry.register(_Collector(numbers))

    def ours() -> float:
        pods = _pods(next(numbers))
        began = time.perf_counter()
        exposition.render(pods, {"node-1": _NODE})
        return 1000 * (time.perf_counter() - began)

    def peer() -> float:
        began = time.perf_counter()
        generate_latest(registry)
        return 1000 * (time.perf_counter() - began)

    ours()
    return compare(
        "text of 10,000 series",
        "ms",
        ours,
        ("a prometheus_client collector", peer),
        Aim(0.1, at_most=True),
        runs=runs,
        note="made once a tick; a scrape hands it out",
    )


def _pods(number: int) -> dict[tuple[str, str], PodState]:
    return {
        ("shop", f"pod-{index}"): PodState(
            version=1, node="node-1", running=True, played=True, values=(index + 0.1 * number, 85.0, 0.15, 0.5)
        )
        for index in range(PODS)
    }


class _Collector(Collector):
    def __init__(self, numbers: Iterable[int]) -> None:
        self._numbers = iter(numbers)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        pods = _pods(next(self._numbers))
        families = [GaugeMetricFamily(name, name, labels=("namespace", "pod", "node")) for name in _METRICS]
        for (namespace, name), pod in pods.items():
            cpu, memory, power, psi = pod.values
            values = (cpu, 100 * cpu / _NODE.cpu, memory, 100 * memory / _NODE.memory, power, psi)
            for family, value in zip(families, values, strict=True):
                family.add_metric((namespace, name, pod.node), value)
        return families
