"""Policies: made from settings, and checked field by field with all findings at once."""

from __future__ import annotations

import pytest
import yaml

from serflab.errors import InputError
from serflab.rebalance.algorithms import ALGORITHMS
from serflab.rebalance.policy import PolicySettings, config_map, policy
from serflab.rebalance.policy_check import check_policy, load_policy

ARGUMENTS = "$.profiles[0].pluginConfig[1].args"


def findings(document):
    with pytest.raises(InputError) as refused:
        check_policy(document, "policy.yaml")
    return {finding.path: finding.problem for finding in refused.value.findings}


def arguments(document):
    return document["profiles"][0]["pluginConfig"][1]["args"]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_policy_has_its_algorithm_and_the_threshold_that_goes_with_it(name):
    found = arguments(policy(PolicySettings(name)))
    assert found["metricsUtilization"]["prometheus"]["query"] == f"descheduler:node:{name}:avg1m"
    assert found["targetThresholds"] == {"MetricResource": ALGORITHMS[name].threshold}


def test_settings_become_fields():
    found = policy(
        PolicySettings(
            "linear_amplified_ippd_k5", "https://prom.example:9090", 3, 12, 7, 4, 2, "role=vm", False, {"serf": "serf2"}
        )
    )
    assert (found["maxNoOfPodsToEvictTotal"], found["maxNoOfPodsToEvictPerNode"], found["nodeSelector"]) == (
        7,
        4,
        "role=vm",
    )
    assert found["metricsProviders"][0]["prometheus"] == {"url": "https://prom.example:9090"}
    assert found["profiles"][0]["pluginConfig"][0]["args"]["nodeFit"] is False
    assert arguments(found) == {
        "useDeviationThresholds": True,
        "thresholds": {"MetricResource": 3},
        "targetThresholds": {"MetricResource": 12},
        "numberOfNodes": 2,
        "evictionLimits": {"node": 4},
        "metricsUtilization": {
            "source": "Prometheus",
            "prometheus": {
                "query": 'descheduler:node:linear_amplified_ideal_point_positive_distance:k5:avg1m{serf="serf2"}'
            },
        },
    }


@pytest.mark.parametrize(("limit", "written"), [(None, 4), (3, 3), (0, 1)])
def test_a_cycle_begins_as_many_evictions_of_a_node_as_may_be_on_their_way_unless_it_is_told(limit, written):
    found = policy(PolicySettings(max_per_node=4, eviction_limit=limit))
    assert arguments(found)["evictionLimits"] == {"node": written}


def test_all_that_is_wrong_with_settings_comes_at_once():
    with pytest.raises(InputError) as refused:
        policy(PolicySettings(prometheus_url="prometheus:9090", target_threshold=120, max_total=0, node_selector=""))
    assert {(finding.path, finding.problem) for finding in refused.value.findings} == {
        ("$.nodeSelector", 'expected a string that is not empty, found ""'),
        ("$.maxNoOfPodsToEvictTotal", "expected a whole number of at least 1, found 0"),
        ("$.metricsProviders[0].prometheus.url", 'expected a URL, found "prometheus:9090"'),
        (f"{ARGUMENTS}.targetThresholds.MetricResource", "expected a number from 0 to 100, found 120"),
    }


@pytest.mark.parametrize("points", [float("nan"), float("inf"), True, "10", None, -0.5, 100.1])
def test_a_threshold_is_a_number_from_0_to_100(points):
    document = policy()
    arguments(document)["thresholds"]["MetricResource"] = points
    assert set(findings(document)) == {f"{ARGUMENTS}.thresholds.MetricResource"}


def test_another_resource_beside_the_metric_is_refused():
    document = policy()
    arguments(document)["thresholds"]["cpu"] = 10
    assert findings(document) == {
        f"{ARGUMENTS}.thresholds": "expected MetricResource and no other resource, found MetricResource, cpu"
    }


