"""(b) 2,000 pods from nothing to Running: create_resources.py against `kwokctl scale pod`, on equal clusters."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.clusters import CHECKOUT, Kwokctl, kwokctl
from benchmarks.comparison import Aim, Comparison, compare
from serflab.lab.tools.toolbox import Toolbox

PODS = 2000
NODES = 20


def measure(runs: int = 3) -> Comparison:
    """Compare pods a second, each on a cluster of kwokctl that is made anew and has no other pods."""
    with kwokctl() as command:
        return compare(
            f"{PODS} pods to Running",
            "pods/s",
            lambda: PODS / _ours(command),
            ("`kwokctl scale pod`", lambda: PODS / _peer(command)),
            Aim(2.0, at_most=False),
            runs=runs,
            note=f"on {NODES} nodes, until all are Running by the API server; the control plane takes both cores "
            "all the time, for a create, a binding, a status and an event of each pod, whoever asks for them",
        )


def _ours(command: Kwokctl) -> float:
    config = command.create("ours")
    try:
        with tempfile.TemporaryDirectory() as directory:
            trace = Path(directory) / "trace.json"
            trace.write_text(json.dumps(_trace()), encoding="utf-8")
            program = CHECKOUT / "annotations" / "create_resources.py"
            began = time.monotonic()
            subprocess.run(
                [sys.executable, program, f"--config={trace}", f"--kubeconfig={config}", "--timeout=600"],
                check=True,
                capture_output=True,
            )
            return time.monotonic() - began
    finally:
        command.delete("ours")


def _peer(command: Kwokctl) -> float:
    config = command.create("peer")
    try:
        command("scale", "node", "--name=peer", f"--replicas={NODES}")
        began = time.monotonic()
        command("scale", "pod", "--name=peer", f"--replicas={PODS}")
        kubectl = Toolbox(CHECKOUT).path("kubectl")
        while _running(kubectl, config) < PODS:
            time.sleep(0.2)
        return time.monotonic() - began
    finally:
        command.delete("peer")


def _running(kubectl: Path, config: Path) -> int:
    query = ["get", "pods", "--namespace=default", "--field-selector=status.phase=Running", "--output=name"]
    done = subprocess.run([kubectl, f"--kubeconfig={config}", *query], check=True, capture_output=True)
    return done.stdout.count(b"\n")


def _trace() -> dict[str, object]:
    point = {"time": 1, "cpu": 40.0, "memory": 85.0, "power": 0.15, "psi": 0.0}
    return {
        "node_config": {"mode": "pool", "pool": {"count": NODES, "cpu": "32", "memory": "256Gi"}},
        "namespaces": ["bench"],
        "pods": [{"namespace": "bench", "pod_name": f"pod-{number}", "time_series": [point]} for number in range(PODS)],
    }
