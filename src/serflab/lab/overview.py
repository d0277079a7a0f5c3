"""The lab as a whole: every node and link of the topology with its state and load, and the sums over them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from serflab.lab.cluster_view import CONNECTING, READY, UNREACHABLE

if TYPE_CHECKING:
    from serflab.lab.observer import LabObserver
    from serflab.lab.topology import Link, Node, Topology

# A serf of the topology that is not up, and a node that the lab does not run.
ABSENT = "absent"
UNMANAGED = "unmanaged"
NODE_STATES = (READY, CONNECTING, UNREACHABLE, ABSENT, UNMANAGED)
PROMETHEUS_ROLE = "prometheus"
HOST_ROLE = "host"


def overview(observer: LabObserver) -> dict[str, Any]:
    """Return what `GET /api/topology` answers; times in seconds since the epoch.

    Raises `InputError` while the topology file cannot be used.
    """
    topology = observer.topology
    nodes = [_node(observer, node) for node in topology.nodes] + _outside(topology)
    states = {node["name"]: node["state"] for node in nodes}
    inventory = observer.inventory
    return {
        "name": topology.name,
        "generated_at": time.time(),
        "lab": {
            "up": inventory is not None,
            "runtime": inventory.runtime if inventory else None,
            "message": observer.inventory_error,
        },
        "prometheus": prometheus_state(observer),
        "summary": _summary(nodes),
        "nodes": nodes,
        "links": [_link(link, states) for link in topology.links],
    }


def prometheus_state(observer: LabObserver) -> dict[str, Any]:
    """Return whether Prometheus answers, and if not, why and since when."""
    error = observer.prometheus_error
    return {
        "state": _prometheus_node_state(observer),
        "url": observer.prometheus_url,
        "stale_since": observer.prometheus_stale_since,
        "message": error,
    }


def _prometheus_node_state(observer: LabObserver) -> str:
    if not observer.prometheus_error:
        return READY
    if observer.prometheus_stale_since is None:
        return CONNECTING
    return UNREACHABLE if observer.inventory else ABSENT


def _node(observer: LabObserver, node: Node) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": node.name,
        "kind": node.kind,
        "role": node.role,
        "state": UNMANAGED,
        "stale_since": None,
        "message": "",
        "labels": node.labels,
        "load": None,
        "pods": None,
        "target_up": None,
    }
    if node.is_serf:
        entry |= _serf(observer, node.name)
    elif node.role == PROMETHEUS_ROLE:
        entry |= {
            "state": _prometheus_node_state(observer),
            "stale_since": observer.prometheus_stale_since,
            "message": observer.prometheus_error,
        }
    return entry


def _serf(observer: LabObserver, name: str) -> dict[str, Any]:
    view = observer.cluster(name)
    if view is None:
        return {"state": ABSENT, "message": observer.inventory_error or "not part of the lab that is up"}
    known, phases = observer.load(name), view.phases()
    return {
        "state": view.state,
        "stale_since": view.stale_since,
        "message": view.error,
        "load": {
            "cpu": known.load.cpu,
            "memory": known.load.memory,
            "psi": known.load.psi,
            "power": known.load.power,
            "level": known.load.level,
            "stale_since": known.stale_since,
        },
        "pods": {"total": phases.total(), "running": phases["Running"]} if view.synced else None,
        "target_up": observer.target_up(name),
    }


def _outside(topology: Topology) -> list[dict[str, Any]]:
    """Return nodes for the link ends that lie outside the file, such as the host's side of a link."""
    declared = {node.name for node in topology.nodes}
    ends = {end.node: None for link in topology.links for end in (link.a, link.b) if end.node not in declared}
    return [
        {
            "name": name, "kind": HOST_ROLE, "role": HOST_ROLE, "state": UNMANAGED, "stale_since": None, "message": "",
            "labels": {}, "load": None, "pods": None, "target_up": None,
        }
        for name in ends
    ]  # fmt: skip


def _link(link: Link, states: dict[str, str]) -> dict[str, Any]:
    ends = {states[link.a.node], states[link.b.node]}
    if UNREACHABLE in ends:
        state = "down"
    elif ABSENT in ends:
        state = ABSENT
    else:
        state = "up"
    return {
        "id": f"{link.a.node}:{link.a.interface}--{link.b.node}:{link.b.interface}",
        "endpoints": [{"node": end.node, "interface": end.interface} for end in (link.a, link.b)],
        "state": state,
        "labels": link.labels,
    }


def _summary(nodes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the sums that the page shows above all; serfs that are not up count for nothing."""
    serfs = [node for node in nodes if node["load"] is not None]
    counted = [node["pods"] for node in serfs if node["pods"] is not None]
    return {
        "serfs": {"ready": sum(node["state"] == READY for node in serfs), "total": len(serfs)},
        "pods": {"running": sum(pods["running"] for pods in counted), "total": sum(pods["total"] for pods in counted)},
        "targets": {"up": sum(node["target_up"] is True for node in serfs), "total": len(serfs)},
    }