def test_thresholds_must_be_deviations():
    document = policy()
    del arguments(document)["useDeviationThresholds"]
    assert findings(document) == {f"{ARGUMENTS}.useDeviationThresholds": "expected true, found false"}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda p: p.pop("profiles"), "$.profiles"),
        (lambda p: p.update(profiles=[]), "$.profiles"),
        (lambda p: p["profiles"].append(p["profiles"][0]), "$.profiles"),
        (lambda p: p["profiles"][0]["plugins"]["balance"].update(enabled=[]), "$.profiles"),
        (lambda p: p["profiles"][0]["pluginConfig"].pop(1), "$.profiles[0].pluginConfig"),
        (lambda p: p["profiles"][0]["pluginConfig"][1].update(args=[]), ARGUMENTS),
        (lambda p: p.update(metricsProviders=[{"source": "KubernetesMetrics"}]), "$.metricsProviders"),
        (lambda p: arguments(p).pop("metricsUtilization"), f"{ARGUMENTS}.metricsUtilization"),
        (
            lambda p: arguments(p)["metricsUtilization"].update(source="KubernetesMetrics"),
            f"{ARGUMENTS}.metricsUtilization.source",
        ),
        (lambda p: arguments(p)["evictionLimits"].update(node=0), f"{ARGUMENTS}.evictionLimits.node"),
        (lambda p: arguments(p).update(numberOfNodes=-1), f"{ARGUMENTS}.numberOfNodes"),
    ],
)
def test_what_the_loop_cannot_run_on_is_named_by_its_path(change, path):
    document = policy()
    change(document)
    assert set(findings(document)) == {path}


@pytest.mark.parametrize("url", ["prometheus", "ftp://prometheus", "http://", "http://[", "http://host:port"])
def test_a_url_that_is_none(url):
    document = policy()
    document["metricsProviders"][0]["prometheus"]["url"] = url
    assert set(findings(document)) == {"$.metricsProviders[0].prometheus.url"}


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        (lambda p: p.update(maxNoOfPodsToEvictTotl=5), "$.maxNoOfPodsToEvictTotl: unknown key, ignored"),
        (lambda p: arguments(p).pop("evictionLimits"), "evicts one pod of a node in each cycle"),
        (lambda p: p.pop("maxNoOfPodsToEvictTotal"), "$.maxNoOfPodsToEvictTotal: missing: every cycle evicts from all"),
        (lambda p: p.pop("maxNoOfPodsToEvictPerNode"), "$.maxNoOfPodsToEvictPerNode: missing: VMs that are still"),
        (
            lambda p: arguments(p)["metricsUtilization"]["prometheus"].update(query="up"),
            "query: is none of the 19 scores",
        ),
    ],
)
def test_what_is_odd_is_warned_of(change, warning, caplog):
    document = policy()
    change(document)
    check_policy(document, "policy.yaml")
    assert warning in caplog.text


def test_a_policy_that_we_make_is_warned_of_nothing(caplog):
    policy(PolicySettings(number_of_nodes=1))
    assert not caplog.text


def test_a_file_holds_a_policy_or_the_config_map_of_one(tmp_path):
    file = tmp_path / "policy.yaml"
    text = yaml.safe_dump(policy())
    for content in (text, yaml.safe_dump(config_map(text))):
        file.write_text(content, encoding="utf-8")
        assert load_policy(file) == policy()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "expected an object"),
        ("a: [", "is no YAML"),
        ("[]", "expected an object"),
        ("kind: ConfigMap\n", "expected one text, the policy, found 0"),
        ("kind: ConfigMap\ndata: {policy.yaml: 'a: ['}\n", "is no YAML"),
        ("kind: ConfigMap\ndata: {policy.yaml: 'kind: X'}\n", "$.kind"),
    ],
)
def test_a_file_that_is_none_is_a_finding_with_its_name(tmp_path, content, complaint):
    file = tmp_path / "policy.yaml"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as refused:
        load_policy(file)
    assert str(file) in str(refused.value)
    assert complaint in str(refused.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load_policy(tmp_path / "policy.yaml")
