"""Two bare serfs, one peered with the other by an offload manager that is a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from benchmarks.clusters import CHECKOUT, bare_serfs, takes_pods
from serflab.emulation.names import NAMESPACES_PATH, NODES_PATH
from serflab.emulation.objects import node_body
from serflab.kube.bulk import run_bulk
from serflab.kube.client import ApiClient
from serflab.kube.credentials import load_credentials
from serflab.lab.plan import LabPlan, LabSettings
from serflab.lab.sockets import UnixConnection, is_healthy, offload_socket
from serflab.offload.names import OFFLOADINGS, namespaced
from serflab.traces.model import NodeSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONSUMER, PROVIDER = "serf1", "serf2"
NAMESPACE = "bench"
TWIN = f"{NAMESPACE}-{CONSUMER}"
NODES = 100
SLICE = {"cpu": "3200", "memory": "25000Gi", "pods": 20_000, "quota": "None"}

_NODE_MILLICORES, _NODE_MI, _PODS_A_NODE = 32_000, 256 * 1024, 110
_PORT_BASE = 30000
_PATIENCE = 120.0
_REQUESTS = re.compile(r"^apiserver_request_total\{(.*)\} (\S+)$", re.MULTILINE)
_ABOUT_PODS = frozenset({"pods", "shadowpods", "events"})
_TOPOLOGY = f"""
name: bench
topology:
  defaults: {{kind: linux, env: {{SERFLAB_CONFIG: "{CHECKOUT / "annotations" / "emulation_config.json"}"}}}}
  nodes: {{{CONSUMER}: {{}}, {PROVIDER}: {{}}}}
  links:
    - endpoints: [{CONSUMER}:eth1, {PROVIDER}:eth1]
"""


@dataclass(frozen=True)
class Usage:
    """What a process has used so far and holds now: CPU seconds since its start, the time of asking, PSS in bytes."""

    cpu: float
    at: float
    pss: int

    def cores_until(self, later: Usage) -> float:
        """Return how many cores were used on average from here to there."""
        return (later.cpu - self.cpu) / (later.at - self.at)


@dataclass(frozen=True)
class OffloadLab:
    """The running serfs and their manager."""

    plan: LabPlan
    manager: subprocess.Popen[bytes]

    def client(self, serf: str, *, timeout: float = 60.0) -> ApiClient:
        """Return a client of a serf, to be opened."""
        return ApiClient(load_credentials(self.plan.inventory.serf(serf).kubeconfig), timeout=timeout)

    def usage(self) -> Usage:
        """Return what the manager uses."""
        process = psutil.Process(self.manager.pid)
        times = process.cpu_times()
        return Usage(times.user + times.system, time.monotonic(), process.memory_full_info().pss)

    def requests(self, serf: str) -> Counter[str]:
        """Return how many requests about pods, ShadowPods and events a serf has answered, by verb and resource."""
        command = [self.plan.serfs[0].programs["kubectl"], f"--kubeconfig={self.plan.inventory.serf(serf).kubeconfig}"]
        text = subprocess.run([*command, "get", "--raw", "/metrics"], check=True, capture_output=True, text=True).stdout
        found: Counter[str] = Counter()
        for labels, value in _REQUESTS.findall(text):
            told = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            if told["resource"] in _ABOUT_PODS and told["verb"] not in {"WATCH", "LIST"}:
                what = "/".join(filter(None, (told["resource"], told["subresource"])))
                found[f"{told['verb']} {what} {told['code']}"] += int(float(value))
        return found

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask the manager, and return what it answers."""
        connection = UnixConnection(offload_socket(self.plan.settings.state_dir), timeout=30.0)
        try:
            content = json.dumps(body).encode() if body is not None else None
            connection.request(method, path, content, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {text.decode()}")
        found: dict[str, Any] = json.loads(text)
        return found


@contextlib.contextmanager
def offload_lab() -> Iterator[OffloadLab]:
    """Two peered serfs whose namespace `bench` is offloaded; taken away at the end."""
    directory = Path(tempfile.mkdtemp(prefix="serflab-bench-"))
    topology = directory / "topology.yaml"
    topology.write_text(_TOPOLOGY, encoding="utf-8")
    try:
        with (
            bare_serfs(LabSettings(CHECKOUT, directory / "lab", topology, _PORT_BASE), [CONSUMER, PROVIDER]) as plan,
            _manager(plan) as manager,
        ):
            made = OffloadLab(plan, manager)
            asyncio.run(_prepare(made))
            yield made
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def _manager(plan: LabPlan) -> Iterator[subprocess.Popen[bytes]]:
    state_dir = plan.settings.state_dir
    places = {"SERFLAB_STATE": str(state_dir), "SERFLAB_VIRTUAL_PODS": str(state_dir / "virtual_pods")}
    command = [str(Path(sys.executable).with_name("serflab")), "offload", "manager"]
    with (state_dir / "manager.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=CHECKOUT, env={**os.environ, **places}, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        _await(lambda: is_healthy(offload_socket(state_dir)), "the offload manager answers")
        yield process
    finally:
        process.terminate()
        process.wait()


async def _prepare(made: OffloadLab) -> None:
    nodes = [
        node_body(NodeSpec(f"emulation-node-{number}", _NODE_MILLICORES, _NODE_MI), _PODS_A_NODE, NAMESPACE)
        for number in range(1, NODES + 1)
    ]
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    async with made.client(CONSUMER) as consumer, made.client(PROVIDER) as provider:
        done = await run_bulk(
            nodes, lambda node: provider.create(NODES_PATH, node), name=lambda node: str(node["metadata"]["name"])
        )
        done.raise_for_failures("making nodes")
        await asyncio.to_thread(_peer, made)
        for client in (consumer, provider):
            await client.create(NAMESPACES_PATH, namespace)
        offloading = {
            "apiVersion": "offloading.liqo.io/v1beta1",
            "kind": "NamespaceOffloading",
            "metadata": {"name": "offloading", "namespace": NAMESPACE},
            "spec": {"podOffloadingStrategy": "Local", "namespaceMappingStrategy": "DefaultName"},
        }
        await consumer.create(namespaced(OFFLOADINGS, NAMESPACE), offloading)
        await takes_pods(consumer, NAMESPACE)
        await takes_pods(provider, NAMESPACE)
        await takes_pods(provider, TWIN)


def _peer(made: OffloadLab) -> None:
    def established() -> bool:
        with contextlib.suppress(RuntimeError):
            made.call("POST", "/liqo-connections", {"from": CONSUMER, "to": PROVIDER, **SLICE})
        states = [link["state"] for link in made.call("GET", "/liqo-connections")["connections"]]
        return states == ["Established"]

    _await(established, f"{CONSUMER} is peered with {PROVIDER}")


def _await(check: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not check():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {_PATIENCE:g} s: {what}")
        time.sleep(0.2)
