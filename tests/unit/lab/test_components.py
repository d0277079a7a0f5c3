"""The programs of a serf: where they listen, whom they believe, in which order they start."""

from __future__ import annotations

import dataclasses
import re
import subprocess

import pytest
import yaml

from serflab.lab.components import components, write_files
from serflab.lab.serf_plan import Stage
from serflab.lab.supervised_serf import SupervisedSerf

CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")


@pytest.fixture
def parts(serf_plan):
    return {part.name: part for part in components(serf_plan)}


def flags(part):
    """Return the flags of a component's command: name to value, each given once."""
    pairs = [argument.removeprefix("--").partition("=") for argument in part.command if argument.startswith("--")]
    assert len({name for name, _, _ in pairs}) == len(pairs)
    return {name: value for name, _, value in pairs}


def test_the_programs_of_a_serf_in_the_order_of_their_start(serf_plan):
    parts = components(serf_plan)
    assert [part.stage for part in parts] == sorted(part.stage for part in parts)
    stages = {part.name: part.stage for part in parts}
    assert {name: stages[name] for name in CONTROL_PLANE} == {
        "etcd": Stage.API,
        "kube-apiserver": Stage.API,
        "kube-controller-manager": Stage.CONTROLLERS,
        "kube-scheduler": Stage.CONTROLLERS,
        "kwok": Stage.CONTROLLERS,
    }
    assert {name for name, stage in stages.items() if stage > Stage.CONTROLLERS} == {"replay", "exporter"}


