"""2,000 VMs that are made at once, until all of them run, against the same pods without VMs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from benchmarks.clusters import Kwokctl, kwokctl
from benchmarks.comparison import Aim, Comparison, compare
from benchmarks.scored_cluster import NAMESPACE, node, running, start_pods
from serflab.emulation.names import NODES_PATH
from serflab.kube.client import ApiClient
from serflab.kube.credentials import load_credentials
from serflab.kube.watch import Collection, WatchCache
from serflab.rebalance.crds import install
from serflab.rebalance.names import VMS_PATH
from serflab.rebalance.virtual_machines import create_vms

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

VMS = 2000
NODES = 20


def measure(runs: int = 3) -> Comparison:
    """Compare VMs a second, each on a cluster of kwokctl that is made anew."""
    with kwokctl() as command:
        return compare(
            f"{VMS} VMs to Running",
            "VMs/s",
            lambda: VMS / _on_new_cluster(command, _vms),
            ("the same pods without VMs", lambda: VMS / _on_new_cluster(command, _pods)),
            Aim(0.7, at_most=False),
            runs=runs,
            alternate=True,
            note=f"on {NODES} nodes, from the first request until the status of the last VM says Running, for the peer "
            "until the last pod runs; both are asked for by 16 requests at once. Budgets and Events of the VMs follow "
            "afterwards",
        )


def _on_new_cluster(command: Kwokctl, work: Callable[[ApiClient, Path], Awaitable[float]]) -> float:
    config = command.create("bench")
    try:
        return asyncio.run(_prepared(config, work))
    finally:
        command.delete("bench")


async def _prepared(config: Path, work: Callable[[ApiClient, Path], Awaitable[float]]) -> float:
    async with ApiClient(load_credentials(config)) as client:
        await install(client)
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
