"""Eleven serfs by `containerlab deploy` until Prometheus scrapes all, against bare containers with the same processes.

Where containerlab and the images of `topology.yaml` are; SERFLAB_IMAGE and SERFLAB_PROMETHEUS_IMAGE name others.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from benchmarks.clusters import CHECKOUT
from benchmarks.comparison import Aim, Comparison, compare
from serflab.lab.containerlab import find_containerlab
from serflab.lab.containerlab_files import Deployment
from serflab.lab.containerlab_plan import ContainerPlan, binds, plan_containers
from serflab.lab.containerlab_runtime import prometheus_url
from serflab.lab.plan import LabSettings
from serflab.lab.topology import load_topology, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

_NETWORK = "serflab-bench"
_PATIENCE_SECONDS = 600.0


def measure(runs: int = 3) -> Comparison:
    """Time both from nothing to a scrape of every serf; the images are there already."""
    return compare(
        "`containerlab deploy`, 11 serfs scraped",
        "s",
        _ours,
        ("11 bare containers of the same image", _peer),
        Aim(1.1, at_most=True),
        runs=runs,
        note="both with the same Prometheus in a container; ours also makes the 13 links and sets their addresses",
    )


def _ours() -> float:
    containerlab = find_containerlab()
    with tempfile.TemporaryDirectory(prefix="serflab-bench-") as state:
        plan = _plan(Path(state))
        deployment = Deployment.of(plan)
        try:
            began = time.monotonic()
            containerlab.deploy(deployment)
            _await_targets(plan)
            return time.monotonic() - began
        finally:
            containerlab.destroy(deployment)


def _peer() -> float:
    with tempfile.TemporaryDirectory(prefix="serflab-bench-") as state, _network():
        plan = _plan(Path(state))
        names = [f"{_NETWORK}-{node.name}" for node in plan.nodes]
        try:
            began = time.monotonic()
            for name, node in zip(names, plan.nodes, strict=True):
                settings = [f"--env={key}={value}" for key, value in node.env.items()]
                settings += [f"--volume={source}:{inside}:ro" for inside, source in binds(plan.topology, node).items()]
                settings += [f"--publish={port}" for port in node.ports]
                arguments = _command(plan, node.name)
                alias = (f"--network={_NETWORK}", f"--network-alias={node.name}", f"--hostname={node.name}")
                _docker("run", "--detach", f"--name={name}", *alias, *settings, node.image, *arguments)
            _await_targets(plan)
            return time.monotonic() - began
        finally:
            _docker("rm", "--force", "--volumes", *names)


def _command(plan: ContainerPlan, node: str) -> list[str]:
    """Return the command that the topology file gives a node, none for that of its image."""
    command = read_yaml(plan.topology.file, plan.settings.environment)["topology"]["nodes"][node].get("cmd", "")
    return str(command).split()


def _plan(state: Path) -> ContainerPlan:
    topology = CHECKOUT / "topology.yaml"
    settings = LabSettings(CHECKOUT, state, topology, 21000)
    return plan_containers(settings, [serf.name for serf in load_topology(topology).serfs])


def _await_targets(plan: ContainerPlan) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(requests.RequestException, ValueError, KeyError):
            answer = requests.get(f"{prometheus_url(plan)}/api/v1/targets?state=active", timeout=5).json()
            targets = [item for item in answer["data"]["activeTargets"] if "serf" in item["labels"]]
            if len(targets) == len(plan.serfs) and all(target["health"] == "up" for target in targets):
                return
        time.sleep(0.2)
    raise RuntimeError("not every serf was scraped")


@contextlib.contextmanager
def _network() -> Iterator[None]:
    _docker("network", "create", _NETWORK)
    try:
        yield
    finally:
        _docker("network", "rm", _NETWORK)


def _docker(*arguments: str) -> None:
    subprocess.run(["docker", *arguments], check=True, capture_output=True)


MEASURES = {"containerlab": measure} if shutil.which("containerlab") else {}
