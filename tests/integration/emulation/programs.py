"""The three programs of a serf as processes, and configs for them to play."""

from __future__ import annotations

import json
import random
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ANNOTATIONS = Path(__file__).resolve().parents[3] / "annotations"
PREFIX = "emulation.metrics.k8s.io/"
PATIENCE = 120
"""Seconds after which something that has to happen counts as not happening."""


def eventually(check, what):
    """Ask again and again until `check` returns something true, and return it."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if answer := check():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"not within {PATIENCE} s: {what}")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@dataclass
class Running:
    """A program that runs; its log is what it writes to stderr."""

    process: subprocess.Popen
    log: Path

    def text(self):
        return self.log.read_text()

    def wait_for(self, words):
        def said():
            assert words in self.text() or self.process.poll() is None, f"ended without saying {words!r}: {self.text()}"
            return words in self.text()

        eventually(said, f"{words!r} in the log, which is: {self.text()}")

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(timeout=PATIENCE)


@dataclass
class Emulation:
    """A config in a file of its own, and the programs that a test starts with it on a serf."""

    serf: object
    config: Path
    running: list[Running] = field(default_factory=list)

    @property
    def data(self):
        return json.loads(self.config.read_text())

    def change(self, change):
        data = self.data
        change(data)
        self.config.write_text(json.dumps(data))

    def create(self, *arguments):
        """Run create_resources.py to its end; its exit status and what it said."""
        done = subprocess.run(
            self._command("create_resources", *arguments), capture_output=True, text=True, check=False, timeout=180
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stderr

    def start(self, program, *arguments):
        log = self.config.with_name(f"{program}-{len(self.running)}.log")
        with log.open("wb") as output:
            process = subprocess.Popen(self._command(program, *arguments), stderr=output)
        self.running.append(Running(process, log))
        return self.running[-1]

    def end(self):
        for one in self.running:
            if one.process.poll() is None:
                one.stop(signal.SIGKILL)
            assert "Traceback" not in one.text(), one.text()

    def get(self, *arguments):
        """Return what kubectl gets, as objects by name."""
        items = json.loads(self.serf.kubectl("get", *arguments, "-o", "json"))["items"]
        return {item["metadata"]["name"]: item for item in items}

    def pods(self):
        return {
            (namespace, name): pod
            for namespace in self.data["namespaces"]
            for name, pod in self.get("pods", "-n", namespace).items()
        }

    def lease(self):
        """Return the replay's marker: its Lease's annotations without their prefix, and its holder."""
        text = self.serf.kubectl("-n", "kube-system", "get", "lease", "serflab-replay", "-o", "json", check=False)
        if not text:
            return {}
        lease = json.loads(text)
        annotations = lease["metadata"]["annotations"]
        marker = {key.removeprefix(f"{PREFIX}replay-"): value for key, value in annotations.items()}
        return {**marker, "holder": lease["spec"]["holderIdentity"]}

    def tick(self):
        return int(self.lease().get("tick", -1))

    def wait_for_tick(self, tick):
        eventually(lambda: self.tick() >= tick, f"tick {tick}")

    def _command(self, program, *arguments):
        script = ANNOTATIONS / f"{program}.py"
        return [sys.executable, script, f"--config={self.config}", f"--kubeconfig={self.serf.kubeconfig}", *arguments]


def shown(pod):
    """Return a pod's values as (cpu, memory, power, psi, usage of cpu, usage of memory)."""
    annotations = pod["metadata"]["annotations"]
    keys = [f"{PREFIX}{metric}" for metric in ("cpu", "memory", "power", "psi")]
    return tuple(annotations[key] for key in [*keys, "kwok.x-k8s.io/usage-cpu", "kwok.x-k8s.io/usage-memory"])


def series(cpus):
    return [{"time": at, "cpu": cpu, "memory": 100, "power": cpu / 100, "psi": 0} for at, cpu in enumerate(cpus)]


def small_config(name):
    """Return a config of three pods, one of which never changes, with names that are the test's own."""
    return {
        "node_config": {"mode": "single", "single_node": {"name": f"{name}-node", "cpu": "4", "memory": "8Gi"}},
        "namespaces": [f"{name}-shop", f"{name}-data"],
        "pods": [
            {"namespace": f"{name}-shop", "pod_name": "web-0", "time_series": series([100, 200, 300])},
            {"namespace": f"{name}-shop", "pod_name": "web-1", "time_series": series([10, 10, 10])},
            {"namespace": f"{name}-data", "pod_name": "db-0", "time_series": series([50.04, 60, 70])},
        ],
    }


def lively_config(name, pods=30, points=40):
    """Return a config whose pods change at every point, no value like any other."""
    generator = random.Random(name)

    def point(at):
        return {
            "time": at,
            "cpu": round(generator.uniform(1, 100), 1),
            "memory": round(generator.uniform(1, 100), 1),
            "power": round(generator.uniform(1, 100), 2),
            "psi": round(generator.uniform(1, 100), 1),
        }

    return {
        "node_config": {"mode": "single", "single_node": {"name": f"{name}-node", "cpu": "16", "memory": "60Gi"}},
        "namespaces": [f"{name}-lively"],
        "pods": [
            {"namespace": f"{name}-lively", "pod_name": f"pod-{number}", "time_series": list(map(point, range(points)))}
            for number in range(pods)
        ],
        "node_time_series": [{"time": at, "node_cpu_load": at / 2} for at in range(points)],
    }
