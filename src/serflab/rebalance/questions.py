"""What a loop is asked: scores from its Prometheus as the descheduler reads them, figures from its exporter."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import requests
from prometheus_client.parser import text_string_to_metric_families

from serflab.errors import SerflabError
from serflab.kube.client import ApiClient
from serflab.kube.credentials import load_credentials
from serflab.lab.loopback import session
from serflab.lab.prometheus_query import matcher
from serflab.rebalance.dimensions import INPUT
from serflab.rebalance.loop_files import rule_settings
from serflab.rebalance.rules import query

if TYPE_CHECKING:
    from serflab.rebalance.loop_settings import Loop

_SECONDS: Final = 5.0


class PrometheusError(SerflabError):
    """The loop's Prometheus does not answer, or refuses a query."""


class ExporterError(SerflabError):
    """The loop's exporter does not answer."""


def api(loop: Loop) -> ApiClient:
    """Return a client of the API server that a loop runs on."""
    return ApiClient(load_credentials(loop.kubeconfig))


def node_scores(loop: Loop, at: float | None = None) -> dict[str, float]:
    """Return the score of each node by the loop's algorithm, now or at a moment (epoch seconds); NaN is a value here.

    Raises `PrometheusError`.
    """
    found = _instant(loop, query(loop.algorithm, rule_settings(loop)), at)
    return {item["metric"].get("instance", ""): float(item["value"][1]) for item in found}


def node_inputs(loop: Loop, start: float, end: float) -> dict[float, dict[str, dict[str, float]]]:
    """Return the scores' inputs by evaluation of the rules (`start` to `end`, epoch seconds), node and dimension.

    They are as they were recorded at each evaluation, not between them. Raises `PrometheusError`.
    """
    selector = rule_settings(loop).select(INPUT)
    found = _instant(loop, f"{selector}[{math.ceil((end - start) * 1000)}ms]", end)
    evaluations: dict[float, dict[str, dict[str, float]]] = {}
    for item in found:
        labels = item["metric"]
        for at, value in item["values"]:
            nodes = evaluations.setdefault(float(at), {})
            nodes.setdefault(labels.get("instance", ""), {})[labels.get("dimension", "")] = float(value)
    return evaluations


def is_up(loop: Loop, job: str) -> bool:
    """Whether Prometheus scraped a job of the loop the last time; raises `PrometheusError`."""
    found = _instant(loop, f"up{matcher(job=job)}", None)
    return bool(found) and all(float(item["value"][1]) == 1 for item in found)


def node_figures(loop: Loop) -> dict[str, dict[str, float]]:
    """Return what the exporter tells of each node: its metrics `node_…` by name; raises `ExporterError`."""
    try:
        answer = session().get(f"{loop.exporter}/metrics", timeout=_SECONDS)
        answer.raise_for_status()
    except requests.RequestException as error:
        hint = "`serflab rebalance status` shows whether it runs"
        raise ExporterError(f"the exporter at {loop.exporter} does not answer: {error}", hint=hint) from error
    figures: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            if sample.name.startswith("node_") and "node" in sample.labels:
                figures.setdefault(sample.labels["node"], {})[sample.name] = sample.value
    return figures


def _instant(loop: Loop, expression: str, at: float | None) -> list[dict[str, Any]]:
    parameters = {"query": expression} | ({} if at is None else {"time": f"{at:.3f}"})
    try:
        answer = session().get(f"{loop.prometheus}/api/v1/query", params=parameters, timeout=_SECONDS)
        told = answer.json()
    except (requests.RequestException, ValueError) as error:
        hint = "every cycle ends without eviction until it does; `serflab rebalance up` starts it again"
        raise PrometheusError(f"it does not answer: {error}", hint=hint) from error
    if told.get("status") != "success":
        raise PrometheusError(f"it refuses the query {expression}: {told.get('error')}")
    return list(told["data"]["result"])
