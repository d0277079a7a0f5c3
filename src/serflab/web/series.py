"""`/api/node/…/timeseries`, `/pods/timeseries` and `/stack`: the charts of one serf and of its pods."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response

from serflab.lab.comparison import compare
from serflab.lab.series import EMULATED, REAL, PodName, pod_series, pods_series, serf_series
from serflab.lab.series_csv import series_csv
from serflab.lab.span import WINDOWS
from serflab.lab.stack import OTHER, PARTS, STACKED_METRICS, stacked_series
from serflab.web import parameters
from serflab.web.errors import json_response, unknown
from serflab.web.lookup import ask, cluster

if TYPE_CHECKING:
    from collections.abc import Mapping

    from serflab.lab.cluster_view import ClusterView
    from serflab.lab.metrics import Metric
    from serflab.lab.series import SeriesSet
    from serflab.lab.span import Span

blueprint = Blueprint("series", __name__, url_prefix="/api/node")


@blueprint.get("/<node>/timeseries")
def node_timeseries(node: str) -> Response:
    """Answer the emulated and the real series of a serf, and how well they agree."""
    chart = _Chart()
    cluster(node)
    series = ask(lambda prometheus: serf_series(prometheus, node, chart.metric, chart.span))
    comparison = compare(series.values[EMULATED], series.values[REAL])
    return chart.answer({"node": node}, series, {"comparison": asdict(comparison)})


@blueprint.get("/<node>/pod/<namespace>/<pod>/timeseries")
def pod_timeseries(node: str, namespace: str, pod: str) -> Response:
    """Answer the series of one pod; of a deleted one as long as Prometheus remembers it."""
    chart, view, name = _Chart(), cluster(node), PodName(node, namespace, pod)
    series = ask(lambda prometheus: pod_series(prometheus, name, chart.metric, chart.span))
    if series.silent:
        _check_known(view, name)
    return chart.answer({"node": node, "namespace": namespace, "pod": pod}, series)


@blueprint.get("/<node>/pods/timeseries")
def pods_timeseries(node: str) -> Response:
    """Answer the series of several pods of a serf, for one chart."""
    chart, view, names = _Chart(), cluster(node), parameters.pods(node)
    series = ask(lambda prometheus: pods_series(prometheus, names, chart.metric, chart.span))
    for name in names:
        if name.full_name in series.silent:
            _check_known(view, name)
    return chart.answer({"node": node}, series)


@blueprint.get("/<node>/stack")
def stack(node: str) -> Response:
    """Answer the biggest namespaces or pods of a serf and the rest, which together are its sum."""
    chart, part = _Chart(STACKED_METRICS), parameters.choice("by", PARTS, "namespace")
    cluster(node)
    series, rest = ask(lambda prometheus: stacked_series(prometheus, node, chart.metric, part, chart.span))
    other = None if rest is None else _dataset(series, rest)
    return chart.answer({"node": node, "by": part}, series, {OTHER: other}, {} if rest is None else {OTHER: rest})


class _Chart:
    """What every one of these calls is asked: measure, time and format, read from the request."""

    def __init__(self, metrics: tuple[str, ...] | None = None) -> None:
        self.metric: Metric = parameters.metric(metrics) if metrics else parameters.metric()
        self.span: Span = parameters.span(WINDOWS, "5m")
        self.format = parameters.choice("format", parameters.FORMATS, "json")

    def answer(
        self,
        identity: Mapping[str, str],
        series: SeriesSet,
        more: Mapping[str, Any] | None = None,
        columns: Mapping[str, list[float | None]] | None = None,
    ) -> Response:
        """Return the series as JSON, with `more` in it, or as CSV, with more `columns`."""
        points = series.points
        if self.format == "csv":
            name = "-".join((*identity.values(), self.metric.name, self.span.name))
            return _csv_response(name, series_csv(points.timestamps, {**series.values, **(columns or {})}))
        return json_response(
            {
                **identity,
                "metric": self.metric.name,
                "window": self.span.name,
                "unit": series.unit,
                "from": points.start,
                "to": points.end,
                "step": points.step,
                "datasets": {key: _dataset(series, values) for key, values in series.values.items()},
                **(more or {}),
            }
        )


def _dataset(series: SeriesSet, values: list[float | None]) -> dict[str, Any]:
    return {"timestamps": series.points.timestamps, "values": values}


def _csv_response(name: str, text: str) -> Response:
    response = Response(text, mimetype="text/csv")
    file = re.sub(r"[^A-Za-z0-9.]+", "-", name)
    response.headers["Content-Disposition"] = f'attachment; filename="{file}.csv"'
    response.headers["Cache-Control"] = "no-store"
    return response


def _check_known(view: ClusterView, name: PodName) -> None:
    """Answer 404 for a pod that neither Prometheus nor the cluster knows."""
    pods = view.pods
    if not view.synced or any((pod.namespace, pod.name) == (name.namespace, name.pod) for pod in pods):
        return
    namespaces = {item.name for item in view.namespaces}
    if name.namespace not in namespaces:
        raise unknown("namespace", name.namespace, namespaces)
    raise unknown("pod", name.pod, (pod.name for pod in pods if pod.namespace == name.namespace))
