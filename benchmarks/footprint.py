"""What one serf costs the machine that carries it: memory, CPU, requests, series and disk, by pods and mode of replay.

The peer of each figure is what `serflab export kubernetes` requests for such a serf: a request that is too small would
let a scheduler put more serfs on a node than it carries.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.clusters import CHECKOUT
from benchmarks.comparison import Comparison
from serflab.lab.bare import bare_lab
from serflab.lab.export.resources import serf_needs
from serflab.lab.loopback import session
from serflab.lab.plan import LabSettings
from serflab.lab.processes import LAB_ENV, lab_processes
from serflab.traces.generate import generate
from serflab.traces.model import NodeSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import psutil

    from serflab.lab.supervised_serf import SupervisedSerf

PODS = (80, 500, 1000)
ANNOTATIONS, CLOCK, NOTHING = "annotations", "clock", "nothing"
MODES = (ANNOTATIONS, CLOCK)
INTERVAL = 5.0

_SERF = "serf1"
_PORT_BASE = 30000
_SETTLE_SECONDS = 45.0
_SECONDS = 60.0
_REQUEST_COUNT = re.compile(r"^apiserver_request_total\{(.*)\} (\S+)$", re.MULTILINE)
_TOPOLOGY = "name: bench\ntopology:\n  nodes:\n    serf1: {kind: linux, env: {SERFLAB_CONFIG: trace.json}}\n"


@dataclass(frozen=True)
class Footprint:
    """What a serf of `pods` pods uses that replays in a `mode`; without pods it is control plane and KWOK alone.

    `memory` is the proportional set size and `private` what it alone has (Mi, by program), `cores` the mean CPU (cores,
    by program), `requests` what its API server answers (a second, watches left out), `series` what its exporter shows
    and `text` in how many bytes, `written` the bytes a second that etcd hands to the disk, `disk` its directory (Mi).
    """

    pods: int
    mode: str
    memory: dict[str, float] = field(default_factory=dict)
    private: dict[str, float] = field(default_factory=dict)
    cores: dict[str, float] = field(default_factory=dict)
    requests: float = 0.0
    series: int = 0
    text: int = 0
    written: float = 0.0
    disk: float = 0.0

    @property
    def total_memory(self) -> float:
        """Return the memory of all programs (Mi)."""
        return sum(self.memory.values())

    @property
    def total_cores(self) -> float:
        """Return the CPU of all programs (cores)."""
        return sum(self.cores.values())


def measure(runs: int = 2) -> tuple[Comparison, ...]:
    """Measure serfs of several sizes, one after the other, and compare them with what their manifests request."""
    return rows([footprint for _ in range(runs) for pods in (0, *PODS) for footprint in footprints(pods)])


def rows(found: Sequence[Footprint]) -> tuple[Comparison, ...]:
    """Return a row for the memory and one for the CPU of each size; what the clock mode uses is said in their notes."""
    told: list[Comparison] = []
    for pods in sorted({footprint.pods for footprint in found if footprint.mode == ANNOTATIONS}):
        playing, clocks = _of(found, pods, ANNOTATIONS), _of(found, pods, CLOCK)
        needs, what = serf_needs(pods, INTERVAL), f"a serf of {pods:,} pods"
        note = (
            f"with {pods:,} pods: {_median(playing, 'requests'):.0f} requests/s to its API server, "
            f"{playing[0].series:,} series in {playing[0].text / 1000:.0f} kB, "
            f"{_median(playing, 'written') / 1000:.0f} kB/s to the disk, {_median(playing, 'disk'):.0f} MiB there. "
            f"With `--mode clock`: {_median(clocks, 'total_memory'):.0f} MiB, "
            f"{1000 * _median(clocks, 'total_cores'):.0f} millicores, {_median(clocks, 'requests'):.0f} requests/s"
        )
        memory, cpu = [item.total_memory for item in playing], [1000 * item.total_cores for item in playing]
        told += [_row(f"memory of {what}", "MiB", memory, needs.memory, "")]
        told += [_row(f"CPU of {what}", "millicores", cpu, needs.cpu, note)]
    empty = _of(found, 0, NOTHING)
    said = (
        f"control plane and KWOK alone: {_median(empty, 'total_memory'):.0f} MiB, "
        f"{1000 * _median(empty, 'total_cores'):.0f} millicores. Memory is the proportional set size of all processes "
        f"of the serf, CPU the mean of {_SECONDS:g} s, and a point is played every {INTERVAL:g} s: 1,000 pods are 200 "
        "requests/s, where the machine keeps up"
    )
    return (dataclasses.replace(told[0], note=said), *told[1:])


def _of(found: Sequence[Footprint], pods: int, mode: str) -> list[Footprint]:
    return [footprint for footprint in found if (footprint.pods, footprint.mode) == (pods, mode)]


def _median(found: Sequence[Footprint], figure: str) -> float:
    return statistics.median(getattr(footprint, figure) for footprint in found)


def _row(name: str, unit: str, ours: Sequence[float], request: float, note: str) -> Comparison:
    ratios = [value / request for value in ours]
    return Comparison(
        name=name,
        unit=unit,
        ours=statistics.median(ours),
        peer_name="what its manifest requests",
        peer=request,
        ratio=statistics.median(ratios),
        spread=f"{min(ratios):.2f}-{max(ratios):.2f}",
        aim="≤ 1×",
        met=max(ratios) <= 1,
        runs=len(ours),
        note=note,
    )


def footprints(pods: int) -> Iterator[Footprint]:
    """Yield what a serf of that many pods uses in each mode, one after the other on the same serf."""
    with _serf(pods) as serf:
        if not pods:
            time.sleep(_SETTLE_SECONDS)
            yield _measured(serf, pods, NOTHING)
            return
        for mode in MODES:
            with _replay(serf, mode):
                time.sleep(_SETTLE_SECONDS)
                yield _measured(serf, pods, mode)


@contextlib.contextmanager
def _serf(pods: int) -> Iterator[SupervisedSerf]:
    """A serf with its pods and exporter; taken away at the end."""
    directory = Path(tempfile.mkdtemp(prefix="serflab-bench-"))
    state_dir = directory / "lab"
    node = NodeSpec("emulation-node-1", 1000.0 * max(16, pods / 4), 1024.0 * max(60, pods))
    document = generate(pods=max(1, pods), node=node)
    (directory / "trace.json").write_text(json.dumps(document), encoding="utf-8")
    (directory / "topology.yaml").write_text(_TOPOLOGY, encoding="utf-8")
    settings = LabSettings(CHECKOUT, state_dir, directory / "topology.yaml", _PORT_BASE, interval=INTERVAL)
    try:
        with bare_lab(settings, [_SERF]) as lab:
            serf = lab.serfs[0]
            serf.start_cluster()
            if pods:
                serf.create_resources()
                serf.start_exporter()
            yield serf
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def _replay(serf: SupervisedSerf, mode: str) -> Iterator[None]:
    """The replay in that mode, as a process beside the supervised ones."""
    program = next(program for program in serf.programs() if program.name == "replay")
    environment = {"PATH": "/usr/bin:/bin", LAB_ENV: str(serf.plan.directory.parent), "SERFLAB_BENCH": "replay"}
    with (serf.plan.logs / f"replay-{mode}.log").open("wb") as log:
        process = subprocess.Popen([*program.command, f"--mode={mode}"], env=environment, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _measured(serf: SupervisedSerf, pods: int, mode: str) -> Footprint:
    processes = _processes(serf)
    cpu, requests, written, began = _cpu(processes), _requests(serf), _written(processes), time.monotonic()
    time.sleep(_SECONDS)
    took = time.monotonic() - began
    used = _cpu(processes)
    answered = _requests(serf) - requests
    disk_rate = (_written(processes) - written) / took
    memory = {name: process.memory_full_info() for name, process in processes.items()}
    text = b""
    if pods:
        with session() as http:
            text = http.get(f"{serf.plan.exporter}/metrics", timeout=10).content
    return Footprint(
        pods=pods,
        mode=mode,
        memory={name: info.pss / 2**20 for name, info in memory.items()},
        private={name: info.uss / 2**20 for name, info in memory.items()},
        cores={name: (used[name] - cpu[name]) / took for name in processes},
        requests=answered / took,
        series=sum(1 for line in text.splitlines() if line and not line.startswith(b"#")),
        text=len(text),
        written=disk_rate,
        disk=sum(file.stat().st_size for file in serf.plan.directory.rglob("*") if file.is_file()) / 2**20,
    )


def _processes(serf: SupervisedSerf) -> dict[str, psutil.Process]:
    """Return the serf's processes by program; supervisord, which a container has as well, is one of them."""
    supervisor = serf.watchman.supervisor
    names = {state.pid: name.partition(":")[2] for name, state in supervisor.states().items()}
    found = {}
    for process in lab_processes(serf.plan.directory.parent):
        replays = any(part.endswith("replay_metrics.py") for part in process.cmdline())
        found[names.get(process.pid) or ("replay" if replays else "supervisord")] = process
    return found


def _cpu(processes: dict[str, psutil.Process]) -> Counter[str]:
    times = {name: process.cpu_times() for name, process in processes.items()}
    return Counter({name: value.user + value.system for name, value in times.items()})


def _written(processes: dict[str, psutil.Process]) -> int:
    return processes["etcd"].io_counters().write_bytes


def _requests(serf: SupervisedSerf) -> float:
    command = [serf.plan.programs["kubectl"], f"--kubeconfig={serf.plan.kubeconfig}", "get", "--raw", "/metrics"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return sum(float(value) for labels, value in _REQUEST_COUNT.findall(text) if 'verb="WATCH"' not in labels)
