"""What is read from answers of containerlab, recorded from 0.79 on a lab of two nodes, one of which was killed."""

from __future__ import annotations

import pytest

from serflab.errors import SerflabError
from serflab.lab.containerlab_answers import DeployedNode, error_text, parse_inspect, parse_version

NODES = """[
    {
      "lab_name": "bplay",
      "labPath": "t.clab.yml",
      "absLabPath": "/srv/t.clab.yml",
      "name": "clab-bplay-n1",
      "container_id": "c369e4ff8b2e",
      "image": "serflab-base:bookworm",
      "kind": "linux",
      "group": "serf",
      "state": "running",
      "status": "healthy",
      "ipv4_address": "172.30.77.11/24",
      "ipv6_address": "N/A"
    },
    {
      "lab_name": "bplay",
      "labPath": "t.clab.yml",
      "absLabPath": "/srv/t.clab.yml",
      "name": "clab-bplay-n2",
      "container_id": "424dda0517d6",
      "image": "serflab-base:bookworm",
      "kind": "linux",
      "group": "serf",
      "state": "exited",
      "status": "Exited (137) Less than a second ago",
      "ipv4_address": "N/A",
      "ipv6_address": "N/A"
    }
]"""
# Since 0.68 below the lab's name; the other two shapes are those of older ones.
SHAPES = {"by lab": f'{{"bplay": {NODES}}}', "containers": f'{{"containers": {NODES}}}', "list": NODES}

READ = (
    DeployedNode("clab-bplay-n1", "running", "healthy", "serflab-base:bookworm", "linux", "172.30.77.11"),
    DeployedNode(
        "clab-bplay-n2", "exited", "Exited (137) Less than a second ago", "serflab-base:bookworm", "linux", ""
    ),
)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_nodes_of_a_lab_are_read_in_each_shape(shape):
    assert parse_inspect(SHAPES[shape], "bplay") == READ


@pytest.mark.parametrize("shape", SHAPES)
def test_nodes_of_another_lab_are_left_out(shape):
    assert parse_inspect(SHAPES[shape], "another") == ()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"bplay": []}'])
def test_a_lab_without_nodes_has_none(text):
    assert parse_inspect(text, "bplay") == ()


@pytest.mark.parametrize("text", ["table", '[{"name": "x"}]', "[1]", '{"bplay": 1}'])
def test_an_unknown_answer_is_shown(text):
    with pytest.raises(SerflabError, match="containerlab inspect` answers something unknown"):
        parse_inspect(text, "bplay")


def test_the_version_is_read():
    text = '{"version":"0.79.0","commit":"none","date":"unknown","releaseNotes":"https://containerlab.dev/rn/0.79/"}'
    assert parse_version(text) == "0.79.0"
    assert [parse_version(text) for text in ("", "{}", "[]", '{"version": 1}', '{"version": "dev"}')] == [None] * 5


KILLED = """15:03:01 INFO Containerlab started version=0.79.0
15:03:01 INFO Parsing & checking topology file=t.clab.yml
15:03:01 ERRO container "clab-bplay-n2" exited immediately with no log output

   ERROR

  Desired endpoint n2:eth1 cannot be reconciled: node "n2": cannot exec a command, container network namespace is not
  available (status=Stopped).

"""
KILLED_IN_SHORT = (
    'Desired endpoint n2:eth1 cannot be reconciled: node "n2": cannot exec a command, container network namespace '
    "is not available (status=Stopped)."
)
MISSING_BIND = """15:09:26 INFO Parsing & checking topology file=t2.clab.yml

   ERROR

  Failed to verify bind path: stat /srv/nothere: no such file or directory.

"""
FAILURES = {
    "a container that was killed": (
        KILLED,
        KILLED_IN_SHORT,
    ),
    "a bind that is missing": (
        MISSING_BIND,
        "Failed to verify bind path: stat /srv/nothere: no such file or directory.",
    ),
    "a terminal's colours": (
        "\x1b[1m15:09:26\x1b[0m INFO Parsing\n\x1b[31m  Lab 'nolab' not found - no running containers.\x1b[0m\n",
        "Lab 'nolab' not found - no running containers.",
    ),
    "only lines of its log": ('15:08:29 INFO Started\n15:08:29 ERRO node "n1" deploy: no\n', 'node "n1" deploy: no'),
    "nothing": ("", ""),
}


@pytest.mark.parametrize("case", FAILURES)
def test_what_went_wrong_is_told_on_one_line(case):
    stderr, told = FAILURES[case]
    assert error_text(stderr) == told
