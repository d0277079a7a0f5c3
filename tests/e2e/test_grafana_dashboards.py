"""The Grafana dashboards on a running lab: every query of every panel and variable returns data.

Variables are replaced as Grafana replaces them in a Prometheus query: a variable of several values becomes a group of
alternatives, a single one its value (https://grafana.com/docs/grafana/latest/datasources/prometheus/template-variables/).
"""

from __future__ import annotations

import json
import math
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

GRAFANA = Path(__file__).resolve().parents[2] / "grafana"
DASHBOARDS = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in GRAFANA.glob("dashboards/*.json")}
RULES = yaml.safe_load((GRAFANA.parent / "prometheus-rules.yml").read_text(encoding="utf-8"))["groups"]
RECORDED = {rule["record"] for group in RULES for rule in group["rules"]}
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
# Of a range of a minute, at a scrape every 5 s: four scrapes is what Grafana takes for $__rate_interval.
BUILT_IN = {"__rate_interval": "20s", "__interval": "5s", "__range": "60s"}
RANGE_SECONDS, STEP = 60, 5
METRIC = re.compile(r"\b(?:(?:emulation|real|serflab|scrape)_\w+|serflab:\w+:\w+|up(?=\{))")
LABEL_VALUES = re.compile(r"label_values\((?P<selector>.+), (?P<label>\w+)\)")


class LabPrometheus:
    """The Prometheus of the lab, asked as Grafana asks it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, **parameters: Any) -> Any:
        answer = requests.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=20).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def values(self, query: str) -> list[float]:
        """Return every number that a panel would draw of the last minute."""
        now = int(time.time())
        data = self.get("query_range", query=query, start=now - RANGE_SECONDS, end=now, step=STEP)
        numbers = [float(value) for series in data["result"] for _, value in series["values"]]
        return [number for number in numbers if math.isfinite(number)]


@pytest.fixture(scope="module")
def prometheus(lab: Any) -> LabPrometheus:
    """The lab's Prometheus, once every rule has recorded, of every serf, and rates can be computed."""
    server, serfs = LabPrometheus(lab.prometheus_url), len(lab.inventory.serfs)
    ready = f"count(rate(serflab_replay_patches_total[20s])) == {serfs} and count(serflab:serf_cpu:percent) == {serfs}"
    for _ in range(300):
        if server.get("query", query=ready)["result"] and set(server.get("label/__name__/values")) >= RECORDED:
            return server
        time.sleep(0.2)
    pytest.fail("the lab never had a rate of patches for every serf, or not all that its rules record")


def variables(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return [item for item in dashboard["templating"]["list"] if item["type"] == "query"]


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def filled(text: str, values: dict[str, str]) -> str:
    """Return a query with its variables replaced; one that nobody defines is an error."""
    return re.sub(r"\$(\w+)|\$\{(\w+)\}", lambda match: values[match[1] or match[2]], text)


def resolved(prometheus: LabPrometheus, dashboard: dict[str, Any]) -> dict[str, str]:
    """Return what each variable is replaced by when the reader chooses All, or the first value of a single one."""
    chosen = dict(BUILT_IN)
    for variable in variables(dashboard):
        question = LABEL_VALUES.fullmatch(filled(variable["query"]["query"], chosen))
        assert question, variable["name"]
        found = prometheus.get(f"label/{question['label']}/values", **{"match[]": question["selector"]})
        assert found, f"{variable['name']} has no values"
        several = "(" + "|".join(re.escape(value).replace("\\", "\\\\") for value in found) + ")"
        chosen[variable["name"]] = several if variable["multi"] else found[0]
    return chosen


def queries(dashboard: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for panel in panels(dashboard):
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def test_there_is_a_dashboard_for_the_lab_a_serf_a_pod_and_the_replay() -> None:
    uids = {name: dashboard["uid"] for name, dashboard in DASHBOARDS.items()}
    assert uids == {name: f"serflab-{name}" for name in ("lab", "serf", "pod", "replay")}


@pytest.mark.parametrize("name", sorted(DASHBOARDS))
def test_every_query_of_every_panel_returns_data(prometheus: LabPrometheus, name: str) -> None:
    chosen = resolved(prometheus, DASHBOARDS[name])
    silent = [title for title, expr in queries(DASHBOARDS[name]) if not prometheus.values(filled(expr, chosen))]
    assert silent == []


@pytest.mark.parametrize("name", sorted(DASHBOARDS))
def test_every_metric_of_a_dashboard_is_known_to_prometheus(prometheus: LabPrometheus, name: str) -> None:
    asked = [expr for _, expr in queries(DASHBOARDS[name])]
    asked += [variable["query"]["query"] for variable in variables(DASHBOARDS[name])]
    used = {metric for text in asked for metric in METRIC.findall(text)}
    assert used
    assert used - set(prometheus.get("label/__name__/values")) == set()


@pytest.mark.parametrize("name", sorted(DASHBOARDS))
def test_panels_are_apart_whole_and_of_the_chosen_prometheus(name: str) -> None:
    dashboard = DASHBOARDS[name]
    assert dashboard["schemaVersion"] >= 39
    assert "id" not in dashboard
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24, panel["title"]
        assert not taken & cells, panel["title"]
        taken |= cells
    for panel in panels(dashboard):
        assert panel["datasource"] == DATASOURCE
        assert all(target["datasource"] == DATASOURCE for target in panel["targets"])
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        if panel["type"] == "timeseries":
            assert panel["fieldConfig"]["defaults"]["custom"]["spanNulls"] is False, panel["title"]


def test_cpu_has_the_colours_of_the_page() -> None:
    steps = [
        panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        for panel in panels(DASHBOARDS["lab"])
        if any("serflab:serf_cpu:percent" in target["expr"] for target in panel["targets"])
    ]
    assert steps
    for limits in steps:
        assert [(step["color"], step["value"]) for step in limits] == [("green", None), ("yellow", 20), ("red", 60)]


@pytest.mark.parametrize("name", sorted(DASHBOARDS))
def test_links_lead_to_dashboards_and_variables_that_are_there(name: str) -> None:
    by_uid = {dashboard["uid"]: dashboard for dashboard in DASHBOARDS.values()}
    for panel in panels(DASHBOARDS[name]):
        for link in panel["fieldConfig"]["defaults"].get("links", ()):
            uid = re.match(r"/d/([\w-]+)\?", link["url"])
            assert uid, link["url"]
            known = {variable["name"] for variable in variables(by_uid[uid[1]])}
            assert set(re.findall(r"var-(\w+)=", link["url"])) <= known, link["url"]


def test_provisioning_names_a_prometheus_and_the_directory_of_the_dashboards() -> None:
    sources = yaml.safe_load((GRAFANA / "provisioning/datasources/serflab.yaml").read_text(encoding="utf-8"))
    (source,) = sources["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "${SERFLAB_PROMETHEUS_URL}")
    scraped = yaml.safe_load((GRAFANA.parent / "prometheus.yml").read_text(encoding="utf-8"))["global"]
    assert source["jsonData"]["timeInterval"] == scraped["scrape_interval"]
    providers = yaml.safe_load((GRAFANA / "provisioning/dashboards/serflab.yaml").read_text(encoding="utf-8"))
    (provider,) = providers["providers"]
    assert f"grafana/dashboards:{provider['options']['path']}" in (GRAFANA.parent / "docs/grafana.md").read_text()
