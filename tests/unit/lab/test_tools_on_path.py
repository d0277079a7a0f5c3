"""A program on PATH serves when it is of the pinned minor version. Here it is a script that tells a version."""

from __future__ import annotations

import os
import shlex

import pytest

from serflab.lab.tools.pinned import Pins, tools_named
from serflab.lab.tools.sources import find_on_path

(KUBECTL,) = tools_named(["kubectl"])


@pytest.fixture
def pins(checkout):
    return Pins(checkout / "tools")


@pytest.fixture
def kubectl(tmp_path, monkeypatch):
    """Put a kubectl on PATH, before others that were put there earlier."""

    def put(script, directory="bin"):
        path = tmp_path / directory / "kubectl"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}{os.environ['PATH']}")
        return path

    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return put


def tells(text):
    return f"echo {shlex.quote(text)}"


def another(version, *, minor=0, patch=0):
    """Return a version that many minor or patch versions away."""
    major, old_minor, old_patch = version.removeprefix("v").split(".")
    return f"v{major}.{int(old_minor) + minor}.{int(old_patch) + patch}"


@pytest.mark.parametrize("patch", [0, 1, -1, 20])
def test_any_patch_of_the_pinned_minor_version_serves(kubectl, pins, patch):
    path = kubectl(tells(f"Client Version: {another(pins.version(KUBECTL), patch=patch)}"))
    assert find_on_path(KUBECTL, pins) == path


@pytest.mark.parametrize("minor", [-1, 1, 100])
def test_another_minor_version_does_not(kubectl, pins, minor):
    kubectl(tells(f"Client Version: {another(pins.version(KUBECTL), minor=minor)}"))
    assert find_on_path(KUBECTL, pins) is None


def test_it_is_asked_with_its_own_arguments_and_may_answer_on_stderr(kubectl, pins):
    path = kubectl(f'test "$*" = "version --client" && echo {pins.version(KUBECTL)} >&2')
    assert find_on_path(KUBECTL, pins) == path


@pytest.mark.parametrize("script", ["exit 1", "echo no idea", "printf '\\377\\376'", "echo v1.36.3; exit 3", "true"])
def test_a_program_that_fails_or_tells_no_version_does_not(kubectl, pins, script):
    kubectl(script)
    assert find_on_path(KUBECTL, pins) is None


def test_a_program_of_another_machine_does_not(kubectl, pins):
    kubectl("").write_bytes(b"\x7fELF nonsense")
    assert find_on_path(KUBECTL, pins) is None


def test_only_the_first_one_on_path_is_asked_as_a_shell_would_run_it(kubectl, pins):
    kubectl(tells(pins.version(KUBECTL)), "later")
    kubectl(tells("v1.2.3"), "earlier")
    assert find_on_path(KUBECTL, pins) is None


def test_without_one_on_path_there_is_none(pins, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_on_path(KUBECTL, pins) is None
