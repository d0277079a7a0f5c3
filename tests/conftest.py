"""Real clusters for the tests: a bare serf, and a lab of two serfs with Prometheus and the viewer.

Each pytest worker has its own, on ports and in a directory of its own, so that tests run beside each other and beside a
lab of the person who runs them. Both are made once and shared by all tests of a worker.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from serflab.lab import state
from serflab.lab.health import Watchman
from serflab.lab.inventory import STATE_ENV, load_inventory
from serflab.lab.local_serf import LocalSerf
from serflab.lab.plan import LabSettings, plan_lab
from serflab.lab.ports import PORT_BASE_ENV
from serflab.lab.positions import POSITIONS_ENV
from serflab.lab.processes import end, lab_processes
from serflab.lab.supervisor import Supervisor
from serflab.lab.tools.pinned import LAB_TOOLS
from serflab.lab.tools.toolbox import Toolbox

CHECKOUT = Path(__file__).resolve().parents[1]

# A runner in the background ignores Ctrl-C and hands that on to every program that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Hypothesis would judge wall time, which a busy machine decides.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


def worker_number() -> int:
    """Return the number of this pytest worker, 0 without pytest-xdist."""
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


def port_block(purpose: int) -> int:
    """Return the first of 300 ports that are this worker's, for a purpose from 0 to 2.

    `SERFLAB_TEST_PORTS` moves them all, for two test runs on one machine.
    """
    return int(os.environ.get("SERFLAB_TEST_PORTS", "24000")) + 1000 * worker_number() + 300 * purpose


@dataclass
class BareSerf:
    """A running serf without resources, replay and exporter."""

    name: str
    kubeconfig: Path
    server: str
    ca: Path
    supervisor: Supervisor
    local: LocalSerf

    def pid(self, component: str) -> int:
        """Return the process of a component such as `kube-apiserver`."""
        return self.supervisor.state(f"{self.name}:{component}").pid

    def kill(self, component: str) -> None:
        """End a component as a crash would; its supervisor starts it again."""
        os.kill(self.pid(component), signal.SIGKILL)

    def kubectl(self, *arguments: str, check: bool = True) -> str:
        """Return what kubectl prints on stdout."""
        command = [self.local.plan.programs["kubectl"], f"--kubeconfig={self.kubeconfig}", *arguments]
        return subprocess.run(command, check=check, capture_output=True, text=True).stdout

    def api_is_ready(self) -> bool:
        """Whether the API server answers."""
        return self.kubectl("get", "--raw", "/readyz", check=False) == "ok"


@pytest.fixture(scope="session")
def serf(tmp_path_factory):
    """A bare serf: real etcd, API server, controller manager, scheduler and KWOK."""
    state_dir = tmp_path_factory.mktemp("serf")
    state.prepare(state_dir, 1)
    toolbox = Toolbox(CHECKOUT)
    programs = {name: toolbox.path(name) for name in LAB_TOOLS}
    settings = LabSettings(CHECKOUT, state_dir, CHECKOUT / "topology.yaml", port_block(0))
    plan = plan_lab(settings, programs, ["serf1"]).serfs[0]
    supervisor = Supervisor(state_dir)
    local = LocalSerf(plan, Watchman(supervisor))
    local.prepare()
    supervisor.configure(local.programs())
    try:
        local.start_cluster()
        yield BareSerf(plan.name, plan.kubeconfig, plan.server, plan.pki.certificate("ca"), supervisor, local)
    finally:
        supervisor.shut_down()
        end(lab_processes(state_dir), patience=5)
        shutil.rmtree(state_dir)


@dataclass
class Lab:
    """A lab that `serflab up` brought up: two serfs, Prometheus and the viewer."""

    state_dir: Path
    port_base: int

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
        positions = self.state_dir.parent / "positions"
        return {
            **os.environ,
            STATE_ENV: str(self.state_dir),
            PORT_BASE_ENV: str(self.port_base),
            POSITIONS_ENV: str(positions),
        }

    def up(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `serflab up` on this lab's ports."""
        ports = (f"--prometheus-port={self.prometheus_port}", f"--viewer-port={self.viewer_port}")
        return self.serflab("up", *ports, *arguments, check=check)

    def status(self) -> dict:
        """Return what `serflab status -o json` tells."""
        return json.loads(self.serflab("status", "-o", "json", check=False).stdout)


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """A lab of two serfs that play a point every two seconds."""
    made = Lab(tmp_path_factory.mktemp("labs") / "lab", port_block(1))
    try:
        made.up("--serfs=2", "--interval=2")
        yield made
    finally:
        made.serflab("down")


@pytest.fixture
def spare_lab(tmp_path):
    """A lab of the test's own, not yet up, to be broken; it is taken down afterwards."""
    made = Lab(tmp_path / "lab", port_block(2))
    yield made
    made.serflab("down")
