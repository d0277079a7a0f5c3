"""Shell completion of `serflab offload` and `virtual_pod_manager.py`, as bash asks for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from viewer_stand_in import TEMPLATE, cluster, connection, operation, virtual_pod

CHECKOUT = Path(__file__).resolve().parents[3]
SCRIPT = CHECKOUT / "flask-app" / "scripts" / "virtual_pod_manager.py"


@pytest.fixture
def complete(serflab, viewer, monkeypatch):
    """Return what bash offers for the last of these words after `serflab offload`."""

    def run(*words, url=viewer.url):
        line = ["serflab", "offload", *words]
        monkeypatch.setenv("SERFLAB_URL", url)
        monkeypatch.setenv("_SERFLAB_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", " ".join(line))
        monkeypatch.setenv("COMP_CWORD", str(len(line) - 1))
        told = serflab()
        assert told.err == ""
        return [item.removeprefix("plain,") for item in told.out.splitlines() if item]

    return run


@pytest.fixture
def environment(tmp_path, viewer):
    """The environment of a process in which the stand-in is the viewer."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SERFLAB_")}
    path = f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**clean, "SERFLAB_STATE": str(tmp_path / "state"), "SERFLAB_URL": viewer.url, "PATH": path}


@pytest.fixture(autouse=True)
def lab(viewer):
    viewer.connect(connection("serf1", "serf2"), connection("serf1", "serf3"), connection("serf3", "serf1"))
    viewer.hold(virtual_pod("vp-001"), virtual_pod("vp-002"))
    listed = [{**TEMPLATE, "problem": ""}, {**TEMPLATE, "name": "bad", "problem": "broken"}]
    viewer.answers["GET", "/api/workload-templates"] = 200, {"templates": listed}
    pods = cluster("serf1", [("ns1", "web-0"), ("ns1", "web-1"), ("kube-system", "coredns")])
    pods["pods"][1]["virtual"] = {"id": "vp-001", "role": "source"}
    pods["pods"][2]["cpu_millicores"] = None
    viewer.answers["GET", "/api/node/serf1/cluster-info"] = 200, pods
    viewer.answers["GET", "/api/operations"] = 200, {"operations": [operation("drain.serf1.serf2", "Running")]}


def test_commands_and_options(complete):
    assert complete("con") == ["connect", "connections"]
    assert complete("create", "--temp") == ["--template"]
    assert complete("connect", "--quota", "") == ["None", "Soft", "Hard"]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["connect", ""], ["serf1", "serf2", "serf3"]),
        (["connect", "serf1", ""], ["serf2", "serf3"]),
        (["disconnect", ""], ["serf1", "serf3"]),
        (["disconnect", "serf3", ""], ["serf1"]),
        (["create", "serf1", ""], ["serf2", "serf3"]),
        (["create", "serf1", "serf2", "--template", ""], ["burst"]),
        (["offload", "serf1", ""], ["ns1/web-0"]),
        (["delete", "vp"], ["vp-001", "vp-002"]),
        (["delete", "vp-001", ""], ["vp-002"]),
        (["show", "vp-00"], ["vp-001", "vp-002"]),
        (["wait", ""], ["drain.serf1.serf2"]),
        (["info", "serf3"], ["serf3"]),
        (["list", "--dest", "serf2"], ["serf2"]),
    ],
    ids=" ".join,
)
def test_names_come_from_the_running_lab(complete, words, offered):
    assert complete(*words) == offered


def test_without_a_lab_nothing_is_offered_and_nothing_is_said(complete):
    assert complete("connect", "", url="http://127.0.0.1:9") == []
    assert complete("connect", "", url="ftp://lab") == []
    assert complete("con", url="http://127.0.0.1:9") == ["connect", "connections"]


def test_a_lab_that_says_something_else_is_no_lab(complete, viewer):
    viewer.answers["GET", "/api/topology"] = 200, {"nodes": [{}]}
    assert complete("connect", "") == []


def test_the_option_on_the_line_says_which_lab(complete, viewer):
    assert complete("--url", viewer.url, "connect", "", url="http://127.0.0.1:9") == ["serf1", "serf2", "serf3"]
    assert complete("connect", "--url", viewer.url, "", url="http://127.0.0.1:9") == ["serf1", "serf2", "serf3"]


@pytest.mark.parametrize(("shell", "part"), [("zsh", "#compdef serflab"), ("fish", "complete --no-files")])
def test_other_shells_have_their_scripts(serflab, monkeypatch, shell, part):
    monkeypatch.setenv("_SERFLAB_COMPLETE", f"{shell}_source")
    assert part in serflab().out


def in_bash(environment, script):
    """Return what bash prints."""
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


def test_bash_takes_it(environment, tmp_path):
    """The line of docs/cli.md, and then what bash does at a Tab."""
    shim = tmp_path / "serflab"
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m serflab "$@"\n')
    shim.chmod(0o755)
    script = """
        eval "$(_SERFLAB_COMPLETE=bash_source serflab)"
        COMP_WORDS=(serflab offload connect serf1 s) COMP_CWORD=4
        _serflab_completion serflab
        echo "${COMPREPLY[@]}"
    """
    assert in_bash(environment, script) == "serf2 serf3\n"


class TestScript:
    """`flask-app/scripts/virtual_pod_manager.py`."""

    def run(self, environment, *words):
        return subprocess.run([SCRIPT, *words], env=environment, capture_output=True, text=True, check=False)

    def test_it_has_the_same_commands_and_its_hints_are_about_itself(self, environment, viewer):
        viewer.begin("DELETE", "/api/virtual-pods/vp-001", [operation("delete.vp-001", "Running")])
        begun = self.run(environment, "delete", "vp-001", "--no-wait")
        assert (begun.returncode, begun.stderr) == (0, "")
        assert begun.stdout == "delete.vp-001: Running; `virtual_pod_manager.py wait delete.vp-001` waits for it\n"

    def test_bad_usage_is_status_2_and_a_failure_1(self, environment):
        assert self.run(environment, "create").returncode == 2
        assert self.run(environment, "list", "--url", "http://127.0.0.1:9").returncode == 1

    def test_bash_completes_it(self, environment):
        script = f"""
            eval "$(_VIRTUAL_POD_MANAGER_PY_COMPLETE=bash_source {SCRIPT})"
            function=$(complete -p virtual_pod_manager.py | sed 's/.*-F //; s/ .*//')
            COMP_WORDS=(virtual_pod_manager.py delete vp) COMP_CWORD=2
            "$function" {SCRIPT}
            echo "${{COMPREPLY[@]}}"
        """
        assert in_bash(environment, script) == "vp-001 vp-002\n"
