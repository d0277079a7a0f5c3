"""A scrape of the exporter of nodes with 2,000 VMs, against one that lists the pods at each scrape."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Self

import requests

from benchmarks.clusters import kwokctl, takes_pods
from benchmarks.comparison import Aim, Comparison, compare
from benchmarks.scored_cluster import NAMESPACE, node, start_pods
from serflab.emulation.names import NODES_PATH
from serflab.kube.bulk import run_bulk
from serflab.kube.client import ApiClient
from serflab.kube.credentials import load_credentials
from serflab.rebalance.cluster_load import ClusterLoad
from serflab.rebalance.node_exposition import node_lines
from serflab.rebalance.node_load import node_figures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VMS = 2000
NODES = 100
_PORT = 30990
_URL = f"http://127.0.0.1:{_PORT}/metrics"
_COUNT = "node_vm_count{"


def measure(runs: int = 15) -> Comparison:
    """Compare the time of one scrape; both have a session of their own that is kept open."""
    with kwokctl() as command:
        config = command.create("bench")
        try:
            asyncio.run(_fill(config))
            with _exporter(config), _Lister(config) as peer, requests.Session() as session:
                session.trust_env = False
                _await_vms(session)
                return compare(
                    f"scrape with {VMS:,} VMs on {NODES} nodes",
                    "ms",
                    lambda: _timed(lambda: session.get(_URL, timeout=10).content),
                    ("one that lists the pods", lambda: _timed(peer.scrape)),
                    Aim(0.1, at_most=True),
                    runs=runs,
                    note="the peer lists pods and nodes in pages of 500 by the same client, and makes the same text; "
                    "its HTTP server is left out",
                )
        finally:
            command.delete("bench")


def _timed(scrape: Callable[[], bytes]) -> float:
    began = time.perf_counter()
    text = scrape()
    seconds = time.perf_counter() - began
    counts = [float(line.rpartition(" ")[2]) for line in text.decode().splitlines() if line.startswith(_COUNT)]
    assert (len(counts), sum(counts)) == (NODES, VMS)
    return 1000 * seconds


class _Lister:
    """Lists nodes and pods at each scrape."""

    def __init__(self, config: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self._client = ApiClient(load_credentials(config))

    def __enter__(self) -> Self:
        self._loop.run_until_complete(self._client.__aenter__())
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.run_until_complete(self._client.__aexit__(*error))
        self._loop.close()

    def scrape(self) -> bytes:
        cluster = ClusterLoad(self._client, namespace="", stale_after=1.0, on_change=lambda: None)
        sizes, loads = self._loop.run_until_complete(cluster.read_anew())
        return "\n".join(node_lines(node_figures(loads, sizes))).encode()


@contextlib.contextmanager
def _exporter(config: Path) -> Iterator[None]:
    command = [
        str(Path(sys.executable).with_name("serflab")),
        "rebalance",
        "exporter",
        f"--kubeconfig={config}",
        f"--port={_PORT}",
    ]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _await_vms(session: requests.Session) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(requests.ConnectionError, AssertionError):
            _timed(lambda: session.get(_URL, timeout=10).content)
            return
        time.sleep(0.2)
    raise RuntimeError("the exporter does not show all VMs")


async def _fill(config: Path) -> None:
    """Make the nodes and the pods, and return when all run."""
    vms = [SimpleNamespace(id=f"vm-{number}", cpu_consumption=0.04, memory_consumption=0.04) for number in range(VMS)]
    async with ApiClient(load_credentials(config)) as client:

        async def make_node(name: str) -> None:
            await client.create(NODES_PATH, node(name))

        nodes = [f"node-{number}" for number in range(NODES)]
        (await run_bulk(nodes, make_node, name=str)).raise_for_failures("create nodes")
        await takes_pods(client, NAMESPACE)
        await start_pods(client, vms)
