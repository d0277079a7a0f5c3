"""Commands about a lab where none is up: nothing is created, and the way on is told."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from serflab.lab.inventory import Inventory, Serf
from serflab.lab.state import prepare


def row(text, first):
    """Return the words of the line that begins with this word."""
    return next(line.split() for line in text.splitlines() if line.split()[:1] == [first])


class TestDryRun:
    """`up --dry-run`."""

    def test_it_prints_the_plan_and_creates_nothing(self, serflab, state_dir, cache):
        shown = serflab("up", "--dry-run")
        assert (shown.status, shown.err) == (0, "runtime local: containerlab is not installed\n")
        assert f"state in {state_dir}" in shown.out
        assert (
            "tools to get: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubectl, kwok, prometheus"
            in (shown.out)
        )
        names = [line.split()[0] for line in shown.out.splitlines() if line.startswith("serf")]
        assert names == [f"serf{number}" for number in range(1, 12)]
        name, server, exporter, config, phase, interval = row(shown.out, "serf2")
        assert (name, server, exporter) == ("serf2", "https://127.0.0.1:21010", "http://127.0.0.1:21016")
        assert Path(config).name == "emulation_config.json"
        assert (phase, interval) == ("48", "5")
        assert "Prometheus: http://127.0.0.1:9091, the page: http://127.0.0.1:8080" in shown.out
        assert not state_dir.exists()
        assert not cache.exists()

    def test_fewer_serfs_other_ports_and_another_pace(self, serflab, monkeypatch):
        monkeypatch.setenv("SERFLAB_PORT_BASE", "30000")
        options = ("--only=serf5, serf2", "--interval=0.5", "--viewer-port=8081", "--prometheus-port=9092")
        shown = serflab("up", "--dry-run", *options)
        names = [line.split()[0] for line in shown.out.splitlines() if line.startswith("serf")]
        assert names == ["serf2", "serf5"]
        assert row(shown.out, "serf5")[1] == "https://127.0.0.1:30040"
        assert row(shown.out, "serf5")[5] == "0.5"
        assert "Prometheus: http://127.0.0.1:9092, the page: http://127.0.0.1:8081" in shown.out

    @pytest.mark.parametrize(("given", "seconds"), [("2s", "2"), ("1m30s", "90"), ("500ms", "0.5")])
    def test_a_pace_may_have_units(self, serflab, given, seconds):
        assert row(serflab("up", "--dry-run", f"--interval={given}").out, "serf2")[5] == seconds

    def test_what_containers_were_deployed_with_stays_until_another_value_is_given(
        self, serflab, state_dir, monkeypatch
    ):
        (state_dir / "containerlab").mkdir(parents=True)
        note = {
            "lab": "emulation",
            "file": "t",
            "base": ".",
            "variables": {"SERFLAB_INTERVAL": "2", "SERFLAB_IMAGE": "i"},
        }
        (state_dir / "containerlab" / "deployed.json").write_text(json.dumps(note))
        shown = serflab("up", "--dry-run")
        assert shown.err.startswith("as before: SERFLAB_IMAGE=i, SERFLAB_INTERVAL=2\n")
        assert row(shown.out, "serf2")[5] == "2"
        monkeypatch.setenv("SERFLAB_IMAGE", "another")
        shown = serflab("up", "--dry-run", "--interval=3")
        assert "as before" not in shown.err
        assert row(shown.out, "serf2")[5] == "3"

    def test_serfs_that_are_up_stay_in_the_plan(self, serflab, state_dir, a_lab):
        shown = serflab("up", "--dry-run", "--only=serf4")
        names = [line.split()[0] for line in shown.out.splitlines() if line.startswith("serf")]
        assert names == ["serf1", "serf4"]
        assert state_dir.exists() == a_lab.exists()

    @pytest.mark.parametrize(
        ("options", "problem"),
        [
            (["--only=serf12"], "has no serf 'serf12'\n  hint: did you mean "),
            (["--serfs=12"], "has 11 serfs, not 12\n  hint: give 1 to 11"),
            (["--topology=nowhere.yaml"], "nowhere.yaml: cannot be read (No such file or directory)"),
            (["--interval=0"], "'--interval' (env var: 'SERFLAB_INTERVAL'): 0.0 is not in the range x>0"),
            (["--interval=-1"], "'--interval' (env var: 'SERFLAB_INTERVAL'): -1.0 is not in the range x>0"),
            (["--interval=nan"], "'--interval' (env var: 'SERFLAB_INTERVAL'): nan is not a time"),
            (["--interval=inf"], "'--interval' (env var: 'SERFLAB_INTERVAL'): inf is not a time"),
            (["--viewer-port=0"], "'--viewer-port': 0 is not in the range 1<=x<=65535"),
        ],
    )
    def test_bad_options_are_status_2(self, serflab, state_dir, options, problem):
        refused = serflab("up", "--dry-run", *options)
        assert refused.status == 2
        assert problem in refused.err
        assert not state_dir.exists()

    def test_everything_wrong_in_the_topology_comes_at_once(self, serflab, tmp_path, state_dir):
        file = tmp_path / "t.yaml"
        env = {"SERFLAB_PHASE": "x", "SERFLAB_CONFIG": "missing.json"}
        file.write_text(json.dumps({"name": "lab", "topology": {"nodes": {"serf1": {"env": env}}}}))
        refused = serflab("up", f"--topology={file}")
        assert refused.status == 2
        assert refused.err.startswith("error: 2 problems found, nothing was changed:\n")
        assert "$.topology.nodes.serf1.env.SERFLAB_PHASE: is 'x'" in refused.err
        assert "missing.json" in refused.err
        assert not state_dir.exists()

    def test_a_bad_port_base_is_status_2(self, serflab, monkeypatch):
        monkeypatch.setenv("SERFLAB_PORT_BASE", "80")
        refused = serflab("up", "--dry-run")
        assert refused.status == 2
        assert refused.err == "error: SERFLAB_PORT_BASE: is '80'; expected a port from 1024 to 60000\n"


@pytest.mark.parametrize(
    "words", [("status",), ("status", "-o", "json"), ("kubectl", "serf1", "get", "pods"), ("kubeconfig", "serf1")]
)
def test_without_a_lab_it_is_said_how_to_bring_one_up(serflab, state_dir, words):
    failed = serflab(*words)
    assert (failed.status, failed.out) == (1, "")
    assert (
        failed.err
        == f"error: no lab is up: {state_dir / 'lab.json'} is not there\n  hint: bring it up with `serflab up`\n"
    )
    assert not state_dir.exists()


def test_without_a_lab_there_are_no_logs(serflab, state_dir):
    failed = serflab("logs", "serf1")
    assert failed.status == 1
    assert (
        failed.err == f"error: there are no logs of 'serf1' in {state_dir}\n  hint: `serflab status` names the serfs\n"
    )


@pytest.mark.parametrize("options", [(), ("--keep-data",), ("--dry-run",)])
def test_taking_down_what_is_not_up_is_no_error(serflab, state_dir, options):
    done = serflab("down", *options)
    assert (done.status, done.out, done.err) == (0, "no lab is up\n", "")
    assert not state_dir.exists()


def test_a_directory_of_somebody_else_is_not_taken_down(serflab, state_dir):
    state_dir.mkdir()
    (state_dir / "thesis.txt").write_text("years of work")
    failed = serflab("down")
    assert failed.status == 1
    assert "is not a state directory of serflab; nothing in it was removed" in failed.err
    assert (state_dir / "thesis.txt").exists()


@pytest.fixture
def a_lab(state_dir):
    """The files of a lab of one serf whose processes are all gone; nobody listens on its ports."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = f"http://127.0.0.1:{server.getsockname()[1]}"
    home = state_dir / "serf1"
    prepare(state_dir, 1)
    for name, lines in {"etcd": 3, "kwok": 1}.items():
        (home / "logs").mkdir(parents=True, exist_ok=True)
        (home / "logs" / f"{name}.log").write_text("".join(f"{name} line {number}\n" for number in range(1, lines + 1)))
    serf = Serf("serf1", home / "kubeconfig", nobody, nobody, home / "config.json", home / "logs")
    Inventory("emulation", "local", Path("topology.yaml"), (serf,), nobody, nobody).save(state_dir)
    return state_dir


