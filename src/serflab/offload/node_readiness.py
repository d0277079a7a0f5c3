"""Whether a virtual node is Ready, which follows its provider.

No kubelet stands behind it and the serfs' controller managers look at heartbeats every ten minutes only. So the
manager does what both would do: heartbeats, the condition Ready, the taint that lets the controller manager evict pods
by their tolerations, and the pods' own condition.
https://kubernetes.io/docs/concepts/architecture/nodes/#node-heartbeats
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from math import inf
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from serflab.emulation.marker import timestamp
from serflab.emulation.names import NODES_PATH, pod_path
from serflab.kube.bulk import run_bulk
from serflab.kube.client import METADATA, STRATEGIC_MERGE_PATCH, ApiError
from serflab.offload.conditions import Condition, settled
from serflab.offload.faults import reached
from serflab.offload.names import NOT_ALLOWED, NOT_READY_TAINT, PROVIDER_UNREACHABLE
from serflab.offload.records import condition
from serflab.offload.writes import apply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from serflab.offload.cluster import Cluster
    from serflab.offload.fleet import Fleet
    from serflab.offload.peerings import Peering
    from serflab.offload.records import PodRecord

log = logging.getLogger(__name__)

NOT_READY_SECONDS = 40.0
"""How long a provider may be silent before its virtual node is not Ready: Kubernetes' own grace period of nodes."""
LEASES: Final = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"

_HEARTBEAT_SECONDS = 10.0
_LEASE_SECONDS = 40
_TRIES = 4
_AWAY: Final = frozenset({NOT_READY_TAINT, "node.kubernetes.io/unreachable"})
_FINE: Final = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")
# When each node's Lease was renewed (monotonic seconds): a limit to requests, nothing is decided by it.
_renewed: WeakKeyDictionary[Cluster, dict[str, float]] = WeakKeyDictionary()


def silence(fleet: Fleet, provider: str) -> float:
    """Return for how many seconds a provider has not answered: 0 when it does, infinite for none of this lab."""
    cluster = fleet.clusters.get(provider)
    if cluster is None:
        return inf
    since = cluster.unreachable_since
    return 0.0 if cluster.reachable or since is None else max(0.001, time.time() - since)


def ready_conditions(trouble: str) -> list[Condition]:
    """Return the conditions of a virtual node: Ready unless there is trouble, which is said in words."""
    first = Condition("Ready", "True", "KubeletReady", "the provider answers")
    if trouble:
        first = Condition("Ready", "False", PROVIDER_UNREACHABLE, trouble)
    return [first, *(Condition(kind, "False", "ProviderHasNone", "") for kind in _FINE)]


def not_allowed() -> dict[str, str]:
    """Return the taint of every virtual node, Liqo's own."""
    return {"key": NOT_ALLOWED, "value": "true", "effect": "NoExecute"}


def wanted_taints(taints: Sequence[dict[str, Any]], *, ready: bool, now: float) -> list[dict[str, Any]]:
    """Return the taints that a node with these has to have: those of others stay as they are."""
    keys = {(item["key"], item["effect"]) for item in taints}
    wanted = [item for item in taints if not (ready and item["key"] in _AWAY and item["effect"] == "NoExecute")]
    if (NOT_ALLOWED, "NoExecute") not in keys:
        wanted.append(not_allowed())
    if not ready and (NOT_READY_TAINT, "NoExecute") not in keys:
        wanted.append({"key": NOT_READY_TAINT, "effect": "NoExecute", "timeAdded": timestamp(now)})
    return wanted


