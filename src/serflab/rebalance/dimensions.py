"""The four inputs of the node scores, and the records that are made of them before any score is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Dimension:
    """One input: the letter of the formulas, its name in records, the exporter's metric, the record of a node's value.

    >>> DIMENSIONS[0].average, DIMENSIONS[0].excess
    ('descheduler:cluster:cpu_usage:avg', 'descheduler:node:cpu_usage:excess')
    """

    letter: str
    name: str
    metric: str
    record: str

    @property
    def average(self) -> str:
        """Return the record of the mean over the nodes."""
        return f"descheduler:cluster:{self.name}:avg"

    @property
    def deviation(self) -> str:
        """Return the record of a node's distance from the mean, negative below it."""
        return f"descheduler:node:{self.name}:deviation"

    @property
    def excess(self) -> str:
        """Return the record of what a node has above the mean, else 0."""
        return f"descheduler:node:{self.name}:excess"

    @property
    def average_excess(self) -> str:
        """Return the record of the mean excess over the nodes."""
        return f"descheduler:cluster:{self.name}:excess"


DIMENSIONS: Final = (
    Dimension("u", "cpu_usage", "node_cpu_usage_ratio", "descheduler:node:cpu_usage:ratio"),
    Dimension("p", "cpu_pressure", "node_cpu_pressure_psi", "descheduler:node:cpu_pressure:psi"),
    Dimension("m", "memory_usage", "node_memory_usage_ratio", "descheduler:node:memory_usage:ratio"),
    Dimension("q", "memory_pressure", "node_memory_pressure_psi", "descheduler:node:memory_pressure:psi"),
)
"""In the order of the formulas and arrays."""

INPUT: Final = "descheduler:node:input:avg1m"
"""Each input that there is of a node, with the label `dimension`, averaged over the window and clamped to [0, 1]."""
NODES: Final = "descheduler:cluster:nodes:count"
"""The number of nodes with all four inputs."""
ORDER: Final = "descheduler:node:order:key"
"""A number that grows with each dimension and, its factors being irrational, tells different nodes apart."""
LARGEST_EXCESS: Final = "descheduler:cluster:largest:excess"
"""The largest of the four mean excesses."""
