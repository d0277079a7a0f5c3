"""`/api/node/…`: one serf, its cluster with its events, its programs and its config."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from flask import Blueprint, Response, current_app

from serflab.lab.cluster_report import cluster_report, events_report
from serflab.lab.pod_usage import RecentPodUsage
from serflab.lab.serf_health import serf_health
from serflab.lab.workload import config_without_series
from serflab.web.errors import ApiError, json_response
from serflab.web.lookup import cluster, observer, serf_node, synced_cluster

if TYPE_CHECKING:
    from pathlib import Path

    from flask.blueprints import BlueprintSetupState

    from serflab.lab.topology import Node

CONFIG_ENV = "SERFLAB_CONFIG"

blueprint = Blueprint("nodes", __name__, url_prefix="/api/node")
_EXTENSION = "serflab-pod-usage"


@blueprint.record_once
def _remember(state: BlueprintSetupState) -> None:
    state.app.extensions[_EXTENSION] = RecentPodUsage()


@blueprint.get("/<node>/cluster-info")
def cluster_info(node: str) -> Response:
    """Answer the cluster's version, nodes, namespaces and pods, from the watches' memory."""
    usage = cast("RecentPodUsage", current_app.extensions[_EXTENSION])
    return json_response(cluster_report(observer(), synced_cluster(node), usage))


@blueprint.get("/<node>/events")
def events(node: str) -> Response:
    """Answer the newest Kubernetes Events of the cluster, from the watch's memory."""
    return json_response(events_report(synced_cluster(node)))


@blueprint.get("/<node>/health")
def health(node: str) -> Response:
    """Answer how the serf's API server, exporter and replay are; 200 whenever the serf is up."""
    return json_response(serf_health(observer(), cluster(node)))


@blueprint.get("/<node>/emulation-config")
def emulation_config(node: str) -> Response:
    """Answer the emulation config of a serf, time series left out; also of a serf that is not up."""
    entry = serf_node(node)
    view = observer().cluster(node)
    file, env = (view.serf.config, view.serf.env) if view else (_planned_config(entry), entry.env)
    return json_response({**config_without_series(file), "node": node, "file": str(file), "env": env})


def _planned_config(node: Node) -> Path:
    relative = node.env.get(CONFIG_ENV)
    if not relative:
        raise ApiError(404, "no_config", f"{node.name} names no emulation config", hint=f"set {CONFIG_ENV} in its env")
    return observer().topology.file.parent / relative
