"""Scenarios: which VMs there are, what they use over time, and on which node each one starts."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from serflab.rebalance.names import NODE_CORES, NODE_MEMORY_GIB
from serflab.rebalance.psi import GUEST_MEMORY_FACTOR, VCPUS_PER_CORE, Demand

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT_STEP_SECONDS: Final = 60.0


@dataclass(slots=True)
class VM:
    """A VM and what it uses, as ratios of a reference node (32 cores, 128 GiB).

    `cpu_consumption` and `memory_consumption` are what it uses on average; with a `series` of points `(cpu, memory)`,
    played from `phase` on and around again, it is at each moment what the point says. `vcpus` is what the guest has
    (default: ten for each core that it uses on average). `cpu_request` and `memory_request` are what its pod requests,
    ratios too (default: what it uses on average). `PodManager` tells by `pod_name` and `scheduled_node` where it
    runs; they are no part of a scenario.

    >>> VM("vm-1", 0.05, 0.08).demand().cores
    1.6
    """

    id: str
    cpu_consumption: float
    memory_consumption: float
    pod_name: str = ""
    scheduled_node: str = ""
    vcpus: int | None = field(default=None, kw_only=True)
    cpu_request: float | None = field(default=None, kw_only=True)
    memory_request: float | None = field(default=None, kw_only=True)
    series: tuple[tuple[float, float], ...] = field(default=(), kw_only=True)
    phase: int = field(default=0, kw_only=True)
    template: str = field(default="", kw_only=True)

    def load(self, point: int = 0) -> tuple[float, float]:
        """Return the CPU and memory that the VM uses at a point of its series, as ratios of a reference node."""
        if not self.series:
            return self.cpu_consumption, self.memory_consumption
        return self.series[(self.phase + point) % len(self.series)]

    @property
    def requests(self) -> tuple[float, float]:
        """The CPU and memory that its pod requests, as ratios of a reference node."""
        cpu = self.cpu_consumption if self.cpu_request is None else self.cpu_request
        return cpu, self.memory_consumption if self.memory_request is None else self.memory_request

    def demand(self, point: int = 0) -> Demand:
        """Return what the VM wants of its node at a point of its series, for `psi.node_pressures`."""
        cpu, memory = self.load(point)
        return demand(cpu, memory, self)


def demand(cpu: float, memory: float, vm: VM | None = None) -> Demand:
    """Return the demand of a VM that uses these ratios of a reference node now.

    The sizes of the guest are those of `vm`; without one (a pod tells only what it uses) they follow from the ratios.
    """
    usual_cpu, usual_memory = (cpu, memory) if vm is None else (vm.cpu_consumption, vm.memory_consumption)
    vcpus = VCPUS_PER_CORE * NODE_CORES * usual_cpu if vm is None or vm.vcpus is None else float(vm.vcpus)
    guest = GUEST_MEMORY_FACTOR * NODE_MEMORY_GIB * max([usual_memory, *(m for _, m in vm.series)] if vm else [memory])
    return Demand(NODE_CORES * cpu, NODE_MEMORY_GIB * memory, vcpus, guest)


@dataclass(slots=True)
class Node:
    """A node, its capacity, and the VMs that start on it."""

    name: str
    cpu_cores: float = NODE_CORES
    memory_gib: float = NODE_MEMORY_GIB
    vms: list[VM] = field(default_factory=list)

    def usage(self, point: int = 0) -> tuple[float, float]:
        """Return what its VMs use of its CPU and of its memory, as ratios of its own capacity; above 1 is overload."""
        loads = [vm.load(point) for vm in self.vms]
        cpu, memory = (math.fsum(load[axis] for load in loads) for axis in (0, 1))
        return cpu * NODE_CORES / self.cpu_cores, memory * NODE_MEMORY_GIB / self.memory_gib


@dataclass(slots=True)
class Scenario:
    """Nodes with the VMs that start on them, and `unplaced` VMs, for which the scheduler finds the first node.

    `step_seconds` is the time between two points of the VMs' series. `generated` is what a made scenario was made
    from; drawing it again with another seed makes another cluster of the same kind.
    """

    name: str
    nodes: list[Node]
    unplaced: list[VM] = field(default_factory=list)
    description: str = ""
    step_seconds: float = DEFAULT_STEP_SECONDS
    generated: dict[str, Any] | None = None

    def vms(self) -> Iterator[VM]:
        """Yield every VM, those of the nodes in their order first."""
        for node in self.nodes:
            yield from node.vms
        yield from self.unplaced

    def point(self, seconds: float) -> int:
        """Return which point of the series is played `seconds` after the start."""
        return int(seconds / self.step_seconds)

    def with_equal_requests(self) -> Scenario:
        """Return the same scenario, each VM's pod requesting the mean of what all of them request."""
        requests = [vm.requests for vm in self.vms()]
        cpu, memory = (math.fsum(request[axis] for request in requests) / max(1, len(requests)) for axis in (0, 1))

        def equal(vms: list[VM]) -> list[VM]:
            return [replace(vm, cpu_request=cpu, memory_request=memory) for vm in vms]

        nodes = [replace(node, vms=equal(node.vms)) for node in self.nodes]
        return replace(self, nodes=nodes, unplaced=equal(self.unplaced))

    def digest(self) -> str:
        """Return what is the same for scenarios with the same nodes, VMs and series, whatever file they are from."""
        text = json.dumps(self.document(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def document(self) -> dict[str, Any]:
        """Return the scenario as JSON that `check_scenario` reads."""
        document: dict[str, Any] = {"name": self.name, "description": self.description}
        document |= {"step_seconds": self.step_seconds, "nodes": [_node_document(node) for node in self.nodes]}
        return document | ({"vms": [_vm_document(vm) for vm in self.unplaced]} if self.unplaced else {})


def _node_document(node: Node) -> dict[str, Any]:
    vms = [_vm_document(vm) for vm in node.vms]
    return {"name": node.name, "cpu_cores": node.cpu_cores, "memory_gib": node.memory_gib, "vms": vms}


def _vm_document(vm: VM) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": vm.id,
        "cpu_consumption": vm.cpu_consumption,
        "memory_consumption": vm.memory_consumption,
    }
    for key, value in (("vcpus", vm.vcpus), ("cpu_request", vm.cpu_request), ("memory_request", vm.memory_request)):
        document |= {key: value} if value is not None else {}
    if vm.series:
        document["time_series"] = [{"cpu": cpu, "memory": memory} for cpu, memory in vm.series]
        document["phase"] = vm.phase
    return document
