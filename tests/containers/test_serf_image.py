"""The image of a serf: what is in it, and that both builders make the same of the same.

The upstream image is built by the legacy builder, the one with K3s by BuildKit.
"""

from __future__ import annotations

import json

import pytest
from engine import docker

LOOK = """
import hashlib, importlib.util, json, pathlib, shutil
roots = [pathlib.Path(name) for name in ("/usr/local/lib", "/opt")]
files = sorted(path for root in roots for path in root.rglob("*") if path.is_file())
absent = ("numpy", "kubernetes", "flask", "pip")
programs = ("bash", "curl", "ip", "kubectl", "k3s", "kwok", "pkill", "ps", "python3", "serf-health", "etcd")
print(json.dumps({
    "files": {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files},
    "superfluous": [name for name in absent if importlib.util.find_spec(name)],
    "programs": [name for name in programs if shutil.which(name)],
    "left": [str(path) for path in pathlib.Path("/tmp").iterdir()],
}))
"""


def look(image):
    done = docker("run", "--rm", "--network=none", "--user=0", "--entrypoint=python3", image, "-c", LOOK)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def upstream(images):
    return look(images.upstream)


@pytest.fixture(scope="module")
def k3s(images):
    return look(images.k3s)


def configuration(image):
    return json.loads(docker("image", "inspect", "--format={{json .Config}}", image).stdout)


def test_both_builders_make_the_same_of_what_both_images_share(upstream, k3s):
    assert len(upstream["files"]) > 500
    assert upstream["files"] == k3s["files"]


def test_the_images_differ_in_their_control_plane_only(images):
    first, second = configuration(images.upstream), configuration(images.k3s)
    for key in ("User", "Entrypoint", "WorkingDir", "ExposedPorts", "Healthcheck", "StopSignal"):
        assert first[key] == second[key], key
    assert set(first["Env"]) ^ set(second["Env"]) == {"SERFLAB_VARIANT=upstream", "SERFLAB_VARIANT=k3s"}


def test_a_serf_is_nobody_in_particular_and_keeps_its_data_in_no_volume(images):
    config = configuration(images.upstream)
    assert config["User"] == "10001:10001"
    assert not config.get("Volumes")
    assert set(config["ExposedPorts"]) == {"6443/tcp", "9090/tcp"}
    assert config["Healthcheck"]["Test"] == ["CMD", "serf-health"]


def test_only_what_a_serf_needs_is_in_the_image(upstream, k3s):
    assert (upstream["superfluous"], upstream["left"]) == ([], [])
    assert "etcd" in upstream["programs"]
    assert "etcd" not in k3s["programs"]


def test_the_packages_of_a_serf_are_compiled_as_its_file_system_may_be_read_only(upstream):
    names = {path.rpartition("/")[2].partition(".")[0] for path in upstream["files"] if path.endswith(".pyc")}
    assert names >= {"container", "components", "supervised_serf", "supervisord"}


def test_an_image_adds_less_to_its_base_than_half_a_gigabyte(images):
    base, image = (
        int(docker("image", "inspect", "--format={{.Size}}", tag).stdout) for tag in (images.base, images.upstream)
    )
    assert image - base < 500e6


def test_the_commands_that_people_use_in_a_serf_are_there(upstream, k3s):
    wanted = {"bash", "curl", "ip", "k3s", "kubectl", "pkill", "ps", "python3"}
    assert wanted <= set(upstream["programs"]) & set(k3s["programs"])
