"""At which thresholds an algorithm acts: measured on drawn clusters, classified as the descheduler does.

The descheduler acts when one node's score is above the mean by more than the high threshold. Small scores never are,
and large ones may be even where nothing is wrong, so each algorithm has a threshold of its own.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np

from serflab.rebalance.algorithms import find_algorithm
from serflab.rebalance.psi import GUEST_MEMORY_FACTOR, VCPUS_PER_CORE, wait
from serflab.rebalance.scores import scores
from serflab.rebalance.utilization import classify
from serflab.traces.draws import Draws

if TYPE_CHECKING:
    from numpy.typing import NDArray

Kind = Literal["uneven", "random", "level"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

DRAWS: Final = 1000
NODES: Final = 12
USUAL: Final = 10
"""The high threshold that is meant where none is named."""
LEVEL_SPREAD: Final = 0.03
"""Nodes of a level cluster differ by so much from its middle, to either side: moving VMs of 5 % makes it no better."""
_SEED: Final = 19
_ENOUGH, _REST = 0.95, 0.01
_HIGHEST: Final = 99


@lru_cache
def clusters(kind: Kind) -> NDArray[np.float64]:
    """Return `DRAWS` clusters of `NODES` nodes, of shape (draws, nodes, 4); the same ones every time.

    `uneven`: CPU up to 110 % and memory up to 100 %, whatever the neighbours have, with the pressure that follows.
    `level`: all nodes within `LEVEL_SPREAD` of a middle between 30 and 90 %, with the pressure that follows.
    `random`: all four inputs independent and anything from 0 to 1.
    """
    draws = Draws(_SEED, "clusters", kind)
    if kind == "random":
        return np.reshape(draws.uniform(DRAWS * NODES * 4), (DRAWS, NODES, 4))
    usage = draws.uniform(2 * DRAWS * NODES).reshape(2, DRAWS, NODES)
    if kind == "level":
        middle = 0.3 + 0.6 * draws.uniform(2 * DRAWS).reshape(2, DRAWS, 1)
        cpu, memory = middle + LEVEL_SPREAD * (2 * usage - 1)
    else:
        cpu, memory = 1.1 * usage[0], usage[1]
    inputs = (cpu, _pressure(cpu, 32, VCPUS_PER_CORE), memory, _pressure(memory, 128, GUEST_MEMORY_FACTOR))
    return np.asarray(np.clip(np.stack(inputs, axis=-1), 0.0, 1.0))


def share_that_acts(name: str, kind: Kind, points: int) -> float:
    """Return in which share of the clusters the descheduler would evict, at a high threshold of `points` percent."""
    return float(classify(_scores(name, kind), 0, points).evicts.mean())


def recommended_threshold(name: str) -> int:
    """Return the threshold nearest to the usual one, in whole points, at which the algorithm acts and rests.

    It acts: in at least 95 % of the uneven clusters. It rests: in at least 99 % of the level ones. Where no threshold
    gives both, acting counts.
    """
    acting = max(
        (points for points in range(1, _HIGHEST) if share_that_acts(name, "uneven", points) >= _ENOUGH), default=1
    )
    resting = next(points for points in range(1, _HIGHEST + 1) if share_that_acts(name, "level", points) <= _REST)
    return min(acting, max(resting, USUAL))


@lru_cache(maxsize=64)
def _scores(name: str, kind: Kind) -> NDArray[np.float64]:
    return scores(find_algorithm(name).name, clusters(kind))


def _pressure(usage: NDArray[np.float64], capacity: float, most: float) -> NDArray[np.float64]:
    """Return the pressure at a usage by guests that together could use `most` times the capacity."""
    return wait(capacity * usage, capacity * usage * (1 - usage / most), capacity)
