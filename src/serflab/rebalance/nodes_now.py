"""The nodes of a loop now: what they use, their scores, and the class that the descheduler would give each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from serflab.errors import SerflabError
from serflab.rebalance.cycles import APPROPRIATE, OVER, UNDER
from serflab.rebalance.questions import node_figures, node_scores
from serflab.rebalance.utilization import UnusableScoreError, classify_nodes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from serflab.rebalance.loop_settings import Loop

CATEGORIES: Final = {"under": UNDER, "over": OVER, "appropriate": APPROPRIATE}
"""The classes in the descheduler's own words."""


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node: ratios of CPU, memory and their pressures, its score and class (None and empty: unknown).

    `percent` is what the descheduler makes of the score.
    """

    name: str
    cpu: float | None
    memory: float | None
    cpu_pressure: float | None
    memory_pressure: float | None
    vms: int
    score: float | None
    percent: int | None
    category: str


@dataclass(frozen=True, slots=True)
class NodesNow:
    """The nodes in the order of their names; `average`, `low` and `high` in percent, None while scores are missing.

    `problems` tells what could not be learned.
    """

    nodes: list[NodeRow]
    average: float | None = None
    low: float | None = None
    high: float | None = None
    problems: list[str] = field(default_factory=list)


def nodes_now(loop: Loop) -> NodesNow:
    """Return the nodes as exporter and Prometheus tell them; one that does not answer is told in `problems`."""
    problems: list[str] = []
    figures: dict[str, dict[str, float]] = {}
    scores: dict[str, float] = {}
    try:
        figures = node_figures(loop)
    except SerflabError as error:
        problems.append(error.message)
    try:
        scores = node_scores(loop)
    except SerflabError as error:
        problems.append(f"Prometheus: {error.message}")
    classes: dict[str, str] = {}
    percents: dict[str, int] = {}
    thresholds: tuple[float | None, float | None, float | None] = (None, None, None)
    if scores:
        try:
            classes, found = classify_nodes(scores, loop.threshold, loop.target_threshold)
        except UnusableScoreError as error:
            problems.append(f"the descheduler would give up its cycle: {error.message}")
        else:
            percents = dict(zip(scores, found.percent.tolist(), strict=True))
            thresholds = (float(found.average), float(found.low), float(found.high))
    rows = [
        _row(
            name, figures.get(name, {}), scores.get(name), percents.get(name), CATEGORIES.get(classes.get(name, ""), "")
        )
        for name in sorted({*figures, *scores}, key=natural)
    ]
    return NodesNow(rows, *thresholds, problems=problems)


def _row(name: str, figures: Mapping[str, float], score: float | None, percent: int | None, category: str) -> NodeRow:
    return NodeRow(
        name,
        figures.get("node_cpu_usage_ratio"),
        figures.get("node_memory_usage_ratio"),
        figures.get("node_cpu_pressure_psi"),
        figures.get("node_memory_pressure_psi"),
        int(figures.get("node_vm_count", 0)),
        score,
        percent,
        category,
    )


def natural(name: str) -> tuple[str, int, str]:
    """Return a key by which node-10 comes after node-9.

    >>> sorted(["node-10", "node-9"], key=natural)
    ['node-9', 'node-10']
    """
    stem = name.rstrip("0123456789")
    return stem, int(name[len(stem) :] or 0), name
