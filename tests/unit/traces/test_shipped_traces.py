"""The files that ship: regenerating them gives the committed bytes, and they are what the lab's page needs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from serflab.traces.check import check_config, check_template, load_config, load_template
from serflab.traces.generate import generate
from serflab.traces.model import NodeSpec
from serflab.traces.render import render
from serflab.traces.templates import templates

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "annotations" / "emulation_config.json"
TEMPLATES = ROOT / "workload_templates"
DOCUMENTATION = ROOT / "docs" / "traces.md"


@pytest.fixture(scope="module")
def shipped():
    return load_config(CONFIG)


@pytest.fixture(scope="module")
def load(shipped):
    """The CPU of all pods in percent of the node, point by point."""
    return np.sum([pod.series.cpu for pod in shipped.pods], axis=0) / 160


def test_regenerating_the_config_gives_the_committed_bytes():
    assert render(generate()) == CONFIG.read_bytes()


def test_regenerating_the_templates_gives_the_committed_bytes():
    committed = {path.stem: path.read_bytes() for path in TEMPLATES.glob("*.json")}
    assert {name: render(document) for name, document in templates().items()} == committed


def test_the_config_is_what_the_readme_promises(shipped):
    assert (len(shipped.pods), shipped.namespaces, shipped.length) == (80, ("ns1", "ns2", "ns3", "ns4"), 132)
    assert shipped.nodes == (NodeSpec("emulation-node-1", 16000.0, 61440.0),)
    assert {shipped.node_for(namespace) for namespace in shipped.namespaces} == {"emulation-node-1"}
    assert shipped.node_series is not None
    assert CONFIG.stat().st_size < 900 * 1024


def test_the_shipped_files_are_valid_without_a_warning(caplog):
    load_config(CONFIG)
    for path in TEMPLATES.glob("*.json"):
        load_template(path)
    assert caplog.text == ""


def test_the_requests_fit_the_node_with_room_to_spare(shipped):
    (node,) = shipped.nodes
    assert sum(np.mean(pod.series.cpu) for pod in shipped.pods) <= 0.95 * node.cpu_millicores
    assert sum(max(pod.series.memory) for pod in shipped.pods) <= 0.95 * node.memory_mi


def test_the_node_swings_from_idle_to_busy(load):
    assert load.min() < 15
    assert load.max() > 75
    assert np.mean(load < 20) == pytest.approx(1 / 3, abs=0.05)
    assert np.mean(load > 60) == pytest.approx(1 / 3, abs=0.05)


def test_eleven_serfs_a_twelfth_apart_show_three_colours_at_any_time(load):
    for tick in range(132):
        shown = [load[(tick + 12 * serf) % 132] for serf in range(11)]
        assert min(shown) < 20
        assert any(20 <= value <= 60 for value in shown)
        assert max(shown) > 60


def test_most_pods_change_at_most_points(shipped):
    for metric in ("cpu", "memory"):
        columns = np.array([pod.series.column(metric) for pod in shipped.pods])
        assert np.mean(np.diff(columns) != 0) > 0.75


def test_there_is_a_template_for_each_kind_of_workload():
    assert {path.stem for path in TEMPLATES.glob("*.json")} >= {
        "web-diurnal",
        "burst",
        "batch",
        "memory-leak",
        "ml-training",
        "ml-inference",
        "cron",
        "idle",
    }


def test_the_examples_of_the_documentation_are_valid(caplog):
    blocks = re.findall(r"```json\n(.*?)```", DOCUMENTATION.read_text(encoding="utf-8"), re.DOTALL)
    config, node_configs, template = blocks
    assert check_config(json.loads(config), "docs").length == 2
    for line in node_configs.splitlines():
        nodes = {"node_config": json.loads(line), "namespaces": ["ns1", "ns2"]}
        assert [node.name for node in check_config(json.loads(config) | nodes, "docs").nodes] == [
            "web-node",
            "ns2-node",
        ]
    assert check_template(json.loads(template), "docs").length == 1
    assert [record.getMessage() for record in caplog.records] == [
        "docs: $.metadata.total_namespaces: says 1, but the file holds 2"
    ] * 2
