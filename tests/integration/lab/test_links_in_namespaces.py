"""The links program in real network namespaces, joined by veth pairs as containerlab joins containers."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
_numbers = itertools.count()


def ip(*arguments, check=True):
    return subprocess.run(["ip", *arguments], check=check, capture_output=True, text=True)


class Spaces:
    """Network namespaces, each a node of a topology file, with the links program in it."""

    def __init__(self, directory, topology):
        self.file = directory / "topology.yaml"
        self.file.write_text(topology, encoding="utf-8")
        self.prefix = f"sl{os.getpid() % 10000}n{next(_numbers)}"
        self.programs = {}
        self.logs = directory

    def add(self, name):
        ip("netns", "add", self.space(name))
        self.ip(name, "link", "set", "lo", "up")
        self.run(name, "sysctl", "-qw", "net.ipv4.ip_forward=1")

    def start(self, name, **addresses):
        labels = {f"CLAB_LABEL_SERFLAB_ADDRESS_{key.upper()}": text for key, text in addresses.items()}
        environ = {**os.environ, **labels, "SERFLAB_TOPOLOGY": str(self.file), "SERFLAB_NAME": name}
        log = (self.logs / f"{name}.log").open("ab")
        command = [*self.inside(name), sys.executable, "-m", "serflab.lab.link_addresses"]
        self.programs[name] = subprocess.Popen(command, env=environ, stderr=log)
        log.close()

    def space(self, name):
        return f"{self.prefix}{name}"

    def inside(self, name):
        return ["ip", "netns", "exec", self.space(name)]

    def run(self, name, *command, check=True):
        return subprocess.run([*self.inside(name), *command], check=check, capture_output=True, text=True)

    def ip(self, name, *arguments):
        return ip("-n", self.space(name), *arguments)

    def join(self, one, other):
        """Make a veth pair between `NODE:INTERFACE` and another one, down as containerlab makes it."""
        (a, a_interface), (b, b_interface) = one.split(":"), other.split(":")
        ip(
            *("link", "add", a_interface, "netns", self.space(a), "type", "veth"),
            *("peer", "name", b_interface, "netns", self.space(b)),
        )  # fmt: skip

    def addresses(self, name):
        found = json.loads(self.ip(name, "-json", "address", "show").stdout)
        return {
            f"{item['ifname']} {entry['local']}"
            for item in found
            for entry in item["addr_info"]
            if entry["family"] == "inet" and entry["scope"] == "global"
        }

    def reaches(self, name, address):
        """Whether a TCP connection gets an answer there, be it a refusal."""
        program = (
            "import socket,sys; s=socket.socket(); s.settimeout(2); sys.exit(s.connect_ex((sys.argv[1], 9)) != 111)"
        )
        return self.run(name, sys.executable, "-c", program, address, check=False).returncode == 0

    def log(self, name):
        return (self.logs / f"{name}.log").read_text(encoding="utf-8")

    def end(self):
        for program in self.programs.values():
            program.kill()
            program.wait()
        for line in ip("netns", "list").stdout.splitlines():
            if line.startswith(self.prefix):
                ip("netns", "delete", line.split()[0])


TOPOLOGY = """
name: lab
topology:
  nodes:
    serf1: {labels: {serflab.address.eth1: 10.20.1.1/30, serflab.address.lo: 10.20.0.1/32}}
    serf2:
      labels: {serflab.address.eth1: 10.20.1.2/30, serflab.address.eth2: 10.20.2.1/31, serflab.address.lo: 10.20.0.2/32}
    serf3: {labels: {serflab.address.eth1: 10.20.2.0/31, serflab.address.lo: 10.20.0.3/32}}
  links:
    - endpoints: [serf1:eth1, serf2:eth1]
    - endpoints: [serf2:eth2, serf3:eth1]
"""


def eventually(what, expected=True):
    deadline = time.monotonic() + 60
    while (found := what()) != expected:
        assert time.monotonic() < deadline, f"{found} is not {expected}"
        time.sleep(0.1)


@pytest.fixture
def spaces(tmp_path):
    """Three nodes in a row, without their links yet."""
    made = Spaces(tmp_path, TOPOLOGY)
    try:
        for name in ("serf1", "serf2", "serf3"):
            made.add(name)
        made.start("serf1", eth1="10.20.1.1/30", lo="10.20.0.1/32", eth0="10.66.0.1/24")
        made.start("serf2", eth1="10.20.1.2/30", eth2="10.20.2.1/31", lo="10.20.0.2/32")
        made.start("serf3", eth1="10.20.2.0/31", lo="10.20.0.3/32")
        yield made
    finally:
        made.end()


def test_serfs_reach_each_other_over_links_that_come_later_and_that_are_made_anew(spaces):
    eventually(lambda: spaces.addresses("serf1"), {"lo 10.20.0.1"})
    assert not spaces.reaches("serf1", "10.20.0.3")

    spaces.join("serf1:eth1", "serf2:eth1")
    spaces.join("serf2:eth2", "serf3:eth1")
    eventually(lambda: spaces.reaches("serf1", "10.20.0.3"))
    assert spaces.addresses("serf2") == {"lo 10.20.0.2", "eth1 10.20.1.2", "eth2 10.20.2.1"}
    eventually(lambda: spaces.reaches("serf3", "10.20.1.1"))

    # As `containerlab restart` leaves it: the pair is gone, with its addresses and routes, and there is another one.
    spaces.ip("serf2", "link", "delete", "eth1")
    eventually(lambda: spaces.addresses("serf1"), {"lo 10.20.0.1"})
    assert not spaces.reaches("serf1", "10.20.0.3")
    spaces.join("serf1:eth1", "serf2:eth1")
    eventually(lambda: spaces.reaches("serf1", "10.20.0.3"))

    # And what somebody took away by hand, or shut down, comes back.
    spaces.ip("serf3", "link", "set", "eth1", "down")
    eventually(lambda: spaces.reaches("serf3", "10.20.0.1"))
    spaces.ip("serf1", "address", "flush", "dev", "eth1")
    eventually(lambda: spaces.reaches("serf1", "10.20.0.3"))


def test_the_management_interface_is_left_alone(spaces):
    # A label that no check of the topology has seen.
    spaces.join("serf1:eth0", "serf3:outside")
    spaces.ip("serf1", "address", "add", "172.30.30.11/24", "dev", "eth0")
    spaces.join("serf1:eth1", "serf2:eth1")
    eventually(lambda: spaces.reaches("serf1", "10.20.0.2"))
    assert spaces.addresses("serf1") == {"lo 10.20.0.1", "eth0 172.30.30.11", "eth1 10.20.1.1"}
    found = json.loads(spaces.ip("serf1", "-json", "link", "show", "eth0").stdout)
    assert "UP" not in found[0]["flags"]
    assert "eth0 is the container engine's" in spaces.log("serf1")


def test_it_ends_at_once_when_it_is_told_to(spaces):
    eventually(lambda: "waiting for ETH1" in spaces.log("serf1"))
    program = spaces.programs["serf1"]
    program.terminate()
    assert program.wait(timeout=30) == 0
    assert spaces.log("serf1").endswith("stopped\n")
