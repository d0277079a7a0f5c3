"""The virtual node of a peering: a real Node in the consumer whose readiness follows the provider.

Its labels and its taint are Liqo's: https://doc.liqo.io/en/stable/features/offloading.html
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from serflab import __version__
from serflab.emulation.names import HOSTNAME, MANAGED_BY, MANAGER, NODES_PATH
from serflab.kube.client import STRATEGIC_MERGE_PATCH, ApiError
from serflab.offload.conditions import settled
from serflab.offload.faults import reached
from serflab.offload.names import REMOTE_CLUSTER_LABEL, TYPE_LABEL, VIRTUAL_NODE_TYPE
from serflab.offload.node_readiness import LEASES, keep_ready, not_allowed, ready_conditions
from serflab.offload.peerings import node_of
from serflab.offload.writes import delete, holds

if TYPE_CHECKING:
    from serflab.offload.fleet import Fleet
    from serflab.offload.peerings import Peering

log = logging.getLogger(__name__)


async def keep_node(fleet: Fleet, link: Peering) -> float:
    """Make the virtual node be as the peering says; return in how many seconds to look again."""
    client = fleet.client(link.consumer)
    node = node_of(fleet, link.consumer, link.provider)
    if node is None:
        reached("connect.node")
        try:
            node = await client.create(NODES_PATH, _body(fleet, link))
        except ApiError as error:
            if error.status != 409:
                raise
            node = await client.get(node_path(link.node))
            _require_ours(node, link)
        log.info("%s: the virtual node %s is there", link.consumer, link.node)
    await _keep_spec(fleet, link, node)
    return await keep_ready(fleet, link, node)


def _require_ours(node: dict[str, Any], link: Peering) -> None:
    if (node["metadata"].get("labels") or {}).get(TYPE_LABEL) != VIRTUAL_NODE_TYPE:
        raise ApiError(409, "AlreadyExists", f"{link.consumer} has a node {link.node} that is no virtual node")


async def remove_node(fleet: Fleet, consumer: str, name: str) -> None:
    """Remove a virtual node and its Lease; done again it changes nothing."""
    client = fleet.client(consumer)
    reached("disconnect.node")
    await delete(client, node_path(name))
    reached("disconnect.lease")
    await delete(client, f"{LEASES}/{name}")


async def set_unschedulable(fleet: Fleet, link: Peering, *, cordoned: bool) -> None:
    """Cordon or uncordon a virtual node, as `kubectl cordon` does; the node lifecycle controller adds the taint."""
    await fleet.client(link.consumer).patch(node_path(link.node), {"spec": {"unschedulable": cordoned or None}})


def node_path(name: str) -> str:
    """Return the path of a node."""
    return f"{NODES_PATH}/{name}"


def _body(fleet: Fleet, link: Peering) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": link.node, "labels": _labels(link)},
        "spec": {"taints": [not_allowed()], "providerID": f"liqo://{link.provider}"},
        "status": {**_constant_status(fleet, link), "conditions": settled((), ready_conditions(""))},
    }


def _labels(link: Peering) -> dict[str, str]:
    return {
        TYPE_LABEL: VIRTUAL_NODE_TYPE,
        REMOTE_CLUSTER_LABEL: link.provider,
        HOSTNAME: link.node,
        MANAGED_BY: MANAGER,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "node-role.kubernetes.io/agent": "",
    }


def _constant_status(fleet: Fleet, link: Peering) -> dict[str, Any]:
    room = {key: str(value) for key, value in link.accepted.items()}
    address = urlsplit(fleet.cluster(link.provider).serf.server).hostname or "127.0.0.1"
    told = f"serflab-{__version__}"
    return {
        "capacity": room,
        "allocatable": room,
        "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": link.node}],
        "nodeInfo": {
            "machineID": "",
            "systemUUID": "",
            "bootID": "",
            "kernelVersion": "liqo",
            "osImage": "virtual",
            "containerRuntimeVersion": f"liqo://{link.provider}",
            "kubeletVersion": told,
            "kubeProxyVersion": "",
            "operatingSystem": "linux",
            "architecture": "amd64",
        },
    }


async def _keep_spec(fleet: Fleet, link: Peering, node: dict[str, Any]) -> None:
    client = fleet.client(link.consumer)
    labels = _labels(link)
    if not holds(node["metadata"].get("labels") or {}, labels):
        await client.patch(node_path(link.node), {"metadata": {"labels": labels}})
    if link.provider not in fleet.clusters or not link.accepted:
        return
    status = _constant_status(fleet, link)
    there = node.get("status") or {}
    gone = {key: None for key in there.get("capacity") or {} if key not in status["capacity"]}
    if gone or not holds(there, {key: status[key] for key in ("capacity", "allocatable", "nodeInfo")}):
        for key in ("capacity", "allocatable"):
            status[key] = {**gone, **status[key]}
        reached("connect.node-status")
        await client.patch(f"{node_path(link.node)}/status", {"status": status}, kind=STRATEGIC_MERGE_PATCH)
