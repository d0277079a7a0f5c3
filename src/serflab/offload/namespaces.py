"""Offloaded namespaces: each NamespaceOffloading brings its namespace a twin in every provider that it selects."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from serflab.emulation.names import MANAGED_BY, MANAGER
from serflab.errors import SerflabError
from serflab.kube.client import ApiError
from serflab.offload import admission
from serflab.offload.cluster_selector import selects
from serflab.offload.conditions import Condition, settled
from serflab.offload.faults import reached
from serflab.offload.names import FINALIZER, OFFLOADING_API, OFFLOADING_NAME, OFFLOADINGS, WANTED, namespaced
from serflab.offload.node_drain import let_go
from serflab.offload.peerings import node_of, peerings
from serflab.offload.records import condition
from serflab.offload.twins import CREATING, FAILED, LEAVING, Twin, keep_twin, phase, remove_twin, twin_name, twins_of
from serflab.offload.virtual_pods import virtual_pods
from serflab.offload.writes import delete, holds, set_finalizers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from serflab.kube.watch import Key
    from serflab.offload.cluster import Cluster
    from serflab.offload.fleet import Fleet
    from serflab.offload.peerings import Peering
    from serflab.offload.virtual_pods import VirtualPod

log = logging.getLogger(__name__)

GRACE_SECONDS = 8.0
"""How long a NamespaceOffloading that was made automatically outlives its last virtual pod."""
_SOON_SECONDS = 0.2
_WAIT_SECONDS = 2.0
_LATER_SECONDS = 10.0
_PATIENCE_SECONDS = 20.0
_API = OFFLOADING_API.removeprefix("/apis/")


def twin(fleet: Fleet, consumer: str, provider: str, namespace: str) -> str:
    """Return the twin of a namespace in a provider; `SerflabError` says why pods cannot be made in it (yet)."""
    offloading = _offloading(fleet.cluster(consumer), namespace)
    if offloading is None or _leaving(offloading):
        raise SerflabError(
            f"namespace {namespace} of {consumer} is not offloaded",
            hint=f"it needs a NamespaceOffloading named {OFFLOADING_NAME!r}",
        )
    told = ((offloading.get("status") or {}).get("remoteNamespacesConditions") or {}).get(provider) or ()
    required = condition({"conditions": told}, "OffloadingRequired")
    if required.get("status") == "False":
        raise SerflabError(f"the clusterSelector of namespace {namespace} does not select {provider}")
    ready = condition({"conditions": told}, "Ready")
    name = twin_name(offloading, consumer)
    there = fleet.cluster(provider).namespaces
    if ready.get("status") != "True" or there is None or ("", name) not in there.objects:
        raise SerflabError(f"namespace {name} in {provider}: {ready.get('message') or 'it is not there yet'}")
    return name


async def ensure_offloading(fleet: Fleet, consumer: str, namespace: str) -> None:
    """Make a NamespaceOffloading for a namespace that has none, and keep one that would soon go by itself."""
    cluster = fleet.cluster(consumer)
    client, path = cluster.connected(), _path(namespace)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        found = _offloading(cluster, namespace)
        if found is not None and not _leaving(found):
            if not _automatic(found) or time.time() - _wanted_at(found) < GRACE_SECONDS / 2:
                return
            patch = {"metadata": {"annotations": {WANTED: f"{time.time():.3f}"}}}
            try:
                answer = await client.patch(path, patch)
            except ApiError as error:
                if error.status != 404:
                    raise
            else:
                if not _leaving(answer):
                    return
        elif found is None and await _make_offloading(fleet, consumer, namespace):
            return
        if time.monotonic() > deadline:
            raise SerflabError(f"the NamespaceOffloading of {namespace} in {consumer} is still on its way out")
        await asyncio.sleep(_SOON_SECONDS)


async def _make_offloading(fleet: Fleet, consumer: str, namespace: str) -> bool:
    reached("create.offloading")
    body = {
        "apiVersion": _API,
        "kind": "NamespaceOffloading",
        "metadata": {
            "name": OFFLOADING_NAME,
            "labels": {MANAGED_BY: MANAGER},
            "annotations": {WANTED: f"{time.time():.3f}"},
            "finalizers": [FINALIZER],
        },
        # Pods that people make there stay where they are; ours are bound to a virtual node by themselves.
        "spec": {"namespaceMappingStrategy": "DefaultName", "podOffloadingStrategy": "Local"},
    }
    try:
        await fleet.client(consumer).create(namespaced(OFFLOADINGS, namespace), body)
    except ApiError as error:
        if error.status != 409:
            raise
        # There since a moment ago, or still on its way out.
        return not _leaving(await fleet.client(consumer).get(_path(namespace)))
    return True


async def reconcile_namespace(fleet: Fleet, consumer: str, namespace: str) -> float | None:
    """Bring the twins of a namespace into line with its NamespaceOffloading; return when to look again, if at all."""
    if not fleet.current(consumer):
        return None
    offloading = _offloading(fleet.cluster(consumer), namespace)
    if offloading is None:
        return await _remove_twins(fleet, consumer, namespace)
    if _leaving(offloading):
        return await _finish(fleet, consumer, offloading)
    if FINALIZER not in (offloading["metadata"].get("finalizers") or ()):
        kept = [*(offloading["metadata"].get("finalizers") or ()), FINALIZER]
        await set_finalizers(fleet.client(consumer), _path(namespace), offloading, kept)
        return _SOON_SECONDS
    idle = _idle_seconds(fleet, consumer, offloading)
    if idle is not None and idle <= 0:
        reached("namespace.unused")
        await _delete_unused(fleet, consumer, offloading)
        return _SOON_SECONDS
    again = await _keep_twins(fleet, consumer, offloading)
    waits = [seconds for seconds in (again, idle) if seconds is not None]
    return min(waits, default=None)


def namespace_keys(fleet: Fleet, cluster: Cluster, kind: str, key: Key) -> Iterator[tuple[str, str]]:
    """Yield which offloaded namespaces, as (consumer, namespace), a change of an object of a cluster concerns."""
    if kind == "offloadings":
        yield cluster.name, key[0]
    elif kind in {"slices", "nodes"} and cluster.offloadings:
        for namespace, _ in list(cluster.offloadings.objects):
            yield cluster.name, namespace
    elif kind == "namespaces":
        for consumer in fleet.clusters.values():
            for (namespace, _), item in list(consumer.offloadings.objects.items()) if consumer.offloadings else ():
                if twin_name(item, consumer.name) == key[1]:
                    yield consumer.name, namespace


# --- twins ---


async def _keep_twins(fleet: Fleet, consumer: str, offloading: dict[str, Any]) -> float | None:
    namespace, name = offloading["metadata"]["namespace"], twin_name(offloading, consumer)
    before = (offloading.get("status") or {}).get("remoteNamespacesConditions") or {}
    selector = (offloading.get("spec") or {}).get("clusterSelector")
    twins: dict[str, Twin] = {}
    conditions: dict[str, list[dict[str, Any]]] = {}
    for link in [link for link in peerings(fleet) if link.consumer == consumer and link.established]:
        node = node_of(fleet, consumer, link.provider)
        required = node is not None and selects(selector, node)
        wanted = [_required(required=required)]
        if required:
            twins[link.provider] = await _keep(fleet, link, namespace, name, before)
            wanted.append(twins[link.provider].condition)
        elif fleet.current(link.provider):
            await _remove_unused_twins(fleet, link, namespace)
        conditions[link.provider] = settled(before.get(link.provider), wanted)
    message = await admission.keep(fleet, consumer, offloading, sorted(twins))
    told = phase(list(twins.values()), leaving=False)
    if told == "Ready" and message == admission.NOT_IN_FORCE:
        told = "InProgress"
    status = {
        "remoteNamespaceName": name,
        "offloadingPhase": told,
        "observedGeneration": offloading["metadata"].get("generation", 0),
        "remoteNamespacesConditions": conditions,
        "message": message,
    }
    await _tell(fleet, consumer, offloading, status)
    states = {item.state for item in twins.values()}
    if states & {CREATING, LEAVING} or message == admission.NOT_IN_FORCE:
        return _SOON_SECONDS
    return _LATER_SECONDS if FAILED in states else None


async def _keep(fleet: Fleet, link: Peering, namespace: str, name: str, before: dict[str, Any]) -> Twin:
    if fleet.current(link.provider):
        return await keep_twin(fleet.cluster(link.provider), link.consumer, namespace, name)
    known = condition({"conditions": before.get(link.provider) or ()}, "Ready")
    return Twin(str(known.get("reason") or CREATING), str(known.get("message") or ""))


def _required(*, required: bool) -> Condition:
    if required:
        return Condition("OffloadingRequired", "True", "ClusterSelected", "the clusterSelector selects this cluster")
    return Condition("OffloadingRequired", "False", "ClusterNotSelected", "the clusterSelector leaves it out")


async def _remove_unused_twins(fleet: Fleet, link: Peering, namespace: str) -> None:
    cluster = fleet.cluster(link.provider)
    held = {key[0] for key in (cluster.shadows.objects if cluster.shadows else ())}
    for name in twins_of(cluster, link.consumer, namespace):
        if name not in held:
            await remove_twin(cluster, name)


async def _remove_twins(fleet: Fleet, consumer: str, namespace: str) -> float | None:
    """Remove all twins of a namespace from the providers that answer; return when to look again while any is left."""
    left = False
    for cluster in fleet.clusters.values():
        for name in twins_of(cluster, consumer, namespace):
            left = True
            if fleet.current(cluster.name):
                reached("namespace.remove-twin")
                await remove_twin(cluster, name)
    return _WAIT_SECONDS / 4 if left else None


# --- the end of an offloading ---


async def _finish(fleet: Fleet, consumer: str, offloading: dict[str, Any]) -> float | None:
    """Let go of the virtual pods of a namespace that is no longer offloaded, then of its twins."""
    namespace = offloading["metadata"]["namespace"]
    pods = _pods(fleet, consumer, namespace)
    if pods:
        await _tell(fleet, consumer, offloading, {"offloadingPhase": "Terminating"})
        await let_go(fleet, pods)
        return _WAIT_SECONDS / 2
    again = await _remove_twins(fleet, consumer, namespace)
    if again is not None:
        await _tell(fleet, consumer, offloading, {"offloadingPhase": "Terminating"})
        return again
    await admission.leave(fleet, consumer, offloading)
    reached("namespace.finalizer")
    kept = [item for item in offloading["metadata"].get("finalizers") or () if item != FINALIZER]
    await set_finalizers(fleet.client(consumer), _path(namespace), offloading, kept)
    return None


def _pods(fleet: Fleet, consumer: str, namespace: str) -> list[VirtualPod]:
    return [pod for pod in virtual_pods(fleet) if pod.consumer == consumer and pod.source_key[0] == namespace]


def _idle_seconds(fleet: Fleet, consumer: str, offloading: dict[str, Any]) -> float | None:
    """Return in how many seconds one that was made automatically is to go; None while it is in use."""
    namespace = offloading["metadata"]["namespace"]
    if not _automatic(offloading) or _in_use(fleet, consumer, namespace):
        return None
    if not any(link.consumer == consumer and not link.removing for link in peerings(fleet)):
        return 0.0
    return _wanted_at(offloading) + GRACE_SECONDS - time.time()


def _in_use(fleet: Fleet, consumer: str, namespace: str) -> bool:
    here = fleet.cluster(consumer).pods
    if here and any(key[0] == namespace and pod.virtual for key, pod in here.objects.items()):
        return True
    return any(key[:2] == (consumer, namespace) for key in fleet.shadows_of)


async def _delete_unused(fleet: Fleet, consumer: str, offloading: dict[str, Any]) -> None:
    version = offloading["metadata"]["resourceVersion"]
    try:
        await delete(fleet.client(consumer), _path(offloading["metadata"]["namespace"]), version=version)
    except ApiError as error:
        if error.status != 409:  # it was noted as wanted just now
            raise


# --- one NamespaceOffloading ---


async def _tell(fleet: Fleet, consumer: str, offloading: dict[str, Any], status: dict[str, Any]) -> None:
    before = offloading.get("status") or {}
    clusters = status.get("remoteNamespacesConditions")
    if clusters is not None:
        # A merge patch leaves what it does not name.
        gone = dict.fromkeys(set(before.get("remoteNamespacesConditions") or {}) - set(clusters))
        status = {**status, "remoteNamespacesConditions": {**clusters, **gone}}
    if not holds(before, status):
        reached("namespace.status")
        path = f"{_path(offloading['metadata']['namespace'])}/status"
        await fleet.client(consumer).patch(path, {"status": status})


def _offloading(cluster: Cluster, namespace: str) -> dict[str, Any] | None:
    return cluster.offloadings.objects.get((namespace, OFFLOADING_NAME)) if cluster.offloadings else None


def _path(namespace: str) -> str:
    return f"{namespaced(OFFLOADINGS, namespace)}/{OFFLOADING_NAME}"


def _leaving(item: dict[str, Any]) -> bool:
    return "deletionTimestamp" in item["metadata"]


def _automatic(item: dict[str, Any]) -> bool:
    return (item["metadata"].get("labels") or {}).get(MANAGED_BY) == MANAGER


def _wanted_at(item: dict[str, Any]) -> float:
    try:
        return float((item["metadata"].get("annotations") or {}).get(WANTED) or 0)
    except ValueError:
        return 0.0
