"""A scenario as arrays: many draws of it side by side, one for each seed."""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from serflab.errors import SerflabError
from serflab.rebalance.emulator_scheduler import Scheduler
from serflab.rebalance.names import NODE_CORES, NODE_MEMORY_GIB
from serflab.rebalance.psi import pressure
from serflab.rebalance.scenario_generate import Recipe, generate
from serflab.traces.draws import Draws

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from serflab.rebalance.emulator_settings import Settings
    from serflab.rebalance.scenario import VM, Node, Scenario

Floats: TypeAlias = "NDArray[np.float64]"
Integers: TypeAlias = "NDArray[np.int64]"

_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Loads:
    """What all VMs use at one moment, each of shape (seeds, vms): mean and variance of busy vCPUs and touched GiB."""

    cores: Floats
    cores_variance: Floats
    gib: Floats
    gib_variance: Floats


class Cluster:
    """`seeds` draws of one scenario: nodes (sorted by name, as the scheduler lists them), VMs, and where they start.

    Arrays are of shape (seeds, vms) or (nodes,). A written scenario has the same VMs in each draw, their loads varied
    by the settings' jitter and series begun at another point; a generated one is drawn anew.
    """

    def __init__(self, scenario: Scenario, settings: Settings, seeds: Sequence[int]) -> None:
        self.settings = settings
        self.seeds = tuple(seeds)
        self.step_seconds = scenario.step_seconds
        draws = [_draw(scenario, seed) for seed in self.seeds]
        self.nodes = draws[0][0]
        self.cores = np.array([float(node.cpu_cores) for node in self.nodes])
        self.gib = np.array([float(node.memory_gib) for node in self.nodes])
        vms = [vms for _, vms, _ in draws]
        self.vm_names = tuple(vm.id for vm in vms[0])
        if not self.vm_names:
            raise SerflabError(f"the scenario {scenario.name} has no VM", hint="there is nothing to rebalance")
        self._mean_load(vms)
        self._series(vms[0], scenario)
        self._requests(vms)
        self.scheduler = Scheduler(self.cores, self.gib, settings.pods_per_node)
        self.place = self._first_places([homes for _, _, homes in draws])

    @property
    def shape(self) -> tuple[int, int]:
        """The number of seeds and the number of VMs."""
        return len(self.seeds), len(self.vm_names)

    def loads(self, seconds: float) -> Loads:
        """Return what the VMs use `seconds` after the start."""
        cores, gib = self._cores, self._gib
        if self.changing:
            index = self._first + (self._phase + int(seconds / self.step_seconds)) % self._length
            cores, gib = cores * self._shape_cpu[index], gib * self._shape_memory[index]
        busy, touched = np.minimum(cores / self._vcpus, 1.0), np.minimum(gib / self._guest, 1.0)
        cores, gib = busy * self._vcpus, touched * self._guest
        return Loads(cores, cores * (1.0 - busy), gib, gib * (1.0 - touched))

    def node_loads(
        self, rows: Integers, loads: Loads, place: Integers, extra: Sequence[tuple[int, int, int]]
    ) -> Floats:
        """Return usage and pressure of the nodes in some draws, of shape (rows, nodes, 4) in the order (u, p, m, q).

        `rows` are the draws, `place` the node of each of their VMs (rows, vms), and `extra` are loads that count once
        more elsewhere: triples of (position in rows, vm, node). Usage may exceed 1.
        """
        count = len(self.cores)
        flat = (np.arange(len(rows))[:, None] * count + place).ravel()
        sums: list[Floats] = []
        for values in (loads.cores, loads.cores_variance, loads.gib, loads.gib_variance):
            total = (
                np.bincount(flat, values[rows].ravel(), len(rows) * count).reshape(len(rows), count).astype(np.float64)
            )
            for row, vm, node in extra:
                total[row, node] += values[rows[row], vm]
            sums.append(total)
        cpu, cpu_variance, memory, memory_variance = sums
        waiting = pressure(self.settings.psi, cpu, cpu_variance, self.cores)
        reclaiming = pressure(self.settings.psi, memory, memory_variance, self.gib)
        # Rounded so that nodes that are alike are equal, in whatever order their VMs were added up.
        return np.round(np.stack([cpu / self.cores, waiting, memory / self.gib, reclaiming], axis=-1), _DIGITS)

    def _mean_load(self, vms: list[list[VM]]) -> None:
        factor = np.ones((2, *self.shape))
        if self.settings.jitter:
            for row, seed in enumerate(self.seeds):
                spread = Draws(seed, "jitter").uniform(2 * self.shape[1]).reshape(2, -1)
                factor[:, row] = 1.0 + self.settings.jitter * (2.0 * spread - 1.0)
        usual = [[_usual(vm) for vm in row] for row in vms]
        self._cores = factor[0] * [[demand[0] for demand in row] for row in usual]
        self._gib = factor[1] * [[demand[1] for demand in row] for row in usual]
        self._vcpus = np.array([[demand[2] for demand in row] for row in usual])
        self._guest = np.array([[demand[3] for demand in row] for row in usual])

    def _series(self, vms: list[VM], scenario: Scenario) -> None:
        """Lay the shapes of all series end to end, each with its mean at 1."""
        shapes = [_shape(vm) for vm in vms]
        self.changing = any(vm.series for vm in vms) and scenario.generated is None
        self._length = np.array([len(shape) for shape in shapes])
        self._first = np.cumsum(self._length) - self._length
        self._shape_cpu, self._shape_memory = (np.array([p[axis] for s in shapes for p in s]) for axis in (0, 1))
        shift = np.zeros(self.shape, dtype=np.int64)
        if self.changing and self.settings.jitter:
            for row, seed in enumerate(self.seeds):
                shift[row] = (Draws(seed, "phase").uniform(self.shape[1]) * self._length).astype(np.int64)
        self._phase = shift + np.array([vm.phase for vm in vms])

    def _requests(self, vms: list[list[VM]]) -> None:
        """Work out the pods' requests in millicores and Mi, rounded up, of shape (seeds, vms)."""
        ratios = np.array([[vm.requests for vm in row] for row in vms])
        if self.settings.requests == "equal":
            ratios = np.broadcast_to(ratios.mean(axis=1, keepdims=True), ratios.shape)
        units = 1000 * NODE_CORES, 1024 * NODE_MEMORY_GIB
        self.request_cpu, self.request_memory = (
            np.ceil(np.round(ratios[..., axis] * units[axis], 6)).astype(np.int64) for axis in (0, 1)
        )

    def _first_places(self, homes: list[list[int]]) -> Integers:
        """Return the first node of each VM, (seeds, vms); the scheduler finds one for those that have none."""
        place = np.array(homes, dtype=np.int64)
        for row, vm in np.argwhere(place < 0).tolist():
            placed = np.flatnonzero(place[row] >= 0)
            state = self.scheduler.state(
                place[row, placed], self.request_cpu[row, placed], self.request_memory[row, placed]
            )
            node = self.scheduler.place(state, int(self.request_cpu[row, vm]), int(self.request_memory[row, vm]))
            if node is None:
                raise SerflabError(f"no node has room for {self.vm_names[vm]}, which starts on none of the scenario's")
            place[row, vm] = node
        return place


