"""What `serflab up` is going to deploy with containerlab, checked before anything is done.

containerlab itself stops at the first thing that is wrong, part of it without saying which node it means.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from serflab.errors import Finding, InputError
from serflab.lab.container_plan import NAME_ENV, SERF_NAME, can_be_serf
from serflab.lab.plan import LabSettings, Workload, read_workloads
from serflab.lab.ports import LOOPBACK
from serflab.lab.serf_settings import CONFIG_ENV, DEFAULT_CONFIG

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from serflab.lab.topology import Node, Topology

API_PORT = 6443
EXPORTER_PORT = 9090
PROMETHEUS_PORT_INSIDE = 9091
PROMETHEUS_ROLE = "prometheus"
EXPANDED_LATER = "__clab"
"""In a path: a variable of containerlab's, such as `__clabNodeDir__`."""
# Where a serf's configs lie in its container: "annotations/x.json" means the same inside and outside.
_FILES = PurePosixPath("/opt")
_OWN_FILES = _FILES / "annotations"


@dataclass(frozen=True, slots=True)
class ContainerPlan:
    """A checked lab for containerlab: the topology, the serfs that are to run, and what each plays."""

    settings: LabSettings
    topology: Topology
    serfs: tuple[Node, ...]
    workloads: Mapping[str, Workload]

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Return all nodes that are deployed: the serfs that are wanted, and whatever is no serf."""
        wanted = {serf.name for serf in self.serfs}
        return tuple(node for node in self.topology.nodes if node.name in wanted or not node.is_serf)

    @property
    def is_whole(self) -> bool:
        """Whether the file is deployed as it is."""
        return len(self.serfs) == len(self.topology.serfs)

    @property
    def prometheus(self) -> Node | None:
        """Return the node that is the lab's Prometheus, None where this machine has to run one."""
        return next((node for node in self.nodes if node.role == PROMETHEUS_ROLE), None)


def plan_containers(settings: LabSettings, wanted: Sequence[str]) -> ContainerPlan:
    """Plan the serfs of those names; raises `InputError` with every finding in the topology and in the configs."""
    topology = settings.load_topology()
    workloads, findings = read_workloads(settings, topology, wanted)
    serfs = tuple(node for node in topology.serfs if node.name in wanted)
    plan = ContainerPlan(settings, topology, serfs, workloads)
    findings += _node_findings(plan)
    findings += _port_findings(plan)
    if findings:
        raise InputError(findings)
    return plan


def binds(topology: Topology, node: Node) -> dict[PurePosixPath, Path | None]:
    """Return what is bound into a node: path in the container to path on this machine.

    None stands for a path with a variable of containerlab's (`__clabNodeDir__`). The level nearest to the node wins.
    """
    found: dict[PurePosixPath, Path | None] = {}
    for bind in node.binds:
        parts = bind.split(":")
        if len(parts) >= 2:
            source = (
                None if EXPANDED_LATER in parts[0] else topology.file.resolve().parent / Path(parts[0]).expanduser()
            )
            found[PurePosixPath(parts[1])] = source
    return found


def config_of(node: Node) -> PurePosixPath:
    """Return where the emulation config of a serf lies in its container."""
    return _FILES / node.env.get(CONFIG_ENV, DEFAULT_CONFIG)


def published_ports(node: Node) -> dict[int, tuple[str, int]]:
    """Return the ports of a node that are published at a fixed place: port inside to address and port outside."""
    found = {}
    for text in node.ports:
        outside, _, protocol = text.partition("/")
        host, _, numbers = outside.rpartition(":")[0].rpartition(":")
        inside = outside.rpartition(":")[2]
        if protocol in {"", "tcp"} and numbers.isdecimal() and inside.isdecimal():
            found[int(inside)] = (host or LOOPBACK, int(numbers))
    return found


def _node_findings(plan: ContainerPlan) -> Iterator[Finding]:
    file = str(plan.topology.file)
    for node in plan.nodes:
        path = f"$.topology.nodes.{node.name}"
        bound = binds(plan.topology, node)
        for inside, source in bound.items():
            if source is not None and not source.exists():
                yield Finding(file, f"{path}.binds", f"binds {source} to {inside}, and {source} is not there")
        if not node.is_serf:
            continue
        if not can_be_serf(name := node.env.get(NAME_ENV) or node.name):
            where = f"{path}.env.{NAME_ENV}" if node.env.get(NAME_ENV) else path
            problem = f"makes {name!r} the name of a serf in a container; expected {SERF_NAME}"
            yield Finding(file, where, problem, "rename it; the local runtime takes other names as well")
        if not node.image:
            hint = "`serflab image build` makes serflab/serf:k3s"
            yield Finding(file, f"{path}.image", "is missing; expected the image of a serf", hint)
        config = config_of(node)
        if config.parent != _OWN_FILES and not any(config == inside or inside in config.parents for inside in bound):
            place = plan.topology.file.parent / node.env.get(CONFIG_ENV, DEFAULT_CONFIG)
            hint = f"bind it, such as {place}:{config}:ro"
            yield Finding(file, f"{path}.env.{CONFIG_ENV}", f"is {config} in the container, which nothing binds", hint)


def _port_findings(plan: ContainerPlan) -> Iterator[Finding]:
    taken: dict[int, str] = {}
    for node in plan.nodes:
        for inside, (_, number) in published_ports(node).items():
            what = f"{inside} of {node.name}"
            if number in taken:
                path = f"$.topology.nodes.{node.name}.ports"
                problem = f"publishes {what} on port {number}, which has {taken[number]}"
                yield Finding(str(plan.topology.file), path, problem)
            taken.setdefault(number, what)
