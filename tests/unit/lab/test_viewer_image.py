"""The image of the viewer: what is taken from the checkout, and the command that builds it."""

from __future__ import annotations

import pytest
from image_packages import imported_by, locked

import serflab
from serflab.errors import SerflabError
from serflab.lab.export.serfs import HOME
from serflab.lab.topology import load_topology
from serflab.lab.viewer_image import ViewerImage, ViewerImageBuilder
from serflab.web.page import VENDOR
from serflab.web.settings import load_settings


def test_the_programs_find_their_files_in_it(checkout, tmp_path, heard):
    ViewerImageBuilder(checkout, heard, VENDOR.values()).copy_files(tmp_path)
    settings = load_settings(tmp_path / "flask-app" / "config.yaml", tmp_path / "flask-app")
    assert settings.checkout == tmp_path
    assert load_topology(settings.topology_file).serfs
    for file in VENDOR.values():
        assert (tmp_path / "flask-app" / "node_modules" / file).is_file()
    assert {"index.html", "icons"} <= {file.name for file in (tmp_path / "flask-app" / "static").iterdir()}
    assert sorted((tmp_path / "workload_templates").glob("*.json"))


def test_what_this_machine_keeps_is_not_taken_along(checkout, tmp_path, heard):
    ViewerImageBuilder(checkout, heard, ()).copy_files(tmp_path)
    names = {file.name for file in tmp_path.rglob("*")}
    assert not names & {".venv", ".serflab", "positions", "registry.json", "__pycache__", "node_modules"}


def test_a_package_that_is_not_installed_is_named_with_what_installs_it(checkout, tmp_path, heard):
    with pytest.raises(SerflabError, match=r"node_modules/gone.js is not there") as raised:
        ViewerImageBuilder(checkout, heard, ["gone.js"]).copy_files(tmp_path)
    assert "npm ci" in raised.value.hint


def test_the_dockerfile_and_the_manifests_agree_on_user_and_place(checkout):
    text = (checkout / "images" / "viewer" / "Dockerfile").read_text()
    assert "USER 10001:10001" in text
    assert f"COPY checkout/ {HOME}/" in text
    assert "# syntax" not in text


def test_the_command_that_builds_it(tmp_path):
    assert ViewerImage().command(tmp_path)[2:4] == (
        "--tag=serflab/viewer:latest",
        f"--tag=serflab/viewer:{serflab.__version__}",
    )
    command = ViewerImage(base="python:3.11", tags=("mine:1",)).command(tmp_path)
    assert command[2:4] == ("--build-arg=BASE_IMAGE=python:3.11", "--tag=mine:1")
    assert command[-1] == str(tmp_path)


def test_every_package_that_the_three_programs_import_is_in_the_lock_file(checkout):
    programs = ("cli.main", "kube.client", "lab.export.discovery", "offload.service", "web.server")
    imported = imported_by([f"serflab.{module}" for module in programs])
    assert {"aiohttp", "flask"} <= imported
    assert imported <= locked(checkout / "images" / "viewer")
