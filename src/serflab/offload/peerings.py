"""Peerings, put together from what the clusters hold of them, and how the REST API tells one.

What is wanted is the ResourceSlice in the consumer: who makes it begins a peering, who deletes it ends it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from serflab.offload.modules import module_document
from serflab.offload.names import DRAIN, QUOTA_MODE, quota_name, tenant_namespace
from serflab.offload.records import condition, epoch
from serflab.offload.virtual_pod_documents import RUNNING
from serflab.offload.virtual_pod_documents import state as pod_state
from serflab.offload.virtual_pods import virtual_pods
from serflab.traces.quantity import parse_cpu, parse_memory

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from serflab.offload.cluster import Cluster
    from serflab.offload.fleet import Fleet
    from serflab.offload.virtual_pods import VirtualPod

ACCEPTED: Final = "Accepted"
DENIED: Final = "Denied"
NETWORKING, AUTHENTICATION, OFFLOADING = MODULES = ("networking", "authentication", "offloading")
PENDING, ESTABLISHED, ERROR, REMOVING = "Pending", "Established", "Error", "Removing"


@dataclass(frozen=True, slots=True)
class Peering:
    """`consumer` uses resources of `provider`, by its virtual node `node`.

    `slice` is the ResourceSlice as it is. `established` says that the provider has accepted it and the virtual node is
    there, whether or not the provider answers just now; `message` what is in the way, if anything. `created` is in
    epoch seconds.
    """

    consumer: str
    provider: str
    node: str
    slice: dict[str, Any]
    established: bool
    removing: bool
    cordoned: bool
    draining: bool
    created: float
    message: str = ""

    @property
    def accepted(self) -> Mapping[str, Any]:
        """Return the resources that the provider has accepted, empty before."""
        found: Mapping[str, Any] = (self.slice.get("status") or {}).get("resources") or {}
        return found

    @property
    def quota(self) -> str:
        """Return how the provider enforces the slice: `None`, `Soft` or `Hard`."""
        return quota_mode(self.slice)


def quota_mode(resource_slice: Mapping[str, Any]) -> str:
    """Return how a slice wants to be enforced: `None`, `Soft` or `Hard`."""
    mode = (resource_slice["metadata"].get("annotations") or {}).get(QUOTA_MODE)
    return mode if mode in {"Soft", "Hard"} else "None"


def peering(fleet: Fleet, consumer: str, provider: str) -> Peering | None:
    """Return the peering of two serfs, None when the consumer is not known to want one."""
    cluster = fleet.clusters.get(consumer)
    found = cluster.slices.objects.get(_key(provider)) if cluster and cluster.slices else None
    return _peering(fleet, cluster, provider, found) if cluster and found else None


def peerings(fleet: Fleet) -> list[Peering]:
    """Return all peerings of the lab, by consumer and provider in the order of the clusters."""
    order = {name: place for place, name in enumerate(fleet.clusters)}
    found = []
    for cluster in fleet.clusters.values():
        for (namespace, name), item in list(cluster.slices.objects.items()) if cluster.slices else ():
            if namespace == tenant_namespace(name) and name != cluster.name:
                found.append(_peering(fleet, cluster, name, item))
    return sorted(found, key=lambda link: (order[link.consumer], order.get(link.provider, len(order)), link.provider))


def wants(fleet: Fleet, consumer: str, provider: str) -> bool:
    """Whether the consumer is known to have a slice of the provider, be it one on its way out."""
    cluster = fleet.clusters.get(consumer)
    return bool(cluster and cluster.slices and _key(provider) in cluster.slices.objects)


def has_quota(fleet: Fleet, consumer: str, provider: str) -> bool:
    """Whether the provider has the Quota of a consumer: it tells of a peering also while the consumer is away."""
    cluster = fleet.clusters.get(provider)
    key = tenant_namespace(consumer), quota_name(consumer, provider)
    return bool(cluster and cluster.quotas and key in cluster.quotas.objects)


def role(fleet: Fleet, here: str, there: str) -> str:
    """Return what `there` is for `here`: `Provider`, `Consumer`, `ConsumerAndProvider`, or empty for nothing."""
    provides, consumes = wants(fleet, here, there), wants(fleet, there, here) or has_quota(fleet, there, here)
    if provides and consumes:
        return "ConsumerAndProvider"
    return "Provider" if provides else "Consumer" if consumes else ""


def node_of(fleet: Fleet, consumer: str, provider: str) -> dict[str, Any] | None:
    """Return the virtual node of a peering as it is, None when there is none."""
    cluster = fleet.clusters.get(consumer)
    return cluster.nodes.objects.get(("", provider)) if cluster and cluster.nodes else None


def _peering(fleet: Fleet, cluster: Cluster, provider: str, found: dict[str, Any]) -> Peering:
    node = node_of(fleet, cluster.name, provider)
    metadata, status = found["metadata"], found.get("status") or {}
    annotations = (node["metadata"].get("annotations") or {}) if node else {}
    removing = "deletionTimestamp" in metadata
    accepted = all(condition(status, kind).get("status") == ACCEPTED for kind in ("Authentication", "Resources"))
    return Peering(
        consumer=cluster.name,
        provider=provider,
        node=provider,
        slice=found,
        established=accepted and node is not None and not removing,
        removing=removing,
        cordoned=bool(node and node["spec"].get("unschedulable")),
        draining=annotations.get(DRAIN) == "true",
        created=epoch(metadata.get("creationTimestamp")),
        message=_message(fleet, cluster, provider, status),
    )


def _message(fleet: Fleet, cluster: Cluster, provider: str, status: Mapping[str, Any]) -> str:
    if not cluster.reachable:
        return f"{cluster.name} does not answer: {cluster.error}"
    if provider not in fleet.clusters:
        return f"there is no serf {provider!r} in this lab"
    if not fleet.clusters[provider].reachable:
        return f"{provider} does not answer: {fleet.clusters[provider].error}"
    resources = condition(status, "Resources")
    return str(resources.get("message") or "") if resources.get("status") == DENIED else ""


def connection(fleet: Fleet, link: Peering, pods: Iterable[VirtualPod] | None = None) -> dict[str, Any]:
    """Return a peering with the keys of the REST API (docs/api.md); `pods` are its virtual pods, if known already."""
    if pods is None:
        pods = [pod for pod in virtual_pods(fleet) if (pod.consumer, pod.provider) == (link.consumer, link.provider)]
    modules = _modules(fleet, link)
    state = _state(fleet, link, modules)
    way = fleet.route(link.consumer, link.provider)
    pods = list(pods)
    now = time.time()
    running = sum(1 for pod in pods if pod_state(fleet, pod, now)[0] == RUNNING)
    message = link.message
    if link.removing and not message:
        message = f"{len(pods)} virtual pods are left" if pods else "cleaning up"
    return {
        "from": link.consumer,
        "to": link.provider,
        "state": state,
        "message": message,
        "created_at": link.created,
        "role": "ConsumerAndProvider" if wants(fleet, link.provider, link.consumer) else "Provider",
        "modules": modules,
        "virtual_node": _virtual_node(fleet, link),
        "resources": numbers(link.accepted or link.slice["spec"].get("resources") or {}),
        "used": _used(pods),
        "quota": link.quota,
        "path": list(way.nodes) if way else [],
        "rate": way.rate if way else None,
        "delay": way.delay if way else 0.0,
        "virtual_pods": {"running": running, "total": len(pods)},
    }


def numbers(resources: Mapping[str, Any]) -> dict[str, float]:
    """Return quantities as numbers: millicores, Mi, and pods."""
    return {
        "cpu": _safe(parse_cpu, resources.get("cpu")),
        "memory": _safe(parse_memory, resources.get("memory")),
        "pods": _safe(lambda value: parse_cpu(value) / 1000, resources.get("pods")),
    }


def _safe(parse: Any, value: Any) -> float:  # noqa: ANN401 - whatever somebody has written into a slice
    try:
        number = float(parse(value or 0))
    except ValueError:
        return 0.0
    return int(number) if number.is_integer() else number


def _used(pods: Iterable[VirtualPod]) -> dict[str, float]:
    held = [pod.shadow for pod in pods if pod.shadow and pod.shadow.phase not in {"Succeeded", "Failed"}]
    return {
        "cpu": sum(shadow.cpu for shadow in held),
        "memory": sum(shadow.memory for shadow in held),
        "pods": len(held),
    }


def _modules(fleet: Fleet, link: Peering) -> dict[str, Any]:
    cluster = fleet.cluster(link.consumer)
    foreign = cluster.foreign_clusters.objects.get(("", link.provider)) if cluster.foreign_clusters else None
    status = (foreign or {}).get("status") or {}
    return {name: module_document((status.get("modules") or {}).get(name)) for name in MODULES}


def _state(fleet: Fleet, link: Peering, modules: Mapping[str, Any]) -> str:
    if link.removing:
        return REMOVING
    states = {module["state"] for module in modules.values()}
    if not fleet.reachable(link.consumer) or link.provider not in fleet.clusters or ERROR in states:
        return ERROR
    return ESTABLISHED if link.established and PENDING not in states else PENDING


def _virtual_node(fleet: Fleet, link: Peering) -> dict[str, Any] | None:
    node = node_of(fleet, link.consumer, link.provider)
    if node is None:
        return None
    ready = condition(node.get("status") or {}, "Ready")
    is_ready = ready.get("status") == "True"
    return {
        "name": link.node,
        "ready": is_ready,
        "cordoned": link.cordoned,
        "draining": link.draining,
        "reason": "" if is_ready else str(ready.get("message") or ready.get("reason") or ""),
    }


def _key(provider: str) -> tuple[str, str]:
    return tenant_namespace(provider), provider
