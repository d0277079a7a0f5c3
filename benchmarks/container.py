"""One serf in a container against the same programs as plain processes: time to ready, and memory.

It needs a Docker engine on this machine and its image `serflab/serf:upstream` (`serflab image build`).
"""

from __future__ import annotations

import subprocess
import time

import psutil

from benchmarks.clusters import CHECKOUT, lab
from benchmarks.comparison import Aim, Comparison, compare
from serflab.lab.bare import bare_lab
from serflab.lab.plan import LabSettings
from serflab.lab.processes import lab_processes, memory_bytes

IMAGE = "serflab/serf:upstream"
_SETTLE_SECONDS = 20


def measure(runs: int = 3) -> tuple[Comparison, ...]:
    """Time both from nothing to ready, then weigh them."""
    peer = "the same programs as processes"
    return (
        compare(
            "a serf in a container, until its 80 pods run and are exported",
            "s",
            lambda: _container()[0],
            (peer, lambda: _processes()[0]),
            Aim(1.5, at_most=True),
            runs=runs,
        ),
        compare(
            "its memory",
            "MiB",
            lambda: _container(settle=True)[1],
            (peer, lambda: _processes(settle=True)[1]),
            Aim(1.1, at_most=True),
            runs=runs,
            note=f"proportional set size of all processes, the supervisor among them, {_SETTLE_SECONDS} s after ready",
        ),
    )


def _container(*, settle: bool = False) -> tuple[float, float]:
    """Return the seconds to ready and the MiB of a serf in a container."""
    began = time.monotonic()
    container = _docker("run", "--detach", "--hostname=serf1", IMAGE)
    try:
        while "serf1: ready after" not in _docker("logs", container):
            time.sleep(0.05)
        seconds = time.monotonic() - began
        if settle:
            time.sleep(_SETTLE_SECONDS)
        first = psutil.Process(int(_docker("inspect", "--format={{.State.Pid}}", container)))
        return seconds, memory_bytes([first, *first.children(recursive=True)]) / 2**20
    finally:
        _docker("rm", "--force", "--volumes", container)


def _processes(*, settle: bool = False) -> tuple[float, float]:
    """Return the same of a serf whose programs are processes of this user."""
    with lab() as made:
        began = time.monotonic()
        settings = LabSettings(CHECKOUT, made.state_dir, CHECKOUT / "topology.yaml", 22800)
        with bare_lab(settings, ["serf1"]) as bare:
            serf = bare.serfs[0]
            serf.start_cluster()
            serf.create_resources()
            serf.start_exporter()
            serf.start_replay()
            seconds = time.monotonic() - began
            if settle:
                time.sleep(_SETTLE_SECONDS)
            return seconds, memory_bytes(lab_processes(made.state_dir)) / 2**20


def _docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True)
    return (done.stdout + done.stderr).strip()
