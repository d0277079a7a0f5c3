"""The image of the rebalancing loop: its programs run in it with as few rights as the pods of k8s/ have."""

from __future__ import annotations

import json

import pytest
from engine import docker, wait_for

from rebalance_manifests import arguments, pod_spec

FEW = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none", "--user=10001:10001")
# A container of no network has its loopback.
ASK = """
import sys, urllib.request
print(urllib.request.urlopen("http://127.0.0.1:8000" + sys.argv[1], timeout=10).read().decode())
"""


@pytest.fixture(scope="module")
def ask(images):
    """Ask the exporter in a container for a path; without a cluster it computes a scenario of the image."""
    given = [word for word in arguments("metrics-exporter") if not word.startswith("--namespace")]
    command = (*given, "--offline", "--scenario=sample_scenarios.json:hot-node")
    container = docker("run", "--detach", *FEW, images.rebalance, *command).stdout.strip()

    def get(path: str, *, check: bool = True) -> str:
        return docker("exec", container, "python3", "-c", ASK, path, check=check).stdout

    try:
        wait_for(lambda: get("/health", check=False), "the exporter answers")
        yield get
    finally:
        docker("rm", "--force", "--volumes", container)


def test_the_exporter_publishes_a_scenario_of_the_image(ask):
    assert json.loads(ask("/health"))["source"] == "scenario"
    assert "node_cpu_usage_ratio{" in ask("/metrics")


@pytest.mark.parametrize("program", ["exporter", "webhook", "controller", "crd", "admission"])
def test_every_program_of_the_loop_starts_in_it(images, program):
    done = docker("run", "--rm", *FEW, images.rebalance, program, "--help")
    assert done.stdout.startswith("Usage: ")


def test_its_user_and_its_command_are_those_of_the_pods(images):
    config = json.loads(docker("image", "inspect", "--format={{json .Config}}", images.rebalance).stdout)
    security = pod_spec("metrics-exporter")["securityContext"]
    assert config["User"] == f"{security['runAsUser']}:{security['runAsGroup']}"
    assert config["Entrypoint"] == ["python3", "-m", "serflab", "rebalance"]