def test_processes_end_also_where_nothing_can_be_asked_about_containers(serflab, a_lab, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    (a_lab / "containerlab").mkdir()
    note = {"lab": "emulation", "file": "t", "base": ".", "variables": {}}
    (a_lab / "containerlab" / "deployed.json").write_text(json.dumps(note))
    failed = serflab("down")
    assert failed.status == 1
    assert "0 processes ended, but not the containers of the lab emulation: no Docker engine answers" in failed.err
    assert f"remove {a_lab} yourself if the containers are gone for good" in failed.err
    assert a_lab.exists()


class TestLabWhoseProcessesAreGone:
    """What the files of a lab are good for."""

    def test_the_kubeconfig_of_a_serf_is_named(self, serflab, a_lab):
        assert serflab("kubeconfig", "serf1").out == f"{a_lab / 'serf1' / 'kubeconfig'}\n"

    def test_an_unknown_serf_is_told_those_there_are(self, serflab, a_lab):
        for words in (("kubeconfig", "serf9"), ("kubectl", "serf9", "--", "get", "pods")):
            failed = serflab(*words)
            assert failed.status == 1
            assert failed.err == "error: there is no serf 'serf9' in this lab\n  hint: the serfs are: serf1\n"
        assert a_lab.exists()

    def test_kubectl_has_to_be_there(self, serflab, a_lab):
        failed = serflab("kubectl", "serf1", "--", "get", "pods")
        assert failed.status == 1
        assert failed.err == "error: kubectl is not installed\n  hint: get it with `serflab tools install kubectl`\n"
        assert a_lab.exists()

    def test_status_says_what_does_not_answer_and_is_status_1(self, serflab, a_lab):
        shown = serflab("status", "-o", "json")
        assert shown.status == 1
        now = json.loads(shown.out)
        assert now["healthy"] is False
        assert [(serf["name"], serf["target"], serf["tick"]) for serf in now["serfs"]] == [("serf1", "missing", None)]
        assert "the lab's supervisor does not answer" in now["problems"][0]
        table = serflab("status")
        assert table.status == 1
        assert row(table.out, "serf1")[1] == now["serfs"][0]["state"]
        assert "0/1 serfs Ready, 0/0 pods Running, 0/1 targets up" in table.out
        assert "the lab's supervisor does not answer" in table.err
        assert a_lab.exists()

    def test_logs_are_the_last_lines_of_each_component_or_of_one(self, serflab, a_lab):
        shown = serflab("logs", "serf1", "etcd", "-n", "2")
        assert (shown.status, shown.out) == (0, "etcd line 2\netcd line 3\n")
        shown = serflab("logs", "serf1")
        assert {"etcd line 1", "etcd line 3", "kwok line 1"} <= set(shown.out.splitlines())
        assert a_lab.exists()

    def test_an_unknown_component_is_told_those_there_are(self, serflab, a_lab):
        failed = serflab("logs", "serf1", "kubelet")
        assert failed.status == 1
        assert failed.err == "error: serf1 has no component 'kubelet'\n  hint: its logs are: etcd, kwok\n"
        assert a_lab.exists()

    def test_down_can_be_tried_first_keeps_data_if_asked_and_else_removes_all(self, serflab, a_lab):
        assert serflab("down", "--dry-run").out == f"would stop 0 processes; {a_lab} is removed\n"
        assert serflab("down", "--dry-run", "--keep-data").out == "would stop 0 processes; its data is kept\n"
        assert (a_lab / "lab.json").exists()
        assert serflab("down", "--keep-data").out == f"0 processes ended; the data is kept in {a_lab}\n"
        assert sorted(path.name for path in a_lab.iterdir()) == ["CACHEDIR.TAG", "serf1"]
        assert serflab("down").out == f"0 processes ended; {a_lab} is removed\n"
        assert not a_lab.exists()


def test_the_checkout_is_the_one_around_the_working_directory(serflab, monkeypatch, tmp_path):
    monkeypatch.delenv("SERFLAB_CHECKOUT")
    monkeypatch.delenv("SERFLAB_STATE")
    other = tmp_path / "clone"
    (other / "tools" / "cluster").mkdir(parents=True)
    (other / "tools" / "cluster" / "go.mod").write_text("")
    (other / "annotations").mkdir()
    monkeypatch.chdir(other / "annotations")
    assert str(other / ".serflab" / "lab.json") in serflab("status").err


def test_what_is_named_as_a_checkout_must_be_one(serflab, monkeypatch, tmp_path):
    monkeypatch.setenv("SERFLAB_CHECKOUT", str(tmp_path))
    failed = serflab("status")
    assert failed.status == 1
    assert failed.err == "error: this is not a checkout of serflab\n  hint: go to one, or name it in SERFLAB_CHECKOUT\n"
