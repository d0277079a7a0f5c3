"""The image with K3s, built and run with a stand-in in the place of K3s (tests/k3s_stand_in.py), started as root."""

from __future__ import annotations

import json

from engine import docker, wait_for


def test_k3s_is_the_control_plane(k3s_serf):
    assert k3s_serf.pid("k3s")
    assert k3s_serf.pid("etcd") == 0
    lines = k3s_serf.exec("k3s", "kubectl", "get", "pods", "--all-namespaces", "--no-headers").splitlines()
    assert len(lines) == 80
    assert all(" Running " in line for line in lines)
    assert "emulation-node-1" in k3s_serf.exec("kubectl", "get", "nodes")


def test_k3s_was_told_the_serfs_names(k3s_serf):
    log = k3s_serf.exec("cat", "/var/lib/serflab/logs/k3s.log")
    options = json.loads(
        next(line for line in log.splitlines() if line.startswith("stand-in for k3s")).split(": ", 1)[1]
    )
    assert "serf3" in options["tls-san"]
    assert options["node-name"] == "serf3"


def test_readiness_is_asked_with_the_kubeconfig_that_k3s_wrote(k3s_serf):
    assert k3s_serf.exec("stat", "--format=%a", "/var/lib/serflab/kubeconfig").strip() == "600"
    curl = ("curl", "-ks", "-o", "/dev/null", "-w", "%{http_code}")
    status = k3s_serf.exec(*curl, "https://127.0.0.1:6443/readyz")
    assert status == "401"
    assert k3s_serf.is_ready()


def test_k3s_that_is_killed_comes_back_with_its_data(k3s_serf):
    before = k3s_serf.pid("k3s")
    uid = ("kubectl", "get", "namespace", "ns1", "--output=jsonpath={.metadata.uid}")
    namespace = k3s_serf.exec(*uid)
    k3s_serf.exec("kill", "-9", str(before))
    wait_for(lambda: k3s_serf.pid("k3s") not in {0, before}, "k3s runs again")
    k3s_serf.await_ready()
    assert k3s_serf.exec(*uid) == namespace


def test_started_as_root_a_serf_gives_root_up_for_what_can_do_without(k3s_serf):
    users = dict(line.split(None, 1)[::-1] for line in k3s_serf.exec("ps", "-eo", "uid=,args=").splitlines())
    programs = {args: uid for args, uid in users.items() if "supervisord" not in args and "ps -eo" not in args}
    assert programs
    assert set(programs.values()) == {"10001"}


def test_it_ends_by_itself_within_five_seconds_of_being_asked(k3s_serf):
    docker("stop", "--time=5", k3s_serf.id)
    assert k3s_serf.inspect("{{.State.ExitCode}}") == "0"
    docker("start", k3s_serf.id)
    k3s_serf.await_ready()
