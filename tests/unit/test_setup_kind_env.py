"""setup-kind-env.sh with stand-ins of the programs that it runs (kind_stand_ins.py); no cluster is made."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rebalance_manifests import pod_spec
from serflab.rebalance.exporter_http import TOKEN_ENV

CHECKOUT = Path(__file__).resolve().parents[2]
STAND_INS = Path(__file__).with_name("kind_stand_ins.py")
NEEDED = ("base64", "bash", "cat", "dirname", "env", "grep", "head", "mktemp", "rm", "sed", "tr")
NAME = "node-classifier-sim"
IMAGE = "localhost/serflab/rebalance:latest"


class Machine:
    """A checkout and a PATH on which there is nothing but stand-ins and the tools of every machine."""

    def __init__(self, directory: Path, ports: list[int]) -> None:
        self.checkout, self.bin, self.state = directory / "check out", directory / "bin", directory / "state"
        self.temporary = directory / "temporary"
        for folder in (self.checkout, self.bin, self.state, self.temporary):
            folder.mkdir()
        for name in NEEDED:
            (self.bin / name).symlink_to(shutil.which(name))
        for name in ("kind", "docker", "podman", "kubectl", "serflab"):
            self.install(name)
        shutil.copy(CHECKOUT / "setup-kind-env.sh", self.checkout)
        shutil.copytree(CHECKOUT / "k8s", self.checkout / "k8s")
        (self.checkout / "tools/cluster").mkdir(parents=True)
        shutil.copy(CHECKOUT / "tools/cluster/go.mod", self.checkout / "tools/cluster")
        self.config = self.checkout / "k8s/kind/cluster.yaml"
        text = self.config.read_text()
        for there, here in zip((9090, 8000, 8443), ports, strict=True):
            text = text.replace(f"hostPort: {there}", f"hostPort: {here}")
        self.config.write_text(text)

    def install(self, name: str) -> None:
        program = self.bin / name
        program.write_text(f"#!{sys.executable}\n{STAND_INS.read_text()}")
        program.chmod(0o755)

    def remove(self, *names: str) -> None:
        for name in names:
            (self.bin / name).unlink()

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.checkout / "setup-kind-env.sh", *arguments],
            env={
                "PATH": str(self.bin),
                "STAND_INS": str(self.state),
                "HOME": str(self.state),
                "TMPDIR": str(self.temporary),
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def known(self) -> dict:
        return json.loads((self.state / "state.json").read_text())

    @property
    def cluster(self) -> dict:
        return self.known["clusters"][NAME]

    @property
    def calls(self) -> list[str]:
        return [" ".join(call) for call in self.known["calls"]]


@pytest.fixture
def machine(tmp_path):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return Machine(tmp_path, ports)


def ok(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_it_brings_up_the_whole_loop_with_either_engine(machine, engine):
    if engine == "podman":
        machine.remove("docker")
    done = ok(machine.run())
    cluster = machine.cluster
    assert cluster["engine"] == engine
    assert cluster["images"] == [IMAGE]
    kinds = {name.split("/")[0] for name in cluster["objects"]}
    assert kinds >= {"Node", "CustomResourceDefinition", "Deployment", "ConfigMap", "ClusterRole"}
    deployments = {name.split("/")[2] for name in cluster["objects"] if name.startswith("Deployment/")}
    loop = {"descheduler", "eviction-webhook", "metrics-exporter", "prometheus", "vm-controller"}
    assert deployments == loop | {"kwok-controller"}
    waited = {word.removeprefix("deployment/") for call in machine.calls if " wait " in call for word in call.split()}
    assert waited >= deployments
    assert "get vm -w" in done.stdout
    assert not list(machine.temporary.iterdir())


def test_kwok_comes_in_the_version_that_is_pinned(machine):
    machine.run()
    pinned = next(
        line for line in (CHECKOUT / "tools/cluster/go.mod").read_text().splitlines() if "k8s.io/kwok v" in line
    )
    version = pinned.split()[1]
    release = f"https://github.com/kubernetes-sigs/kwok/releases/download/{version}"
    assert machine.cluster["urls"] == [f"{release}/kwok.yaml", f"{release}/stage-fast.yaml"]


def test_the_ports_of_the_cluster_lead_to_the_node_ports():
    mapped = {
        entry["containerPort"]: entry["hostPort"]
        for node in yaml.safe_load((CHECKOUT / "k8s/kind/cluster.yaml").read_text())["nodes"]
        for entry in node["extraPortMappings"]
    }
    services = {}
    for name in ("prometheus", "metrics-exporter", "descheduler"):
        for body in yaml.safe_load_all((CHECKOUT / f"k8s/{name}.yaml").read_text()):
            if body["kind"] == "Service":
                services[name] = body["spec"]["ports"][0]["nodePort"]
    assert [mapped[services[name]] for name in ("prometheus", "metrics-exporter", "descheduler")] == [9090, 8000, 8443]


def test_again_it_keeps_the_cluster_and_restarts_what_may_have_changed(machine):
    ok(machine.run())
    before = len(machine.calls)
    done = ok(machine.run())
    again = machine.calls[before:]
    assert not [call for call in again if "create cluster" in call]
    assert f"kind export kubeconfig --name={NAME}" in again
    assert set(machine.cluster["restarted"]) == {
        "descheduler",
        "eviction-webhook",
        "metrics-exporter",
        "prometheus",
        "vm-controller",
    }
    assert "it is there already" in done.stdout


def test_the_exporter_has_a_token_for_writes_that_stays(machine):
    ok(machine.run())
    (secret,) = machine.cluster["secrets"].values()
    assert len(secret["token"]) == 32
    assert secret["token"].strip() == secret["token"]
    (container,) = pod_spec("metrics-exporter")["containers"]
    (variable,) = container["env"]
    assert variable["name"] == TOKEN_ENV
    assert variable["valueFrom"]["secretKeyRef"] == {"name": "metrics-exporter-token", "key": "token", "optional": True}
    assert list(machine.cluster["secrets"]) == ["monitoring/metrics-exporter-token"]
    done = ok(machine.run())
    assert machine.cluster["secrets"]["monitoring/metrics-exporter-token"] == secret
    assert secret["token"] not in done.stdout + done.stderr + json.dumps(machine.calls)


def test_a_run_that_failed_in_the_middle_is_finished_by_the_next(machine):
    failed = machine.run(FAIL_AT="load docker-image")
    assert failed.returncode == 1
    assert "error: loading the image onto the node failed\n  hint: " in failed.stderr
    assert not [name for name in machine.cluster["objects"] if "descheduler" in name]
    ok(machine.run())
    assert "Deployment/kube-descheduler/descheduler" in machine.cluster["objects"]


def test_dry_run_changes_nothing_and_prints_commands_that_can_be_run(machine):
    done = ok(machine.run("--dry-run"))
    assert machine.known["clusters"] == {}
    assert not [call for call in machine.calls if call.split()[0] in {"kubectl", "serflab"}]
    lines = [line.removeprefix("would run: ") for line in done.stdout.splitlines() if line.startswith("would run: ")]
    script = machine.checkout / "printed.sh"
    script.write_text("set -e\n" + "\n".join(lines))
    environment = {"PATH": str(machine.bin), "STAND_INS": str(machine.state), "KIND_EXPERIMENTAL_PROVIDER": "docker"}
    printed = subprocess.run(["bash", script], env=environment, capture_output=True, text=True, check=False)
    assert printed.returncode == 0, printed.stderr
    assert "Deployment/kube-descheduler/descheduler" in machine.cluster["objects"]


def test_delete_takes_the_cluster_away_and_is_content_without_one(machine):
    assert "there is no cluster" in ok(machine.run("--delete")).stdout
    ok(machine.run())
    assert "would run: kind delete cluster" in ok(machine.run("--delete", "--dry-run")).stdout
    assert machine.cluster
    ok(machine.run("--delete"))
    assert machine.known["clusters"] == {}


def test_a_node_image_is_handed_on(machine):
    ok(machine.run("--image", "kindest/node:v1.36.0"))
    assert machine.cluster["node_image"] == "kindest/node:v1.36.0"


def test_a_kubernetes_that_is_too_old_is_told_with_one_that_is_not(machine):
    done = machine.run("--image", "kindest/node:v1.35.0")
    assert done.returncode == 1
    assert "no MutatingAdmissionPolicy" in done.stderr
    assert "KIND 0.32" in done.stderr


def test_the_rules_object_is_applied_where_the_operator_is(machine):
    ok(machine.run())
    assert not [name for name in machine.cluster["objects"] if name.startswith("PrometheusRule/")]
    known = machine.known
    known["clusters"][NAME]["objects"].append("CustomResourceDefinition//prometheusrules.monitoring.coreos.com")
    (machine.state / "state.json").write_text(json.dumps(known))
    ok(machine.run())
    assert [name for name in machine.cluster["objects"] if name.startswith("PrometheusRule/")]


@pytest.mark.parametrize(
    ("environment", "engine"),
    [
        ({}, "docker"),
        ({"docker_IS_DOWN": "1"}, "podman"),
        # The package podman-docker.
        ({"docker_IS_PODMAN": "1"}, "podman"),
        ({"KIND_EXPERIMENTAL_PROVIDER": "podman"}, "podman"),
        ({"KIND_EXPERIMENTAL_PROVIDER": "docker"}, "docker"),
    ],
)
def test_which_engine_is_taken(machine, environment, engine):
    assert f"cluster {NAME}, with {engine}" in ok(machine.run("--dry-run", **environment)).stdout


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"docker_IS_DOWN": "1", "podman_IS_DOWN": "1"}, "neither Docker nor Podman answers"),
        ({"KIND_EXPERIMENTAL_PROVIDER": "podman", "podman_IS_DOWN": "1"}, "`podman info` fails"),
        ({"KIND_EXPERIMENTAL_PROVIDER": "nerdctl"}, "this script knows docker and podman"),
    ],
)
def test_an_engine_that_cannot_be_had(machine, environment, words):
    done = machine.run(**environment)
    assert done.returncode == 1
    assert words in done.stderr


def test_everything_that_is_missing_is_told_at_once_with_where_to_get_it(machine):
    machine.remove("kind", "kubectl", "serflab")
    done = machine.run("--dry-run")
    assert done.returncode == 1
    for words in (
        "no kind command",
        "kind.sigs.k8s.io",
        "no kubectl command",
        "no serflab command",
        "setup_emulation.sh",
    ):
        assert words in done.stderr


def test_a_port_that_is_in_use_is_told_before_anything_is_made(machine):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        machine.config.write_text(machine.config.read_text().replace("hostPort: ", f"hostPort: {port} #", 1))
        done = machine.run()
    assert done.returncode == 1
    assert f"port {port} of 127.0.0.1 is in use" in done.stderr
    assert machine.known["clusters"] == {}


@pytest.mark.parametrize("arguments", [["--force"], ["--image"], ["--delete", "--image", "x"]])
def test_bad_usage(machine, arguments):
    done = machine.run(*arguments)
    assert done.returncode == 2
    assert "usage: ./setup-kind-env.sh" in done.stderr


def test_help_tells_of_options_and_engines(machine):
    text = ok(machine.run("--help")).stdout
    for word in ("--dry-run", "--image", "--delete", "KIND_EXPERIMENTAL_PROVIDER"):
        assert word in text
