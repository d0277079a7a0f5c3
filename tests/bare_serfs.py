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

from serflab.lab.bare import bare_lab
from serflab.lab.plan import LabSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from serflab.lab.inventory import Serf
    from serflab.lab.supervised_serf import SupervisedSerf
    from serflab.lab.supervisor import Supervisor
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
    settings = LabSettings(CHECKOUT, state_dir, topology, port_base)
    with bare_lab(settings, names) as lab:
        for serf in lab.serfs:
            serf.start_cluster()
        found = {
            serf.plan.name: BareSerf(
                serf.plan.name,
                serf.plan.kubeconfig,
                serf.plan.server,
                serf.plan.pki.certificate("ca"),
                lab.supervisor,
                serf,
                lab.plan.inventory.serf(serf.plan.name),
            )
            for serf in lab.serfs
        }
        yield BareSerfs(lab.plan.topology, found)
    shutil.rmtree(state_dir)
