"""Whom one cycle of the descheduler asks to leave, once its nodes are classified: LowNodeUtilization's eviction loops.

With a Prometheus query the plugin knows no usage of a pod, so a node is evicted from until a limit ends it, never until
it is below its threshold. Pods of one priority and QoS class come in the order of a Go map, which is random.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from serflab.rebalance.emulator_settings import Settings

Integers: TypeAlias = "NDArray[np.int64]"

_MASK: Final = (1 << 64) - 1
_GOLDEN: Final = 0x9E3779B97F4A7C15
_NODES: Final = 1
_PODS: Final = 2


def random_keys(seed: int, cycle: int, stream: int, items: Integers) -> NDArray[np.uint64]:
    """Return a random number for each of `items`, always the same for the same arguments (SplitMix64's mixing)."""
    start = np.zeros(1, dtype=np.uint64)
    for number in (seed, cycle, stream):
        start = _mix(start + np.uint64(number & _MASK) + np.uint64(1))
    return _mix(start + items.astype(np.uint64) * np.uint64(_GOLDEN))


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray(x ^ (x >> np.uint64(31)))


def sources_in_order(sources: NDArray[np.bool_], percent: Integers, seed: int, cycle: int) -> list[int]:
    """Return the overutilised nodes, the fullest first, equals in random order; arguments are of shape (nodes,)."""
    nodes = np.flatnonzero(sources)
    order = np.lexsort((random_keys(seed, cycle, _NODES, nodes), -percent[nodes]))
    return [int(node) for node in nodes[order]]


def victims_in_order(vms: Integers, seed: int, cycle: int) -> list[int]:
    """Return the VMs of a node in the random order of a cycle."""
    return [int(vm) for vm in vms[np.argsort(random_keys(seed, cycle, _PODS, vms))]]


def evictions(
    nodes: Iterable[tuple[int, Iterable[int]]],
    in_flight: Iterable[tuple[int, int]],
    settings: Settings,
    fits_elsewhere: Callable[[int, int], bool],
) -> Iterator[tuple[int, int]]:
    """Yield the (vm, node) that are asked to leave.

    `nodes` are the overutilised ones in order, each with its VMs in order; `in_flight` are the VMs on their way with
    the nodes that they leave. They count against both limits of requests, and, when their turn comes, like an
    eviction against the limit of a node and cycle. A VM that fits on no other node is passed over.
    """
    waiting = dict(in_flight)
    leaving = Counter(waiting.values())
    for node, vms in nodes:
        asked = 0
        for vm in vms:
            if settings.eviction_limit is not None and asked >= settings.eviction_limit:
                break
            if settings.node_fit and not fits_elsewhere(vm, node):
                continue
            if vm not in waiting:
                if len(waiting) + 1 > settings.max_total:
                    return
                if leaving[node] + 1 > settings.max_per_node:
                    break
                waiting[vm] = node
                leaving[node] += 1
                yield vm, node
            if settings.eviction_limit is None:
                break
            asked += 1
