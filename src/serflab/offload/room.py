"""How much of a slice is left for more pods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serflab.offload.records import OVER
from serflab.traces.quantity import parse_cpu, parse_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from serflab.offload.fleet import Fleet
    from serflab.offload.records import ShadowRecord


def room(fleet: Fleet, consumer: str, provider: str) -> tuple[float, float, int] | None:
    """Return what the virtual node of `provider` in `consumer` has left: millicores, Mi, pods; None without a node."""
    cluster = fleet.clusters.get(consumer)
    node = cluster.nodes.objects.get(("", provider)) if cluster and cluster.nodes else None
    if node is None:
        return None
    there = (node.get("status") or {}).get("allocatable") or {}
    shadows = [shadow for shadow in _shadows(fleet, provider) if shadow.consumer == consumer]
    return (
        parse_cpu(there.get("cpu") or 0) - sum(shadow.cpu for shadow in shadows),
        parse_memory(there.get("memory") or 0) - sum(shadow.memory for shadow in shadows),
        int(there.get("pods") or 0) - len(shadows),
    )


def _shadows(fleet: Fleet, provider: str) -> Iterator[ShadowRecord]:
    cluster = fleet.clusters.get(provider)
    if cluster and cluster.shadows:
        yield from (shadow for shadow in list(cluster.shadows.objects.values()) if shadow.phase not in OVER)
