"""The recording rules of the loop, as Prometheus reads them and as a PrometheusRule of its operator.

One group, evaluated in its order at one time: the inputs of each node, their means, the deviations, the scores. A node
has records when all four inputs are there and are numbers. Otherwise it has none and counts for no mean, and the
descheduler, which finds no sample of the node, gives up its cycle without evicting anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from string import Template
from typing import TYPE_CHECKING, Any, Final

from serflab.errors import Finding, InputError
from serflab.rebalance.algorithms import ALGORITHMS, PARETO_NODES, find_algorithm
from serflab.rebalance.dimensions import DIMENSIONS, INPUT, LARGEST_EXCESS, NODES, ORDER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Body = dict[str, Any]

GROUP: Final = "descheduler"
NAMESPACE: Final = "monitoring"
OBJECT_NAME: Final = "descheduler-rules"
CONFIG_MAP: Final = "prometheus-rules"
FILE: Final = "descheduler.yml"
"""The key of the ConfigMap."""
OPERATOR_LABELS: Final = {
    "app.kubernetes.io/name": "serflab",
    "app.kubernetes.io/component": "rebalance",
    "prometheus": "k8s",
    "role": "alert-rules",
    "release": "prometheus",
}
"""`prometheus` and `role` are what kube-prometheus selects rules by, `release` what kube-prometheus-stack does."""

_DURATION: Final = re.compile(r"(?:\d+(?:ms|[smhdwy]))+")
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """How the rules are made.

    `window` is what inputs are averaged over, and `interval` how often the rules are evaluated (none: as Prometheus
    does by default), both as Prometheus writes durations. `labels` tell this loop's nodes from others in the same
    Prometheus, such as `{"serf": "serf1"}`: inputs are selected by them, and every record carries them.
    `pareto_nodes` is how many nodes `pareto_front` can compare: so many steps it takes at each evaluation.
    """

    window: str = "1m"
    interval: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    pareto_nodes: int = PARETO_NODES

    def __post_init__(self) -> None:
        durations = [("window", self.window), *([("interval", self.interval)] if self.interval is not None else [])]
        hint = "a number with a unit, such as 15s, 1m or 1m30s"
        findings = [
            Finding("rules", name, f"expected a duration above 0, found {value!r}", hint)
            for name, value in durations
            if not _DURATION.fullmatch(value) or not re.search(r"[1-9]", value)
        ]
        findings += [
            Finding("rules", f"labels.{name}", f"no label that rules may set: {name!r}", "letters, digits and _")
            for name in self.labels
            if not _LABEL.fullmatch(name) or name in {"__name__", "instance", "node", "dimension"}
        ]
        if self.pareto_nodes < 1:
            findings.append(Finding("rules", "pareto_nodes", f"expected at least 1, found {self.pareto_nodes}"))
        if findings:
            raise InputError(findings)

    def select(self, name: str, *matchers: str) -> str:
        """Return the selector of this loop's series of a metric or record; `matchers` are further ones.

        >>> RuleSettings(labels={"serf": "serf1"}).select("up", 'job="x"')
        'up{job="x",serf="serf1"}'
        """
        of_labels = [f"{label}={_quoted(value)}" for label, value in self.labels.items()]
        together = ",".join([*matchers, *of_labels])
        return f"{name}{{{together}}}" if together else name


def rules(settings: RuleSettings | None = None) -> list[Body]:
    """Return all recording rules in the order in which they have to be evaluated."""
    settings = settings or RuleSettings()
    steps = (_inputs(settings), _dimensions(settings), _deviations(settings), _scores(settings))
    return [_rule(settings, *rule) for step in steps for rule in step]


def rule_groups(settings: RuleSettings | None = None) -> Body:
    """Return a rules file: the value of `rule_files` in Prometheus' configuration, and a PrometheusRule's spec."""
    settings = settings or RuleSettings()
    interval = {"interval": settings.interval} if settings.interval else {}
    return {"groups": [{"name": GROUP, **interval, "rules": rules(settings)}]}


def prometheus_rule(settings: RuleSettings | None = None, *, namespace: str = NAMESPACE) -> Body:
    """Return the rules as an object for the Prometheus operator (monitoring.coreos.com/v1)."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": OBJECT_NAME, "namespace": namespace, "labels": dict(OPERATOR_LABELS)},
        "spec": rule_groups(settings),
    }


