"""From the names in a request to what they mean, or to the error that says why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from flask import current_app

from serflab.lab.prometheus_query import PrometheusError
from serflab.web.errors import RETRY_SECONDS, ApiError, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from serflab.lab.cluster_view import ClusterView
    from serflab.lab.observer import LabObserver
    from serflab.lab.prometheus_query import Prometheus
    from serflab.lab.topology import Node
    from serflab.web.settings import Settings

T = TypeVar("T")

EXTENSION = "serflab"
SETTINGS = "SERFLAB_SETTINGS"


def observer() -> LabObserver:
    """Return the observer of the running application."""
    return cast("LabObserver", current_app.extensions[EXTENSION])


def settings() -> Settings:
    """Return the settings of the running application."""
    return cast("Settings", current_app.config[SETTINGS])


def serf_node(name: str) -> Node:
    """Return the serf of that name in the topology; 404 with the nearest names, or when the node is no serf."""
    topology = observer().topology
    node = topology.node(name)
    serfs = [serf.name for serf in topology.serfs]
    if node is None:
        raise unknown("node", name, serfs)
    if not node.is_serf:
        raise ApiError(
            404,
            "not_a_serf",
            f"{name} is a node of the topology with role {node.role!r}, not a serf: it has no cluster",
            hint=f"the serfs are: {', '.join(serfs) or 'none'}",
        )
    return node


def cluster(name: str) -> ClusterView:
    """Return the view of a serf that is up; 404 for an unknown one, 503 for one that is not up."""
    serf_node(name)
    view = observer().cluster(name)
    if view is None:
        reason = observer().inventory_error
        message = f"{name} is not up: {reason}" if reason else f"{name} is not part of the lab that is up"
        raise ApiError(503, "serf_absent", message, hint="bring it up with `serflab up`")
    return view


def synced_cluster(name: str) -> ClusterView:
    """Return the view of a serf whose cluster was read at least once; 503 until then."""
    view = cluster(name)
    if not view.synced:
        reason = view.error or "it was not read yet"
        raise ApiError(
            503,
            "cluster_unreachable",
            f"nothing is known of the cluster of {name}: {reason}",
            hint=f"its log: serflab logs {name} kube-apiserver",
        )
    return view


def ask(question: Callable[[Prometheus], Coroutine[Any, Any, T]]) -> T:
    """Ask the lab's Prometheus and wait for the answer; 503 when it does not answer."""
    try:
        return observer().ask(question)
    except PrometheusError as error:
        details = {"reason": error.reason, "retry_after": RETRY_SECONDS}
        raise ApiError(503, "prometheus_unavailable", error.message, hint=error.hint, details=details) from error