async def keep_ready(fleet: Fleet, link: Peering, node: dict[str, Any]) -> float:
    """Let a virtual node's readiness follow its provider; return in how many seconds to look again."""
    cluster = fleet.cluster(link.consumer)
    await _beat(cluster, link.node, node["metadata"]["uid"])
    quiet = silence(fleet, link.provider)
    if 0.0 < quiet < NOT_READY_SECONDS:
        return min(_HEARTBEAT_SECONDS, NOT_READY_SECONDS - quiet)
    trouble = _trouble(link.provider, quiet)
    await _keep_conditions(cluster, link, node, ready_conditions(trouble))
    await _keep_taints(cluster, node, ready=not trouble)
    if trouble:
        await _pods_are_not_ready(cluster, link, trouble)
    return _HEARTBEAT_SECONDS


def _trouble(provider: str, quiet: float) -> str:
    if quiet == inf:
        return f"{provider} is not part of this lab"
    return f"{provider} has not answered since {timestamp(time.time() - quiet)}" if quiet else ""


async def _keep_conditions(cluster: Cluster, link: Peering, node: dict[str, Any], wanted: list[Condition]) -> None:
    status = node.get("status") or {}
    if all(condition(status, item.type).get("status") == item.status for item in wanted):
        return
    log.info("%s: virtual node %s: Ready is %s now", link.consumer, link.node, wanted[0].status)
    reached("node.ready")
    patch = {"status": {"conditions": settled(status.get("conditions"), wanted)}}
    await cluster.connected().patch(f"{NODES_PATH}/{link.node}/status", patch, kind=STRATEGIC_MERGE_PATCH)


async def _keep_taints(cluster: Cluster, node: dict[str, Any], *, ready: bool) -> None:
    """Replace the list of taints, but only if nobody else has since it was read."""
    client, path = cluster.connected(), f"{NODES_PATH}/{node['metadata']['name']}"
    for last in range(_TRIES):
        there = node["spec"].get("taints") or []
        wanted = wanted_taints(there, ready=ready, now=time.time())
        if wanted == there:
            return
        reached("node.taint")
        version = node["metadata"]["resourceVersion"]
        try:
            await client.patch(path, {"metadata": {"resourceVersion": version}, "spec": {"taints": wanted}})
        except ApiError as error:
            if error.status != 409 or last == _TRIES - 1:
                raise
            node = await client.get(path)
        else:
            return


async def _pods_are_not_ready(cluster: Cluster, link: Peering, trouble: str) -> None:
    """Say of the pods on a node that is not Ready that they are not either, as the node lifecycle controller does."""
    caches = [cache for cache in (cluster.pods, cluster.others) if cache]
    pods = [pod for cache in caches for pod in list(cache.objects.values()) if pod.node == link.node and pod.ready]
    if not pods:
        return
    client = cluster.connected()
    reached("node.pods")

    async def tell(pod: PodRecord) -> None:
        said = [Condition("Ready", "False", PROVIDER_UNREACHABLE, trouble)]
        patch = {"metadata": {"uid": pod.uid}, "status": {"conditions": settled((), said)}}
        path = f"{pod_path(pod.namespace, pod.name)}/status"
        try:
            await client.patch(path, patch, kind=STRATEGIC_MERGE_PATCH, accept=METADATA)
        except ApiError as error:
            if error.status not in {404, 409}:
                raise

    done = await run_bulk(pods, tell, name=lambda pod: f"{pod.namespace}/{pod.name}")
    done.raise_for_failures("telling that pods are not ready")


async def _beat(cluster: Cluster, name: str, uid: str) -> None:
    """Renew a node's Lease, as a kubelet does every ten seconds."""
    renewed = _renewed.setdefault(cluster, {})
    if time.monotonic() - renewed.get(name, -inf) < _HEARTBEAT_SECONDS - 1:
        return
    owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}
    body = {
        "metadata": {"ownerReferences": [owner]},
        "spec": {
            "holderIdentity": name,
            "leaseDurationSeconds": _LEASE_SECONDS,
            "renewTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        },
    }
    await apply(cluster.connected(), f"{LEASES}/{name}", "coordination.k8s.io/v1", "Lease", body)
    renewed[name] = time.monotonic()
