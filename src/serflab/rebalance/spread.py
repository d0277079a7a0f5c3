"""How far apart the nodes of a loop were over the past: the standard deviation of each measure, from its Prometheus."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp

from serflab.lab.prometheus_query import Grid, Prometheus, gather_queries, grid
from serflab.rebalance.dimensions import DIMENSIONS
from serflab.rebalance.loop_files import rule_settings

if TYPE_CHECKING:
    from serflab.lab.span import Span
    from serflab.rebalance.loop_settings import Loop
    from serflab.rebalance.rules import RuleSettings


@dataclass(frozen=True, slots=True)
class Spread:
    """By measure (cpu, memory, psi) one value for each point: points of percent, None where nothing is known."""

    points: Grid
    values: dict[str, list[float | None]]


def spread(loop: Loop, span: Span) -> Spread:
    """Return the standard deviation over the nodes, population's; raises the `PrometheusError` of `prometheus_query`.

    The pressure of a node is the larger of its two.
    """
    return asyncio.run(_spread(loop, span))


async def _spread(loop: Loop, span: Span) -> Spread:
    points = grid(span.start, span.end)
    async with aiohttp.ClientSession() as session:
        prometheus = Prometheus(session, loop.prometheus)
        return Spread(points, await gather_queries(prometheus, queries(rule_settings(loop)), points))


def queries(settings: RuleSettings) -> dict[str, str]:
    """Return the query of each measure."""
    cpu, cpu_pressure, memory, memory_pressure = (settings.select(each.record) for each in DIMENSIONS)
    return {
        "cpu": f"100 * stddev({cpu})",
        "memory": f"100 * stddev({memory})",
        "psi": f"100 * stddev({cpu_pressure} > {memory_pressure} or {memory_pressure})",
    }
