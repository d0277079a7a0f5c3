"""Where kube-scheduler 1.36 puts a pod, given what pods request: the default plugins that tell nodes apart.

NodeResourcesFit filters, and scores LeastAllocated; NodeResourcesBalancedAllocation scores how evenly CPU and memory
are taken. Nothing else differs between the nodes: they have one taint, no images, and the pods belong to a
VirtualMachine, for which the default topology spread has no selector. All arithmetic is the scheduler's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Integers: TypeAlias = "NDArray[np.int64]"

_ENOUGH: Final = 100
"""With up to so many nodes that fit, all are scored."""


@dataclass(slots=True)
class Requested:
    """What the pods on each node of one cluster request: millicores, Mi, and their number, each of shape (nodes,).

    `start` is the node with which the scheduler begins to look.
    """

    cpu: Integers
    memory: Integers
    pods: Integers
    start: int = 0

    def add(self, node: int, cpu: int, memory: int, sign: int = 1) -> None:
        """Count a pod in, or with sign -1 out."""
        self.cpu[node] += sign * cpu
        self.memory[node] += sign * memory
        self.pods[node] += sign


class Scheduler:
    """Places pods on nodes of these capacities (cores and GiB, of shape (nodes,)), in the order that it lists them."""

    def __init__(self, cores: NDArray[np.float64], gib: NDArray[np.float64], pods: int) -> None:
        self.cpu = np.floor(cores * 1000).astype(np.int64)
        self.memory = np.floor(gib * 1024).astype(np.int64)
        self.pods = pods
        self._sampled = _nodes_to_find(len(self.cpu))

    def state(self, place: Integers, cpu: Integers, memory: Integers) -> Requested:
        """Return what pods on the nodes `place` request; all arguments have the shape (pods,)."""
        count = len(self.cpu)
        cpus, memories = (np.bincount(place, values, count).astype(np.int64) for values in (cpu, memory))
        return Requested(cpus, memories, np.bincount(place, minlength=count).astype(np.int64))

    def fits(self, state: Requested, cpu: int, memory: int) -> NDArray[np.bool_]:
        """Return on which nodes a pod with these requests has room."""
        room = (state.cpu + cpu <= self.cpu) & (state.memory + memory <= self.memory)
        return np.asarray(room & (state.pods < self.pods))

    def place(self, state: Requested, cpu: int, memory: int, excluded: int | None = None) -> int | None:
        """Return the node for a pod with these requests (in millicores and Mi), or `None` if it fits nowhere."""
        fits = self.fits(state, cpu, memory)
        if excluded is not None:
            fits[excluded] = False
        found = self._feasible(state, fits)
        if not len(found):
            return None
        scores = self.scores(state, cpu, memory)[found]
        order = _heap_order(len(found))
        return int(found[order[int(np.argmax(scores[order]))]])

    def scores(self, state: Requested, cpu: int, memory: int) -> Integers:
        """Return the sum of the plugins' scores of every node, (nodes,), as integers, for a pod with these requests."""
        after_cpu, after_memory = state.cpu + cpu, state.memory + memory
        least = (_unused(after_cpu, self.cpu) + _unused(after_memory, self.memory)) // 2
        with_pod = _balance(after_cpu / self.cpu, after_memory / self.memory)
        without = _balance(state.cpu / self.cpu, state.memory / self.memory)
        return np.asarray(least + 50 + (50 + with_pod - without) // 2)

    def _feasible(self, state: Requested, fits: NDArray[np.bool_]) -> Integers:
        """Return the nodes that the scheduler scores, in its order; beyond 100 nodes it stops at a part of them."""
        count = len(fits)
        order = (state.start + np.arange(count)) % count
        found = order[fits[order]]
        if len(found) <= self._sampled:
            return found
        last = int(np.flatnonzero(fits[order])[self._sampled - 1])
        state.start = (state.start + last + 1) % count
        return found[: self._sampled]


def _nodes_to_find(count: int) -> int:
    """Return how many nodes that fit are looked for among `count`, as `numFeasibleNodesToFind` does."""
    if count < _ENOUGH:
        return count
    return max(_ENOUGH, count * max(5, 50 - count // 125) // 100)


def _unused(requested: Integers, capacity: Integers) -> Integers:
    """Return the unused share in whole percent, 0 for a node that is over its capacity."""
    return np.where(requested > capacity, 0, (capacity - requested) * 100 // capacity)


def _balance(cpu: NDArray[np.float64], memory: NDArray[np.float64]) -> Integers:
    """Return 100 for nodes whose CPU and memory are taken alike, down to 50."""
    deviation = np.abs((np.minimum(cpu, 1.0) - np.minimum(memory, 1.0)) / 2)
    return ((1.0 - deviation) * 100).astype(np.int64)


@cache
def _heap_order(count: int) -> Integers:
    """Return the positions of a list in the order in which its heap prefers equals: parent, left, right."""
    order, rest = [], [0]
    while rest:
        position = rest.pop()
        if position < count:
            order.append(position)
            rest += [2 * position + 2, 2 * position + 1]
    return np.array(order, dtype=np.int64)
