"""What is told of one serf: its API server, Kubernetes nodes, namespaces and pods with their current values."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from serflab.lab.load import read_pod_usage
from serflab.lab.prometheus_query import PrometheusError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from serflab.lab.cluster_objects import NodeRecord, PodRecord
    from serflab.lab.cluster_view import ClusterView
    from serflab.lab.observer import LabObserver


def cluster_report(observer: LabObserver, view: ClusterView) -> dict[str, Any]:
    """Return what `GET /api/node/<node>/cluster-info` answers.

    CPU is in millicores, memory in Mi, PSI in percent and power in watts.
    """
    pods = view.pods
    values, source = _current_values(observer, view, pods)
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
        "nodes": [_node(node, by_node[node.name]) for node in sorted(view.nodes, key=lambda node: node.name)],
        "namespaces": [
            {"name": item.name, "phase": item.phase, "created": item.created, "pods": in_namespace[item.name]}
            for item in sorted(view.namespaces, key=lambda item: item.name)
        ],
        "values_from": source,
        "pods": [
            _pod(pod, values.get((pod.namespace, pod.name), {}))
            for pod in sorted(pods, key=lambda pod: (pod.namespace, pod.name))
        ],
    }


def _current_values(
    observer: LabObserver, view: ClusterView, pods: list[PodRecord]
) -> tuple[Mapping[tuple[str, str], Mapping[str, float]], str]:
    """Return the pods' values from Prometheus, which shows whole ticks and agrees with the charts.

    Without Prometheus, or while it does not scrape the serf, they come from the pods' annotations.
    """
    if observer.target_up(view.serf.name):
        try:
            if values := observer.ask(lambda prometheus: read_pod_usage(prometheus, view.serf.name)):
                return values, "prometheus"
        except PrometheusError:
            pass
    return {(pod.namespace, pod.name): pod.usage for pod in pods}, "annotations"


def _node(node: NodeRecord, pods: list[PodRecord]) -> dict[str, Any]:
    return {
        "name": node.name,
        "ready": node.ready,
        "unschedulable": node.unschedulable,
        "created": node.created,
        "capacity": {"cpu_millicores": node.cpu, "memory_mi": node.memory, "pods": node.pods},
        "requested": {
            "cpu_millicores": sum(pod.cpu_request for pod in pods),
            "memory_mi": sum(pod.memory_request for pod in pods),
            "pods": len(pods),
        },
    }


def _pod(pod: PodRecord, usage: Mapping[str, float]) -> dict[str, Any]:
    return {
        "namespace": pod.namespace,
        "name": pod.name,
        "phase": pod.phase,
        "reason": pod.reason,
        "node": pod.node,
        "created": pod.created,
        "cpu_millicores": usage.get("cpu"),
        "memory_mi": usage.get("memory"),
        "psi_percent": usage.get("psi"),
        "power_watts": usage.get("power"),
    }
