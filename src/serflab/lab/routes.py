"""The way from one node to another over the links of the topology, and how long data needs for it."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serflab.lab.topology import Link, Topology


@dataclass(frozen=True, slots=True)
class Route:
    """The nodes from the first to the last, the lowest rate on the way (bits/s, None: not limited), the delay (s)."""

    nodes: tuple[str, ...]
    rate: float | None
    delay: float

    def seconds(self, size: float) -> float:
        """Return how many seconds `size` bytes need: size · 8 ÷ rate + delay; 0 where the links say nothing."""
        return (size * 8 / self.rate if self.rate else 0.0) + self.delay


def route(topology: Topology, source: str, target: str) -> Route | None:
    """Return the route with the fewest links, among those the one with the least delay, then with the highest rate.

    It leads over nodes of the topology only; None when there is none, or no such nodes. Dijkstra's algorithm finds it,
    since whatever comes before a node on a best route may be replaced by any best route to that node.
    """
    names = {node.name for node in topology.nodes}
    if source not in names or target not in names:
        return None
    neighbours = _neighbours(topology, names)
    # Links, delay, minus the rate, then the order of the names: of two that are equal it is always the same one.
    open_routes: list[tuple[int, float, float, tuple[str, ...]]] = [(0, 0.0, -inf, (source,))]
    done: set[str] = set()
    while open_routes:
        links, delay, rate, nodes = heapq.heappop(open_routes)
        here = nodes[-1]
        if here == target:
            return Route(nodes, None if rate == -inf else -rate, delay)
        if here in done:
            continue
        done.add(here)
        for there, link in neighbours[here]:
            if there not in done:
                slowest = rate if link.rate is None else max(rate, -link.rate)
                heapq.heappush(open_routes, (links + 1, delay + link.delay, slowest, (*nodes, there)))
    return None


def _neighbours(topology: Topology, names: set[str]) -> dict[str, list[tuple[str, Link]]]:
    """Return, for each node, the links from it and where they lead."""
    neighbours: dict[str, list[tuple[str, Link]]] = {name: [] for name in names}
    for link in topology.links:
        if link.a.node in names and link.b.node in names:
            neighbours[link.a.node].append((link.b.node, link))
            neighbours[link.b.node].append((link.a.node, link))
    return neighbours
