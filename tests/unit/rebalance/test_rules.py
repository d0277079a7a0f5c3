"""The rules: which records there are, what settings do to them, and that the checkout's files are those generated."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from serflab.errors import InputError
from serflab.rebalance.algorithms import ALGORITHMS
from serflab.rebalance.generated import generated_files, write_changed
from serflab.rebalance.loop_settings import DEFAULT_INTERVAL, Times
from serflab.rebalance.rules import RuleSettings, prometheus_rule, query, rule_groups, rules
from serflab.rebalance.sensitivity import recommended_threshold

CHECKOUT = Path(__file__).resolve().parents[3]
FILES = generated_files()
SHORT = [f"linear_amplified_ippd_k{factor}" for factor in (1, 3, 5)]


def records(settings=None):
    return [rule["record"] for rule in rules(settings)]


def test_every_record_that_others_rely_on():
    dimensions = ("cpu_usage", "cpu_pressure", "memory_usage", "memory_pressure")
    promised = {
        *(f"descheduler:node:{name}:{suffix}" for name in [*ALGORITHMS, *SHORT] for suffix in ("avg1m", "score")),
        *(f"descheduler:cluster:{name}:avg1m" for name in ALGORITHMS),
        *(f"descheduler:cluster:{name}:avg" for name in dimensions),
        *(f"descheduler:node:{kind}_usage:ratio" for kind in ("cpu", "memory")),
        *(f"descheduler:node:{kind}_pressure:psi" for kind in ("cpu", "memory")),
    }
    assert promised - set(records()) == set()


def test_a_record_is_made_before_it_is_used():
    made: set[str] = set()
    for rule in rules():
        used = set(re.findall(r"descheduler:\w+(?::\w+)+", rule["expr"]))
        assert used <= made, rule["record"]
        made.add(rule["record"])


def test_the_page_of_each_algorithm_has_the_expression_that_prometheus_evaluates():
    head, *sections = re.split(r"^### ", FILES["docs/algorithms.md"], flags=re.MULTILINE)
    expressions = {rule["record"]: rule["expr"] for rule in rules()}
    for algorithm, section in zip(ALGORITHMS.values(), sections, strict=True):
        assert f"```promql\n# {algorithm.record}\n{expressions[algorithm.record]}\n```" in section
        used = re.findall(r"descheduler:\w+(?::\w+)+", expressions[algorithm.record])
        assert all(f"\n{expressions[record]}\n" in head for record in used)


def test_the_page_says_over_what_a_loop_averages_by_default():
    page = " ".join(FILES["docs/algorithms.md"].split())
    assert f"{Times.of(DEFAULT_INTERVAL).window:g} s at the default {DEFAULT_INTERVAL:g} s" in page


def test_window_and_interval_are_the_loops_own():
    (group,) = rule_groups(RuleSettings("5s", "1s"))["groups"]
    assert group["interval"] == "1s"
    assert "node_cpu_usage_ratio[5s]" in group["rules"][0]["expr"]
    assert [rule["record"] for rule in group["rules"]] == records()
    assert "interval" not in rule_groups()["groups"][0]


def test_labels_select_what_is_read_and_mark_what_is_recorded():
    for rule in rules(RuleSettings(labels={"serf": "serf1"})):
        assert rule["labels"]["serf"] == "serf1"
        by_name = re.sub(r'\{__name__=~"[^"]*",serf="serf1"\}', "", rule["expr"])
        read = re.findall(r"(?:descheduler:|node_)[\w:]+(\{[^}]*\})?", by_name)
        assert read or by_name == "max()"
        assert all(selector.endswith('serf="serf1"}') for selector in read), rule
    assert query("cpu_focused", RuleSettings(labels={"a": 'b"'})) == 'descheduler:node:cpu_focused:avg1m{a="b\\""}'


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({"window": "1 minute"}, "window"),
        ({"window": "0s"}, "window"),
        ({"interval": "fast"}, "interval"),
        ({"labels": {"instance": "x"}}, "labels.instance"),
        ({"labels": {"a-b": "x"}}, "labels.a-b"),
        ({"pareto_nodes": 0}, "pareto_nodes"),
    ],
)
def test_settings_that_make_no_rules(settings, place):
    with pytest.raises(InputError) as refused:
        RuleSettings(**settings)
    assert [finding.path for finding in refused.value.findings] == [place]


def test_operators_find_the_object():
    found = prometheus_rule(namespace="here")
    assert (found["apiVersion"], found["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert found["metadata"]["namespace"] == "here"
    assert {"prometheus": "k8s", "role": "alert-rules", "release": "prometheus"}.items() <= found["metadata"][
        "labels"
    ].items()
    assert found["spec"] == rule_groups()


@pytest.mark.parametrize("name", FILES)
def test_the_file_of_the_checkout_is_the_generated_one(name):
    hint = "run `serflab rebalance rules --write` and `serflab rebalance policy --write`"
    assert (CHECKOUT / name).read_text(encoding="utf-8") == FILES[name], hint


@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_recommended_threshold_is_the_measured_one(name):
    assert ALGORITHMS[name].threshold == recommended_threshold(name)


def test_only_what_differs_is_written(tmp_path):
    texts = {"a/b.yml": "one\n", "c.yml": "two\n"}
    assert write_changed(tmp_path, texts, dry_run=True) == ["a/b.yml", "c.yml"]
    assert not list(tmp_path.iterdir())
    assert write_changed(tmp_path, texts) == ["a/b.yml", "c.yml"]
    assert write_changed(tmp_path, {**texts, "c.yml": "three\n"}) == ["c.yml"]
    assert (tmp_path / "c.yml").read_text(encoding="utf-8") == "three\n"


def test_the_yaml_says_what_was_meant():
    assert yaml.safe_load(FILES["rebalance-rules.yml"]) == rule_groups()
