"""Why the descheduler did what it did in a cycle: from scores over thresholds and classes to victims and targets."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from serflab.errors import SerflabError
from serflab.rebalance.cycles import APPROPRIATE, OVER, UNDER, Cycle, Victim, read_cycles
from serflab.rebalance.loop_settings import NAMESPACE
from serflab.rebalance.names import migration_path
from serflab.rebalance.questions import PrometheusError, api, node_scores
from serflab.rebalance.utilization import classify

if TYPE_CHECKING:
    from collections.abc import Mapping

    from serflab.rebalance.loop_settings import Loop

_CLASSES: Final = {"under": UNDER, "over": OVER, "appropriate": APPROPRIATE}


@dataclass(frozen=True, slots=True)
class ExplainedNode:
    """A node in a cycle.

    `score` is what Prometheus had at that moment (None: it has it no more), `percent` what the descheduler made of it,
    `category` its class and `expected` the class that follows from all percents (`serflab.rebalance.utilization`).
    """

    name: str
    score: float | None
    percent: int
    category: str
    expected: str


@dataclass(frozen=True, slots=True)
class ExplainedVictim:
    """A pod that was to leave a node; `target`, `migration` and `phase` tell where its VM goes, as far as is known."""

    pod: str
    node: str
    outcome: str
    problem: str
    target: str = ""
    migration: str = ""
    phase: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One cycle; times in seconds since the epoch, `average`, `low` and `high` in percent."""

    started: float
    ended: float
    algorithm: str
    threshold: float
    target_threshold: float
    average: float | None = None
    low: float | None = None
    high: float | None = None
    nodes: list[ExplainedNode] = field(default_factory=list)
    victims: list[ExplainedVictim] = field(default_factory=list)
    in_flight: int = 0
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Whether the classes are those that follow from the percents."""
        return all(node.category == node.expected for node in self.nodes)

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**asdict(self), "agrees": self.agrees}


def ended_cycles(loop: Loop) -> list[Cycle]:
    """Return the cycles that have ended since the descheduler was started with the loop's policy."""
    return [cycle for cycle in read_cycles(loop.descheduler_log) if cycle.ended and cycle.started >= loop.since]


def last_cycle(loop: Loop) -> Cycle:
    """Return the last cycle that has ended since the policy was made; `SerflabError` when there is none yet."""
    cycles = ended_cycles(loop)
    if not cycles:
        raise SerflabError(
            "the descheduler has not ended a cycle yet",
            hint=f"there is one every {loop.interval:g} s; its log is {loop.descheduler_log}",
        )
    return cycles[-1]


def explain(loop: Loop, cycle: Cycle) -> Explanation:
    """Explain a cycle of a loop. What Prometheus or the API server cannot tell any more is left out."""
    names = list(cycle.usage)
    known: dict[str, Any] = {}
    expected = dict.fromkeys(names, "")
    if names:
        found = expected_classes(cycle, loop.threshold, loop.target_threshold)
        expected, known = found.classes, {"average": found.average, "low": found.low, "high": found.high}
    scores = _scores(loop, cycle)
    nodes = [
        ExplainedNode(name, scores.get(name), cycle.usage[name], cycle.classes[name], expected[name])
        for name in sorted(names)
    ]
    return Explanation(
        cycle.started,
        cycle.ended,
        loop.algorithm,
        loop.threshold,
        loop.target_threshold,
        **known,
        nodes=nodes,
        victims=_victims(cycle, _migrations(loop) if cycle.victims else {}),
        in_flight=cycle.in_flight,
        notes=list(cycle.notes),
        problems=list(cycle.problems),
    )


@dataclass(frozen=True, slots=True)
class Expected:
    """Average and thresholds in percent, and the class of each node in the descheduler's words."""

    average: float
    low: float
    high: float
    classes: dict[str, str]


def expected_classes(cycle: Cycle, threshold: float, target_threshold: float) -> Expected:
    """Return what follows from the usage of a cycle, which must have some, by `serflab.rebalance.utilization`."""
    names = list(cycle.usage)
    # In the middle of a percent, where no rounding of ours can touch what was truncated.
    found = classify([min(1.0, (cycle.usage[name] + 0.5) / 100) for name in names], threshold, target_threshold)
    classes = dict(zip(names, (_CLASSES[name] for name in found.names()), strict=True))
    return Expected(float(found.average), float(found.low), float(found.high), classes)


def _scores(loop: Loop, cycle: Cycle) -> dict[str, float]:
    """Return the scores that the descheduler saw: it asked Prometheus just after the cycle began."""
    try:
        return node_scores(loop, cycle.started)
    except PrometheusError:
        return {}


def _migrations(loop: Loop) -> dict[str, Mapping[str, Any]]:
    """Return the migrations by the pod that they leave; none when the API server does not answer."""

    async def ask() -> list[dict[str, Any]]:
        async with asyncio.timeout(5), api(loop) as client:
            return list((await client.list(migration_path(NAMESPACE)))["items"])

    try:
        found = asyncio.run(ask())
    except (SerflabError, TimeoutError):
        return {}
    return {_state(item).get("sourcePod", ""): item for item in found}


def _state(migration: Mapping[str, Any]) -> Mapping[str, Any]:
    return (migration.get("status") or {}).get("migrationState") or {}


def _victims(cycle: Cycle, migrations: Mapping[str, Mapping[str, Any]]) -> list[ExplainedVictim]:
    return [_victim(victim, migrations.get(victim.pod)) for victim in cycle.victims]


def _victim(victim: Victim, migration: Mapping[str, Any] | None) -> ExplainedVictim:
    if migration is None:
        return ExplainedVictim(victim.pod, victim.node, victim.outcome, victim.problem)
    return ExplainedVictim(
        victim.pod,
        victim.node,
        victim.outcome,
        victim.problem,
        target=_state(migration).get("targetNode", ""),
        migration=migration["metadata"]["name"],
        phase=(migration.get("status") or {}).get("phase", "Pending"),
    )
