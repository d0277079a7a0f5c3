"""The image of the rebalancing loop: its files, its name, its packages, and the commands that build it."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from image_packages import imported_by, locked

import serflab
from serflab.cli import rebalance as group
from serflab.cli.image import image
from serflab.errors import SerflabError
from serflab.lab.rebalance_image import RebalanceImage, RebalanceImageBuilder
from serflab.rebalance.scenario_check import load_scenario


def test_the_programs_find_scenarios_and_templates_in_it(checkout, tmp_path, monkeypatch, heard):
    RebalanceImageBuilder(checkout, heard).fill(tmp_path, RebalanceImage())
    placed = tmp_path / "checkout"
    assert load_scenario(f"{placed / 'sample_scenarios.json'}:bursty").nodes
    monkeypatch.setenv("SERFLAB_CHECKOUT", str(placed))
    from serflab.cli.context import checkout as found  # noqa: PLC0415 - reads the variable

    assert found() == placed


def test_a_file_that_is_missing_is_named(tmp_path, heard):
    with pytest.raises(SerflabError, match=r"sample_scenarios.json is not there") as raised:
        RebalanceImageBuilder(tmp_path / "empty", heard).fill(tmp_path / "context", RebalanceImage())
    assert "git checkout" in raised.value.hint


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_both_engines_build_it_under_one_name(checkout, monkeypatch, engine):
    monkeypatch.chdir(checkout)
    done = CliRunner().invoke(image, ["build-rebalance", f"--engine={engine}", "--base=python:3.11", "--dry-run"])
    assert done.exit_code == 0, done.output
    assert done.output.startswith(f"would run: {engine} build --build-arg=BASE_IMAGE=python:3.11 ")
    for tag in ("latest", serflab.__version__):
        assert f"--tag=localhost/serflab/rebalance:{tag} " in done.output


def test_an_engine_that_is_missing_is_named(checkout, monkeypatch, tmp_path, heard):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SerflabError, match="no `podman` command") as raised:
        RebalanceImageBuilder(checkout, heard).build(RebalanceImage(engine="podman"))
    assert "Podman" in raised.value.hint


def test_every_package_that_its_programs_import_is_in_the_lock_file(checkout):
    programs = [f"serflab.cli.{group._MODULES[name]}" for name in ("exporter", "webhook", "controller", "crd")]
    imported = imported_by(["serflab.cli.main", "serflab.kube.client", *programs])
    assert {"aiohttp", "click"} <= imported
    assert imported <= locked(checkout / "images" / "rebalance")


def test_the_dockerfile_has_the_user_of_the_manifests(checkout):
    text = (checkout / "images" / "rebalance" / "Dockerfile").read_text()
    assert "USER 10001:10001" in text
    assert "# syntax" not in text
