"""What the nodes carry: the load of the VMs on each of them, summed up and as pressure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from serflab.rebalance.names import DEFAULT_PSI_FORMULA, NODE_CORES, NODE_MEMORY_GIB
from serflab.rebalance.psi import pressure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from serflab.rebalance.names import PsiFormula
    from serflab.rebalance.psi import Demand


# Sums of the same VMs differ in their last bits by the order of adding; `pareto_front` would tell alike nodes apart.
_DIGITS = 9


@dataclass(frozen=True, slots=True)
class NodeSize:
    """The capacity of a node."""

    cores: float = NODE_CORES
    gib: float = NODE_MEMORY_GIB


@dataclass(frozen=True, slots=True)
class VMLoad:
    """A VM on a node: what it uses, as ratios of a reference node, and `wants`, what that adds to the node's sums.

    The sums are cores and GiB, mean and variance of busy vCPUs, mean and variance of touched GiB.
    """

    vm: str
    node: str
    cpu: float
    memory: float
    wants: tuple[float, float, float, float, float, float]

    @classmethod
    def of(cls, vm: str, node: str, demand: Demand) -> VMLoad:
        """Return the load of a VM that wants this."""
        wants = (demand.cores, demand.gib, *demand.cpu, *demand.memory)
        return cls(vm, node, demand.cores / NODE_CORES, demand.gib / NODE_MEMORY_GIB, wants)


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """What is published of a node: usage as ratios of its capacity (above 1 is overload), pressure in [0, 1], VMs."""

    cpu_usage: float
    cpu_pressure: float
    memory_usage: float
    memory_pressure: float
    vms: int


def node_figures(
    loads: Iterable[VMLoad], sizes: Mapping[str, NodeSize], formula: PsiFormula = DEFAULT_PSI_FORMULA
) -> dict[str, NodeFigures]:
    """Return the figures of every node in `sizes`; VMs on other nodes are left out."""
    places = {name: place for place, name in enumerate(sizes)}
    here = [load for load in loads if load.node in places]
    where = np.array([places[load.node] for load in here], dtype=np.intp)
    wants = np.array([load.wants for load in here]).reshape(-1, 6)
    used_cores, used_gib, busy, busy_variance, touched, touched_variance = (
        np.bincount(where, column, len(places)).astype(np.float64) for column in wants.T
    )
    cores = np.array([size.cores for size in sizes.values()])
    gib = np.array([size.gib for size in sizes.values()])
    columns = (
        used_cores / cores,
        pressure(formula, busy, busy_variance, cores),
        used_gib / gib,
        pressure(formula, touched, touched_variance, gib),
        np.bincount(where, minlength=len(places)),
    )
    rows = zip(*(np.round(column, _DIGITS).tolist() for column in columns), strict=True)
    return {name: NodeFigures(*row) for name, row in zip(sizes, rows, strict=True)}
