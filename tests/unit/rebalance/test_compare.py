"""Comparing algorithms: in one process or several, the same numbers; names, thresholds, the document."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from serflab.errors import InputError
from serflab.rebalance.algorithms import ALGORITHMS
from serflab.rebalance.compare import compare
from serflab.rebalance.emulator_settings import Settings
from serflab.rebalance.names import SAMPLES
from serflab.rebalance.scenario_check import load_scenario

HOT = load_scenario(f"{Path(__file__).resolve().parents[3] / SAMPLES}:hot-node")
SHORT = Settings(cycles=6)


def test_processes_change_no_result():
    names = ["max_metric", "cpu_focused"]
    alone, together = (compare(HOT, names, SHORT, seeds=3, processes=count) for count in (1, 2))
    assert json.dumps(alone.document()) == json.dumps(together.document())


def test_the_document_tells_everything_of_all_19():
    told: list[tuple[int, int]] = []
    found = compare(HOT, list(ALGORITHMS), SHORT, seeds=2, processes=1, progress=lambda *step: told.append(step))
    document = json.loads(json.dumps(found.document(), allow_nan=False))
    assert [row["algorithm"] for row in document["algorithms"]] == list(ALGORITHMS)
    assert document["scenario"] == {"name": "hot-node", "nodes": 5, "vms": 22}
    assert {
        "time_to_balance", "migrations", "moves_per_vm", "ping_pong", "overshoot", "sigma_cpu", "sigma_memory",
        "sigma_psi", "jain_cpu", "jain_memory", "jain_psi", "overload_seconds", "psi_seconds", "gib_moved", "inert",
    } <= document["algorithms"][0]["figures"].keys()  # fmt: skip
    assert document["recommendation"]["algorithm"] in ALGORITHMS
    assert told == [(done, 19) for done in range(20)]


def test_thresholds_are_the_same_or_those_recommended():
    names, policy = ["max_metric", "directional_variance_minimization"], replace(SHORT, high=33.0)
    assert [row.threshold for row in compare(HOT, names, policy, seeds=1, processes=1).rows] == [33, 33]
    own = compare(HOT, names, policy, seeds=1, processes=1, thresholds="recommended")
    assert [row.threshold for row in own.rows] == [ALGORITHMS[name].threshold for name in names]


def test_all_names_that_are_none_at_once():
    with pytest.raises(InputError) as caught:
        compare(HOT, ["max_metrics", "cpu_focused", "cpu_focused", "nothing"], SHORT)
    assert [finding.problem for finding in caught.value.findings] == [
        "there is no algorithm 'max_metrics'",
        "cpu_focused is given twice",
        "there is no algorithm 'nothing'",
    ]
