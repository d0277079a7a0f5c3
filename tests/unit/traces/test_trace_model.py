"""The trace model: what comes out of a config, and what its fingerprint is about."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serflab.traces.check import check_config, check_template, load_config
from serflab.traces.model import METRICS, NodeSpec, PodTrace, Series, fingerprint
from serflab.traces.render import render

values = st.one_of(st.integers(min_value=0, max_value=10**6), st.floats(min_value=0, max_value=1e6))
rows = st.lists(st.tuples(values, values, values, values), min_size=1, max_size=20)


@given(rows)
def test_a_series_gives_back_its_rows(given_rows):
    series = Series.of(given_rows)
    assert series.length == len(given_rows)
    assert [series.row(index) for index in range(series.length)] == given_rows
    assert [tuple(row) for row in zip(*map(series.column, METRICS), strict=True)] == given_rows


@given(rows)
def test_a_template_survives_being_written_and_read(given_rows):
    points = [dict(zip(METRICS, row, strict=True)) for row in given_rows]
    document = json.loads(render({"time_series": points}))
    assert check_template(document, "t.json") == Series.of(given_rows)


def test_a_config_survives_being_written_and_read(config, tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(render(config))
    assert json.loads(path.read_bytes()) == config
    assert load_config(path).fingerprint == check_config(config, "x").fingerprint


def test_a_series_is_compact_and_numpy_reads_it_in_place():
    series = Series.of([(1, 2, 3, 4), (5, 6, 7, 8)])
    assert series.cpu.itemsize * series.length == 16
    assert np.frombuffer(series.memory).tolist() == [2, 6]


@pytest.mark.parametrize("columns", [([], [], [], []), ([1], [1], [1], [])])
def test_a_series_without_points_or_with_uneven_columns_is_refused(columns):
    with pytest.raises(ValueError, match="one and the same length above 0"):
        Series(*(np.array(column).tolist() for column in columns))


def test_a_series_of_no_rows_is_refused():
    with pytest.raises(ValueError, match="one and the same length above 0"):
        Series.of([])


def test_a_config_holds_what_the_file_says(config):
    loaded = check_config(config, "x.json")
    assert loaded.file == "x.json"
    assert loaded.metadata == {"total_pods": 2, "total_namespaces": 2, "time_points": 2}
    assert loaded.namespaces == ("shop", "data")
    assert [pod.full_name for pod in loaded.pods] == ["shop/web-0", "data/db-0"]
    assert loaded.pods[0].series.row(1) == (50.0, 85.0, 0.15, 0.0)
    assert loaded.length == 2
    assert loaded.nodes == (NodeSpec("node-1", 16000.0, 61440.0),)
    assert (loaded.tick_seconds, loaded.psi_aggregation) == (30.0, "max")
    assert loaded.annotation_keys.cpu == "my.org/cpu"
    assert loaded.annotation_keys.memory == "emulation.metrics.k8s.io/memory"


def test_what_the_real_node_did_not_measure_is_nan(config):
    series = check_config(config, "x").node_series
    assert series.row(0)[0] == 1.88
    assert series.row(1)[2] == 125.8
    assert all(isnan(value) for value in (*series.row(0)[1:], *series.row(1)[:2], series.row(1)[3]))


def test_optional_parts_have_defaults(config):
    for key in ("metadata", "emulation", "node_time_series"):
        del config[key]
    for entry in config["pods"]:
        entry.pop("full_name", None)
        entry["time_series"] = [dict.fromkeys(METRICS, 1)]
    loaded = check_config(config, "x")
    assert (loaded.metadata, loaded.node_series, loaded.tick_seconds, loaded.psi_aggregation) == ({}, None, 30, "max")
    assert loaded.annotation_keys.time_index == "emulation.metrics.k8s.io/time_index"


def _changed(config, change):
    changed = copy.deepcopy(config)
    change(changed)
    return check_config(changed, "other.json").fingerprint


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["pods"][0]["time_series"][0].update(cpu=41),
        lambda c: c["pods"][0]["time_series"][0].update(psi=0.01),
        lambda c: c["pods"][0].update(pod_name="web-1"),
        lambda c: c["pods"].pop(),
        lambda c: c["emulation"].update(annotation_keys={"psi": "my.org/psi"}),
        lambda c: [entry["time_series"].pop() for entry in (*c["pods"], {"time_series": c["node_time_series"]})],
    ],
)
def test_what_a_replay_writes_changes_the_fingerprint(config, change):
    assert _changed(config, change) != check_config(config, "x").fingerprint


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["pods"].reverse(),
        lambda c: c["node_config"]["single_node"].update(cpu="32"),
        lambda c: c.pop("metadata"),
        lambda c: c.pop("node_time_series"),
        lambda c: c["pods"][0]["time_series"][0].update(cpu=40),
    ],
)
def test_what_a_replay_does_not_write_leaves_the_fingerprint(config, change):
    assert _changed(config, change) == check_config(config, "x").fingerprint


def test_columns_of_the_same_bytes_have_different_fingerprints(config):
    keys = check_config(config, "x").annotation_keys
    one, other = Series.of([(1, 2, 0, 0)]), Series.of([(2, 1, 0, 0)])
    assert fingerprint([PodTrace("a", "b", one)], keys) != fingerprint([PodTrace("a", "b", other)], keys)


def test_reading_a_config_needs_no_slow_import():
    code = (
        "import sys, serflab.traces.check, serflab.traces.sampling; print({'numpy', 'kubernetes'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
