"""ForeignClusters: what each cluster of a peering says of the other one.

Both directions of a peering between two clusters share it, so it is worked out from all that is known of both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from serflab.offload import modules
from serflab.offload.conditions import settled
from serflab.offload.faults import reached
from serflab.offload.names import FOREIGN_CLUSTERS, tenant_namespace
from serflab.offload.peerings import DENIED, MODULES, has_quota, node_of, peering, role
from serflab.offload.records import condition
from serflab.offload.requests import missing_is_fine
from serflab.offload.writes import apply, delete, holds

if TYPE_CHECKING:
    from serflab.offload.fleet import Fleet

_API = FOREIGN_CLUSTERS.removeprefix("/apis/").rpartition("/")[0]


async def keep_foreign_cluster(fleet: Fleet, here: str, there: str) -> None:
    """Make the ForeignCluster `there` in the cluster `here` say what is so; nothing while `here` is not known."""
    if not fleet.current(here):
        return
    cluster = fleet.cluster(here)
    path = f"{FOREIGN_CLUSTERS}/{there}"
    found = cluster.foreign_clusters.objects.get(("", there)) if cluster.foreign_clusters else None
    if found is None:
        reached("connect.foreign-cluster")
        found = await apply(cluster.connected(), path, _API, "ForeignCluster", {"spec": {"clusterID": there}})
    before = found.get("status") or {}
    status = _status(fleet, here, there, before)
    if not holds(before, status):
        reached("connect.foreign-cluster-status")
        with missing_is_fine():
            await cluster.connected().patch(f"{path}/status", {"status": status})


async def remove_foreign_cluster(fleet: Fleet, here: str, there: str, *, kept: bool) -> None:
    """Remove it, or, `kept` for the other direction, let it say what is left."""
    if kept:
        await keep_foreign_cluster(fleet, here, there)
        return
    cluster = fleet.cluster(here)
    if cluster.foreign_clusters and ("", there) in cluster.foreign_clusters.objects:
        reached("disconnect.foreign-cluster")
        await delete(cluster.connected(), f"{FOREIGN_CLUSTERS}/{there}")


def _status(fleet: Fleet, here: str, there: str, before: dict[str, Any]) -> dict[str, Any]:
    facts = _facts(fleet, here, there)
    wanted = modules.conditions(facts, there)
    known = before.get("modules") or {}
    other = fleet.clusters.get(there)
    return {
        "role": role(fleet, here, there) or "Unknown",
        "apiServerUrl": other.serf.server if other else before.get("apiServerUrl", ""),
        "tenantNamespace": {"local": tenant_namespace(there), "remote": tenant_namespace(here)},
        "modules": {name: modules.module_status(known.get(name), wanted[name]) for name in MODULES},
        "conditions": settled(before.get("conditions"), [modules.api_server(facts, there)]),
    }


def _facts(fleet: Fleet, here: str, there: str) -> modules.Facts:
    other = fleet.clusters.get(there)
    silence = f"{there} is not part of this lab" if other is None else ""
    if other is not None and not other.reachable:
        silence = f"{there} does not answer"
    way = fleet.route(here, there) is not None
    link = peering(fleet, here, there)
    tenant = has_quota(fleet, there, here) if "Consumer" in role(fleet, here, there) else None
    if link is None:
        return modules.Facts(way, silence, consumes=False, tenant=tenant)
    status = link.slice.get("status") or {}
    resources = condition(status, "Resources")
    node = node_of(fleet, here, there)
    ready = condition((node.get("status") or {}), "Ready") if node else {}
    return modules.Facts(
        path=way,
        silence=silence,
        consumes=True,
        identity=condition(status, "Authentication").get("status") == "Accepted",
        tenant=tenant,
        node=ready.get("status") == "True" if node else None,
        denial=str(resources.get("message") or "") if resources.get("status") == DENIED else "",
        trouble=str(ready.get("message") or ""),
    )