def listened(parts):
    """Return the (address, port) that each program is told to listen on."""
    own = {name: flags(part) for name, part in parts.items()}
    texts = [own["etcd"][f"listen-{side}-urls"].removeprefix("https://") for side in ("client", "peer")]
    secure = [own[name] for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")]
    texts += [f"{item['bind-address']}:{item['secure-port']}" for item in secure]
    texts += [own["kwok"]["server-address"], f"{own['exporter']['host']}:{own['exporter']['port']}"]
    return [(address, int(port)) for address, port in (text.split(":") for text in texts)]


def test_every_port_of_the_serf_is_listened_on_once_and_on_loopback(serf_plan, parts):
    expected = [("127.0.0.1", port) for port in dataclasses.astuple(serf_plan.ports)]
    assert sorted(listened(parts)) == sorted(expected)


def test_every_port_is_checked_before_the_start_under_the_name_of_its_program(serf_plan, parts):
    checked = list(SupervisedSerf(serf_plan, None).listeners())
    assert sorted(port for _, port in checked) == sorted(dataclasses.astuple(serf_plan.ports))
    assert {name for name, _ in checked} <= set(parts)


def test_every_listener_of_the_control_plane_speaks_tls_with_the_serfs_certificate(serf_plan, parts):
    certificate, key = str(serf_plan.pki.certificate("server")), str(serf_plan.pki.key("server"))
    etcd = flags(parts["etcd"])
    assert (etcd["cert-file"], etcd["key-file"]) == (certificate, key)
    assert (etcd["peer-cert-file"], etcd["peer-key-file"]) == (certificate, key)
    for name in CONTROL_PLANE[1:]:
        own = flags(parts[name])
        assert (own["tls-cert-file"], own["tls-private-key-file"]) == (certificate, key)
    for name in CONTROL_PLANE:
        assert "http://" not in " ".join(parts[name].command)
    assert all(parts[name].health.startswith("https://127.0.0.1:") for name in CONTROL_PLANE if parts[name].health)


def test_etcd_believes_only_clients_and_peers_with_a_certificate_of_the_serf(serf_plan, parts):
    etcd, authority = flags(parts["etcd"]), str(serf_plan.pki.certificate("ca"))
    assert (etcd["client-cert-auth"], etcd["trusted-ca-file"]) == ("true", authority)
    assert (etcd["peer-client-cert-auth"], etcd["peer-trusted-ca-file"]) == ("true", authority)
    api = flags(parts["kube-apiserver"])
    assert api["etcd-servers"] == etcd["listen-client-urls"]
    assert api["etcd-cafile"] == authority
    assert api["etcd-certfile"] == str(serf_plan.pki.certificate("etcd-client"))


def test_the_api_server_knows_its_clients_by_certificate_and_asks_what_each_may_do(serf_plan, parts):
    api = flags(parts["kube-apiserver"])
    assert api["client-ca-file"] == str(serf_plan.pki.certificate("ca"))
    assert api["authorization-mode"] == "Node,RBAC"


def test_each_client_has_a_kubeconfig_of_its_own(serf_plan, parts):
    for name in ("kube-controller-manager", "kube-scheduler", "kwok"):
        assert flags(parts[name])["kubeconfig"] == str(serf_plan.client_kubeconfig(name))
    for name in ("replay", "exporter"):
        assert flags(parts[name])["kubeconfig"] == str(serf_plan.kubeconfig)


def test_no_secret_stands_on_a_command_line(serf_plan, parts):
    SupervisedSerf(serf_plan, None).prepare()
    secrets = [file.read_text() for file in serf_plan.pki.directory.glob("*.key")]
    bodies = {line for secret in secrets for line in secret.splitlines() if not line.startswith("-----")}
    assert bodies
    for part in parts.values():
        text = " ".join([*part.command, *part.env.values()])
        assert not any(line in text for line in bodies)
        assert not re.search(r"password|--token|--(client-)?key-data", text)


def test_every_file_that_the_control_plane_is_given_is_there_once_the_serf_is_prepared(serf_plan, parts):
    SupervisedSerf(serf_plan, None).prepare()
    given = [value for name in CONTROL_PLANE for value in flags(parts[name]).values() if value.startswith("/")]
    not_there = [value for value in given if not (serf_plan.directory / value).exists()]
    assert not_there == [flags(parts["etcd"])["data-dir"]]


def test_kwok_plays_kubelet_for_those_nodes_only_that_ask_for_it(serf_plan, parts):
    own = flags(parts["kwok"])
    assert own["manage-nodes-with-annotation-selector"] == "kwok.x-k8s.io/node=fake"
    assert own.get("manage-all-nodes", "false") == "false"
    assert own["cidr"] == serf_plan.pod_network == "10.128.2.0/24"


def test_kwok_brings_nodes_and_pods_to_life_and_takes_them_away(serf_plan):
    write_files(serf_plan)
    documents = list(yaml.safe_load_all((serf_plan.directory / "kwok.yaml").read_text()))
    stages = [document["spec"]["resourceRef"]["kind"] for document in documents if document["kind"] == "Stage"]
    assert {"Node", "Pod"} <= set(stages)
    assert any(document["kind"] == "Stage" and document["spec"]["next"].get("delete") for document in documents)


@pytest.mark.parametrize(("component", "program"), [("replay", "replay_metrics.py"), ("exporter", "expose_metrics.py")])
def test_the_python_programs_are_run_with_options_that_they_know(serf_plan, parts, component, program):
    python, unbuffered, script, *arguments = parts[component].command
    assert (python, unbuffered, script) == (str(serf_plan.python), "-u", str(serf_plan.annotations / program))
    usage = subprocess.run([python, script, "--help"], capture_output=True, text=True, check=True).stdout
    assert [name for name in flags(parts[component]) if f"--{name}" not in usage] == []
    assert f"--config={serf_plan.config}" in arguments


def test_a_serf_plays_at_its_own_pace_from_its_own_point(serf_plan):
    slow = dataclasses.replace(serf_plan, interval=0.25, phase=12)
    own = flags({part.name: part for part in components(slow)}["replay"])
    assert (own["interval"], own["phase"]) == ("0.25", "12")


def test_in_a_container_only_api_server_and_exporter_are_heard_from_outside(serf_plan):
    contained = dataclasses.replace(serf_plan, listen="0.0.0.0")
    parts = {part.name: part for part in components(contained)}
    outside = {port for address, port in listened(parts) if address == "0.0.0.0"}
    assert outside == {serf_plan.ports.apiserver, serf_plan.ports.exporter}
    assert {address for address, port in listened(parts) if port not in outside} == {"127.0.0.1"}
    assert all("//127.0.0.1:" in part.health for part in parts.values() if part.health)
