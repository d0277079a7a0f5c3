"""Making large scenarios from a few numbers and a seed, the same on every machine."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from serflab.rebalance.names import NODE_CORES, NODE_MEMORY_GIB
from serflab.rebalance.scenario import VM, Node
from serflab.traces.draws import Draws

# Sizes of VMs (cores used, GiB used), a mix of small, medium and large ones, each with the share of VMs up to its size.
_SIZES: Final = ((0.5, 2.0, 0.4), (1.0, 4.0, 0.7), (2.0, 8.0, 0.9), (4.0, 12.0, 1.0))
_SPREAD: Final = 0.5
_DIGITS: Final = 5
# Of a node, with room for requests that are rounded up.
_MOST_REQUESTED: Final = 0.99


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a generated scenario is made of.

    `cpu` and `memory` are what the VMs use of all nodes together, ratios; `imbalance` in [0, 1] is how unevenly they
    are placed: at 0 each node gets the same number of VMs, at 1 some get none and some twice as many.
    """

    nodes: int
    vms: int
    cpu: float = 0.55
    memory: float = 0.5
    imbalance: float = 0.3
    seed: int = 1

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


def generate(recipe: Recipe, *, again: int | None = None) -> list[Node]:
    """Return the nodes of a recipe with their VMs; `again` makes another draw of the same kind."""
    purpose = ("scenario", recipe.nodes, recipe.vms) if again is None else ("scenario", recipe.nodes, recipe.vms, again)
    draws = Draws(recipe.seed, *purpose)
    cores, gib = zip(*(_size(*row) for row in draws.uniform(3 * recipe.vms).reshape(-1, 3).tolist()), strict=True)
    cpu_unit = recipe.cpu * recipe.nodes / sum(cores)
    memory_unit = recipe.memory * recipe.nodes / sum(gib)
    width, digits = len(str(recipe.nodes)), len(str(recipe.vms))
    nodes = [Node(f"kwok-node-{index + 1:0{width}}", NODE_CORES, NODE_MEMORY_GIB) for index in range(recipe.nodes)]
    for index, home in enumerate(_homes(recipe, draws)):
        cpu, memory = round(cores[index] * cpu_unit, _DIGITS), round(gib[index] * memory_unit, _DIGITS)
        nodes[home].vms.append(VM(f"vm-{index + 1:0{digits}}", cpu, memory))
    for node in nodes:
        _overcommit(node.vms)
    return nodes


def _overcommit(vms: list[VM]) -> None:
    """Let VMs that use more than their node has request what it has, in proportion: they all start there."""
    cpu, memory = (sum(used) for used in zip(*(vm.load() for vm in vms), strict=True)) if vms else (0.0, 0.0)
    for vm in vms:
        if cpu > _MOST_REQUESTED:
            vm.cpu_request = round(vm.cpu_consumption * _MOST_REQUESTED / cpu, _DIGITS)
        if memory > _MOST_REQUESTED:
            vm.memory_request = round(vm.memory_consumption * _MOST_REQUESTED / memory, _DIGITS)


def _size(which: float, spread_cpu: float, spread_memory: float) -> tuple[float, float]:
    """Return what one VM uses, by three numbers in [0, 1): cores and GiB, on a scale of its own."""
    cores, gib, _ = next((size for size in _SIZES if which < size[2]), _SIZES[-1])
    return cores * (1 + _SPREAD * (spread_cpu - 0.5)), gib * (1 + _SPREAD * (spread_memory - 0.5))


def _homes(recipe: Recipe, draws: Draws) -> list[int]:
    """Draw the node of each VM."""
    weights = 1 + recipe.imbalance * (2 * draws.uniform(recipe.nodes) - 1)
    exact = (weights / weights.sum() * recipe.vms).cumsum()
    bounds = [*exact.round().astype(int).tolist()]
    homes, node = [], 0
    for index in range(recipe.vms):
        while node < recipe.nodes - 1 and index >= bounds[node]:
            node += 1
        homes.append(node)
    return homes
