"""What a cluster says of itself and of its peers, as `liqoctl info` tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from serflab import __version__
from serflab.offload.modules import module_state
from serflab.offload.peerings import MODULES, numbers, peering, role
from serflab.offload.twins import twins_of

if TYPE_CHECKING:
    from serflab.offload.cluster import Cluster
    from serflab.offload.fleet import Fleet

_WORDS = {"None": "Disabled", "Established": "Healthy"}


def info(fleet: Fleet, node: str) -> dict[str, Any]:
    """Return what `GET /liqo-info` answers for a serf (docs/api.md)."""
    cluster = fleet.cluster(node)
    foreign = sorted(name for _, name in (cluster.foreign_clusters.objects if cluster.foreign_clusters else ()))
    return {
        "local": {"clusterID": node, "version": __version__, "apiServerAddr": cluster.serf.server},
        "peerings": [_peer(fleet, cluster, name) for name in foreign],
    }


def _peer(fleet: Fleet, cluster: Cluster, other: str) -> dict[str, Any]:
    assert cluster.foreign_clusters is not None  # noqa: S101 - the name comes from there
    status = cluster.foreign_clusters.objects[("", other)].get("status") or {}
    modules = status.get("modules") or {}
    states = {name: _WORDS.get(module_state(modules.get(name)), "Unhealthy") for name in MODULES}
    link = peering(fleet, cluster.name, other)
    return {
        "clusterID": other,
        "role": role(fleet, cluster.name, other) or status.get("role") or "Unknown",
        "networkingStatus": states["networking"],
        "authenticationStatus": states["authentication"],
        "offloadingStatus": states["offloading"],
        "resources": numbers(link.accepted) if link else None,
        "virtualNodes": [link.node] if link and link.established else [],
        "namespaces": _namespaces(fleet, cluster, other),
    }


def _namespaces(fleet: Fleet, cluster: Cluster, other: str) -> list[dict[str, str]]:
    """Return the namespaces that are offloaded to another cluster, with the names of their twins."""
    there = fleet.clusters.get(other)
    offloadings = cluster.offloadings.objects if cluster.offloadings else {}
    return [
        {"namespace": namespace, "twin": name}
        for namespace, _ in sorted(offloadings)
        for name in (twins_of(there, cluster.name, namespace) if there else ())
    ]
