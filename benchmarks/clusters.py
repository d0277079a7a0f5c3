"""Clusters to measure on: labs of ours on ports and in a directory of their own, and kwokctl's."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from serflab.emulation.names import NAMESPACES_PATH
from serflab.kube.client import ApiError
from serflab.lab.bare import bare_lab
from serflab.lab.tools.toolbox import Toolbox

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from serflab.kube.client import ApiClient
    from serflab.lab.plan import LabPlan, LabSettings

CHECKOUT = Path(__file__).resolve().parents[1]
_PATIENCE = 120.0
_BINARIES = {
    "kube-apiserver": "kube-apiserver",
    "kube-controller-manager": "kube-controller-manager",
    "kube-scheduler": "kube-scheduler",
    "etcd": "etcd",
    "kwok-controller": "kwok",
}


@dataclass(frozen=True)
class Kwokctl:
    """kwokctl v0.8.0 with the very same binaries, in a home of its own."""

    home: Path
    program: Path

    def __call__(self, *arguments: str) -> str:
        """Run kwokctl and return what it prints."""
        environment = {
            **os.environ,
            "HOME": str(self.home),
            "KWOK_WORKDIR": str(self.home / "kwok"),
            "PATH": os.pathsep.join([str(self.home / "bin"), os.environ["PATH"]]),
        }
        done = subprocess.run(
            [self.program, *arguments], env=environment, capture_output=True, text=True, check=False, cwd=self.home
        )
        if done.returncode != 0:
            raise RuntimeError(f"kwokctl {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def create(self, name: str, *arguments: str) -> Path:
        """Create a cluster, wait until it is ready, and return its kubeconfig."""
        toolbox = Toolbox(CHECKOUT)
        binaries = [f"--{flag}-binary={toolbox.path(tool)}" for flag, tool in _BINARIES.items()]
        config = self.home / f"{name}.kubeconfig"
        self(
            "create",
            "cluster",
            f"--name={name}",
            "--runtime=binary",
            "--wait=120s",
            f"--kubeconfig={config}",
            *binaries,
            *arguments,
        )
        return config

    def delete(self, name: str) -> None:
        """Delete a cluster."""
        self("delete", "cluster", f"--name={name}", f"--kubeconfig={self.home / f'{name}.kubeconfig'}")


@contextlib.contextmanager
def kwokctl() -> Iterator[Kwokctl]:
    """A kwokctl in a temporary home; its clusters are deleted at the end."""
    home = Path(tempfile.mkdtemp(prefix="serflab-bench-"))
    toolbox = Toolbox(CHECKOUT)
    command = Kwokctl(home, toolbox.path("kwokctl"))
    (home / "bin").mkdir()
    (home / "bin" / "kubectl").symlink_to(toolbox.path("kubectl"))
    try:
        yield command
    finally:
        for name in command("get", "clusters").split():
            command.delete(name)
        shutil.rmtree(home, ignore_errors=True)


@dataclass(frozen=True)
class Lab:
    """A lab of ours beside whatever else runs on the machine."""

    state_dir: Path
    port_base: int

    def serflab(self, *arguments: str) -> str:
        """Run `serflab` on this lab and return what it prints."""
        environment = {
            **os.environ,
            "SERFLAB_STATE": str(self.state_dir),
            "SERFLAB_PORT_BASE": str(self.port_base),
        }
        command = [str(Path(sys.executable).with_name("serflab")), *arguments]
        done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout

    def up(self, *arguments: str) -> None:
        """Bring the lab up."""
        first = self.port_base + 900
        self.serflab("up", "--runtime=local", f"--prometheus-port={first}", f"--viewer-port={first + 1}", *arguments)

    def down(self) -> None:
        """Take the lab away."""
        self.serflab("down")


@contextlib.contextmanager
def lab(port_base: int = 30000) -> Iterator[Lab]:
    """A lab that is not up yet; it is taken down at the end."""
    directory = Path(tempfile.mkdtemp(prefix="serflab-bench-"))
    made = Lab(directory / "lab", port_base)
    try:
        yield made
    finally:
        made.down()
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def bare_serfs(settings: LabSettings, names: Sequence[str]) -> Iterator[LabPlan]:
    """Serfs of a topology whose clusters run, and nothing else; the state directory is the caller's to remove."""
    with bare_lab(settings, names) as made:
        for serf in made.serfs:
            serf.start_cluster()
        made.plan.inventory.save(settings.state_dir)
        yield made.plan


async def takes_pods(client: ApiClient, namespace: str) -> None:
    """Wait for a namespace in which pods can be made: its default ServiceAccount comes a little later."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            await client.get(f"{NAMESPACES_PATH}/{namespace}/serviceaccounts/default")
        except ApiError as error:
            if error.status != 404 or time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)
        else:
            return
