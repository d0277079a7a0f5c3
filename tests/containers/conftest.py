"""Real containers of serfs on the Docker engine of this machine.

Outside CI, a machine without an engine runs none of these tests and says so; in CI an engine has to be there.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from engine import Images, SerfContainer, docker, engine_problem

from bare_serfs import CHECKOUT
from serflab.lab.serf_image import UPSTREAM_PROGRAMS
from serflab.lab.tools.toolbox import Toolbox

HERE = Path(__file__).parent
# Tests of containerlab itself are for machines that have it.
collect_ignore = [] if shutil.which("containerlab") else ["test_containerlab_lab.py"]


def pytest_collection_modifyitems(config, items):
    """Leave the tests of this folder out where there is no engine, unless this is CI."""
    own = [item for item in items if HERE in item.path.parents]
    problem = engine_problem() if own else None
    if problem is None:
        return
    if os.environ.get("CI"):
        pytest.exit(f"CI tests containers, and {problem}", returncode=1)
    config.hook.pytest_deselected(items=own)
    items[:] = [item for item in items if HERE not in item.path.parents]
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(f"tests/containers: {len(own)} tests left out, as {problem}")


@pytest.fixture(scope="session")
def images():
    """The images of serfs, made when they are first asked for and removed at the end, the base image excepted."""
    made = Images()
    yield made
    made.remove()


@pytest.fixture(scope="session")
def network():
    """A network of the tests' own, without a way out."""
    name = f"serflab-test-{os.getpid()}"
    docker("network", "create", "--internal", name)
    yield name
    docker("network", "rm", name)


@pytest.fixture(scope="session")
def serfs(images, network):
    """Two serfs with the upstream control plane: serf1 as the image has it, serf2 with as few rights as possible."""
    image = images.upstream
    few = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--user=4711:4711")
    room = ("--tmpfs=/var/lib/serflab:uid=4711,gid=4711,mode=0700", "--tmpfs=/tmp")
    made = [
        SerfContainer.run("serf1", image, network, "--env=CLAB_LABEL_CLAB_NODE_LONGNAME=clab-emulation-serf1"),
        SerfContainer.run("serf2", image, network, *few, *room, "--env=SERFLAB_PHASE=48", "--env=SERFLAB_INTERVAL=1"),
    ]
    try:
        for serf in made:
            serf.await_ready()
        yield {serf.name: serf for serf in made}
    finally:
        for serf in made:
            serf.remove()


@pytest.fixture(scope="session")
def serf1(serfs):
    """A serf as the image has it."""
    return serfs["serf1"]


@pytest.fixture(scope="session")
def serf2(serfs):
    """A serf with a read-only file system, no capabilities, and a user that the image does not know."""
    return serfs["serf2"]


@pytest.fixture(scope="session")
def k3s_serf(images, network, tmp_path_factory):
    """A serf with K3s, that is its stand-in, started as root."""
    programs = tmp_path_factory.mktemp("upstream")
    programs.chmod(0o755)
    for name in UPSTREAM_PROGRAMS:
        shutil.copy(Toolbox(CHECKOUT).path(name), programs / name)
    serf = SerfContainer.run(
        "serf3", images.k3s, network, "--user=0", f"--volume={programs}:/upstream:ro", "--env=K3S_STAND_IN=/upstream"
    )
    try:
        serf.await_ready()
        yield serf
    finally:
        serf.remove()
