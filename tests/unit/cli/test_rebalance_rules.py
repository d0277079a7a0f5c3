"""`serflab rebalance rules`, `policy` and `algorithms`."""

from __future__ import annotations

import json

import pytest
import yaml

from serflab.rebalance.algorithms import ALGORITHMS
from serflab.rebalance.policy import PolicySettings, policy
from serflab.rebalance.rules import RuleSettings, prometheus_rule, rule_groups


@pytest.fixture
def run(serflab):
    return lambda *arguments: serflab("rebalance", *arguments)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Another checkout; to be asked for after `run`, which names ours."""
    (tmp_path / "tools/cluster").mkdir(parents=True)
    (tmp_path / "tools/cluster/go.mod").touch()
    (tmp_path / "annotations").mkdir()
    monkeypatch.setenv("SERFLAB_CHECKOUT", str(tmp_path))
    return tmp_path


def test_rules_for_prometheus_and_for_its_operator(run):
    assert yaml.safe_load(run("rules").out) == rule_groups()
    settings = RuleSettings("5s", "1s", {"serf": "serf1"})
    printed = run("rules", "--window=5s", "--interval=1s", "--label=serf=serf1", "-o", "operator").out
    assert yaml.safe_load(printed) == prometheus_rule(settings)


def test_a_policy_and_its_config_map(run):
    assert yaml.safe_load(run("policy").out) == policy()
    settings = PolicySettings(
        "cpu_focused", "http://127.0.0.1:9090", 2, 12.5, 8, 3, labels={"serf": "serf1"}, eviction_limit=1
    )
    options = ("--algorithm=cpu_focused", "--prometheus-url=http://127.0.0.1:9090", "--threshold=2")
    more = ("--target-threshold=12.5", "--max-total=8", "--max-per-node=3", "--eviction-limit=1", "--label=serf=serf1")
    found = yaml.safe_load(run("policy", *options, *more, "-o", "configmap").out)
    assert found["kind"] == "ConfigMap"
    assert yaml.safe_load(found["data"]["policy.yaml"]) == policy(settings)


def test_files_are_written_where_they_differ(run, checkout):
    would = run("rules", "--write", "--dry-run").out
    assert would.count("would be written") == 4
    assert not (checkout / "rebalance-rules.yml").exists()
    assert run("rules", "--write").out.count(": written") == 4
    assert run("rules", "--write").out.count("up to date") == 4
    assert run("policy", "--write").out == "k8s/descheduler-policy.yaml: written\n"
    assert run("policy", "--write", "--max-total=9").out == "k8s/descheduler-policy.yaml: written\n"
    assert run("policy", "--check", str(checkout / "k8s/descheduler-policy.yaml")).status == 0


@pytest.mark.parametrize("command", ["rules", "policy"])
def test_a_dry_run_of_nothing_is_bad_usage(run, command):
    done = run(command, "--dry-run")
    assert done.status == 2
    assert "--dry-run goes with --write" in done.err


def test_a_label_without_a_value_is_bad_usage(run):
    done = run("rules", "--label=serf")
    assert done.status == 2
    assert "expected NAME=VALUE" in done.err


def test_all_findings_of_a_policy_come_at_once(run):
    done = run("policy", "--target-threshold=nan", "--max-per-node=0")
    assert done.status == 2
    assert done.err.startswith("error: 3 problems found")


def test_the_list_of_algorithms(run):
    lines = run("algorithms").out.splitlines()
    assert len(lines) == 1 + len(ALGORITHMS)
    found = json.loads(run("algorithms", "-o", "json").out)
    assert [(each["name"], each["threshold"]) for each in found] == [
        (algorithm.name, algorithm.threshold) for algorithm in ALGORITHMS.values()
    ]
