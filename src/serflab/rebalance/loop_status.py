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
from serflab.rebalance.loop_programs import DESCHEDULER, PARTS, PROMETHEUS, full_name
from serflab.rebalance.loop_settings import NAMESPACE, OWN_SERF
from serflab.rebalance.names import migration_path
from serflab.rebalance.nodes_now import nodes_now
from serflab.rebalance.preflight import Preflight
from serflab.rebalance.questions import api

if TYPE_CHECKING:
    from collections.abc import Mapping

    from serflab.lab.supervisor import ProgramState
    from serflab.rebalance.cycles import Cycle
    from serflab.rebalance.loop_settings import Loop
    from serflab.rebalance.nodes_now import NodeRow

GO_ON: Final = "`serflab rebalance up` tries again, `serflab rebalance down` removes what is left"
"""What to do with a loop that is not up."""
_MOVES_SHOWN: Final = 8
_KEEPS_ENDING: Final = frozenset({"BACKOFF", "FATAL"})


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
    """How a loop is; `problems` are those that preflight finds.

    `stopped` says why no program of it runs, empty when there are some; `limits` and `ways` are those in force, in
    words.
    """

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
    stopped: str = ""
    limits: str = ""
    ways: str = ""

    @property
    def healthy(self) -> bool:
        """Whether all programs run and nothing is in the descheduler's way."""
        running = all(program.state == "RUNNING" for program in self.programs)
        return running and not self.problems and not self.stopped

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**asdict(self), "healthy": self.healthy}


def loop_status(loop: Loop) -> LoopStatus:
    """Return how the loop is now."""
    states = _states(loop)
    return LoopStatus(
        loop.serf or OWN_SERF,
        loop.algorithm,
        loop.interval,
        loop.threshold,
        loop.target_threshold,
        loop.exporter,
        loop.prometheus,
        _programs(states) if states is not None else [ProgramStatus(part, "STOPPED", 0, 0) for part in _parts(loop)],
        [asdict(problem) for problem in Preflight(loop).problems()],
        _last_cycle(loop),
        _stopped(loop) if states is None else "",
        loop.limits,
        loop.ways,
    )


def _programs(states: Mapping[str, ProgramState]) -> list[ProgramStatus]:
    return [
        ProgramStatus(name.partition(":")[2], state.state, state.pid, state.started, state.problem)
        for name, state in states.items()
    ]


def awaited(loop: Loop) -> str:
    """Return in one line what has to run before the loop does its work; empty when all of its programs run."""
    states = _states(loop)
    if states is None:
        return _stopped(loop)
    missing = {name.partition(":")[2]: state.state for name, state in states.items() if state.state != "RUNNING"}
    if ending := [name for name, state in missing.items() if state in _KEEPS_ENDING]:
        return f"{', '.join(ending)}: started again and again; its log is in {loop.logs}"
    if list(missing) == [DESCHEDULER]:
        return "the loop comes up: the descheduler starts once every node has a score"
    return f"the loop comes up, still to start: {', '.join(missing)}" if missing else ""


def _states(loop: Loop) -> dict[str, ProgramState] | None:
    """Return the state of each program by its full name, in the order in which they start; None when none runs."""
    try:
        states = Supervisor(loop.directory).states()
    except SerflabError:
        return None
    own = [name for name in states if name.startswith(f"{OWN_SERF}:")]
    return {name: states[name] for name in (*own, *map(full_name, _parts(loop))) if name in states}


def _stopped(loop: Loop) -> str:
    if loop.failed:
        return f"the loop did not come up: {' '.join(loop.failed.split())}; its logs are in {loop.logs}"
    return f"no program of the loop runs; its logs are in {loop.logs}"


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
    """Return the loop as it is now; a part that does not answer is told in `problems`, the rest is there.

    As long as programs are missing, `problems` says which, instead of who does not answer without them.
    """
    waits_for = awaited(loop)
    now = nodes_now(loop)
    problems = list(now.problems)
    moves: list[Move] = []
    try:
        moves = asyncio.run(_moves(loop))
    except (SerflabError, TimeoutError) as error:
        problems.append(f"the API server: {error}")
    return Picture(time.time(), loop.algorithm, now.nodes, moves, [waits_for] if waits_for else problems)


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
