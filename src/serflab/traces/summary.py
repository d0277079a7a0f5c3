"""What is in a config or template, in a few numbers."""

from __future__ import annotations

from collections import Counter
from math import fsum
from typing import TYPE_CHECKING, Any

from serflab.traces.model import METRICS, EmulationConfig, Template

if TYPE_CHECKING:
    from collections.abc import Sequence

UNITS = {"cpu": "millicores", "memory": "mi", "power": "watts", "psi": "percent"}


def summary(loaded: EmulationConfig | Template) -> dict[str, Any]:
    """Return facts for people, JSON-able; ranges are `{"min", "mean", "max"}` over the points.

    Of a config: counts, nodes, and the sum of all pods, CPU and memory in percent of all nodes. Of a template: the
    length, the size of the image and the range of each metric.
    """
    return _of_template(loaded) if isinstance(loaded, Template) else _of_config(loaded)


def _of_template(template: Template) -> dict[str, Any]:
    ranges = {f"{metric}_{UNITS[metric]}": _range(template.series.column(metric)) for metric in METRICS}
    return {
        "kind": "workload template",
        "points": template.series.length,
        "image_mib": round(template.image_mib, 2),
        **ranges,
    }


def _of_config(config: EmulationConfig) -> dict[str, Any]:
    cpu = [fsum(pod.series.cpu[index] for pod in config.pods) for index in range(config.length)]
    memory = [fsum(pod.series.memory[index] for pod in config.pods) for index in range(config.length)]
    millicores = fsum(node.cpu_millicores for node in config.nodes)
    mebibytes = fsum(node.memory_mi for node in config.nodes)
    pods_of = Counter(pod.namespace for pod in config.pods)
    return {
        "kind": "emulation config",
        "pods": len(config.pods),
        "namespaces": {namespace: pods_of[namespace] for namespace in config.namespaces},
        "points": config.length,
        "tick_seconds": config.tick_seconds,
        "node_mode": config.node_config.mode,
        "nodes": len(config.nodes),
        "capacity": {"cpu_millicores": millicores, "memory_mi": mebibytes},
        "node_cpu_percent": _range([100.0 * value / millicores for value in cpu]),
        "node_memory_percent": _range([100.0 * value / mebibytes for value in memory]),
        "fingerprint": config.fingerprint,
    }


def _range(values: Sequence[float]) -> dict[str, float]:
    mean = fsum(values) / len(values)
    return {"min": round(min(values), 2), "mean": round(mean, 2), "max": round(max(values), 2)}