def _draw(scenario: Scenario, seed: int) -> tuple[list[Node], list[VM], list[int]]:
    """Return the nodes by name, the VMs, and the index of each VM's node (-1 where it has none)."""
    nodes = generate(Recipe(**scenario.generated), again=seed) if scenario.generated else scenario.nodes
    nodes = sorted(nodes, key=lambda node: node.name)
    placed = [(vm, index) for index, node in enumerate(nodes) for vm in node.vms]
    placed += [(vm, -1) for vm in scenario.unplaced]
    placed.sort(key=lambda pair: pair[0].id)
    return nodes, [vm for vm, _ in placed], [index for _, index in placed]


def _usual(vm: VM) -> tuple[float, float, float, float]:
    """Return cores and GiB used on average, vCPUs and GiB of the guest."""
    demand = vm.demand()
    usual = NODE_CORES * vm.cpu_consumption, NODE_MEMORY_GIB * vm.memory_consumption
    return *usual, demand.vcpus, demand.guest_gib


def _shape(vm: VM) -> list[tuple[float, float]]:
    if not vm.series:
        return [(1.0, 1.0)]
    means = [fsum(point[axis] for point in vm.series) / len(vm.series) or 1.0 for axis in (0, 1)]
    return [(cpu / means[0], memory / means[1]) for cpu, memory in vm.series]
