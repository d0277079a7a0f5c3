"""Generating traces: a day of an online shop on one node, and templates for single pods. Same seed, same bytes.

The profile gives the node's load over the loop. Bursty, batch and leaking pods run as they like, together at most
half of it; the shop's visitors make up the rest, which the serving and storing pods share by weight, each with noise
of its own. PSI and power follow from CPU (`serflab.traces.derived`).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

import numpy as np

from serflab.traces.derived import IDLE_WATTS_PER_CORE, Derived, derive
from serflab.traces.draws import Draws, Floats
from serflab.traces.model import AnnotationKeys, NodeSpec
from serflab.traces.patterns import bursts, curve, jitter, runs, sawtooth, smooth
from serflab.traces.profiles import DEFAULT_SEED, PROFILES, Profile
from serflab.traces.shop import Service
from serflab.traces.shop import pods as shop_pods

DEFAULT_NODE: Final = NodeSpec("emulation-node-1", 16_000.0, 61_440.0)

# Of the node's memory, what all pods need at their largest; the rest is headroom for requests.
_MEMORY_SHARE: Final = 0.8
_BACKGROUND_SHARE: Final = 0.5


def generate(  # noqa: PLR0913 - every one of them is an option of `serflab trace generate`
    seed: int = DEFAULT_SEED,
    profile: str = "shop",
    *,
    pods: int = 80,
    namespaces: int = 4,
    points: int = 132,
    tick_seconds: float = 30,
    node: NodeSpec = DEFAULT_NODE,
) -> dict[str, Any]:
    """Return an emulation config (docs/traces.md) of `pods` pods in `ns1`..`nsN` on one `node`.

    Raises `KeyError` for an unknown profile and `ValueError` if there is not at least one pod, namespace and point.
    """
    if min(pods, namespaces, points) < 1:
        raise ValueError("a config needs at least one pod, one namespace and one point")
    members = list(shop_pods(pods, seed))
    cores = node.cpu_millicores / 1000.0
    cpu = np.round(_cpu(members, seed, PROFILES[profile], points, cores), 4)
    memory = _memory(members, seed, cpu, node.memory_mi)
    derived = derive(cpu, cores)
    names = [f"ns{number}" for number in range(1, namespaces + 1)]
    entries = []
    for index, (name, _) in enumerate(members):
        namespace = names[index * namespaces // pods]
        series = series_points(1000.0 * cpu[index], memory[index], derived.pod_power[index], derived.pod_psi[index])
        entries.append(
            {"full_name": f"{namespace}/{name}", "namespace": namespace, "pod_name": name, "time_series": series}
        )
    return {
        "metadata": {
            "total_pods": pods,
            "total_namespaces": namespaces,
            "time_points": points,
            "generator": {"command": "serflab trace generate", "seed": seed, "profile": profile},
            "source_files": {},
        },
        "node_config": {"mode": "single", "single_node": _node_entry(node)},
        "namespaces": names,
        "pods": entries,
        "emulation": {
            "tick_seconds": tick_seconds,
            "psi_aggregation": "max",
            "annotation_keys": asdict(AnnotationKeys()),
        },
        "node_time_series": _node_points(cpu, memory, derived, node, Draws(seed, "node")),
    }


def _cpu(members: list[tuple[str, Service]], seed: int, profile: Profile, points: int, cores: float) -> Floats:
    """Return the pods' CPU in cores, shape `(pods, points)`."""
    level = curve(profile.knots, points) * jitter(Draws(seed, "level"), points, 0.02)
    visitors = level / level.max()
    shape = np.array(
        [_shape(service, Draws(seed, "cpu", name), visitors, _leak(seed, name, points)) for name, service in members]
    )
    serving = np.array([[service.behaviour in ("serving", "storage")] for _, service in members])
    budget = level * cores
    background = np.where(serving, 0.0, shape * cores / len(members))
    total = background.sum(axis=0)
    background *= np.minimum(1.0, _BACKGROUND_SHARE * budget / np.maximum(total, 1e-9))
    parts = np.where(serving, shape, 0.0)
    return np.asarray(background + parts / parts.sum(axis=0) * (budget - background.sum(axis=0)), dtype=np.float64)


