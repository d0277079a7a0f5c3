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
    """The nodes from the first to the last, and what the links between them make together.

    `rate` is the lowest on the way (bits/s, None: not limited), `delay` the sum (s), `loss` what of all that is sent
    does not arrive (0 to below 1).
    """

    nodes: tuple[str, ...]
    rate: float | None
    delay: float
    loss: float = 0.0

    def seconds(self, size: float) -> float:
        """Return how many seconds `size` bytes need: size · 8 ÷ rate ÷ (1 - loss) + delay.

        What gets lost is sent again, so of the rate that much remains. Without a rate loss costs no time. 0 where the
        links say nothing.
        """
        return (size * 8 / (self.rate * (1 - self.loss)) if self.rate else 0.0) + self.delay


def route(topology: Topology, source: str, target: str) -> Route | None:
    """Return the route with the fewest links, among those the one with the least delay, then with the highest rate.

    It leads over nodes of the topology only, and over no link that loses all; None when there is none, or no such
    nodes. Dijkstra's algorithm finds it, since whatever comes before a node on a best route may be replaced by any best
    route to that node.
    """
    names = {node.name for node in topology.nodes}
    if source not in names or target not in names:
        return None
    neighbours = _neighbours(topology, names)
    # Links, delay, minus the rate, then the order of the names: of two that are equal it is always the same one.
    open_routes: list[tuple[int, float, float, tuple[str, ...], float]] = [(0, 0.0, -inf, (source,), 1.0)]
    done: set[str] = set()
    while open_routes:
        links, delay, rate, nodes, kept = heapq.heappop(open_routes)
        here = nodes[-1]
        if here == target:
            return Route(nodes, None if rate == -inf else -rate, delay, 1 - kept)
        if here in done:
            continue
        done.add(here)
        for there, link in neighbours[here]:
            if there not in done:
                slowest = rate if link.rate is None else max(rate, -link.rate)
                arrives = kept * (1 - link.loss / 100)
                heapq.heappush(open_routes, (links + 1, delay + link.delay, slowest, (*nodes, there), arrives))
    return None


def _neighbours(topology: Topology, names: set[str]) -> dict[str, list[tuple[str, Link]]]:
    """Return, for each node, the links from it and where they lead."""
    neighbours: dict[str, list[tuple[str, Link]]] = {name: [] for name in names}
    for link in topology.links:
        if link.a.node in names and link.b.node in names and link.loss < 100:
            neighbours[link.a.node].append((link.b.node, link))
            neighbours[link.b.node].append((link.a.node, link))
    return neighbours
