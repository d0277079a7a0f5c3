"""What `serflab up` is going to do, decided and checked before anything is done."""

from __future__ import annotations

import difflib
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from serflab.errors import Finding, InputError, SerflabError
from serflab.lab.inventory import Inventory, Serf
from serflab.lab.ports import LOOPBACK, SerfPorts
from serflab.lab.serf_plan import SerfPlan
from serflab.lab.serf_settings import (
    CONFIG_ENV,
    DEFAULT_CONFIG,
    DEFAULT_INTERVAL,
    INTERVAL_ENV,
    PHASE_ENV,
    read_interval,
    read_phase,
)
from serflab.lab.topology import Node, Topology, load_topology
from serflab.traces.check import load_config

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PROMETHEUS_PORT = 9091
VIEWER_PORT = 8080
# Groups of the supervisor and directories of the state, which serfs have as well.
_NAMES_OF_OURS = frozenset({"containerlab", "logs", "offload", "prometheus", "rebalance", "services", "supervisor"})


@dataclass(frozen=True, slots=True)
class LabSettings:
    """What the user asked for: where, which topology, and the ports; `interval` in seconds a point of the trace.

    `remembered` are variables of the topology file as a lab was deployed before; this process' own are stronger.
    """

    checkout: Path
    state_dir: Path
    topology: Path
    port_base: int
    prometheus_port: int = PROMETHEUS_PORT
    viewer_port: int = VIEWER_PORT
    interval: float = DEFAULT_INTERVAL
    remembered: Mapping[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        """Return the environment variables by which the topology file takes part of these settings."""
        return {INTERVAL_ENV: f"{self.interval:g}"}

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment in which the topology file is read; these settings are the strongest in it."""
        return {**self.remembered, **os.environ, **self.variables}

    def load_topology(self) -> Topology:
        """Read the topology file with these settings; raises as `topology.load_topology`."""
        return load_topology(self.topology, self.environment)


@dataclass(frozen=True, slots=True)
class Workload:
    """What a node's environment says that its serf plays: a config from point `phase` on, `interval` seconds each."""

    config: Path
    phase: int
    interval: float

    @property
    def env(self) -> dict[str, str]:
        """Return what the inventory keeps of it."""
        return {PHASE_ENV: str(self.phase), INTERVAL_ENV: f"{self.interval:g}"}


@dataclass(frozen=True, slots=True)
class LabPlan:
    """A checked lab: the topology and the serfs that are to run, in its order."""

    settings: LabSettings
    topology: Topology
    serfs: tuple[SerfPlan, ...]

    @property
    def inventory(self) -> Inventory:
        """Return the inventory that the lab will have."""
        return Inventory(
            name=self.topology.name,
            runtime="local",
            topology=self.topology.file,
            serfs=tuple(_entry(plan) for plan in self.serfs),
            prometheus=f"http://{LOOPBACK}:{self.settings.prometheus_port}",
            viewer=f"http://{LOOPBACK}:{self.settings.viewer_port}",
        )


def workload_of(serf: Serf) -> Workload:
    """Return what a serf of a lab that is up plays, as its inventory has it."""
    return Workload(serf.config, int(serf.env.get(PHASE_ENV, "0")), float(serf.env.get(INTERVAL_ENV, DEFAULT_INTERVAL)))


def plan_lab(settings: LabSettings, programs: Mapping[str, Path], wanted: Sequence[str]) -> LabPlan:
    """Plan the serfs of those names.

    Reads the topology, what its nodes say in their environment, and each emulation config. Raises `InputError` with
    every finding in any of these files.
    """
    topology = settings.load_topology()
    workloads, findings = read_workloads(settings, topology, wanted)
    plans = []
    for index, node in enumerate(topology.serfs):
        if node.name in wanted:
            workload = workloads[node.name]
            plans.append(
                SerfPlan(
                    name=node.name,
                    index=index,
                    directory=settings.state_dir / node.name,
                    ports=SerfPorts.of(index, settings.port_base),
                    programs=programs,
                    python=Path(sys.executable),
                    annotations=settings.checkout / "annotations",
                    config=workload.config,
                    phase=workload.phase,
                    interval=workload.interval,
                )
            )
    if findings:
        raise InputError(findings)
    return LabPlan(settings, topology, tuple(plans))


def read_workloads(
    settings: LabSettings, topology: Topology, wanted: Sequence[str]
) -> tuple[dict[str, Workload], list[Finding]]:
    """Return what each of the wanted serfs plays, and every finding in names, variables and emulation configs."""
    findings = [
        Finding(str(topology.file), f"$.topology.nodes.{node.name}", "is a name that the lab itself uses", "rename it")
        for node in topology.serfs
        if node.name in _NAMES_OF_OURS
    ]
    workloads = {}
    for node in topology.serfs:
        if node.name in wanted:
            reader = _NodeReader(settings, topology.file, node, findings)
            workloads[node.name] = Workload(reader.config(), reader.phase(), reader.interval())
    findings += _config_findings({workload.config for workload in workloads.values()})
    return workloads, findings


def select_serfs(topology: Topology, count: int | None, only: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the serfs that are wanted, in the order of the topology.

    `count` takes that many from the front, `only` those named; neither takes all. Raises `UnknownSerfError` for a
    name or number that the topology does not have.
    """
    names = tuple(serf.name for serf in topology.serfs)
    if not names:
        hint = "give nodes the label `serflab.role: serf`, or names such as serf1"
        raise InputError([Finding(str(topology.file), "$.topology.nodes", "holds no serf", hint)])
    chosen = tuple(only)
    for name in chosen:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]}?" if near else f"the serfs are {', '.join(names)}"
            raise UnknownSerfError(f"{topology.file} has no serf {name!r}", hint=hint)
    if count is not None and not 1 <= count <= len(names):
        raise UnknownSerfError(f"{topology.file} has {len(names)} serfs, not {count}", hint=f"give 1 to {len(names)}")
    taken = names if count is None else names[:count]
    return tuple(name for name in taken if not chosen or name in chosen)


class UnknownSerfError(SerflabError):
    """A serf was asked for that the topology does not have."""

    exit_status = 2


class _NodeReader:
    """Reads what a node of the topology says in its environment."""

    def __init__(self, settings: LabSettings, file: Path, node: Node, findings: list[Finding]) -> None:
        self._settings = settings
        self._file = file
        self._node = node
        self._findings = findings

    def config(self) -> Path:
        path = self._file.parent / self._node.env.get(CONFIG_ENV, DEFAULT_CONFIG)
        return path.resolve()

    def phase(self) -> int:
        try:
            return read_phase(self._node.env.get(PHASE_ENV, "0"))
        except ValueError as error:
            self._find(PHASE_ENV, str(error))
            return 0

    def interval(self) -> float:
        text = self._node.env.get(INTERVAL_ENV)
        if text is None:
            return self._settings.interval
        try:
            return read_interval(text)
        except ValueError as error:
            self._find(INTERVAL_ENV, str(error))
            return self._settings.interval

    def _find(self, variable: str, problem: str) -> None:
        path = f"$.topology.nodes.{self._node.name}.env.{variable}"
        self._findings.append(Finding(str(self._file), path, problem))


def _config_findings(paths: set[Path]) -> list[Finding]:
    findings: list[Finding] = []
    for path in sorted(paths):
        try:
            load_config(path)
        except InputError as error:
            findings += error.findings
    return findings


def _entry(plan: SerfPlan) -> Serf:
    env = Workload(plan.config, plan.phase, plan.interval).env
    return Serf(plan.name, plan.kubeconfig, plan.server, plan.exporter, plan.config, plan.logs, env)
