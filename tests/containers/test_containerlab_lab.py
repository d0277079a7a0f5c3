"""The repairs of the containerlab runtime with a real containerlab, on a lab of small containers.

Only where containerlab is installed; elsewhere its recorded answers have to do (tests/unit/lab/test_containerlab_*).
"""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest
from engine import docker

from bare_serfs import CHECKOUT, port_block, worker_number
from serflab.errors import SerflabError
from serflab.lab.containerlab import find_containerlab
from serflab.lab.containerlab_files import Deployment
from serflab.lab.containerlab_runtime import bring_into_line
from serflab.lab.engine import Engine

LAB = """
name: {lab}
mgmt: {{network: {lab}, ipv4-subnet: 172.30.{subnet}.0/24, external-access: false}}
topology:
  defaults:
    kind: linux
    image: {image}
    image-pull-policy: Never
    privileged: false
    restart-policy: "no"
    cmd: sh -c 'trap exit TERM; while :; do sleep 1; done'
  nodes:
    one: {{ports: ["127.0.0.1:{port}:80"]}}
    two: {{}}
    three: {{}}
  links:
    - endpoints: [one:eth1, two:eth1]
    - endpoints: [two:eth2, three:eth1]
"""
LINKS = {"one": {"eth1"}, "two": {"eth1", "eth2"}, "three": {"eth1"}}


class Told:
    """A listener to long work that keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


class Lab:
    """A lab of three nodes in a row, not yet deployed."""

    def __init__(self, directory: Path, image: str) -> None:
        self.port = port_block(2)
        self.name = f"serflab-test-{self.port}"
        file = directory / "t.clab.yml"
        subnet = 88 + worker_number()
        file.write_text(LAB.format(lab=self.name, image=image, port=self.port, subnet=subnet))
        self.deployment = Deployment(self.name, file, directory)
        self.containerlab, self.engine = find_containerlab(), Engine.connect()

    def up(self) -> list[str]:
        told = Told()
        bring_into_line(self.deployment, LINKS, self.containerlab, self.engine, told)
        return told.said

    def container(self, node: str) -> str:
        return self.engine.containers(self.name)[node].name

    @property
    def links(self) -> dict[str, set[str]]:
        """Return the interfaces of each node that have a link and are up."""
        found = {}
        for node in LINKS:
            lines = docker("exec", self.container(node), "ip", "-brief", "link").stdout.splitlines()
            names = {line.split("@")[0] for line in lines if line.split()[1] == "UP"}
            found[node] = names - {"eth0"}
        return found


@pytest.fixture
def lab(tmp_path, images):
    made = Lab(tmp_path, images.base)
    yield made
    made.containerlab.destroy(made.deployment)


def kill(lab: Lab) -> None:
    docker("kill", lab.container("two"))


def pause(lab: Lab) -> None:
    docker("pause", lab.container("two"))


def remove(lab: Lab) -> None:
    docker("rm", "--force", lab.container("two"))


def restart_without_containerlab(lab: Lab) -> None:
    docker("restart", "--time=1", lab.container("two"))


def stop_by_containerlab(lab: Lab) -> None:
    lab.containerlab.stop(lab.deployment, ["two"])


BREAKAGES = {
    kill: ["two: container clab-{lab}-two has ended with exit status 137; starting it again"],
    pause: ["two is paused; letting it go on"],
    remove: [],
    restart_without_containerlab: [],
    stop_by_containerlab: ["two: container clab-{lab}-two has ended with exit status 0; starting it again"],
}


def test_whatever_became_of_a_container_it_runs_again_with_its_links(lab):
    assert lab.up() == []
    assert lab.links == LINKS
    nodes = lab.containerlab.inspect(lab.name)
    assert sorted((node.container, node.state) for node in nodes) == sorted(
        (container.name, "running") for container in lab.engine.containers(lab.name).values()
    )
    for breakage, said in BREAKAGES.items():
        breakage(lab)
        assert lab.up() == [line.format(lab=lab.name) for line in said], breakage.__name__
        assert lab.links == LINKS, breakage.__name__
    assert lab.up() == []


def test_a_restart_keeps_the_links(lab):
    lab.up()
    before = docker("exec", lab.container("one"), "cat", "/sys/class/net/eth1/address").stdout
    lab.containerlab.restart(lab.deployment, ["one"])
    assert lab.links == LINKS
    assert docker("exec", lab.container("one"), "cat", "/sys/class/net/eth1/address").stdout == before


def test_a_deploy_that_broke_off_at_a_port_in_use_is_finished_later(lab):
    with socket.create_server(("127.0.0.1", lab.port)):
        with pytest.raises(SerflabError, match="address already in use"):
            lab.up()
        assert lab.engine.containers(lab.name)["one"].state == "created"
    said = lab.up()
    assert said == [f"one: container clab-{lab.name}-one is created; starting it again"]
    assert lab.links == LINKS
    assert lab.engine.containers(lab.name)["one"].ports == {80: ("127.0.0.1", lab.port)}


def test_a_lab_that_is_taken_away_leaves_nothing(lab):
    lab.up()
    lab.containerlab.destroy(lab.deployment)
    assert lab.engine.containers(lab.name) == {}
    assert lab.containerlab.inspect(lab.name) == ()
    assert docker("network", "inspect", lab.name, check=False).returncode != 0
    assert sorted(path.name for path in lab.deployment.base.iterdir()) == ["t.clab.yml"]
    assert lab.name not in Path("/etc/hosts").read_text()


@pytest.mark.parametrize("file", ["topology.yaml", "grafana/grafana.clab.yml"])
def test_what_ships_is_valid(file):
    command = [find_containerlab().program, "validate", "--topo", CHECKOUT / file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
