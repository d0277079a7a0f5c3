"""Bringing one peering into line with its ResourceSlice, a step at a time, each decided from what the clusters hold.

It can be ended between any two writes: whoever comes next goes on from there. Removal is in
`serflab.offload.peering_removal`.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from serflab.offload.conditions import Condition, settled
from serflab.offload.faults import reached
from serflab.offload.foreign_clusters import keep_foreign_cluster
from serflab.offload.names import (
    FINALIZER,
    OFFLOADING_API,
    QUOTAS,
    REMOTE_CLUSTER_LABEL,
    TENANT_LABEL,
    VIRTUAL_NODES,
    namespaced,
    quota_name,
    slice_path,
    tenant_namespace,
)
from serflab.offload.node_drain import go_on_draining
from serflab.offload.peering_removal import clear_leftovers, remove_peering
from serflab.offload.peerings import node_of, peering
from serflab.offload.slices import is_settled, judged, own_resources
from serflab.offload.virtual_nodes import keep_node
from serflab.offload.writes import apply, apply_namespace, holds, set_finalizers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from serflab.kube.watch import Key
    from serflab.offload.cluster import Cluster
    from serflab.offload.fleet import Fleet
    from serflab.offload.peerings import Peering

_SOON_SECONDS = 1.0
_LATER_SECONDS = 10.0
_ENABLE_SECONDS = 30.0
_API = OFFLOADING_API.removeprefix("/apis/")


async def reconcile_peering(fleet: Fleet, consumer: str, provider: str) -> float | None:
    """Bring a peering into line; return in how many seconds to look again, None: when something changes.

    Nothing is done while the consumer does not answer: what is wanted is known there only.
    """
    if not fleet.current(consumer) or consumer == provider:
        return None
    link = peering(fleet, consumer, provider)
    if link is None:
        return await clear_leftovers(fleet, consumer, provider)
    if link.removing:
        return await remove_peering(fleet, link)
    if FINALIZER not in (link.slice["metadata"].get("finalizers") or ()):
        # Made by somebody with kubectl.
        kept = [*(link.slice["metadata"].get("finalizers") or ()), FINALIZER]
        await set_finalizers(fleet.client(consumer), slice_path(provider), link.slice, kept)
    if not fleet.reachable(provider):
        return await _without_provider(fleet, link)
    return await _establish(fleet, link)


async def _without_provider(fleet: Fleet, link: Peering) -> float:
    await keep_foreign_cluster(fleet, link.consumer, link.provider)
    if node_of(fleet, link.consumer, link.provider) is None:
        return _LATER_SECONDS
    return await keep_node(fleet, link)


async def _establish(fleet: Fleet, link: Peering) -> float:
    consumer, provider = link.consumer, link.provider
    if not fleet.cluster(provider).enabled:
        reached("connect.provider-crds")
        async with asyncio.timeout(_ENABLE_SECONDS):
            await fleet.cluster(provider).enable()
    if not fleet.current(provider):
        return _SOON_SECONDS
    await _keep_tenant(fleet.cluster(consumer), provider)
    await _keep_tenant(fleet.cluster(provider), consumer)
    link = await _keep_slice(fleet, link)
    if link.accepted:
        await _keep_quota(fleet, link)
        await _keep_virtual_node(fleet, link)
        again = await keep_node(fleet, link)
    else:
        again = _LATER_SECONDS
    await keep_foreign_cluster(fleet, provider, consumer)
    await keep_foreign_cluster(fleet, consumer, provider)
    if link.draining:
        again = min(again, await go_on_draining(fleet, link))
    return again


async def _keep_tenant(cluster: Cluster, other: str) -> None:
    name = tenant_namespace(other)
    if cluster.namespaces and ("", name) in cluster.namespaces.objects:
        return
    reached("connect.tenant-namespace")
    await apply_namespace(cluster.connected(), name, tenant_labels(other))


def tenant_labels(other: str) -> dict[str, str]:
    """Return the labels of the namespace that holds what a peering with `other` needs."""
    return {TENANT_LABEL: "true", REMOTE_CLUSTER_LABEL: other}


async def _keep_slice(fleet: Fleet, link: Peering) -> Peering:
    """Let the provider judge a slice that is new or has changed; return the peering with its answer."""
    if is_settled(link.slice):
        return link
    status = judged(link.slice, await own_resources(fleet.client(link.provider)))
    if not holds(link.slice.get("status") or {}, status):
        reached("connect.accept")
        path = f"{slice_path(link.provider)}/status"
        return replace(link, slice=await fleet.client(link.consumer).patch(path, {"status": status}))
    return link


async def _keep_quota(fleet: Fleet, link: Peering) -> None:
    cluster = fleet.cluster(link.provider)
    namespace, name = tenant_namespace(link.consumer), quota_name(link.consumer, link.provider)
    resources = {key: str(value) for key, value in link.accepted.items()}
    spec = {"user": name, "limitsEnforcement": link.quota, "resources": resources}
    found = cluster.quotas.objects.get((namespace, name)) if cluster.quotas else None
    if found is None or not _same(found["spec"], spec):
        reached("connect.quota")
        await apply(cluster.connected(), f"{namespaced(QUOTAS, namespace)}/{name}", _API, "Quota", {"spec": spec})


def _same(there: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return holds(there, wanted) and set(there["resources"]) == set(wanted["resources"])


async def _keep_virtual_node(fleet: Fleet, link: Peering) -> None:
    cluster = fleet.cluster(link.consumer)
    namespace = tenant_namespace(link.provider)
    path = f"{namespaced(VIRTUAL_NODES, namespace)}/{link.node}"
    hard = {key: str(value) for key, value in link.accepted.items()}
    spec = {"clusterID": link.provider, "createNode": True, "resourceQuota": {"hard": hard}}
    found = cluster.virtual_nodes.objects.get((namespace, link.node)) if cluster.virtual_nodes else None
    if found is None or not holds(found.get("spec"), spec):
        reached("connect.virtual-node")
        found = await apply(cluster.connected(), path, _API, "VirtualNode", {"spec": spec})
    node = node_of(fleet, link.consumer, link.provider)
    state = "Draining" if link.draining else "Running" if node else "Creating"
    await keep_virtual_node_state(fleet, link, found, state)


async def keep_virtual_node_state(fleet: Fleet, link: Peering, found: dict[str, Any], state: str) -> None:
    """Let a VirtualNode tell how far its node is: `Creating`, `Running`, `Draining` or `Deleting`."""
    before = (found.get("status") or {}).get("conditions")
    wanted = [Condition("VirtualKubelet", "Running", "ManagerRuns"), Condition("Node", state, f"Node{state}")]
    status = {"conditions": settled(before, wanted)}
    if not holds(found.get("status") or {}, status):
        path = f"{namespaced(VIRTUAL_NODES, tenant_namespace(link.provider))}/{link.node}/status"
        await fleet.client(link.consumer).patch(path, {"status": status})


def peering_keys(cluster: Cluster, kind: str, key: Key) -> Iterable[tuple[str, str]]:
    """Return which peerings, as (consumer, provider), a change of an object of a cluster concerns."""
    here, (namespace, name) = cluster.name, key
    other = namespace.removeprefix(tenant_namespace(""))
    if kind == "foreign_clusters":
        return (here, name), (name, here)
    if kind == "namespaces":
        there = name.removeprefix(tenant_namespace(""))
        return ((here, there), (there, here)) if there != name else ()
    if kind == "nodes":
        return ((here, name),)
    if kind in {"slices", "virtual_nodes"} and other == name:
        return (here, name), (name, here)
    if kind == "quotas" and other != namespace:
        return ((other, here),)
    return ()
