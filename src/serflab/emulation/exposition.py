"""The metrics of a serf in the Prometheus text format, from the state of its pods at one moment.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format. The part of a line before its
value is made once for each pod and kept, which is what makes a large exposition cheap: then a line is one
concatenation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from serflab.kube.watch import Key
    from serflab.traces.model import PsiAggregation

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_POD_METRICS: Final = (
    ("emulation_pod_cpu_millicores", "CPU that the pod uses, in millicores."),
    ("emulation_pod_cpu_percent", "CPU that the pod uses, in percent of its node."),
    ("emulation_pod_memory_mi", "Memory that the pod uses, in Mi."),
    ("emulation_pod_memory_percent", "Memory that the pod uses, in percent of its node."),
    ("emulation_pod_power_watts", "Power that the pod draws, in watts."),
    ("emulation_pod_psi_percent", "CPU pressure (PSI) of the pod, in percent of time."),
)
_NODE_METRICS: Final = (
    ("emulation_node_cpu_percent", "CPU that the node's pods use together, in percent of the node."),
    ("emulation_node_memory_percent", "Memory that the node's pods use together, in percent of the node."),
    (
        "emulation_node_power_watts",
        "Power that the node's pods draw together, in watts; a node's idle power is not in it.",
    ),
    ("emulation_node_psi_percent", "CPU pressure (PSI) of the node's pods, aggregated as the config says."),
    ("emulation_node_pod_count", "Running pods of the node that have values."),
    ("emulation_node_cpu_capacity_millicores", "CPU capacity of the node."),
    ("emulation_node_memory_capacity_mi", "Memory capacity of the node."),
)
_REAL_METRICS: Final = (
    ("real_node_cpu_percent", "CPU of the recorded machine at the same point of the trace, in percent."),
    ("real_node_memory_percent", "Memory of the recorded machine at the same point, in percent of the emulated nodes."),
    ("real_node_power_watts", "Power of the recorded machine at the same point, in watts."),
    ("real_node_psi_percent", "CPU pressure (PSI) of the recorded machine at the same point, in percent."),
)

Values = tuple[float | None, float | None, float | None, float | None]
"""cpu (millicores), memory (Mi), power (W) and psi (percent) of a pod, None where it shows none."""


@dataclass(frozen=True, slots=True)
class PodState:
    """What counts of a pod; `version` is that of its last change, `played` whether a point was played onto it.

    `guest`: it runs here for another serf, and has a series and a clock of its own.
    """

    version: int
    node: str
    running: bool
    played: bool
    values: Values
    guest: bool = False


@dataclass(frozen=True, slots=True)
class Capacity:
    """The capacity of a node in millicores and Mi."""

    cpu: float
    memory: float


@dataclass(frozen=True, slots=True)
class RealNode:
    """What the recorded machine measured at one point: percent, percent, W, percent; NaN where it measured nothing."""

    name: str
    cpu: float
    memory: float
    power: float
    psi: float


@dataclass(slots=True)
class _NodeSum:
    """What the pods of a node add up to."""

    cpu: float = 0.0
    memory: float = 0.0
    power: float = 0.0
    psi: float = 0.0
    psi_max: float = 0.0
    pods: int = 0


class Exposition:
    """Makes the text; keeps the prefixes of the pods that it has seen from one text to the next."""

    def __init__(self, psi_aggregation: PsiAggregation) -> None:
        self._psi_aggregation = psi_aggregation
        self._prefixes: dict[Key, tuple[str, tuple[str, ...]]] = {}

    def render(
        self, pods: Mapping[Key, PodState], nodes: Mapping[str, Capacity], real: RealNode | None = None
    ) -> bytes:
        """Return the metrics of the running ones of these pods, of these nodes, and of the recorded machine."""
        sums = {name: _NodeSum() for name in nodes}
        columns = self._pod_lines(pods, nodes, sums)
        text: list[str] = []
        for (name, meaning), lines in zip(_POD_METRICS, columns, strict=True):
            text.append(header(name, meaning))
            text += lines
        text += self._node_lines(nodes, sums)
        if real:
            text += _real_lines(real)
        text.append("")
        return "\n".join(text).encode()

    def _pod_lines(
        self, pods: Mapping[Key, PodState], nodes: Mapping[str, Capacity], sums: dict[str, _NodeSum]
    ) -> tuple[list[str], ...]:
        columns: tuple[list[str], ...] = ([], [], [], [], [], [])
        cpus, cpu_percents, memories, memory_percents, powers, psis = columns
        prefixes = self._current_prefixes(pods)
        for key, pod in pods.items():
            cpu, memory, power, psi = pod.values
            if not pod.running or cpu is None:
                continue
            _, (p_cpu, p_cpu_percent, p_memory, p_memory_percent, p_power, p_psi) = prefixes[key]
            node = nodes.get(pod.node)
            total = sums.get(pod.node) or sums.setdefault(pod.node, _NodeSum())
            total.pods += 1
            total.cpu += cpu
            cpus.append(f"{p_cpu}{cpu!r}")
            if node and node.cpu:
                cpu_percents.append(f"{p_cpu_percent}{100 * cpu / node.cpu!r}")
            if memory is not None:
                total.memory += memory
                memories.append(f"{p_memory}{memory!r}")
                if node and node.memory:
                    memory_percents.append(f"{p_memory_percent}{100 * memory / node.memory!r}")
            if power is not None:
                total.power += power
                powers.append(f"{p_power}{power!r}")
            if psi is not None:
                total.psi += psi
                total.psi_max = max(total.psi_max, psi)
                psis.append(f"{p_psi}{psi!r}")
        return columns

    def _current_prefixes(self, pods: Mapping[Key, PodState]) -> dict[Key, tuple[str, tuple[str, ...]]]:
        """Return node and prefixes of each pod; those of pods that are gone or have moved are forgotten."""
        before = self._prefixes
        current = {}
        for key, pod in pods.items():
            known = before.get(key)
            current[key] = known if known and known[0] == pod.node else (pod.node, _pod_prefixes(key, pod.node))
        self._prefixes = current
        return current

    def _node_lines(self, nodes: Mapping[str, Capacity], sums: Mapping[str, _NodeSum]) -> Iterable[str]:
        columns: tuple[list[str], ...] = tuple([] for _ in _NODE_METRICS)
        for name, total in sums.items():
            node = nodes.get(name)
            label = f'{{node="{escaped(name)}"}} '
            values = (
                100 * total.cpu / node.cpu if node and node.cpu else None,
                100 * total.memory / node.memory if node and node.memory else None,
                total.power,
                self._node_psi(total),
                total.pods,
                node.cpu if node else None,
                node.memory if node else None,
            )
            for (metric, _), value, lines in zip(_NODE_METRICS, values, columns, strict=True):
                if value is not None:
                    lines.append(f"{metric}{label}{value!r}")
        for (metric, meaning), lines in zip(_NODE_METRICS, columns, strict=True):
            yield header(metric, meaning)
            yield from lines

    def _node_psi(self, total: _NodeSum) -> float:
        if self._psi_aggregation == "max":
            return total.psi_max
        if self._psi_aggregation == "sum":
            return total.psi
        return total.psi / total.pods if total.pods else 0.0


def header(name: str, meaning: str, kind: str = "gauge") -> str:
    """Return the HELP and TYPE lines of a metric."""
    return f"# HELP {name} {meaning}\n# TYPE {name} {kind}"


def escaped(value: str) -> str:
    """Return a label value with what the format reserves escaped."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _pod_prefixes(key: Key, node: str) -> tuple[str, ...]:
    namespace, name = key
    labels = f'namespace="{escaped(namespace)}",pod="{escaped(name)}",node="{escaped(node)}"'
    return tuple(f"{metric}{{{labels}}} " for metric, _ in _POD_METRICS)


def _real_lines(real: RealNode) -> Iterable[str]:
    values = (real.cpu, real.memory, real.power, real.psi)
    for (metric, meaning), value in zip(_REAL_METRICS, values, strict=True):
        if not math.isnan(value):
            yield header(metric, meaning)
            yield f'{metric}{{node="{escaped(real.name)}"}} {value!r}'