def _leak(seed: int, name: str, points: int) -> Floats:
    """Return how much of what it can leak a pod has leaked."""
    return sawtooth(Draws(seed, "leak", name), points)


def _shape(service: Service, draws: Draws, visitors: Floats, leak: Floats) -> Floats:
    """Return a pod's load over the loop, in the unit of `Service.weight`."""
    points = len(visitors)
    weight = service.weight * draws.one(0.6, 1.4)
    if service.behaviour == "bursty":
        load = bursts(draws, points)
    elif service.behaviour == "batch":
        load = runs(draws, points)
    elif service.behaviour == "leaking":
        load = (0.3 + 0.4 * visitors) + 0.3 * leak**3
    else:
        floor = 0.25 if service.behaviour == "storage" else 0.08
        late = np.roll(visitors, draws.integer(0, max(0, points // 60)))
        load = floor + (1.0 - floor) * late**service.steep
    return weight * load * jitter(draws, points, 0.08)


def _memory(members: list[tuple[str, Service]], seed: int, cpu: Floats, node_mi: float) -> Floats:
    """Return the pods' memory in Mi, shape `(pods, points)`; their maxima add up to a fixed share of the node."""
    rows = []
    for (name, service), usage in zip(members, cpu, strict=True):
        draws = Draws(seed, "memory", name)
        busy = smooth(usage) / max(float(usage.max()), 1e-9)
        if service.behaviour == "leaking":
            filled = 0.3 + 0.7 * _leak(seed, name, len(usage))
        elif service.behaviour == "batch":
            filled = 0.15 + 0.85 * smooth(usage, 2) / max(float(usage.max()), 1e-9)
        elif service.behaviour == "storage":
            filled = 0.85 + 0.15 * busy
        else:
            filled = 0.65 + 0.35 * busy
        rows.append(service.memory * draws.one(0.8, 1.2) * filled * jitter(draws, len(usage), 0.006))
    memory = np.array(rows)
    scale = min(2.0, _MEMORY_SHARE * node_mi / float(memory.max(axis=1).sum()))
    return np.asarray(memory * scale, dtype=np.float64)


def series_points(cpu: Floats, memory: Floats, power: Floats, psi: Floats) -> list[dict[str, float]]:
    """Return a pod's points from millicores, Mi, W and percent, rounded to what a reader can use."""
    columns = (np.round(cpu, 1), np.round(memory, 1), np.round(power, 3), np.round(psi, 2))
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [
        {"time": time, "cpu": cpu, "memory": memory, "power": power, "psi": psi}
        for time, (cpu, memory, power, psi) in enumerate(rows, start=1)
    ]


def _node_points(cpu: Floats, memory: Floats, derived: Derived, node: NodeSpec, draws: Draws) -> list[dict[str, float]]:
    """Return what the real node would have measured: the sum of its pods, its idle power, the meters' noise."""
    cores = node.cpu_millicores / 1000.0
    points = cpu.shape[1]
    load = np.minimum(100.0, 100.0 * cpu.sum(axis=0) / cores * jitter(draws, points, 0.012))
    psi = np.minimum(100.0, derived.node_psi * jitter(draws, points, 0.05))
    power = (IDLE_WATTS_PER_CORE * cores + derived.node_power) * jitter(draws, points, 0.006)
    used = np.minimum(node.memory_mi, memory.sum(axis=0) * jitter(draws, points, 0.003))
    columns = (np.round(load, 2), np.round(psi, 3), np.round(power, 1), np.round(used, 1))
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [
        {"time": time, "node_cpu_load": load, "node_psi": psi, "node_power": power, "node_memory": used}
        for time, (load, psi, power, used) in enumerate(rows, start=1)
    ]


def _node_entry(node: NodeSpec) -> dict[str, str]:
    cores, gibibytes = node.cpu_millicores / 1000.0, node.memory_mi / 1024.0
    return {
        "name": node.name,
        "cpu": f"{cores:.0f}" if cores.is_integer() else f"{node.cpu_millicores:.0f}m",
        "memory": f"{gibibytes:.0f}Gi" if gibibytes.is_integer() else f"{node.memory_mi:.0f}Mi",
    }
