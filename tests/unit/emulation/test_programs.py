"""The command lines of the three programs: help, usage, findings, and what they say when they cannot start."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from serflab.emulation.cli import create_main, expose_main, replay_main

ANNOTATIONS = Path(__file__).resolve().parents[3] / "annotations"
PROGRAMS = ("create_resources", "replay_metrics", "expose_metrics")


MAINS = {"create_resources": create_main, "replay_metrics": replay_main, "expose_metrics": expose_main}


def run(program, *arguments):
    """Run a program within this process; its exit status."""
    return MAINS[program](arguments, str(ANNOTATIONS / f"{program}.py"))


@pytest.mark.parametrize("program", PROGRAMS)
def test_help(program, capsys):
    assert run(program, "--help") == 0
    text = capsys.readouterr().out
    assert f"usage: {program}.py" in text
    assert "--config FILE" in text
    assert "--kubeconfig FILE" in text
    assert "exit status: 0 all right, 1 something failed, 2 bad usage or input" in text


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_flag_is_documented(program, capsys):
    document = (ANNOTATIONS.parent / "docs" / "replay.md").read_text()
    (section,) = re.findall(rf"^## `{program}\.py`\n(.*?)(?=^## |\Z)", document, re.DOTALL | re.MULTILINE)
    common = re.search(r"^## Flags of all three\n(.*?)(?=^## )", document, re.DOTALL | re.MULTILINE)[1]
    run(program, "--help")
    flags = set(re.findall(r"^  (?:-h, )?(--[a-z-]+)", capsys.readouterr().out, re.MULTILINE))
    assert len(flags) > 4
    assert {flag for flag in flags if f"`{flag}" not in section + common} == set()


@pytest.mark.parametrize(
    ("program", "arguments", "words"),
    [
        ("create_resources", ["--cpu-request=lots"], "invalid choice: 'lots'"),
        ("create_resources", ["--limit=0"], "expected a whole number from 1 to 1000, found '0'"),
        ("replay_metrics", ["--interval=0"], "expected seconds from 0.01 to 86400, found '0'"),
        ("replay_metrics", ["--interval=nan"], "expected seconds from 0.01 to 86400, found 'nan'"),
        ("replay_metrics", ["--phase=-1"], "expected a whole number"),
        ("expose_metrics", ["--port=http"], "expected a whole number from 1 to 65535, found 'http'"),
        ("expose_metrics", ["--update-interval=soon"], "expected a number, found 'soon'"),
        ("expose_metrics", ["extra"], "unrecognized arguments: extra"),
    ],
)
def test_bad_usage_ends_with_2(program, arguments, words, capsys):
    assert run(program, *arguments) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("program", PROGRAMS)
def test_all_findings_of_a_bad_config_at_once(program, tmp_path, caplog):
    file = tmp_path / "bad.json"
    pod = {"namespace": "nowhere", "pod_name": "Web", "time_series": [{"cpu": -1, "memory": 1, "power": 1, "psi": 0}]}
    file.write_text(json.dumps({"node_config": {"mode": "single"}, "namespaces": ["a"], "pods": [pod]}))
    assert run(program, f"--config={file}", "--kubeconfig=/nowhere") == 2
    for place in ("$.pods[0].namespace", "$.pods[0].pod_name", "$.pods[0].time_series[0].cpu"):
        assert f"{file}: {place}: " in caplog.text


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_kubeconfig_that_is_not_there(program, tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    assert run(program, f"--kubeconfig={tmp_path}/none") == 2
    # ... and the config was found beside the program
    assert f"{tmp_path}/none: the kubeconfig does not exist" in caplog.text


def test_an_api_server_that_is_not_there(tmp_path, caplog):
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        json.dumps(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "k"}}],
                "clusters": [{"name": "k", "cluster": {"server": "http://127.0.0.1:1"}}],
            }
        )
    )
    assert run("create_resources", f"--kubeconfig={kubeconfig}") == 1
    assert "the API server http://127.0.0.1:1 cannot be reached" in caplog.text


@pytest.mark.parametrize("program", PROGRAMS)
def test_without_serflab_it_says_which_python_has_it(program):
    command = [sys.executable, "-I", "-S", ANNOTATIONS / f"{program}.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "run this with .venv/bin/python of the checkout, which ./setup_emulation.sh makes" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("module", ["replay", "expose"])
def test_what_runs_in_every_serf_starts_without_large_packages(module):
    code = (
        f"import sys, serflab.emulation.cli, serflab.emulation.{module}; "
        "sys.exit(bool({'kubernetes', 'numpy', 'flask'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
