"""2,000 VMs that are made at once, until all of them run, against the same pods without VMs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from benchmarks.clusters import CHECKOUT, Kwokctl, bare_serfs, kwokctl, takes_pods
from benchmarks.comparison import Aim, Comparison, compare
from benchmarks.scored_cluster import NAMESPACE, node, running, start_pods
from serflab.emulation.names import NODES_PATH
from serflab.kube.client import ApiClient
from serflab.kube.credentials import load_credentials
from serflab.kube.watch import Collection, WatchCache
from serflab.lab.plan import LabSettings
from serflab.rebalance.crds import install
from serflab.rebalance.names import VMS_PATH
from serflab.rebalance.virtual_machines import create_vms

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Work = Callable[[ApiClient, Path], Awaitable[float]]

VMS = 2000
NODES = 20
_PORT_BASE = 31500


def measure(runs: int = 3) -> tuple[Comparison, ...]:
    """Compare VMs a second, each on a cluster that is made anew: kwokctl's, and a serf's."""
    with kwokctl() as command:
        return (
            _compare("a cluster of kwokctl", lambda work: _on_kwokctl(command, work), runs),
            _compare("a serf", _on_a_serf, runs),
        )


def _compare(where: str, on_new_cluster: Callable[[Work], float], runs: int) -> Comparison:
    return compare(
        f"{VMS:,} VMs to Running on {where}",
        "VMs/s",
        lambda: VMS / on_new_cluster(_vms),
        ("the same pods without VMs", lambda: VMS / on_new_cluster(_pods)),
        Aim(0.7, at_most=False),
        runs=runs,
        alternate=True,
        note=f"on {NODES} nodes, from the first request until the status of the last VM says Running, for the peer "
        "until the last pod runs; both are asked for by 16 requests at once. Budgets and Events of the VMs follow "
        "afterwards. kwokctl's scheduler binds 50 pods a second at most, as upstream's default is; a serf's has no "
        "such limit, and its API server is what is busy: a pod takes four writes (itself, its binding, its status, "
        "the scheduler's Event), a VM those and two more, so 0.67 is what a controller would reach that costs nothing",
    )


def _on_kwokctl(command: Kwokctl, work: Work) -> float:
    config = command.create("bench")
    try:
        return asyncio.run(_prepared(config, work))
    finally:
        command.delete("bench")


def _on_a_serf(work: Work) -> float:
    with tempfile.TemporaryDirectory(prefix="serflab-bench-") as directory:
        settings = LabSettings(CHECKOUT, Path(directory) / "lab", CHECKOUT / "topology.yaml", _PORT_BASE)
        with bare_serfs(settings, ["serf1"]) as plan:
            return asyncio.run(_prepared(plan.inventory.serf("serf1").kubeconfig, work))


async def _prepared(config: Path, work: Work) -> float:
    async with ApiClient(load_credentials(config)) as client:
        await install(client)
        await takes_pods(client, NAMESPACE)
        for number in range(NODES):
            await client.create(NODES_PATH, node(f"node-{number}"))
        return await work(client, config)


async def _vms(client: ApiClient, config: Path) -> float:
    command = [Path(sys.executable).with_name("serflab"), "rebalance", "controller", f"--kubeconfig={config}"]
    controller = await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE)
    try:
        assert controller.stderr is not None
        await controller.stderr.readline()  # it has read what there is
        began = time.monotonic()
        async with WatchCache(client, Collection(VMS_PATH), running) as there:
            await create_vms(client, _wanted(), NAMESPACE)
            await there.wait_for(lambda: len(there.objects) == VMS)
        return time.monotonic() - began
    finally:
        controller.terminate()
        await controller.communicate()


async def _pods(client: ApiClient, _config: Path) -> float:
    began = time.monotonic()
    await start_pods(client, _wanted())
    return time.monotonic() - began


def _wanted() -> list[SimpleNamespace]:
    return [
        SimpleNamespace(id=f"vm-{number}", cpu_consumption=0.005, memory_consumption=0.005) for number in range(VMS)
    ]
