"""The image of a serf: what is in it, and that both builders make it without a network."""

from __future__ import annotations

import json

import pytest
from engine import docker

from bare_serfs import CHECKOUT

CONTEXT = CHECKOUT / "build" / "serf-image" / "context"


def configuration(image):
    config = json.loads(docker("image", "inspect", "--format={{json .Config}}", image).stdout)
    wanted = ("User", "Env", "Entrypoint", "WorkingDir", "ExposedPorts", "Healthcheck", "StopSignal", "Volumes")
    return {key: config.get(key) for key in wanted}


def test_buildkit_makes_the_image_of_the_legacy_builder_without_a_network(images):
    legacy = images.upstream
    tag = images.keep(f"{legacy}-buildkit")
    arguments = ("--network=none", "--target=serf-upstream", f"--build-arg=BASE_IMAGE={images.base}", f"--tag={tag}")
    docker("build", "--quiet", *arguments, str(CONTEXT), buildkit=True)
    assert configuration(tag) == configuration(legacy)
    listing = "cd / && find usr/local opt -type f -o -type l | sort | xargs sha256sum"
    assert shell(tag, listing) == shell(legacy, listing)


def shell(image, command):
    return docker("run", "--rm", "--network=none", "--entrypoint=sh", image, "-c", command).stdout


def test_a_serf_is_nobody_in_particular_and_keeps_its_data_in_no_volume(images):
    config = configuration(images.upstream)
    assert config["User"] == "10001:10001"
    assert config["Volumes"] is None
    assert set(config["ExposedPorts"]) == {"6443/tcp", "9090/tcp"}
    assert config["Healthcheck"]["Test"] == ["CMD", "serf-health"]


def test_only_what_a_serf_needs_is_in_the_image(images):
    absent = "import importlib.util as u; print([n for n in ('numpy', 'kubernetes', 'flask', 'pip') if u.find_spec(n)])"
    assert shell(images.upstream, f'python3 -c "{absent}"').strip() == "[]"
    assert shell(images.upstream, "ls /tmp /opt; find / -name '*.whl' -not -path '/proc/*'").split() == ["annotations"]


def test_the_packages_of_a_serf_are_compiled_as_its_file_system_may_be_read_only(images):
    command = (
        "cd /usr/local/lib/python3*/dist-packages && for f in serflab/lab/*.py; do ls serflab/lab/__pycache__; done"
    )
    compiled = set(shell(images.upstream, command).split())
    assert {name.partition(".")[0] for name in compiled} >= {"container", "components", "supervised_serf"}


def test_an_image_adds_less_to_its_base_than_half_a_gigabyte(images):
    size = {image: int(docker("image", "inspect", "--format={{.Size}}", image).stdout) for image in pair(images)}
    assert size[images.upstream] - size[images.base] < 500e6


def pair(images):
    return images.upstream, images.base


@pytest.mark.parametrize("program", ["bash", "curl", "ip", "kubectl", "pkill", "ps", "python3"])
def test_the_commands_that_people_use_in_a_serf_are_there(images, program):
    assert shell(images.upstream, f"command -v {program}").strip()
