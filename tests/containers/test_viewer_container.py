"""The image of the viewer: its programs run in it with as few rights as a pod of the exported lab has."""

from __future__ import annotations

import json

import pytest
from engine import docker, wait_for

from serflab.web.page import VENDOR

FEW = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none")
ROOM = ("--tmpfs=/var/lib/serflab:uid=10001,gid=10001,mode=0700", "--tmpfs=/tmp")
# A container of no network has its loopback.
ASK = """
import sys, urllib.request
print(urllib.request.urlopen("http://127.0.0.1:8080" + sys.argv[1], timeout=10).read().decode())
"""


@pytest.fixture(scope="module")
def ask(images):
    """Ask the viewer in a container for a path; it is started once."""
    container = docker("run", "--detach", *FEW, *ROOM, images.viewer).stdout.strip()

    def get(path: str, *, check: bool = True) -> str:
        return docker("exec", container, "python3", "-c", ASK, path, check=check).stdout

    try:
        wait_for(lambda: get("/api/health", check=False), "the viewer answers")
        yield get
    finally:
        docker("rm", "--force", "--volumes", container)


def test_the_viewer_shows_the_topology_before_any_serf_is_up(ask):
    topology = json.loads(ask("/api/topology"))
    assert {node["name"] for node in topology["nodes"]} >= {"serf1", "serf11", "prometheus"}
    assert {node["state"] for node in topology["nodes"] if node["role"] == "serf"} == {"absent"}


def test_the_page_comes_with_all_that_it_loads(ask):
    assert "/static/js/main.js" in ask("/")
    for path in ("/static/js/main.js", *(f"/vendor/{name}" for name in VENDOR)):
        assert len(ask(path)) > 1000, path


@pytest.mark.parametrize("command", [("export", "discover"), ("offload", "manager")], ids=" ".join)
def test_the_other_programs_of_the_pod_start(images, command):
    done = docker("run", "--rm", *FEW, *ROOM, images.viewer, "python3", "-m", "serflab", *command, "--help")
    assert done.stdout.startswith("Usage: ")
