"""The load of nodes as a scenario has it, where there is no cluster: VMs stay where they start until moved."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from serflab.kube.refusal import Refusal
from serflab.rebalance.node_load import NodeSize, VMLoad
from serflab.traces.report import did_you_mean

if TYPE_CHECKING:
    from serflab.rebalance.scenario import VM, Node, Scenario


class ScenarioLoad:
    """The VMs on the nodes of a scenario; their series are played from `started` (epoch seconds) on."""

    source = "scenario"

    def __init__(self, scenario: Scenario, started: float | None = None) -> None:
        self.scenario = scenario
        self._started = time.time() if started is None else started
        self._nodes = {node.name: node for node in scenario.nodes}
        self._on: dict[str, tuple[VM, str]] = {vm.id: (vm, node.name) for node in scenario.nodes for vm in node.vms}
        for vm in scenario.unplaced:
            self._on[vm.id] = vm, self._emptiest()

    def loads(self, now: float) -> list[VMLoad]:
        """Return what each VM uses now."""
        point = self.point(now)
        return [VMLoad.of(vm.id, node, vm.demand(point)) for vm, node in self._on.values()]

    def sizes(self) -> dict[str, NodeSize]:
        """Return the nodes in the order of the scenario."""
        return {name: NodeSize(node.cpu_cores, node.memory_gib) for name, node in self._nodes.items()}

    def point(self, now: float) -> int:
        """Return which point of the VMs' series is played."""
        return self.scenario.point(max(0.0, now - self._started))

    def problem(self, _now: float) -> str:
        """Return nothing: a scenario is never out of date."""
        return ""

    def state(self, now: float) -> str:
        """Return what changes with time."""
        return str(self.point(now))

    def move(self, vm: str, source: str, target: str) -> None:
        """Move a VM from one node to another (none: the emptiest).

        `Refusal` for names that there are not, or when the VM is elsewhere.
        """
        for name in filter(None, (source, target)):
            if name not in self._nodes:
                raise Refusal(404, "unknown_node", f"there is no node {name!r}", hint=did_you_mean(name, self._nodes))
        if vm not in self._on:
            raise Refusal(404, "unknown_vm", f"there is no VM {vm!r}", hint=did_you_mean(vm, self._on))
        moved, there = self._on[vm]
        if there != source:
            hint = f"move it from {there}"
            raise Refusal(409, "vm_elsewhere", f"VM {vm!r} is on {there}, not on {source}", hint=hint)
        self._on[vm] = moved, target or self._emptiest(but=source)

    def _emptiest(self, but: str = "") -> str:
        """Return the node on which least is requested, as the scheduler would choose, of those that are not `but`."""
        requested = dict.fromkeys(self._nodes, 0.0)
        for vm, name in self._on.values():
            requested[name] += sum(vm.requests)
        free = [name for name in requested if name != but] or [but]
        return min(free, key=lambda name: requested[name] / _size(self._nodes[name]))


def _size(node: Node) -> float:
    return node.cpu_cores + node.memory_gib
