"""Bringing a lab up and taking it away, also when something is in the way or somebody gives up half-way."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from serflab.lab.processes import lab_processes

CHECKOUT = Path(__file__).resolve().parents[2]


def processes(lab):
    return list(lab_processes(lab.state_dir))


def test_a_dry_run_tells_the_plan_and_does_nothing(spare_lab):
    text = spare_lab.up("--serfs=3", "--dry-run").stdout
    for name in ("serf1", "serf2", "serf3"):
        assert name in text
    assert "serf4" not in text
    assert not spare_lab.state_dir.exists()


def test_down_leaves_nothing_and_data_outlives_down_when_asked(spare_lab):
    spare_lab.up("--only=serf3")
    spare_lab.serflab("kubectl", "serf3", "--", "create", "namespace", "mine")

    assert "would stop" in spare_lab.serflab("down", "--dry-run").stdout
    assert processes(spare_lab)

    spare_lab.serflab("down", "--keep-data")
    assert not processes(spare_lab)

    spare_lab.up("--only=serf3")
    assert "mine" in spare_lab.serflab("kubectl", "serf3", "--", "get", "namespaces").stdout

    loop_ports = f"--port-base={spare_lab.port_base + 220}", f"--exporter-port={spare_lab.port_base + 240}"
    spare_lab.serflab("rebalance", "up", "--serf=serf3", *loop_ports)
    assert "would take down the rebalancing loop on serf3" in spare_lab.serflab("down", "--dry-run").stdout

    spare_lab.serflab("down")
    assert not processes(spare_lab)
    assert not spare_lab.state_dir.exists()
    assert "no lab is up" in spare_lab.serflab("down").stdout


def test_up_after_the_supervisor_was_killed_heals_the_lab(spare_lab):
    spare_lab.up("--serfs=1")
    supervisor = next(process for process in processes(spare_lab) if "supervisord" in " ".join(process.cmdline()))
    supervisor.kill()
    supervisor.wait()
    assert not spare_lab.status()["healthy"]

    done = spare_lab.up("--serfs=1")

    assert "the supervisor of this lab is gone; ending 10 processes that it left" in done.stderr
    assert spare_lab.status()["healthy"]


def test_more_serfs_join_a_lab_that_is_up(spare_lab):
    spare_lab.up("--only=serf1", "--interval=2")
    before = spare_lab.supervisor.state("serf1:etcd").pid

    spare_lab.up("--only=serf2", "--interval=2")

    assert [serf.name for serf in spare_lab.inventory.serfs] == ["serf1", "serf2"]
    assert spare_lab.supervisor.state("serf1:etcd").pid == before
    assert spare_lab.status()["healthy"]


def test_a_port_in_use_is_named_with_its_holder_and_nothing_is_started(spare_lab):
    with (
        socket.create_server(("127.0.0.1", spare_lab.port_base)) as _,
        socket.create_server(("127.0.0.1", spare_lab.viewer_port)),
    ):
        refused = spare_lab.up("--serfs=1", check=False)
    assert refused.returncode == 1
    assert f"port {spare_lab.port_base} (kube-apiserver of serf1) is in use by" in refused.stderr
    assert f"port {spare_lab.viewer_port} (the viewer) is in use by" in refused.stderr
    assert f"pid {os.getpid()}" in refused.stderr
    assert not processes(spare_lab)
    assert not spare_lab.state_dir.exists()


def test_all_bad_input_is_told_at_once_and_nothing_is_created(spare_lab, tmp_path):
    config = json.loads((CHECKOUT / "annotations" / "emulation_config.json").read_text())
    config["pods"][3]["time_series"][2]["cpu"] = -1
    config["pods"][5]["namespace"] = "nowhere"
    (tmp_path / "config.json").write_text(json.dumps(config))
    topology = yaml.safe_load((CHECKOUT / "topology.yaml").read_text())
    topology["topology"]["nodes"]["serf2"]["env"] = {"SERFLAB_CONFIG": "config.json"}
    topology["topology"]["nodes"]["serf1"]["env"] = {"SERFLAB_PHASE": "soon", "SERFLAB_CONFIG": "config.json"}
    (tmp_path / "topology.yaml").write_text(yaml.safe_dump(topology))

    refused = spare_lab.up(f"--topology={tmp_path / 'topology.yaml'}", "--serfs=2", check=False)

    assert refused.returncode == 2
    assert "$.topology.nodes.serf1.env.SERFLAB_PHASE" in refused.stderr
    assert "$.pods[3].time_series[2].cpu" in refused.stderr
    assert "$.pods[5].namespace" in refused.stderr
    assert not spare_lab.state_dir.exists()


def test_an_api_server_that_does_not_come_up_is_told_and_nothing_is_left_running(spare_lab):
    # A file where etcd's directory should be: etcd cannot start, so the API server cannot either.
    (spare_lab.state_dir / "serf1").mkdir(parents=True)
    (spare_lab.state_dir / "serf1" / "etcd").write_text("not a directory")
    (spare_lab.state_dir / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n")

    refused = spare_lab.up("--serfs=1", check=False)

    assert refused.returncode == 1
    assert "serf1: etcd keeps ending" in refused.stderr
    assert "etcd.log; it ends with" in refused.stderr
    assert not processes(spare_lab)


@pytest.mark.parametrize("seconds", [1.5, 3.0, 6.0])
def test_up_and_down_work_after_an_interruption_at_any_moment(spare_lab, seconds):
    command = [Path(sys.executable).with_name("serflab"), *spare_lab.up_command, "--serfs=2"]
    up = subprocess.Popen(command, cwd=CHECKOUT, env=spare_lab.environment, stderr=subprocess.PIPE, text=True)
    time.sleep(seconds)
    up.send_signal(signal.SIGINT)
    _, said = up.communicate(timeout=60)

    if up.returncode == 130:
        assert "interrupted" in said
        assert not processes(spare_lab)
    spare_lab.up("--serfs=1")
    assert spare_lab.status()["healthy"]
    spare_lab.serflab("down")
    assert not processes(spare_lab)
