"""The rules by `promtool test rules`: PromQL and numpy agree to 1e-9 for all 19 algorithms, whatever is scraped."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
import yaml
from rule_cases import SCRAPES, TOLERANCE, Case, promtool_file

from bare_serfs import CHECKOUT
from serflab.lab.tools.toolbox import Toolbox
from serflab.rebalance.algorithms import ALGORITHMS
from serflab.rebalance.rules import RuleSettings, prometheus_rule, rule_groups

# promtool allows 10,000 samples for one query, which is what the pareto front of 20 nodes needs.
PARETO_NODES = 20
SETTINGS = RuleSettings(pareto_nodes=PARETO_NODES)


@pytest.fixture(scope="module")
def promtool():
    return Toolbox(CHECKOUT).path("promtool")


@pytest.fixture
def agree(promtool, tmp_path):
    """Return a function that tests cases with the rules, and returns what promtool complains of."""

    def run(*cases, settings=SETTINGS):
        rules = tmp_path / "rules.yml"
        rules.write_text(yaml.safe_dump(rule_groups(settings)), encoding="utf-8")
        tests = tmp_path / "tests.yml"
        tests.write_text(yaml.safe_dump(promtool_file(rules, list(cases))), encoding="utf-8")
        done = subprocess.run([promtool, "test", "rules", tests], capture_output=True, text=True, check=False)
        assert done.returncode in {0, 1}, done.stderr
        return done.stderr if done.returncode else ""

    return run


def draw(seed, *shape):
    return np.random.default_rng(seed).random(shape)


def with_sample(nodes, node, dimension, value, scrapes=slice(None)):
    case = Case.constant(f"{value} of node {node}", nodes)
    case.samples[node, dimension, scrapes] = value
    return case


def without_sample(nodes, *places):
    missing = np.zeros(nodes.shape, dtype=bool)
    for place in places:
        missing[place] = True
    return Case.constant(f"without {places}", nodes, missing)


@pytest.mark.parametrize("seed", range(6))
def test_random_nodes(agree, seed):
    cases = [Case.constant(f"{nodes} nodes", draw((seed, nodes), nodes, 4)) for nodes in (2, 5, 12)]
    changing = Case("changing", draw((seed, 99), 8, 4, SCRAPES))
    assert agree(*cases, changing) == ""


def test_the_spread_of_a_cluster_that_is_nearly_level(agree):
    level, dust = Case.constant("level", 0.5 + 1e-3 * draw(1, 12, 4)), Case.constant("dust", 1e-6 * draw(2, 12, 4))
    assert agree(level, dust) == ""


DEGENERATE = {
    "one node": draw(3, 1, 4),
    "one idle node": np.zeros((1, 4)),
    "all equal": np.full((7, 4), 0.3),
    "all zero": np.zeros((5, 4)),
    "saturated": np.ones((5, 4)),
    "one saturated": np.vstack([np.ones(4), np.zeros((4, 4))]),
    "twins": np.repeat(draw(4, 4, 4), 2, axis=0),
    "two dimensions spread alike": np.array([[0.2, 0, 0.7, 0], [0.7, 0, 0.4, 0], [0.4, 0, 0.2, 0]]),
    "pressure only": np.array([[0, 0.5, 0, 0.1], [0, 0.1, 0, 0.5], [0, 0, 0, 0]]),
    "a chain of dominance": np.linspace(0, 1, 9)[:, None] * np.ones(4),
    "nobody dominates": np.array([[0.9, 0.1, 0.5, 0.5], [0.1, 0.9, 0.5, 0.5], [0.5, 0.5, 0.9, 0.1]]),
    "above 1": draw(5, 6, 4) * 2.5,
    "below 0": draw(6, 6, 4) - 0.5,
    "tenths": np.random.default_rng(7).integers(0, 11, (12, 4)) / 10,
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_nodes(agree, name):
    assert agree(Case.constant(name, DEGENERATE[name])) == ""


def test_two_dimensions_that_are_spread_alike_but_for_rounding_are_told_apart_alike(agree):
    usage = np.array([0.1, 0.15, 0.35])
    shifted = [np.stack([usage, 0 * usage, usage[::-1] + 0.07 * shift, 0 * usage], axis=-1) for shift in range(8)]
    assert agree(*(Case.constant(f"shifted by {shift}", nodes) for shift, nodes in enumerate(shifted))) == ""


@pytest.mark.parametrize("dimension", range(4))
def test_a_node_without_one_of_the_four_has_no_score_and_spoils_no_other(agree, dimension):
    nodes = draw(8, 6, 4)
    assert agree(without_sample(nodes, (2, dimension)), with_sample(nodes, 2, dimension, np.nan)) == ""


def test_nodes_without_any_sample(agree):
    nodes = draw(9, 6, 4)
    assert agree(without_sample(nodes, 0, 3), without_sample(nodes, *range(5)), without_sample(nodes, *range(6))) == ""


def test_a_nan_counts_as_long_as_it_is_in_the_window(agree):
    nodes = draw(10, 6, 4)
    assert agree(with_sample(nodes, 1, 0, np.nan, -1), with_sample(nodes, 1, 0, np.nan, -4)) == ""
    before = with_sample(nodes, 1, 0, np.nan, 0)
    assert not np.isnan(before.inputs).any()
    assert agree(before) == ""


def test_an_infinite_sample_counts_as_1_or_0(agree):
    nodes = draw(11, 6, 4)
    assert agree(with_sample(nodes, 1, 1, np.inf), with_sample(nodes, 1, 1, -np.inf)) == ""
    both = with_sample(nodes, 1, 1, np.inf)
    both.samples[1, 1, -1] = -np.inf
    assert np.isnan(both.inputs[1, 1])
    assert agree(both) == ""


def test_a_node_that_is_no_longer_exposed_is_gone_at_once(agree):
    assert agree(Case("gone", draw(12, 6, 4, SCRAPES), gone=frozenset({0, 4}))) == ""


def test_more_nodes_than_can_be_compared_have_all_scores_but_one(agree):
    assert agree(Case.constant("just", draw(13, PARETO_NODES, 4))) == ""
    complaint = agree(Case.constant("too many", draw(14, PARETO_NODES + 1, 4)))
    assert {name for name in ALGORITHMS if f":{name}:" in complaint} == {"pareto_front"}
    assert "got: {} 0E+00" in complaint


def test_two_exporters_of_a_node_count_by_the_higher_one(agree):
    case = Case.constant("two exporters", draw(15, 4, 4))
    again = [dict(series) for series in case.series()]
    for series in again:
        series["series"] = series["series"].replace('job="exporter"', 'job="other"')
        series["values"] = f"0x{SCRAPES}"
    single = case.series
    case.series = lambda: single() + again
    assert agree(case) == ""


def test_a_loop_in_a_shared_prometheus_sees_its_own_nodes_only(promtool, tmp_path):
    """Two serfs whose nodes have the same names, each with rules of its own."""
    files = []
    for serf in ("serf1", "serf2"):
        files.append(tmp_path / f"{serf}.yml")
        settings = RuleSettings(labels={"serf": serf}, pareto_nodes=PARETO_NODES)
        files[-1].write_text(yaml.safe_dump(rule_groups(settings)), encoding="utf-8")
    first, second = Case.constant("serf1", draw(16, 5, 4)), Case.constant("serf2", draw(17, 5, 4))
    tests = promtool_file(files[0], [first])
    tests["rule_files"] = [str(file) for file in files]
    (group,) = tests["tests"]
    group["input_series"] = _labelled(first, "serf1") + _labelled(second, "serf2")
    group["promql_expr_test"] = _labelled_checks(first, "serf1") + _labelled_checks(second, "serf2")
    file = tmp_path / "tests.yml"
    file.write_text(yaml.safe_dump(tests), encoding="utf-8")
    done = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _labelled(case, serf):
    label = f',serf="{serf}"}}'
    return [{**each, "series": each["series"].replace("}", label)} for each in case.series() + case.oracle()]


def _labelled_checks(case, serf):
    checks = []
    for check in case.expectations():
        selected = check["expr"].replace("oracle{", f'oracle{{serf="{serf}",')
        for algorithm in ALGORITHMS.values():
            for record in (algorithm.record, algorithm.cluster_record, *algorithm.alias_records):
                selected = selected.replace(f"({record})", f'({record}{{serf="{serf}"}})')
                selected = selected.replace(f"({record} ", f'({record}{{serf="{serf}"}} ')
        checks.append({**check, "expr": selected})
    return checks


@pytest.mark.parametrize("off", [2 * TOLERANCE, -2 * TOLERANCE])
def test_the_comparison_notices_what_is_twice_the_tolerance_off(agree, off):
    case = Case.constant("off", draw(18, 3, 4))
    wrong = [dict(series) for series in case.oracle()]
    for series in wrong:
        value, _, times = series["values"].rpartition("x")
        series["values"] = f"{float(value) + off!r}x{times}"
    case.oracle = lambda: wrong
    complaint = agree(case)
    assert all(f'algorithm=\\"{name}\\"' in complaint for name in ALGORITHMS)


@pytest.mark.parametrize("settings", [RuleSettings(), RuleSettings("5s", "1s", {"serf": 'a"b\\c'})])
@pytest.mark.parametrize("lint", ["all", "duplicate-rules"])
def test_promtool_finds_nothing_wrong_with_the_files(promtool, tmp_path, settings, lint):
    file = tmp_path / "rules.yml"
    for document in (rule_groups(settings), prometheus_rule(settings)["spec"]):
        file.write_text(yaml.safe_dump(document), encoding="utf-8")
        command = [promtool, "check", "rules", f"--lint={lint}", "--lint-fatal", file]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
