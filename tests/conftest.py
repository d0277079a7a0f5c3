"""Real clusters for the tests: a bare serf, and a lab of two serfs with Prometheus and the viewer.

Each pytest worker has its own, on ports and in a directory of its own, so that tests run beside each other and beside a
lab of the person who runs them. Both are made once and shared by all tests of a worker.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from bare_serfs import CHECKOUT, port_block, running_bare_serfs
from serflab.cli.up import RUNTIME_ENV
from serflab.lab.inventory import STATE_ENV, load_inventory
from serflab.lab.ports import PORT_BASE_ENV
from serflab.lab.positions import POSITIONS_ENV
from serflab.lab.supervisor import Supervisor
from serflab.offload.registry import REGISTRY_ENV

# A runner in the background ignores Ctrl-C and hands that on to every program that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Labs of these tests are plain processes, also on a machine that has containerlab.
os.environ[RUNTIME_ENV] = "local"

# Hypothesis would judge wall time, which a busy machine decides.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(autouse=True)
def _root_logger():
    """Give the root logger back as it was: a command that runs inside a test logs to a stream that is closed after."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def serf(tmp_path_factory):
    """A bare serf: real etcd, API server, controller manager, scheduler and KWOK."""
    state_dir = tmp_path_factory.mktemp("serf")
    with running_bare_serfs(state_dir, CHECKOUT / "topology.yaml", ["serf1"], port_block(0)) as serfs:
        yield serfs["serf1"]


@dataclass
class Lab:
    """A lab that `serflab up` brought up: two serfs, Prometheus and the viewer."""

    state_dir: Path
    port_base: int
    interval: float = 4.0
    """Seconds a point of the trace; shorter ones would keep the machine busy with patches."""

    @property
    def prometheus_port(self) -> int:
        """Return the port of the lab's Prometheus."""
        return self.port_base + 200

    @property
    def viewer_port(self) -> int:
        """Return the port of the lab's viewer."""
        return self.port_base + 201

    @property
    def prometheus_url(self) -> str:
        """Return the URL of the lab's Prometheus."""
        return f"http://127.0.0.1:{self.prometheus_port}"

    @property
    def viewer_url(self) -> str:
        """Return the URL of the page."""
        return f"http://127.0.0.1:{self.viewer_port}"

    @property
    def inventory(self):
        """Return the lab's inventory."""
        return load_inventory(self.state_dir)

    @property
    def supervisor(self) -> Supervisor:
        """Return the lab's supervisor."""
        return Supervisor(self.state_dir)

    def serflab(self, *arguments: str, check: bool = True, cwd: Path = CHECKOUT) -> subprocess.CompletedProcess[str]:
        """Run the `serflab` command on this lab."""
        done = subprocess.run(
            [Path(sys.executable).with_name("serflab"), *arguments],
            cwd=cwd,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, f"serflab {' '.join(arguments)}: {done.stdout}\n{done.stderr}"
        return done

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment in which `serflab` is about this lab."""
        outside = self.state_dir.parent
        return {
            **os.environ,
            STATE_ENV: str(self.state_dir),
            PORT_BASE_ENV: str(self.port_base),
            POSITIONS_ENV: str(outside / "positions"),
            REGISTRY_ENV: str(outside / "virtual-pods"),
        }

    @property
    def up_command(self) -> tuple[str, ...]:
        """Return the command that brings this lab up, without the name of the program."""
        ports = (f"--prometheus-port={self.prometheus_port}", f"--viewer-port={self.viewer_port}")
        return "up", "--runtime=local", *ports

    def up(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `serflab up` on this lab's ports, as plain processes whatever else the machine has."""
        return self.serflab(*self.up_command, *arguments, check=check)

    def status(self) -> dict:
        """Return what `serflab status -o json` tells."""
        return json.loads(self.serflab("status", "-o", "json", check=False).stdout)


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """A lab of two serfs that play a point every few seconds."""
    made = Lab(tmp_path_factory.mktemp("labs") / "lab", port_block(1))
    try:
        made.up("--serfs=2", f"--interval={made.interval:g}")
        yield made
    finally:
        made.serflab("down")


@pytest.fixture
def spare_lab(tmp_path):
    """A lab of the test's own, not yet up, to be broken; it is taken down afterwards."""
    made = Lab(tmp_path / "lab", port_block(2))
    yield made
    made.serflab("down")
