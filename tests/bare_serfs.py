"""Bare serfs for tests: real etcd, API server, controller manager, scheduler and KWOK, without replay and exporter."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from serflab.lab import state
from serflab.lab.health import Watchman
from serflab.lab.plan import LabSettings, plan_lab
from serflab.lab.processes import end, lab_processes
from serflab.lab.supervised_serf import SupervisedSerf
from serflab.lab.supervisor import Supervisor
from serflab.lab.tools.pinned import LAB_TOOLS
from serflab.lab.tools.toolbox import Toolbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from serflab.lab.inventory import Serf
    from serflab.lab.topology import Topology

CHECKOUT = Path(__file__).resolve().parents[1]


def worker_number() -> int:
    """Return the number of this pytest worker, 0 without pytest-xdist."""
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


def port_block(purpose: int) -> int:
    """Return the first of 300 ports that are this worker's, for a purpose from 0 to 2; purpose 3 has 100.

    `SERFLAB_TEST_PORTS` moves them all, for two test runs on one machine; from 32768 on they would collide with the
    ports that Linux gives to clients.
    """
    return int(os.environ.get("SERFLAB_TEST_PORTS", "24000")) + 1000 * worker_number() + 300 * purpose


@dataclass
class BareSerf:
    """A running serf without resources, replay and exporter; `entry` is what an inventory would say of it."""

    name: str
    kubeconfig: Path
    server: str
    ca: Path
    supervisor: Supervisor
    local: SupervisedSerf
    entry: Serf

    def pid(self, component: str) -> int:
        """Return the process of a component such as `kube-apiserver`."""
        return self.supervisor.state(f"{self.name}:{component}").pid

    def kill(self, component: str) -> None:
        """End a component as a crash would; its supervisor starts it again."""
        os.kill(self.pid(component), signal.SIGKILL)

    def stop(self, component: str) -> None:
        """End a component, which stays away until `start`."""
        self.supervisor.stop(f"{self.name}:{component}")

    def start(self, component: str) -> None:
        """Start a component that was stopped."""
        self.supervisor.start(f"{self.name}:{component}")

    def kubectl(self, *arguments: str, check: bool = True, stdin: str | None = None) -> str:
        """Return what kubectl prints on stdout."""
        command = [self.local.plan.programs["kubectl"], f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True, input=stdin)
        assert not check or done.returncode == 0, f"kubectl {' '.join(arguments)} of {self.name}: {done.stderr}"
        return done.stdout

    def api_is_ready(self) -> bool:
        """Whether the API server answers."""
        return self.kubectl("get", "--raw", "/readyz", check=False) == "ok"


@dataclass
class BareSerfs:
    """Bare serfs by name, and the topology that links them."""

    topology: Topology
    by_name: dict[str, BareSerf]

    def __getitem__(self, name: str) -> BareSerf:
        return self.by_name[name]

    def __iter__(self) -> Iterator[BareSerf]:
        return iter(self.by_name.values())


@contextmanager
def running_bare_serfs(state_dir: Path, topology: Path, names: list[str], port_base: int) -> Iterator[BareSerfs]:
    """Run those serfs of a topology until the end of the `with`."""
    state.prepare(state_dir, len(names))
    toolbox = Toolbox(CHECKOUT)
    programs = {name: toolbox.path(name) for name in LAB_TOOLS}
    lab = plan_lab(LabSettings(CHECKOUT, state_dir, topology, port_base), programs, names)
    supervisor = Supervisor(state_dir)
    serfs = [SupervisedSerf(plan, Watchman(supervisor)) for plan in lab.serfs]
    for serf in serfs:
        serf.prepare()
    supervisor.configure([program for serf in serfs for program in serf.programs()])
    try:
        for serf in serfs:
            serf.start_cluster()
        found = {
            serf.plan.name: BareSerf(
                serf.plan.name,
                serf.plan.kubeconfig,
                serf.plan.server,
                serf.plan.pki.certificate("ca"),
                supervisor,
                serf,
                lab.inventory.serf(serf.plan.name),
            )
            for serf in serfs
        }
        yield BareSerfs(lab.topology, found)
    finally:
        supervisor.shut_down()
        end(lab_processes(state_dir), patience=5)
        shutil.rmtree(state_dir)
