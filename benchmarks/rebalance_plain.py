"""The peer of the comparison's benchmark: the same loop in plain Python, for one draw and one algorithm."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serflab.rebalance.scenario import Scenario

CORES, GIB = 32.0, 128.0
TICKS, WINDOW = 8, 4


def run(scenario: Scenario, cycles: int, seed: int = 1) -> int:
    """Run `ideal_point_positive_distance` for so many cycles of 8 samples; return how many VMs it moved."""
    chances = random.Random(seed)
    vms = [(CORES * vm.cpu_consumption, GIB * vm.memory_consumption) for vm in scenario.vms()]
    place = [number for number, node in enumerate(scenario.nodes) for _ in node.vms]
    count, moved = len(scenario.nodes), 0
    samples = [_sample(vms, place, count)] * (WINDOW + 1)
    for tick in range(cycles * TICKS):
        if tick % TICKS == 0:
            for vm in _victims(_scores(samples[:WINDOW], count), place, chances):
                place[vm] = _target(vms, place, vm, count)
                moved += 1
        samples = [*samples[1:], _sample(vms, place, count)]
    return moved


def _sample(vms: list[tuple[float, float]], place: list[int], count: int) -> list[tuple[float, ...]]:
    cpu, memory = [0.0] * count, [0.0] * count
    for (cores, gib), node in zip(vms, place, strict=True):
        cpu[node] += cores
        memory[node] += gib
    return [
        (c / CORES, _pressure(c, 0.9 * c, CORES), m / GIB, _pressure(m, 0.2 * m, GIB))
        for c, m in zip(cpu, memory, strict=True)
    ]


def _pressure(mean: float, variance: float, capacity: float) -> float:
    deviation = math.sqrt(variance) or 1e-9
    z = (mean - capacity) / deviation
    below = 0.5 * math.erfc(-z / math.sqrt(2))
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return min(1.0, max(0.0, ((mean - capacity) * below + deviation * density) / capacity))


def _scores(samples: list[list[tuple[float, ...]]], count: int) -> list[float]:
    seen = [
        [sum(min(1.0, sample[node][axis]) for sample in samples) / len(samples) for axis in range(4)]
        for node in range(count)
    ]
    means = [sum(node[axis] for node in seen) / count for axis in range(4)]
    return [min(1.0, math.sqrt(sum(max(0.0, node[a] - means[a]) ** 2 for a in range(4)))) for node in seen]


def _victims(scores: list[float], place: list[int], chances: random.Random) -> list[int]:
    percent = [int(100 * score) for score in scores]
    average = sum(percent) / len(percent)
    over = sorted((n for n in range(len(percent)) if percent[n] > average + 10), key=lambda n: -percent[n])
    victims: list[int] = []
    for node in over:
        here = [vm for vm, home in enumerate(place) if home == node]
        chances.shuffle(here)
        victims += here[: min(2, 5 - len(victims))]
    return victims


def _target(vms: list[tuple[float, float]], place: list[int], vm: int, count: int) -> int:
    cpu, memory = [0.0] * count, [0.0] * count
    for other, node in enumerate(place):
        cpu[node] += vms[other][0]
        memory[node] += vms[other][1]
    free = [100 - 50 * (cpu[node] / CORES + memory[node] / GIB) for node in range(count)]
    return max((node for node in range(count) if node != place[vm]), key=lambda node: free[node])
