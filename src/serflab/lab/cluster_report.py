"""What is told of one serf: its API server, Kubernetes nodes, namespaces and pods with their current values."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from serflab.lab.prometheus_query import PrometheusError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from serflab.lab.cluster_objects import NamespaceRecord, NodeRecord, PodRecord
    from serflab.lab.cluster_view import ClusterView
    from serflab.lab.observer import LabObserver
    from serflab.lab.pod_usage import RecentPodUsage

MOST_EVENTS = 500


def cluster_report(observer: LabObserver, view: ClusterView, usage: RecentPodUsage) -> dict[str, Any]:
    """Return what `GET /api/node/<node>/cluster-info` answers.

    CPU is in millicores, memory in Mi, PSI in percent and power in watts.
    """
    pods = view.pods
    values, source = _current_values(observer, view, pods, usage)
    nodes = {node.name: node for node in view.nodes}
    by_node: dict[str, list[PodRecord]] = defaultdict(list)
    for pod in pods:
        by_node[pod.node].append(pod)
    phases = Counter(pod.phase for pod in pods)
    in_namespace = Counter(pod.namespace for pod in pods)
    return {
        "node": view.serf.name,
        "state": view.state,
        "stale_since": view.stale_since,
        "message": view.error,
        "cluster": {"version": view.version, "server": view.serf.server, "exporter": view.serf.exporter},
        "summary": {"pods": len(pods), "phases": dict(phases)},
        "nodes": [_node(node, by_node[node.name]) for node in sorted(nodes.values(), key=_name)],
        "namespaces": [
            {"name": item.name, "phase": item.phase, "created": item.created, "pods": in_namespace[item.name]}
            for item in sorted(view.namespaces, key=_name)
        ],
        "values_from": source,
        "pods": [
            _pod(pod, values.get((pod.namespace, pod.name), {}), nodes.get(pod.node))
            for pod in sorted(pods, key=lambda pod: (pod.namespace, pod.name))
        ],
    }


def events_report(view: ClusterView) -> dict[str, Any]:
    """Return what `GET /api/node/<node>/events` answers: the newest first, times in seconds since the epoch."""
    events = view.events
    return {
        "node": view.serf.name,
        "state": view.state,
        "stale_since": view.stale_since or (events.stale_since if events else None),
        "message": view.error or (events.error if events else ""),
        "events": events.newest_first[:MOST_EVENTS] if events else [],
    }


def _name(item: NodeRecord | NamespaceRecord) -> str:
    return item.name


def _current_values(
    observer: LabObserver, view: ClusterView, pods: list[PodRecord], usage: RecentPodUsage
) -> tuple[Mapping[tuple[str, str], Mapping[str, float]], str]:
    """Return the pods' values from Prometheus, which shows whole ticks and agrees with the charts.

    Without Prometheus, or while it does not scrape the serf, they come from the pods' annotations.
    """
    if observer.target_up(view.serf.name):
        try:
            if values := observer.ask(lambda prometheus: usage.of(prometheus, view.serf.name)):
                return values, "prometheus"
        except PrometheusError:
            pass
    return {(pod.namespace, pod.name): pod.usage for pod in pods}, "annotations"


def _node(node: NodeRecord, pods: list[PodRecord]) -> dict[str, Any]:
    return {
        "name": node.name,
        "ready": node.ready,
        "unschedulable": node.unschedulable,
        "virtual": node.virtual,
        "conditions": [asdict(condition) for condition in node.conditions],
        "created": node.created,
        "capacity": {"cpu_millicores": node.cpu, "memory_mi": node.memory, "pods": node.pods},
        "requested": {
            "cpu_millicores": sum(pod.cpu_request for pod in pods),
            "memory_mi": sum(pod.memory_request for pod in pods),
            "pods": len(pods),
        },
    }


def _pod(pod: PodRecord, usage: Mapping[str, float], node: NodeRecord | None) -> dict[str, Any]:
    cpu, memory = usage.get("cpu"), usage.get("memory")
    return {
        "namespace": pod.namespace,
        "name": pod.name,
        "phase": pod.phase,
        "reason": pod.reason,
        "ready": pod.ready,
        "restarts": pod.restarts,
        "node": pod.node,
        "virtual": {"id": pod.virtual[0], "role": pod.virtual[1]} if pod.virtual else None,
        "created": pod.created,
        "requests": {"cpu_millicores": pod.cpu_request, "memory_mi": pod.memory_request},
        "cpu_millicores": cpu,
        "cpu_percent": _percent(cpu, node.cpu if node else 0.0),
        "memory_mi": memory,
        "memory_percent": _percent(memory, node.memory if node else 0.0),
        "psi_percent": usage.get("psi"),
        "power_watts": usage.get("power"),
    }


def _percent(value: float | None, capacity: float) -> float | None:
    return None if value is None or not capacity else 100 * value / capacity
