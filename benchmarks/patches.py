"""(c) Annotation patches a second: the replay as fast as it can, against a bare loop over kept-alive connections."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import aiohttp

from benchmarks.clusters import CHECKOUT, Lab, lab
from benchmarks.comparison import Aim, Comparison, compare
from serflab.kube.credentials import load_credentials
from serflab.lab.supervisor import Supervisor

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 15.0
CONNECTIONS = 3
_MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}
_KEYS = ("cpu", "memory", "power", "psi", "timestamp", "time_index")


def measure(runs: int = 5) -> Comparison:
    """Compare on the 80 pods of one serf, with three connections each."""
    with lab() as made:
        made.up("--serfs=1")
        Supervisor(made.state_dir).stop("serf1:replay")
        Supervisor(made.state_dir).stop("serf1:exporter")
        kubeconfig = made.state_dir / "serf1" / "kubeconfig"
        return compare(
            "annotation patches of the replay",
            "patches/s",
            lambda: _ours(made, kubeconfig),
            ("a bare aiohttp loop", lambda: asyncio.run(_peer(kubeconfig))),
            Aim(0.95, at_most=False),
            runs=runs,
            note="80 pods, three connections; the replay also follows the pods by a watch, which costs the API server "
            "another encoding of each change, keeps whole ticks and writes its Lease",
        )


def _ours(made: Lab, kubeconfig: Path) -> float:
    """Let the replay run with an interval that no machine keeps, and count what it says it sent."""
    config = CHECKOUT / "annotations" / "emulation_config.json"
    command = [sys.executable, str(CHECKOUT / "annotations" / "replay_metrics.py"), f"--config={config}"]
    command += [f"--kubeconfig={kubeconfig}", "--interval=0.01", "--loop", "--restart", "--max-concurrent=3"]
    replay = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        while _sent(made) == 0:
            time.sleep(0.1)
        time.sleep(1)
        before, began = _sent(made), time.monotonic()
        time.sleep(SECONDS)
        return (_sent(made) - before) / (time.monotonic() - began)
    finally:
        replay.terminate()
        replay.wait()


def _sent(made: Lab) -> int:
    query = ("kubectl", "serf1", "--", "get", "lease", "serflab-replay", "--namespace=kube-system", "--output=json")
    annotations = json.loads(made.serflab(*query))["metadata"]["annotations"]
    return int(annotations["emulation.metrics.k8s.io/replay-patches-total"])


async def _peer(kubeconfig: Path) -> float:
    credentials = load_credentials(kubeconfig)
    connector = aiohttp.TCPConnector(limit=CONNECTIONS, ssl=credentials.ssl_context)
    async with aiohttp.ClientSession(credentials.server, connector=connector) as session:
        async with session.get("/api/v1/pods") as answer:
            pods = (await answer.json())["items"]
        paths = [
            f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
            for pod in pods
            if pod["metadata"]["labels"].get("app.kubernetes.io/managed-by") == "serflab"
        ]
        numbers, count = itertools.count(), 0
        began = time.monotonic()

        async def send() -> None:
            nonlocal count
            while time.monotonic() - began < SECONDS:
                number = next(numbers)
                path = paths[number % len(paths)]
                async with session.patch(path, data=_body(number), headers=_MERGE_PATCH) as answer:
                    await answer.read()
                    answer.raise_for_status()
                count += 1

        await asyncio.gather(*(send() for _ in range(CONNECTIONS)))
        return count / (time.monotonic() - began)


def _body(number: int) -> bytes:
    values = {f"emulation.metrics.k8s.io/{key}": f"{number}.{key}" for key in _KEYS}
    values |= {"kwok.x-k8s.io/usage-cpu": f"{number}m", "kwok.x-k8s.io/usage-memory": f"{number}Mi"}
    return json.dumps({"metadata": {"annotations": values}}).encode()
