"""The end of a peering: its virtual pods go first, then what it was made of, last what said that it is wanted.

What a cluster that does not answer holds of it is removed when it answers again; until then the ResourceSlice stays.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from serflab.emulation.names import NAMESPACES_PATH
from serflab.kube.client import ApiError
from serflab.offload.faults import reached
from serflab.offload.foreign_clusters import keep_foreign_cluster, remove_foreign_cluster
from serflab.offload.names import (
    FINALIZER,
    ORIGIN,
    QUOTAS,
    VIRTUAL_NODES,
    WANTED,
    namespaced,
    quota_name,
    slice_path,
    tenant_namespace,
)
from serflab.offload.namespaces import reconcile_namespace
from serflab.offload.node_drain import let_go
from serflab.offload.peerings import has_quota, node_of, peering, wants
from serflab.offload.twins import remove_twin
from serflab.offload.virtual_nodes import remove_node, set_unschedulable
from serflab.offload.virtual_pods import virtual_pods_between
from serflab.offload.writes import delete, set_finalizers

if TYPE_CHECKING:
    from serflab.offload.cluster import Cluster
    from serflab.offload.fleet import Fleet
    from serflab.offload.peerings import Peering

GRACE_SECONDS = 10.0
"""How long the namespace of a tenant may wait for its ResourceSlice before it counts as left behind."""
_SOON_SECONDS = 0.3
_WAIT_SECONDS = 2.0
_SAME_MOMENT = 2.0  # seconds; times of creation are whole


async def remove_peering(fleet: Fleet, link: Peering) -> float | None:
    """Go on with the removal of a peering; return in how many seconds to look again, None when it is done."""
    consumer, provider = link.consumer, link.provider
    node = node_of(fleet, consumer, provider)
    if node is not None and not link.cordoned:
        reached("disconnect.cordon")
        await set_unschedulable(fleet, link, cordoned=True)
    pods = virtual_pods_between(fleet, consumer, provider)
    if pods:
        reached("disconnect.release")
        await let_go(fleet, pods)
    away = provider in fleet.clusters and not fleet.current(provider)
    if any(pod.source for pod in pods) or (pods and not away):
        await keep_foreign_cluster(fleet, consumer, provider)
        return _WAIT_SECONDS if away else _SOON_SECONDS
    await _clear_node(fleet, consumer, provider)
    if away:
        await keep_foreign_cluster(fleet, consumer, provider)
        return _WAIT_SECONDS
    if not await _clear_provider(fleet, consumer, provider):
        return _SOON_SECONDS
    await _clear_offloadings(fleet, consumer)
    await _not_wanted(fleet.cluster(consumer), link)
    reached("disconnect.slice")
    kept = [name for name in link.slice["metadata"].get("finalizers") or () if name != FINALIZER]
    await set_finalizers(fleet.client(consumer), slice_path(provider), link.slice, kept)
    # That the slice is gone comes back as a change, and `clear_leftovers` does the rest.
    return None


async def clear_leftovers(fleet: Fleet, consumer: str, provider: str) -> float | None:
    """Remove what is left of a peering that nobody wants: the last steps, or what a crash or force has left behind."""
    pods = virtual_pods_between(fleet, consumer, provider)
    if pods and provider in fleet.clusters:
        await let_go(fleet, pods)
        return _WAIT_SECONDS
    await _clear_node(fleet, consumer, provider)
    other_way = peering(fleet, provider, consumer)
    if other_way is not None and other_way.removing:
        return None  # what the two have in common goes with that one
    kept = other_way is not None or has_quota(fleet, provider, consumer)
    await remove_foreign_cluster(fleet, consumer, provider, kept=kept)
    again = None if kept else await _remove_tenant(fleet.cluster(consumer), provider)
    if fleet.current(provider) and not await _clear_provider(fleet, consumer, provider):
        return _SOON_SECONDS
    return again


def remains(fleet: Fleet, consumer: str, provider: str) -> list[str]:
    """Return what there still is of a peering that is no longer wanted, in words."""
    here, there = fleet.clusters.get(consumer), fleet.clusters.get(provider)
    found = []
    if here is not None:
        if node_of(fleet, consumer, provider) is not None:
            found.append("the virtual node")
        if here.namespaces and ("", tenant_namespace(provider)) in here.namespaces.objects:
            found.append("the tenant's namespace")
    if there is not None:
        found += [f"namespace {name} in {provider}" for name in twins_held(there, consumer)]
        if has_quota(fleet, consumer, provider):
            found.append(f"the Quota in {provider}")
    mutual = wants(fleet, provider, consumer)
    return [item for item in found if not (mutual and item == "the tenant's namespace")]


async def _clear_node(fleet: Fleet, consumer: str, provider: str) -> None:
    cluster = fleet.cluster(consumer)
    if node_of(fleet, consumer, provider) is not None:
        await remove_node(fleet, consumer, provider)
    namespace = tenant_namespace(provider)
    if cluster.virtual_nodes and (namespace, provider) in cluster.virtual_nodes.objects:
        reached("disconnect.virtual-node")
        await delete(cluster.connected(), f"{namespaced(VIRTUAL_NODES, namespace)}/{provider}")


async def _clear_provider(fleet: Fleet, consumer: str, provider: str) -> bool:
    """Remove what the provider holds of a peering; return whether nothing is left there."""
    cluster = fleet.clusters.get(provider)
    if cluster is None:
        return True
    for name in twins_held(cluster, consumer):
        reached("disconnect.twin")
        await remove_twin(cluster, name)
    namespace = tenant_namespace(consumer)
    if has_quota(fleet, consumer, provider):
        reached("disconnect.quota")
        path = f"{namespaced(QUOTAS, namespace)}/{quota_name(consumer, provider)}"
        await delete(cluster.connected(), path)
        return False
    kept = wants(fleet, provider, consumer)
    await remove_foreign_cluster(fleet, provider, consumer, kept=kept)
    if kept:
        return not twins_held(cluster, consumer)
    again = await _remove_tenant(cluster, consumer)
    return again is None and not twins_held(cluster, consumer)


def twins_held(cluster: Cluster, consumer: str) -> list[str]:
    """Return the names of the twins that a provider holds for a consumer."""
    found = cluster.namespaces.objects if cluster.namespaces else {}
    return [name for (_, name), item in list(found.items()) if item["metadata"]["labels"].get(ORIGIN) == consumer]


async def _clear_offloadings(fleet: Fleet, consumer: str) -> None:
    cluster = fleet.cluster(consumer)
    for namespace, _ in list(cluster.offloadings.objects) if cluster.offloadings else ():
        await reconcile_namespace(fleet, consumer, namespace)


async def _not_wanted(cluster: Cluster, link: Peering) -> None:
    """Take back what `connect` noted when it made this slice, unless it was noted again since."""
    item = _namespace(cluster, link.provider)
    if item is None or not 0 < _wanted_at(item) <= link.created + _SAME_MOMENT:
        return
    reached("disconnect.wanted")
    version = item["metadata"]["resourceVersion"]
    patch = {"metadata": {"resourceVersion": version, "annotations": {WANTED: None}}}
    await cluster.connected().patch(f"{NAMESPACES_PATH}/{tenant_namespace(link.provider)}", patch)


async def _remove_tenant(cluster: Cluster, other: str) -> float | None:
    """Remove the namespace of a tenant; return when to look again while it is there."""
    item = _namespace(cluster, other)
    if item is None:
        return None
    if "deletionTimestamp" in item["metadata"]:
        return _SOON_SECONDS
    young = _wanted_at(item) + GRACE_SECONDS - time.time()
    if young > 0:
        return young
    reached("disconnect.tenant-namespace")
    try:
        version = item["metadata"]["resourceVersion"]
        await delete(cluster.connected(), f"{NAMESPACES_PATH}/{tenant_namespace(other)}", version=version)
    except ApiError as error:
        if error.status != 409:
            raise
    return _SOON_SECONDS


def _namespace(cluster: Cluster, other: str) -> dict[str, Any] | None:
    return cluster.namespaces.objects.get(("", tenant_namespace(other))) if cluster.namespaces else None


def _wanted_at(item: dict[str, Any]) -> float:
    metadata = item["metadata"]
    try:
        return float((metadata.get("annotations") or {}).get(WANTED) or 0)
    except ValueError:
        return 0.0
