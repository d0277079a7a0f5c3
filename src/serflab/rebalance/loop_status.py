"""How a loop is: its programs, what is in the descheduler's way, its last cycle; and the picture that `watch` shows."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from serflab.errors import SerflabError
from serflab.lab.supervisor import Supervisor
from serflab.rebalance.cycles import OVER, UNDER
from serflab.rebalance.explain import ended_cycles
from serflab.rebalance.loop_programs import PARTS, PROMETHEUS, full_name
from serflab.rebalance.loop_settings import NAMESPACE, OWN_SERF
from serflab.rebalance.names import migration_path
from serflab.rebalance.nodes_now import nodes_now
from serflab.rebalance.preflight import Preflight
from serflab.rebalance.questions import api

if TYPE_CHECKING:
    from collections.abc import Mapping

    from serflab.rebalance.cycles import Cycle
    from serflab.rebalance.loop_settings import Loop
    from serflab.rebalance.nodes_now import NodeRow

_MOVES_SHOWN: Final = 8


@dataclass(frozen=True, slots=True)
class ProgramStatus:
    """A program: `state` as the supervisor calls it, `since` when it started last (seconds since the epoch)."""

    name: str
    state: str
    pid: int
    since: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class CycleStatus:
    """The last cycle: begin and end, the number of nodes in each class, evictions that it began and that go on."""

    started: float
    ended: float
    under: int
    over: int
    requested: int
    in_flight: int
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LoopStatus:
    """How a loop is; `problems` are those that preflight finds."""

    serf: str
    algorithm: str
    interval: float
    threshold: float
    target_threshold: float
    exporter: str
    prometheus: str
    programs: list[ProgramStatus]
    problems: list[dict[str, str]]
    cycle: CycleStatus | None

    @property
    def healthy(self) -> bool:
        """Whether all programs run and nothing is in the descheduler's way."""
        return all(program.state == "RUNNING" for program in self.programs) and not self.problems

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**asdict(self), "healthy": self.healthy}


def loop_status(loop: Loop) -> LoopStatus:
    """Return how the loop is now."""
    return LoopStatus(
        loop.serf or OWN_SERF,
        loop.algorithm,
        loop.interval,
        loop.threshold,
        loop.target_threshold,
        loop.exporter,
        loop.prometheus,
        _programs(loop),
        [asdict(problem) for problem in Preflight(loop).problems()],
        _last_cycle(loop),
    )


def _programs(loop: Loop) -> list[ProgramStatus]:
    try:
        states = Supervisor(loop.directory).states()
    except SerflabError as error:
        return [ProgramStatus(part, "STOPPED", 0, 0, error.message) for part in _parts(loop)]
    parts = {full_name(part) for part in _parts(loop)}
    names = [name for name in states if name.startswith(f"{OWN_SERF}:")] + [name for name in states if name in parts]
    return [
        ProgramStatus(
            name.partition(":")[2], states[name].state, states[name].pid, states[name].started, states[name].problem
        )
        for name in names
    ]


def _parts(loop: Loop) -> tuple[str, ...]:
    return tuple(part for part in PARTS if part != PROMETHEUS or not loop.central)


def _last_cycle(loop: Loop) -> CycleStatus | None:
    cycles = ended_cycles(loop)
    return _cycle_status(cycles[-1]) if cycles else None


def _cycle_status(cycle: Cycle) -> CycleStatus:
    classes = list(cycle.classes.values())
    return CycleStatus(
        cycle.started,
        cycle.ended,
        classes.count(UNDER),
        classes.count(OVER),
        len(cycle.requested),
        cycle.in_flight,
        list(cycle.problems),
    )


@dataclass(frozen=True, slots=True)
class Move:
    """A migration of a VM; `started` and `ended` as the object has them, empty until then."""

    vm: str
    source: str
    target: str
    phase: str
    started: str
    ended: str


@dataclass(frozen=True, slots=True)
class Picture:
    """The loop at one moment: nodes by name, the latest migrations first, what could not be learned."""

    at: float
    algorithm: str
    nodes: list[NodeRow]
    moves: list[Move]
    problems: list[str]

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


def picture(loop: Loop) -> Picture:
    """Return the loop as it is now; a part that does not answer is told in `problems`, the rest is there."""
    now = nodes_now(loop)
    problems = list(now.problems)
    moves: list[Move] = []
    try:
        moves = asyncio.run(_moves(loop))
    except (SerflabError, TimeoutError) as error:
        problems.append(f"the API server: {error}")
    return Picture(time.time(), loop.algorithm, now.nodes, moves, problems)


async def _moves(loop: Loop) -> list[Move]:
    async with asyncio.timeout(5), api(loop) as client:
        found = (await client.list(migration_path(NAMESPACE)))["items"]
    found.sort(key=lambda item: item["metadata"]["creationTimestamp"], reverse=True)
    return [_move(item) for item in found[:_MOVES_SHOWN]]


def _move(migration: Mapping[str, Any]) -> Move:
    status = migration.get("status") or {}
    told = status.get("migrationState") or {}
    return Move(
        migration["spec"]["vmiName"],
        told.get("sourceNode", ""),
        told.get("targetNode", ""),
        status.get("phase", "Pending"),
        told.get("startTimestamp", ""),
        told.get("endTimestamp", ""),
    )
