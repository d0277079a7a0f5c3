"""The lab as a whole: every node and link of the topology with its state and load, and the sums over them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from serflab.lab.cluster_view import CONNECTING, READY, UNREACHABLE
from serflab.lab.link_entry import ABSENT, link_entry
from serflab.lab.load import level

if TYPE_CHECKING:
    from collections.abc import Mapping

    from serflab.lab.inventory import Inventory
    from serflab.lab.known_load import KnownLoad
    from serflab.lab.link_state import LabInterfaces
    from serflab.lab.observer import LabObserver
    from serflab.lab.topology import Node, Topology

# A node that the lab does not run.
UNMANAGED = "unmanaged"
NODE_STATES = (READY, CONNECTING, UNREACHABLE, ABSENT, UNMANAGED)
PROMETHEUS_ROLE = "prometheus"
HOST_ROLE = "host"


@dataclass(frozen=True, slots=True)
class SerfState:
    """What was observed of a serf that is up; `pods` are those that run and all, None until the cluster was read.

    `namespaces` are their names in order, none until the cluster was read.
    """

    state: str
    stale_since: float | None
    message: str
    load: KnownLoad
    pods: tuple[int, int] | None
    target_up: bool | None
    namespaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Observed:
    """All that an overview is made of: two that are equal make the same overview."""

    topology: Topology
    inventory: Inventory | None
    inventory_error: str
    prometheus: PrometheusState
    serfs: dict[str, SerfState]
    thresholds: Mapping[str, tuple[float, float]]
    offload: dict[str, Any]
    interfaces: LabInterfaces | None = None


@dataclass(frozen=True, slots=True)
class PrometheusState:
    """Whether Prometheus answers, and if not, why and since when (epoch seconds)."""

    state: str
    url: str
    stale_since: float | None
    message: str


def observe(observer: LabObserver) -> Observed:
    """Gather what an overview is made of, without walking what did not change.

    Raises `InputError` while the topology file cannot be used.
    """
    topology = observer.topology
    serfs = {}
    for node in topology.serfs:
        view = observer.cluster(node.name)
        if view is not None:
            serfs[node.name] = SerfState(
                state=view.state,
                stale_since=view.stale_since,
                message=view.error,
                load=observer.load(node.name),
                pods=view.running_of_all() if view.synced else None,
                target_up=observer.target_up(node.name),
                namespaces=tuple(sorted(namespace.name for namespace in view.namespaces)),
            )
    return Observed(
        topology,
        observer.inventory,
        observer.inventory_error,
        _prometheus(observer),
        serfs,
        observer.thresholds,
        observer.offload,
        observer.interfaces,
    )


def overview(observed: Observed) -> dict[str, Any]:
    """Return what `GET /api/topology` answers, but for `version` and `generated_at`."""
    topology, inventory = observed.topology, observed.inventory
    nodes = [_node(observed, node) for node in topology.nodes]
    nodes += [_outside(name) for name in outside_names(topology)]
    states = {node["name"]: node["state"] for node in nodes}
    return {
        "name": topology.name,
        "lab": {
            "up": inventory is not None,
            "runtime": inventory.runtime if inventory else None,
            "message": observed.inventory_error,
        },
        "prometheus": asdict(observed.prometheus),
        "thresholds": observed.thresholds,
        "summary": _summary(nodes),
        "offload": observed.offload,
        "nodes": nodes,
        "links": [link_entry(link, states, observed.interfaces) for link in topology.links],
    }


def link_entries(observer: LabObserver, topology: Topology | None = None) -> list[dict[str, Any]]:
    """Return the links alone as the overview tells them, of the observer's topology or of another.

    Raises `InputError` while the topology file cannot be used.
    """
    return overview(replace(observe(observer), topology=topology or observer.topology))["links"]  # type: ignore[no-any-return]


def prometheus_state(observer: LabObserver) -> dict[str, Any]:
    """Return whether Prometheus answers, and if not, why and since when."""
    return asdict(_prometheus(observer))


def outside_names(topology: Topology) -> list[str]:
    """Return the link ends that lie outside the file, such as the host's side of a link; they are shown as nodes."""
    declared = {node.name for node in topology.nodes}
    ends = (end.node for link in topology.links for end in (link.a, link.b))
    return list(dict.fromkeys(name for name in ends if name not in declared))


def _prometheus(observer: LabObserver) -> PrometheusState:
    error, stale_since = observer.prometheus_error, observer.prometheus_stale_since
    if not error:
        state = READY
    elif stale_since is None:
        state = CONNECTING
    else:
        state = UNREACHABLE if observer.inventory else ABSENT
    return PrometheusState(state, observer.prometheus_url, stale_since, error)


def _node(observed: Observed, node: Node) -> dict[str, Any]:
    entry = _entry(node.name, node.kind, node.role, node.labels) | {"image": node.image}
    if node.is_serf:
        entry |= _serf(observed, node.name)
    elif node.role == PROMETHEUS_ROLE:
        prometheus = observed.prometheus
        entry |= {
            "state": prometheus.state,
            "stale_since": prometheus.stale_since,
            "message": prometheus.message,
        }
    return entry


def _outside(name: str) -> dict[str, Any]:
    return _entry(name, HOST_ROLE, HOST_ROLE, {})


def _entry(name: str, kind: str, role: str, labels: dict[str, str]) -> dict[str, Any]:
    return {
        "name": name, "kind": kind, "role": role, "state": UNMANAGED, "stale_since": None, "message": "",
        "labels": labels, "image": "", "load": None, "pods": None, "target_up": None, "namespaces": [],
    }  # fmt: skip


def _serf(observed: Observed, name: str) -> dict[str, Any]:
    serf = observed.serfs.get(name)
    if serf is None:
        return {"state": ABSENT, "message": observed.inventory_error or "not part of the lab that is up"}
    load = serf.load.load
    return {
        "state": serf.state,
        "stale_since": serf.stale_since,
        "message": serf.message,
        "load": {
            "cpu": load.cpu,
            "memory": load.memory,
            "psi": load.psi,
            "power": load.power,
            "level": level(load.cpu, observed.thresholds["cpu"]),
            "stale_since": serf.load.stale_since,
        },
        "pods": {"running": serf.pods[0], "total": serf.pods[1]} if serf.pods else None,
        "target_up": serf.target_up,
        "namespaces": list(serf.namespaces),
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
