"""How containerlab is found and called, with a script in its place that notes its command line and environment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from serflab.errors import SerflabError
from serflab.lab.containerlab import Containerlab, UnusableError, find_containerlab
from serflab.lab.containerlab_files import Deployment
from serflab.lab.netem import Netem, NetemError

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


SUDO = """#!/usr/bin/env python3
import json, os, pathlib, sys
words = sys.argv[1:]
pathlib.Path(__file__).with_name("sudo.json").write_text(json.dumps(words))
kept = {"PATH"}
while words[0].startswith("-"):
    name, _, value = words.pop(0).partition("=")
    assert name in {"-n", "--preserve-env"}
    kept |= set(value.split(","))
os.execvpe(words[0], words, {name: value for name, value in os.environ.items() if name in kept})
"""


@pytest.fixture
def sudo(tmp_path):
    """Make a stand-in of sudo, which keeps of the environment what it is told to; return it, and what it was told."""
    program = tmp_path / "bin" / "sudo"
    program.parent.mkdir(exist_ok=True)
    program.write_text(SUDO)
    program.chmod(0o755)
    return str(program), lambda: json.loads((tmp_path / "bin" / "sudo.json").read_text())


def test_sudo_hands_on_what_the_file_asks_for_and_its_command_line_shows_no_value(stand_in, sudo):
    noted = stand_in()
    tool = find_containerlab()
    program, told = sudo
    secret = Deployment(LAB.lab, LAB.file, LAB.base, {"TOKEN": "s3cret", "SERFLAB_INTERVAL": "2"})
    Containerlab(tool.program, tool.version, (program,)).deploy(secret)
    arguments, environment = noted()
    assert arguments[0] == "deploy"
    assert {name: environment[name] for name in ("TOKEN", "SERFLAB_INTERVAL", "CLAB_LABDIR_BASE")} == {
        "TOKEN": "s3cret",
        "SERFLAB_INTERVAL": "2",
        "CLAB_LABDIR_BASE": "/lab",
    }
    assert environment["CLAB_VERSION_CHECK"] == "disable"
    assert "s3cret" not in " ".join(told())
    # Somebody is there to type a password.
    assert "-n" not in told()


def test_where_nobody_can_type_a_password_sudo_does_not_ask_for_one(stand_in, sudo):
    noted = stand_in()
    tool = find_containerlab()
    program, told = sudo
    Containerlab(tool.program, tool.version, (program,)).ask("tools", "netem", "show")
    assert told()[0] == "-n"
    arguments, environment = noted()
    assert arguments == ["tools", "netem", "show"]
    assert environment["CLAB_VERSION_CHECK"] == "disable"


def test_the_version_is_asked_once_and_again_of_another_program(stand_in, tmp_path):
    stand_in()
    script = tmp_path / "bin" / "containerlab"
    asked = tmp_path / "asked"
    script.write_text(f'#!/bin/sh\necho >> {asked}\necho \'{{"version": "0.80.1"}}\'\n')
    assert [find_containerlab().version for _ in range(3)] == ["0.80.1"] * 3
    assert len(asked.read_text()) == 1
    stand_in(version="0.81.0")
    assert find_containerlab().version == "0.81.0"


def test_a_command_that_does_not_end_is_given_up_even_if_root_runs_it(stand_in, tmp_path, monkeypatch):
    stand_in()
    script = tmp_path / "bin" / "containerlab"
    answer = """if [ "$1" = version ]; then echo '{"version": "0.79.0"}'; exit; fi"""
    script.write_text(f"#!/bin/sh\n{answer}\nexec sleep 60\n")
    killed = []

    def refuse(process):
        killed.append(process)
        raise PermissionError("Operation not permitted")

    with monkeypatch.context() as patched:
        patched.setattr("subprocess.Popen.kill", refuse)
        patched.setattr("serflab.lab.containerlab._SECONDS", 0.5)
        with pytest.raises(NetemError, match=r"`containerlab tools netem show .*` does not end within 0\.5 s"):
            Netem().show("c")
    for process in killed:
        process.kill()
        process.wait()
    assert killed


def test_a_failure_is_told_with_what_containerlab_said(stand_in):
    stand_in(stderr="15:00:00 INFO Parsing\n\n   ERROR\n\n  Failed to verify bind path.\n", status=1)
    with pytest.raises(SerflabError, match=r"`containerlab deploy` failed: Failed to verify bind path\."):
        find_containerlab().deploy(LAB)


def test_a_lab_that_is_not_there_has_no_nodes(stand_in):
    stand_in(stderr=NO_LAB, status=1)
    assert find_containerlab().inspect("emulation") == ()
