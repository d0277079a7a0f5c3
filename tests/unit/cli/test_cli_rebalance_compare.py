"""`serflab rebalance compare` and `scenarios`: tables, JSON, files, and what cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from serflab.rebalance.algorithms import ALGORITHMS

SAMPLES = str(Path(__file__).resolve().parents[3] / "sample_scenarios.json")
QUICK = (
    "rebalance", "compare", "--scenario", f"{SAMPLES}:hot-node", "--seeds", "2", "--cycles", "4", "--processes", "1",
)  # fmt: skip


def test_the_table_ends_with_what_to_take(serflab):
    shown = serflab(*QUICK, "--algorithms", "max_metric, cpu_focused")
    assert shown.status == 0
    lines = shown.out.splitlines()
    assert lines[0].split()[:3] == ["#", "ALGORITHM", "MIGRATIONS"]
    assert [line.split()[1] for line in lines[1:3]] == ["max_metric", "cpu_focused"]
    assert any(line.startswith("recommended: ") for line in lines)
    assert "2 algorithms on 2 draws of hot-node: done" in shown.err


def test_the_same_command_prints_the_same_json(serflab):
    first, second = (serflab(*QUICK, "--algorithms", "k3", "-o", "json") for _ in range(2))
    assert first.status == 2, "k3 alone is no name"
    name = "linear_amplified_ippd_k3"
    first, second = (serflab(*QUICK, "--algorithms", name, "-o", "json") for _ in range(2))
    assert first.out == second.out
    document = json.loads(first.out)
    assert document["algorithms"][0]["algorithm"] == "linear_amplified_ideal_point_positive_distance:k3"
    assert document["settings"]["interval"] == 120


def test_of_a_file_with_several_scenarios_the_first_is_compared(serflab):
    shown = serflab("rebalance", "compare", "--scenario", SAMPLES, "--algorithms", "max_metric", "--dry-run")
    assert "draws of balanced: 5 nodes" in shown.out
    assert shown.err == f"scenario balanced, the first of 5 in {SAMPLES}; others: {SAMPLES}:NAME\n"


def test_as_many_evictions_of_a_node_begin_as_may_be_on_their_way_unless_it_is_told(serflab):
    for more, limit in ((), 3), (("--eviction-limit", "1"), 1):
        shown = serflab(*QUICK, "--algorithms", "max_metric", "-o", "json", "--max-per-node", "3", *more)
        assert json.loads(shown.out)["settings"]["eviction_limit"] == limit


def test_options_reach_the_emulator(serflab):
    shown = serflab(
        *QUICK, "--algorithms", "max_metric", "-o", "json", "--delete-first", "--allow-source", "--requests", "equal",
        "--interval", "60", "--threshold", "3", "--target-threshold", "7.5", "--max-total", "4", "--max-per-node", "3",
        "--eviction-limit", "0", "--bandwidth", "0.5", "--psi", "knee", "--jitter", "0", "--balanced-within", "5",
    )  # fmt: skip
    told = json.loads(shown.out)["settings"]
    assert told | {
        "create_first": False, "exclude_source": False, "requests": "equal", "interval": 60.0, "low": 3.0, "high": 7.5,
        "max_total": 4, "max_per_node": 3, "eviction_limit": None, "bandwidth": 0.5, "psi": "knee", "jitter": 0.0,
        "balanced_within": 5.0,
    } == told  # fmt: skip


@pytest.mark.parametrize(("given", "threshold"), [("33", 33), ("recommended", ALGORITHMS["cpu_focused"].threshold)])
def test_the_threshold_is_the_one_that_is_given_or_the_algorithms_own(serflab, given, threshold):
    shown = serflab(*QUICK, "--algorithms", "cpu_focused", "-o", "json", "--target-threshold", given)
    assert json.loads(shown.out)["algorithms"][0]["threshold"] == threshold


def test_report_and_plots_are_written(serflab, tmp_path):
    shown = serflab(
        *QUICK, "--algorithms", "max_metric", "--report", str(tmp_path / "a" / "r.html"), "--plots", str(tmp_path)
    )
    assert shown.status == 0
    assert (tmp_path / "a" / "r.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert {file.name for file in tmp_path.glob("*.svg")} == {"hot-node-pareto.svg", "hot-node-time.svg"}


def test_a_dry_run_runs_nothing_but_finds_what_is_wrong(serflab, tmp_path):
    shown = serflab(*QUICK, "--dry-run", "--report", str(tmp_path / "r.html"))
    assert (shown.status, shown.out) == (
        0, "would run 19 algorithms on 2 draws of hot-node: 5 nodes, 22 VMs, 4 cycles of 120 s\n"
    )  # fmt: skip
    assert not (tmp_path / "r.html").exists()
    assert serflab(*QUICK, "--dry-run", "--algorithms", "cpu-focused").status == 2


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (("--algorithms", "cpu-focused"), 'did you mean "cpu_focused"?'),
        (("--target-threshold", "ten"), "expected points or 'recommended', found 'ten'"),
        (("--target-threshold", "200", "--jitter", "2"), "2 problems found"),
        (("--interval", "50"), "expected a multiple of the 15 s between scrapes, found 50"),
        (("--scenario", f"{SAMPLES}:cold-node"), 'did you mean "hot-node"?'),
        (("--scenario", "nowhere.json"), "there is no such file"),
    ],
)
def test_what_cannot_be_used(serflab, wrong, told):
    shown = serflab(*QUICK, *wrong)
    assert shown.status == 2
    assert told in shown.err


def test_a_report_that_cannot_be_written(serflab, tmp_path):
    shown = serflab(*QUICK, "--algorithms", "max_metric", "--report", str(tmp_path))
    assert shown.status == 2, "a directory is refused by the option"
    (tmp_path / "file").write_text("")
    shown = serflab(*QUICK, "--algorithms", "max_metric", "--report", str(tmp_path / "file" / "r.html"))
    assert shown.status == 1
    assert "cannot be written" in shown.err


def test_scenarios_are_listed_and_one_is_shown(serflab):
    listed = json.loads(serflab("rebalance", "scenarios", SAMPLES, "-o", "json").out)
    assert [row["name"] for row in listed] == ["balanced", "hot-node", "memory-heavy", "bursty", "large"]
    assert listed[1] | {"nodes": 5, "vms": 22, "highest_cpu": 0.9} == listed[1]
    assert serflab("rebalance", "scenarios", SAMPLES).out.splitlines()[2].split()[:4] == ["hot-node", "5", "22", "90%"]
    shown = json.loads(serflab("rebalance", "scenarios", f"{SAMPLES}:large").out)
    assert sum(len(node["vms"]) for node in shown["nodes"]) == 2000


def test_of_more_nodes_than_one_can_compare_only_the_others_are_run(serflab, tmp_path):
    file = tmp_path / "wide.json"
    file.write_text(json.dumps({"generate": {"nodes": 513, "vms": 600}}))
    large = ("rebalance", "compare", "--scenario", str(file), "--dry-run")
    shown = serflab(*large)
    assert "would run 18 algorithms" in shown.out
    assert "left out: pareto_front compares up to 512 nodes, found 513" in shown.err
    shown = serflab(*large, "--algorithms", "max_metric,pareto_front")
    assert shown.status == 2
    assert "--algorithms: pareto_front compares up to 512 nodes, found 513" in shown.err


def test_the_scenarios_that_ship_are_found_from_anywhere(serflab, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "hot-node" in serflab("rebalance", "scenarios").out
    assert serflab("rebalance", "scenarios", "sample_scenarios.json:bursty").status == 0
    assert "draws of hot-node" in serflab("rebalance", "compare", "--dry-run").out


def test_one_of_something_is_one(serflab):
    shown = serflab(*QUICK, "--algorithms", "max_metric", "--seeds", "1", "--cycles", "1", "--dry-run")
    assert shown.out == "would run 1 algorithm on 1 draw of hot-node: 5 nodes, 22 VMs, 1 cycle of 120 s\n"
