"""The descheduler's policy for the loop, DeschedulerPolicy `descheduler/v1alpha2`: made from a few settings.

Fields: https://github.com/kubernetes-sigs/descheduler/blob/v0.36.0/pkg/api/v1alpha2/types.go, and of the two plugins
`types.go` in pkg/framework/plugins/nodeutilization and pkg/framework/plugins/defaultevictor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from serflab.rebalance.algorithms import DEFAULT_ALGORITHM, find_algorithm
from serflab.rebalance.names import SCHEDULABLE
from serflab.rebalance.policy_check import API_VERSION, EVICTOR, KIND, PLUGIN, PROMETHEUS, RESOURCE, check_policy
from serflab.rebalance.rules import RuleSettings, query

if TYPE_CHECKING:
    from collections.abc import Mapping

Body = dict[str, Any]

NAMESPACE: Final = "kube-descheduler"
CONFIG_MAP: Final = "descheduler-policy"
FILE: Final = "policy.yaml"
"""The key of the ConfigMap."""
CLUSTER_PROMETHEUS: Final = "http://prometheus.monitoring.svc:9090"
"""Prometheus as `k8s/prometheus.yaml` installs it."""


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """What a policy is made from.

    `threshold` and `target_threshold` are points of a percent around the nodes' mean score: a node is underutilised
    at or below mean - `threshold`, and overutilised above mean + `target_threshold`, which is by default what the
    algorithm recommends. `max_total` and `max_per_node` limit evictions that are under way at the same time,
    `eviction_limit` those that a cycle begins of one node: `None` as many as `max_per_node`, 0 is 1, which
    is also what the descheduler does where there is none.
    `labels` select the records of one loop among several in a Prometheus (`RuleSettings.labels`).
    """

    algorithm: str = DEFAULT_ALGORITHM
    prometheus_url: str = CLUSTER_PROMETHEUS
    threshold: float = 0
    target_threshold: float | None = None
    max_total: int = 5
    max_per_node: int = 2
    number_of_nodes: int = 0
    node_selector: str = f"{SCHEDULABLE}=true"
    node_fit: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)
    eviction_limit: int | None = None


def policy(settings: PolicySettings | None = None) -> Body:
    """Return the policy; raises `InputError` with all findings, their paths being those of the policy's fields.

    >>> policy(PolicySettings(algorithm="cpu_focused"))["profiles"][0]["pluginConfig"][1]["args"]["targetThresholds"]
    {'MetricResource': 10}
    """
    settings = settings or PolicySettings()
    found = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "nodeSelector": settings.node_selector,
        "maxNoOfPodsToEvictTotal": settings.max_total,
        "maxNoOfPodsToEvictPerNode": settings.max_per_node,
        "metricsProviders": [{"source": PROMETHEUS, "prometheus": {"url": settings.prometheus_url}}],
        "profiles": [
            {
                "name": "load-aware",
                "pluginConfig": [
                    {"name": EVICTOR, "args": _evictor(settings)},
                    {"name": PLUGIN, "args": _low_node_utilization(settings)},
                ],
                "plugins": {"balance": {"enabled": [PLUGIN]}},
            }
        ],
    }
    check_policy(found, "policy")
    return found


def config_map(text: str) -> Body:
    """Return the ConfigMap that holds a policy, given as YAML, for the descheduler in a cluster."""
    labels = {"app.kubernetes.io/name": "descheduler", "app.kubernetes.io/part-of": "serflab"}
    metadata = {"name": CONFIG_MAP, "namespace": NAMESPACE, "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {FILE: text}}


def _evictor(settings: PolicySettings) -> Body:
    """Return the arguments of DefaultEvictor: KubeVirt's pods have emptyDirs, which protect pods by default."""
    return {"nodeFit": settings.node_fit, "podProtections": {"defaultDisabled": ["PodsWithLocalStorage"]}}


def _low_node_utilization(settings: PolicySettings) -> Body:
    """Return the arguments of the plugin; without `evictionLimits` it evicts one pod a node and cycle."""
    target = settings.target_threshold
    if target is None:
        target = find_algorithm(settings.algorithm).threshold
    limit = settings.max_per_node if settings.eviction_limit is None else settings.eviction_limit or 1
    return {
        "useDeviationThresholds": True,
        "thresholds": {RESOURCE: _plain(settings.threshold)},
        "targetThresholds": {RESOURCE: _plain(target)},
        **({"numberOfNodes": settings.number_of_nodes} if settings.number_of_nodes else {}),
        "evictionLimits": {"node": limit},
        "metricsUtilization": {
            "source": PROMETHEUS,
            "prometheus": {"query": query(settings.algorithm, RuleSettings(labels=settings.labels))},
        },
    }


def _plain(points: float) -> float:
    """Return whole points without a fraction, as people write them."""
    return int(points) if math.isfinite(points) and points == int(points) else points
