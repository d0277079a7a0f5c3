"""What `serflab image build` would run, and what it puts into the build context."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from serflab.lab.serf_image import SerfImage
from serflab.lab.serf_plan import Variant


@pytest.fixture
def dockerfile(checkout):
    return (checkout / "images" / "serf" / "Dockerfile").read_text()


def test_the_variant_chooses_target_tags_and_programs():
    upstream = SerfImage(Variant.UPSTREAM)
    command = upstream.command(Path("/context"))
    assert command[:3] == ("docker", "build", "--target=serf-upstream")
    assert {"--tag=serflab/serf:upstream", "--tag=serflab/serf:upstream-0.1.0"} <= set(command)
    assert not any(argument.startswith("--build-arg") for argument in command)
    assert set(upstream.programs) > set(SerfImage(Variant.K3S).programs) == {"kwok"}


def test_other_images_and_tags_can_be_named():
    command = SerfImage(Variant.K3S, "debian:mine", "k3s:mine", ("a:b", "c:d")).command(Path("/context"))
    assert {"--build-arg=BASE_IMAGE=debian:mine", "--build-arg=K3S_IMAGE=k3s:mine"} <= set(command)
    assert [argument for argument in command if argument.startswith("--tag")] == ["--tag=a:b", "--tag=c:d"]


def test_both_builders_take_the_dockerfile_and_k3s_is_what_it_makes_by_default(dockerfile):
    assert "# syntax" not in dockerfile
    assert not re.search(r"^(RUN|COPY) --(mount|chmod|chown|link)", dockerfile, re.MULTILINE)
    stages = re.findall(r"^FROM \S+ AS (\S+)$", dockerfile, re.MULTILINE)
    assert stages == ["base", "python", "common", "serf-upstream", "k3s", "serf-k3s"]


def test_the_versions_of_packages_are_those_of_the_rest(checkout):
    def pinned(name):
        return dict(re.findall(r"^([\w.-]+)==(\S+)", (checkout / name).read_text(), re.MULTILINE))

    image, everywhere = pinned("images/serf/requirements.lock"), pinned("requirements.lock")
    assert image.items() <= everywhere.items()
    wanted = re.findall(r"^[a-z][\w-]*", (checkout / "images/serf/requirements.in").read_text(), re.MULTILINE)
    assert set(wanted) <= set(image)
