"""How containerlab is found and called, with a script in its place that notes its command line and environment."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from serflab.errors import SerflabError
from serflab.lab.containerlab import Containerlab, UnusableError, find_containerlab
from serflab.lab.containerlab_files import Deployment

# The answer that `containerlab inspect --name` gives on stderr, with status 1, where there is no such lab.
NO_LAB = "   ERROR  \n\n  Lab 'emulation' not found - no running containers.\n"


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Put a `containerlab` in front of PATH that says what it is told to; return what it noted."""

    def make(*, version="0.79.0", stderr="", status=0, name="containerlab"):
        bin_dir, noted = tmp_path / "bin", tmp_path / "noted.json"
        bin_dir.mkdir(exist_ok=True)
        script = bin_dir / name
        answer = json.dumps({"version": version})
        script.write_text(
            "#!/usr/bin/env python3\nimport json, os, sys\n"
            f"if sys.argv[1] == 'version':\n    print({answer!r}); sys.exit()\n"
            f"json.dump([sys.argv[1:], dict(os.environ)], open({str(noted)!r}, 'w'))\n"
            f"sys.stderr.write({stderr!r}); sys.exit({status})\n"
        )
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{bin_dir}:/usr/bin:/bin")
        return lambda: json.loads(noted.read_text())

    return make


LAB = Deployment("emulation", Path("/lab/topology.yaml"), Path("/lab"), {"SERFLAB_INTERVAL": "2"})


def test_without_containerlab_the_reason_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnusableError, match="containerlab is not installed"):
        find_containerlab()


@pytest.mark.parametrize("name", ["containerlab", "clab"])
def test_it_is_found_under_both_its_names(stand_in, name):
    stand_in(name=name)
    found = find_containerlab()
    assert (found.program.name, found.version) == (name, "0.79.0")


@pytest.mark.parametrize("version", ["0.77.9", "0.9.0"])
def test_one_that_cannot_repair_a_lab_is_refused(stand_in, version):
    stand_in(version=version)
    with pytest.raises(UnusableError, match=f"containerlab {version} is too old") as caught:
        find_containerlab()
    assert "0.78 or newer" in caught.value.hint


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (lambda tool: tool.deploy(LAB), ["deploy", "--topo", "/lab/topology.yaml", "--format=json"]),
        (lambda tool: tool.destroy(LAB), ["destroy", "--topo", "/lab/topology.yaml", "--cleanup"]),
        (lambda tool: tool.start(LAB, ["a", "b"]), ["start", "--topo", "/lab/topology.yaml", "--node=a,b"]),
        (lambda tool: tool.stop(LAB, ["a"]), ["stop", "--topo", "/lab/topology.yaml", "--node=a"]),
        (lambda tool: tool.restart(LAB, ["a"]), ["restart", "--topo", "/lab/topology.yaml", "--node=a"]),
    ],
)
def test_it_is_called_with_the_file_and_what_the_file_asks_for(stand_in, action, expected):
    noted = stand_in()
    action(find_containerlab())
    arguments, environment = noted()
    assert arguments == expected
    assert environment["SERFLAB_INTERVAL"] == "2"
    assert environment["CLAB_LABDIR_BASE"] == "/lab"
    assert environment["CLAB_VERSION_CHECK"] == "disable"


def test_sudo_is_given_what_it_does_not_hand_on(stand_in):
    noted = stand_in()
    tool = find_containerlab()
    # In sudo's place: it keeps nothing of the environment but PATH.
    sudo = ("/usr/bin/env", "-i", f"PATH={os.environ['PATH']}")
    Containerlab(tool.program, tool.version, sudo).deploy(LAB)
    arguments, environment = noted()
    assert arguments[0] == "deploy"
    assert (environment["SERFLAB_INTERVAL"], environment["CLAB_LABDIR_BASE"]) == ("2", "/lab")


def test_a_failure_is_told_with_what_containerlab_said(stand_in):
    stand_in(stderr="15:00:00 INFO Parsing\n\n   ERROR\n\n  Failed to verify bind path.\n", status=1)
    with pytest.raises(SerflabError, match=r"`containerlab deploy` failed: Failed to verify bind path\."):
        find_containerlab().deploy(LAB)


def test_a_lab_that_is_not_there_has_no_nodes(stand_in):
    stand_in(stderr=NO_LAB, status=1)
    assert find_containerlab().inspect("emulation") == ()