def rules_config_map(text: str) -> Body:
    """Return the ConfigMap that holds a rules file, given as YAML, for the Prometheus of `k8s/prometheus.yaml`."""
    labels = {"app.kubernetes.io/name": "prometheus", "app.kubernetes.io/part-of": "serflab"}
    metadata = {"name": CONFIG_MAP, "namespace": NAMESPACE, "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {FILE: text}}


def query(algorithm: str, settings: RuleSettings | None = None) -> str:
    """Return the descheduler's query for an algorithm's scores; raises `InputError` for an unknown one.

    >>> query("cpu_focused")
    'descheduler:node:cpu_focused:avg1m'
    """
    return (settings or RuleSettings()).select(find_algorithm(algorithm).record)


_Rule = tuple[str, str, dict[str, str]]


def _rule(settings: RuleSettings, record: str, expression: str, labels: dict[str, str]) -> Body:
    labels = {**labels, **settings.labels}
    return {"record": record, "expr": expression, **({"labels": labels} if labels else {})}


def _inputs(settings: RuleSettings) -> Iterator[_Rule]:
    """Yield the inputs as they are: the comparison drops NaN, `and` those that are no longer exposed."""
    for each in DIMENSIONS:
        metric = settings.select(each.metric)
        average = f"max by (instance) (avg_over_time({metric}[{settings.window}]) and {metric})"
        yield INPUT, f"clamp({average}, 0, 1) >= 0", {"dimension": each.name}


def _dimensions(settings: RuleSettings) -> Iterator[_Rule]:
    """Yield the inputs of nodes that have all of them, their means, and what only single scores need."""
    complete = f"count by (instance) ({settings.select(INPUT)}) == {len(DIMENSIONS)}"
    for each in DIMENSIONS:
        one = settings.select(INPUT, f"dimension={_quoted(each.name)}")
        yield each.record, f"max by (instance) ({one}) and on (instance) ({complete})", {}
    for each in DIMENSIONS:
        yield each.average, f"avg({settings.select(each.record)})", {}
    u, p, m, q = (settings.select(each.record) for each in DIMENSIONS)
    yield NODES, f"count({u})", {}
    yield ORDER, f"{u} + 2 ^ 0.5 * {p} + 3 ^ 0.5 * {m} + 5 ^ 0.5 * {q}", {}


def _deviations(settings: RuleSettings) -> Iterator[_Rule]:
    for each in DIMENSIONS:
        mean = settings.select(each.average)
        yield each.deviation, f"{settings.select(each.record)} - on () group_left () {mean}", {}
        yield each.excess, f"clamp_min({settings.select(each.deviation)}, 0)", {}
        yield each.average_excess, f"avg({settings.select(each.excess)})", {}
    any_of_them = "|".join(each.average_excess for each in DIMENSIONS)
    yield LARGEST_EXCESS, f"max({settings.select('', '__name__=~' + _quoted(any_of_them))})", {}


def _scores(settings: RuleSettings) -> Iterator[_Rule]:
    names = {
        "inputs": settings.select(INPUT),
        "nodes": settings.select(NODES),
        "most": str(settings.pareto_nodes),
        "order": settings.select(ORDER),
        "largest_mean_d": settings.select(LARGEST_EXCESS),
    }
    for each in DIMENSIONS:
        names[each.letter] = settings.select(each.record)
        names[f"s_{each.letter}"] = settings.select(each.deviation)
        names[f"d_{each.letter}"] = settings.select(each.excess)
        names[f"mean_d_{each.letter}"] = settings.select(each.average_excess)
    for algorithm in ALGORITHMS.values():
        score = settings.select(algorithm.record)
        yield algorithm.record, f"clamp({Template(algorithm.promql).substitute(names)}, 0, 1)", {}
        yield algorithm.cluster_record, f"avg({score})", {}
        for alias in algorithm.alias_records:
            yield alias, score, {}


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
