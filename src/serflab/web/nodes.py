"""`/api/node/…`: one serf, its cluster, its series and those of its pods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response

from serflab.lab.cluster_report import cluster_report
from serflab.lab.prometheus_query import PrometheusError
from serflab.lab.series import PodName, pod_series, serf_series
from serflab.lab.workload import config_without_series
from serflab.web.errors import ApiError, json_response, unknown
from serflab.web.lookup import cluster, metric, observer, prometheus_problem, serf_node, synced_cluster, window

if TYPE_CHECKING:
    from pathlib import Path

    from serflab.lab.series import SeriesSet
    from serflab.lab.topology import Node

CONFIG_ENV = "SERFLAB_CONFIG"

blueprint = Blueprint("nodes", __name__, url_prefix="/api/node")


@blueprint.get("/<node>/cluster-info")
def cluster_info(node: str) -> Response:
    """Answer the cluster's version, nodes, namespaces and pods, from the watches' memory."""
    return json_response(cluster_report(observer(), synced_cluster(node)))


@blueprint.get("/<node>/timeseries")
def node_timeseries(node: str) -> Response:
    """Answer the emulated and the real series of a serf."""
    measure, (name, seconds) = metric(), window()
    cluster(node)
    try:
        series = observer().ask(lambda prometheus: serf_series(prometheus, node, measure, seconds))
    except PrometheusError as error:
        raise prometheus_problem(error) from error
    return json_response({"node": node, "metric": measure.name, "window": name, **_series(series)})


@blueprint.get("/<node>/pod/<namespace>/<pod>/timeseries")
def pod_timeseries(node: str, namespace: str, pod: str) -> Response:
    """Answer the series of one pod; of a deleted one as long as Prometheus remembers it."""
    measure, (window_name, seconds) = metric(), window()
    view, name = cluster(node), PodName(node, namespace, pod)
    try:
        series = observer().ask(lambda prometheus: pod_series(prometheus, name, measure, seconds))
    except PrometheusError as error:
        raise prometheus_problem(error) from error
    pods = view.pods
    if series.empty and view.synced and not any((item.namespace, item.name) == (namespace, pod) for item in pods):
        namespaces = {item.name for item in view.namespaces}
        if namespace not in namespaces:
            raise unknown("namespace", namespace, namespaces)
        raise unknown("pod", pod, (item.name for item in pods if item.namespace == namespace))
    identity = {"node": node, "namespace": namespace, "pod": pod}
    return json_response({**identity, "metric": measure.name, "window": window_name, **_series(series)})


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


def _series(series: SeriesSet) -> dict[str, Any]:
    datasets = {name: {"timestamps": series.timestamps, "values": values} for name, values in series.values.items()}
    return {"unit": series.unit, "step": series.step, "datasets": datasets}
