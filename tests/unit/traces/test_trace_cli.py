"""`serflab trace`: what it prints, writes and refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from serflab.cli.trace import trace
from serflab.errors import InputError, SerflabError
from serflab.traces.render import render


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments):
        return CliRunner().invoke(trace, arguments)

    return invoke


def test_generate_writes_a_config_that_check_accepts(run):
    result = run("generate", "--pods", "5", "--points", "3", "--namespaces", "2", "-o", "new/c.json")
    assert result.output == "new/c.json: 5 pods in 2 namespaces, 3 points, profile shop, seed 2024\n"
    assert [path.name for path in Path("new").iterdir()] == ["c.json"]
    checked = run("check", "new/c.json")
    assert checked.exit_code == 0
    assert checked.output == "ok: new/c.json: emulation config, 5 pods in 2 namespaces, 3 points\n"


def test_generate_writes_to_standard_output(run):
    arguments = ("--seed", "3", "--profile", "busy", "--pods", "2", "--points", "2", "-o")
    text = run("generate", *arguments, "-").stdout
    run("generate", *arguments, "c.json")
    assert text == Path("c.json").read_text(encoding="utf-8")
    assert json.loads(text)["metadata"]["generator"] == {
        "command": "serflab trace generate",
        "seed": 3,
        "profile": "busy",
    }


def test_generate_takes_the_size_of_the_node(run):
    text = run(
        "generate", "--pods", "1", "--points", "1", "--node-cpu", "2500m", "--node-memory", "8Gi", "-o", "-"
    ).stdout
    assert json.loads(text)["node_config"]["single_node"] == {
        "name": "emulation-node-1",
        "cpu": "2500m",
        "memory": "8Gi",
    }


def test_nothing_is_overwritten_without_force(run):
    Path("c.json").write_text("mine")
    Path("idle.json").write_text("mine")
    for arguments in (("generate", "-o", "c.json"), ("templates", "-o", ".")):
        result = run(*arguments)
        assert result.exit_code == 2
        assert "there already: " in result.output
    assert {path.read_text() for path in Path().iterdir()} == {"mine"}
    assert run("generate", "--pods", "1", "--points", "1", "--force", "-o", "c.json").exit_code == 0
    assert run("check", "c.json").exit_code == 0


@pytest.mark.parametrize(
    ("option", "value"),
    [("--pods", "0"), ("--points", "x"), ("--profile", "zoo"), ("--node-cpu", "0"), ("--node-memory", "60GB")],
)
def test_wrong_options_are_bad_usage(run, option, value):
    result = run("generate", option, value, "-o", "c.json")
    assert result.exit_code == 2
    assert option in result.output
    assert not Path("c.json").exists()


def test_a_file_that_cannot_be_written_is_a_failure(run):
    Path("file").write_text("")
    result = run("generate", "--pods", "1", "--points", "1", "-o", "file/c.json")
    assert isinstance(result.exception, SerflabError)
    assert result.exception.exit_status == 1
    assert str(result.exception).startswith("file/c.json cannot be written: ")


def test_templates_writes_them_all(run):
    result = run("templates", "-o", "t")
    assert "t/idle.json: a sidecar that waits" in result.output.splitlines()
    checked = run("check", *map(str, sorted(Path("t").iterdir())))
    assert checked.output.splitlines()[0] == "ok: t/batch.json: workload template, 90 points"


def test_check_reports_on_every_file(run, config):
    Path("good.json").write_bytes(render(config))
    config["pods"][0]["pod_name"] = "A"
    Path("bad.json").write_bytes(render(config))
    result = run("check", "bad.json", "good.json", "none.json")
    assert result.output == "ok: good.json: emulation config, 2 pods in 2 namespaces, 2 points\n"
    assert isinstance(result.exception, InputError)
    assert result.exception.exit_status == 2
    assert [(finding.file, finding.path) for finding in result.exception.findings] == [
        ("bad.json", "$.pods[0].pod_name"),
        ("none.json", ""),
    ]


def test_show_summarises_a_config(run, config):
    Path("c.json").write_bytes(render(config))
    facts = json.loads(run("show", "c.json", "-o", "json").stdout)
    assert len(facts.pop("fingerprint")) == 64
    assert facts == {
        "file": "c.json",
        "kind": "emulation config",
        "pods": 2,
        "namespaces": {"shop": 1, "data": 1},
        "points": 2,
        "tick_seconds": 30,
        "node_mode": "single",
        "nodes": 1,
        "capacity": {"cpu_millicores": 16000, "memory_mi": 61440},
        "node_cpu_percent": {"min": 0.5, "mean": 0.53, "max": 0.56},
        "node_memory_percent": {"min": 0.28, "mean": 0.28, "max": 0.28},
    }
    table = run("show", "c.json").stdout.splitlines()
    assert "node cpu percent     min 0.5, mean 0.53, max 0.56" in [line.rstrip() for line in table]


def test_show_summarises_a_template(run):
    series = '"time_series": [{"cpu": 500, "memory": 256, "power": 12.5, "psi": 5.25}]'
    Path("t.json").write_text(f'{{"image_mib": 80, {series}}}')
    facts = json.loads(run("show", "t.json", "-o", "json").stdout)
    assert (facts["points"], facts["image_mib"]) == (1, 80)
    assert facts["psi_percent"] == {"min": 5.25, "mean": 5.25, "max": 5.25}


def test_the_command_line_starts_without_numpy():
    code = "import sys, serflab.cli.trace; print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
