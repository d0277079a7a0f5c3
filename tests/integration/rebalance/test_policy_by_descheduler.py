"""Rules and policy as the real Prometheus and the real descheduler read them, for each of the 19 algorithms."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from kwok_nodes import make_nodes, node
from scored_nodes import scoring_prometheus

from bare_serfs import CHECKOUT, port_block
from serflab.errors import InputError
from serflab.lab.tools.toolbox import Toolbox
from serflab.rebalance import in_cluster
from serflab.rebalance.algorithms import ALGORITHMS
from serflab.rebalance.cycles import APPROPRIATE, OVER, UNDER, parse_cycles
from serflab.rebalance.policy import PolicySettings, policy
from serflab.rebalance.policy_check import check_policy
from serflab.rebalance.scores import scores
from serflab.rebalance.utilization import classify_nodes

# More nodes than one serf needs: 5 of them exist, and the means are over all of which there are samples.
NODES = np.random.default_rng(19).random((60, 4))
EXISTING = [f"scored-{number}" for number in range(5)]
OURS = "serflab-test/scored"
WORDS = {"under": UNDER, "appropriate": APPROPRIATE, "over": OVER}
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    with scoring_prometheus(tmp_path_factory.mktemp("prometheus"), port_block(2), NODES) as running:
        yield running


@pytest.fixture(scope="module")
def scored(serf):
    """Give the serf nodes that no pods of other tests go to and no other policy selects."""
    bodies = [node(name) for name in EXISTING]
    for body in bodies:
        body["metadata"]["labels"] = {OURS: "true"}
        body["spec"]["taints"].append({"key": OURS, "value": "true", "effect": "NoSchedule"})
    make_nodes(serf, *bodies)
    serf.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "nodes", f"-l{OURS}=true")
    yield
    serf.kubectl("delete", "nodes", *EXISTING)


@pytest.fixture
def descheduler(serf, tmp_path):
    """Return a function that runs one cycle by a policy; there are no pods to evict.

    Not `--dry-run`, with which a cycle may begin before the copy of the cluster that it works on has its nodes.
    """
    program = Toolbox(CHECKOUT).path("descheduler")

    def run(document):
        file = tmp_path / "policy.yaml"
        file.write_text(yaml.safe_dump(document), encoding="utf-8")
        flags = ("--descheduling-interval=0s", "--secure-port=0", "--logging-format=json", "--v=3")
        arguments = (f"--kubeconfig={serf.kubeconfig}", f"--policy-config-file={file}", *flags)
        command = in_cluster.command(Path(sys.executable), serf.ca, (str(program), *arguments))
        return subprocess.run(command, capture_output=True, check=False, timeout=180)

    return run


def test_prometheus_has_what_numpy_computes_for_60_nodes(prometheus):
    for name, algorithm in ALGORITHMS.items():
        expected = dict(zip([f"scored-{number}" for number in range(60)], scores(name, NODES), strict=True))
        for record in (algorithm.record, *algorithm.alias_records):
            assert prometheus.scores(record) == pytest.approx(expected, abs=1e-9), record
        mean = float(scores(name, NODES).mean())
        assert prometheus.scores(algorithm.cluster_record) == pytest.approx({"": mean}, abs=1e-9)


def test_no_rule_fails(prometheus):
    assert {rule["health"] for rule in prometheus.rules()} == {"ok"}


@pytest.mark.usefixtures("scored")
@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_descheduler_completes_a_cycle_and_classifies_as_worked_out(prometheus, descheduler, name):
    settings = PolicySettings(name, prometheus.url, node_selector=f"{OURS}=true")
    done = descheduler(policy(settings))
    assert done.returncode == 0, done.stderr
    (cycle,) = parse_cycles(done.stderr.splitlines())
    assert cycle.complete, cycle.problems
    published = prometheus.scores(ALGORITHMS[name].record)
    classes, _ = classify_nodes({node: published[node] for node in EXISTING}, 0, ALGORITHMS[name].threshold)
    assert cycle.classes == {node: WORDS[word] for node, word in classes.items()}


def plugin(document, number=1):
    return document["profiles"][0]["pluginConfig"][number]["args"]


REFUSED = {
    "threshold above 100": lambda p: plugin(p)["targetThresholds"].update(MetricResource=200),
    "threshold below 0": lambda p: plugin(p)["thresholds"].update(MetricResource=-1),
    "no threshold": lambda p: plugin(p)["thresholds"].clear(),
    "different resources": lambda p: plugin(p).update(targetThresholds={"cpu": 10}),
    "no query": lambda p: plugin(p)["metricsUtilization"]["prometheus"].clear(),
    "no URL": lambda p: p["metricsProviders"][0]["prometheus"].clear(),
    "a provider without its part": lambda p: p["metricsProviders"][0].pop("prometheus"),
    "two providers": lambda p: p["metricsProviders"].append(p["metricsProviders"][0]),
    "another version": lambda p: p.update(apiVersion="descheduler/v1alpha1"),
    "another kind": lambda p: p.update(kind="Policy"),
    "a limit in words": lambda p: p.update(maxNoOfPodsToEvictTotal="five"),
    "a negative limit": lambda p: p.update(maxNoOfPodsToEvictPerNode=-1),
    "half a pod": lambda p: plugin(p)["evictionLimits"].update(node=1.5),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_the_descheduler_refuses_is_refused_before(descheduler, fault):
    document = policy(PolicySettings(prometheus_url=NOWHERE))
    REFUSED[fault](document)
    with pytest.raises(InputError):
        check_policy(document, "policy.yaml")
    assert descheduler(document).returncode == 1


def test_a_policy_of_all_settings_is_read(descheduler):
    settings = PolicySettings(
        "pareto_front",
        NOWHERE,
        2.5,
        17.5,
        max_total=9,
        max_per_node=3,
        number_of_nodes=1,
        node_fit=False,
        labels={"serf": "serf1"},
    )
    assert descheduler(policy(settings)).returncode == 0
