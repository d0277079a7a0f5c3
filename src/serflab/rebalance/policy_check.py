"""Checking a descheduler policy before it is run: all findings at once, each with its JSON path.

The descheduler ignores fields that it does not know, and says of the others one thing at a time, some of it only in its
first cycle. What is checked here is what the loop needs: one profile that runs LowNodeUtilization on Prometheus.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import yaml

from serflab.errors import Finding, InputError
from serflab.rebalance.algorithms import ALGORITHMS
from serflab.traces.document import child, show
from serflab.traces.report import Report

if TYPE_CHECKING:
    from pathlib import Path

API_VERSION: Final = "descheduler/v1alpha2"
KIND: Final = "DeschedulerPolicy"
PLUGIN: Final = "LowNodeUtilization"
EVICTOR: Final = "DefaultEvictor"
RESOURCE: Final = "MetricResource"
"""The resource of thresholds on Prometheus; no other may be there."""
PROMETHEUS: Final = "Prometheus"

_TOP: Final = (
    "nodeSelector",
    "maxNoOfPodsToEvictPerNode",
    "maxNoOfPodsToEvictPerNamespace",
    "maxNoOfPodsToEvictTotal",
    "evictionFailureEventNotification",
    "metricsCollector",
    "metricsProviders",
    "gracePeriodSeconds",
)
_WITHOUT_LIMIT: Final = {
    _TOP[3]: "missing: every cycle evicts from all hot nodes at once, however many VMs are on their way",
    _TOP[1]: "missing: VMs that are still leaving a node do not count, every cycle takes as many more",
}
"""What happens without a limit: `evictionLimits` alone bounds what one cycle takes of one node."""
_ARGUMENTS: Final = ("useDeviationThresholds", "numberOfNodes", "evictableNamespaces", "evictionLimits")


def load_policy(path: Path) -> dict[str, Any]:
    """Return the policy in a YAML file, or in the ConfigMap in it; raises `InputError` with all findings."""
    file = str(path)
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError([Finding(file, "", f"cannot be read: {error}")]) from error
    except yaml.YAMLError as error:
        raise InputError([Finding(file, "", f"is no YAML: {' '.join(str(error).split())}")]) from error
    if isinstance(document, dict) and document.get("kind") == "ConfigMap":
        return _in_config_map(document, file)
    return check_policy(document, file)


def check_policy(document: object, file: str) -> dict[str, Any]:
    """Return the document if the loop can run on it; otherwise raise `InputError` with all findings.

    `file` is how messages call it. Keys that the descheduler would ignore are warned of.
    """
    report = Report(file)
    policy = report.mapping(document, "$")
    if policy is not None:
        _Check(report).policy(policy)
    report.settle(document)
    return policy or {}


def _in_config_map(document: dict[str, Any], file: str) -> dict[str, Any]:
    data = document.get("data")
    texts = {key: text for key, text in data.items() if isinstance(text, str)} if isinstance(data, dict) else {}
    if len(texts) != 1:
        problem = f"expected one text, the policy, found {len(texts)}"
        raise InputError([Finding(file, "$.data", problem, "a ConfigMap holds the policy as policy.yaml")])
    ((key, text),) = texts.items()
    place = f"{file}: {child('$.data', key)}"
    try:
        return check_policy(yaml.safe_load(text), place)
    except yaml.YAMLError as error:
        raise InputError([Finding(place, "", f"is no YAML: {' '.join(str(error).split())}")]) from error


class _Check:
    """The fields by subject; what is wrong goes to `report`."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def policy(self, policy: dict[str, Any]) -> None:
        report = self.report
        report.keys(policy, "$", required=("apiVersion", "kind", "metricsProviders", "profiles"), optional=_TOP)
        if "apiVersion" in policy:
            report.choice(policy["apiVersion"], "$.apiVersion", [API_VERSION])
        if "kind" in policy:
            report.choice(policy["kind"], "$.kind", [KIND])
        if "nodeSelector" in policy:
            report.text(policy["nodeSelector"], "$.nodeSelector")
        for limit in _TOP[1:4]:
            if limit in policy:
                self._count(policy[limit], f"$.{limit}", at_least=1)
            elif limit in _WITHOUT_LIMIT:
                report.warn(f"$.{limit}", _WITHOUT_LIMIT[limit])
        if "metricsProviders" in policy:
            self._providers(policy["metricsProviders"])
        if "profiles" in policy:
            self._profiles(policy["profiles"])

    def _providers(self, value: object) -> None:
        path = "$.metricsProviders"
        providers = self.report.items(value, path) or []
        found = [
            (child(path, index), provider)
            for index, provider in enumerate(providers)
            if isinstance(provider, dict) and provider.get("source") == PROMETHEUS
        ]
        if providers and len(found) != 1:
            self.report.error(path, f"expected one provider with the source {PROMETHEUS}, found {len(found)}")
        for place, provider in found:
            prometheus = self.report.mapping(provider.get("prometheus"), f"{place}.prometheus")
            if prometheus is not None:
                self._url(prometheus.get("url"), f"{place}.prometheus.url")

    def _url(self, value: object, path: str) -> None:
        url = self.report.text(value, path)
        if url is None:
            return
        try:
            parts = urlsplit(url)
            good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            good = False
        if not good:
            self.report.error(path, f"expected a URL, found {show(url)}", "such as http://127.0.0.1:9090")

    def _profiles(self, value: object) -> None:
        profiles = self.report.items(value, "$.profiles") or []
        running = []
        for index, profile in enumerate(profiles):
            path = child("$.profiles", index)
            if self.report.mapping(profile, path) is not None and PLUGIN in _enabled(profile):
                running.append((path, profile))
        if profiles and len(running) != 1:
            problem = f"expected one profile with {PLUGIN} in plugins.balance.enabled, found {len(running)}"
            self.report.error("$.profiles", problem)
        for path, profile in running:
            self.report.keys(profile, path, required=("name", "pluginConfig", "plugins"), optional=())
            self._plugin_config(profile.get("pluginConfig"), f"{path}.pluginConfig")

    def _plugin_config(self, value: object, path: str) -> None:
        configs = self.report.items(value, path) if value is not None else []
        found = [
            (child(path, index), config)
            for index, config in enumerate(configs or [])
            if isinstance(config, dict) and config.get("name") == PLUGIN
        ]
        if configs and len(found) != 1:
            self.report.error(path, f"expected one entry with the name {PLUGIN}, found {len(found)}")
        for place, config in found:
            arguments = self.report.mapping(config.get("args"), f"{place}.args")
            if arguments is not None:
                self._arguments(arguments, f"{place}.args")

    def _arguments(self, arguments: dict[str, Any], path: str) -> None:
        report = self.report
        required = ("thresholds", "targetThresholds", "metricsUtilization")
        report.keys(arguments, path, required=required, optional=(*_ARGUMENTS, "apiVersion", "kind"))
        for name in required[:2]:
            if name in arguments:
                self._threshold(arguments[name], f"{path}.{name}")
        if arguments.get("useDeviationThresholds") is not True:
            found = arguments.get("useDeviationThresholds", False)
            hint = "the scores are compared with the mean of the nodes"
            report.error(f"{path}.useDeviationThresholds", f"expected true, found {show(found)}", hint)
        if "numberOfNodes" in arguments:
            self._count(arguments["numberOfNodes"], f"{path}.numberOfNodes", at_least=0)
        self._limits(arguments.get("evictionLimits"), f"{path}.evictionLimits")
        if "metricsUtilization" in arguments:
            self._utilization(arguments["metricsUtilization"], f"{path}.metricsUtilization")

    def _threshold(self, value: object, path: str) -> None:
        thresholds = self.report.mapping(value, path)
        if thresholds is None:
            return
        if set(thresholds) != {RESOURCE}:
            found = ", ".join(map(str, thresholds)) or "none"
            self.report.error(path, f"expected {RESOURCE} and no other resource, found {found}")
        if RESOURCE in thresholds:
            points, place = thresholds[RESOURCE], f"{path}.{RESOURCE}"
            number = isinstance(points, int | float) and not isinstance(points, bool) and math.isfinite(points)
            if not (number and 0 <= points <= 100):
                hint = "points of a percent around the mean score of the nodes"
                self.report.error(place, f"expected a number from 0 to 100, found {show(points)}", hint)

    def _limits(self, value: object, path: str) -> None:
        if value is None:
            self.report.warn(
                path, "missing: the descheduler evicts one pod of a node in each cycle, whatever the other limits"
            )
            return
        limits = self.report.mapping(value, path)
        if limits is not None:
            self._count(limits.get("node"), f"{path}.node", at_least=1)

    def _utilization(self, value: object, path: str) -> None:
        metrics = self.report.mapping(value, path)
        if metrics is None:
            return
        self.report.choice(metrics.get("source"), f"{path}.source", [PROMETHEUS])
        prometheus = self.report.mapping(metrics.get("prometheus"), f"{path}.prometheus")
        if prometheus is None:
            return
        query = self.report.text(prometheus.get("query"), f"{path}.prometheus.query")
        records = {name for each in ALGORITHMS.values() for name in (each.record, *each.alias_records)}
        if query is not None and query.partition("{")[0] not in records:
            self.report.warn(
                f"{path}.prometheus.query",
                "is none of the 19 scores; each sample needs the label instance and a value in 0..1",
            )

    def _count(self, value: object, path: str, *, at_least: int) -> None:
        if not (isinstance(value, int) and not isinstance(value, bool) and value >= at_least):
            self.report.error(path, f"expected a whole number of at least {at_least}, found {show(value)}")


def _enabled(profile: dict[str, Any]) -> list[Any]:
    """Return the balance plugins of a profile, as far as they can be read."""
    value: Any = profile
    for key in ("plugins", "balance", "enabled"):
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, list) else []
