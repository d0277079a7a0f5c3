"""The proof that a closed loop works, with the real descheduler: what `./test-closed-loop.sh` runs and reports.

One loop after another on the same cluster: a balanced one, in which nothing may move; one with a hot node, whose spread
must at least halve within the limits; then two cycles by each of the algorithms. In every cycle percents and classes
of the nodes must be those that `serflab.rebalance.scores` and `utilization` make of the inputs that Prometheus had.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from serflab.errors import SerflabError
from serflab.rebalance import loop as runtime
from serflab.rebalance.algorithms import ALGORITHMS
from serflab.rebalance.explain import ended_cycles
from serflab.rebalance.launchers import SELECTOR, is_live, phase_of, vm_of
from serflab.rebalance.loop_settings import NAMESPACE, load_loop
from serflab.rebalance.names import migration_path
from serflab.rebalance.placement import nodes_for
from serflab.rebalance.proof_scores import agrees, evaluations_of
from serflab.rebalance.questions import api, node_figures
from serflab.rebalance.scenario_check import TEMPLATES, load_scenario
from serflab.rebalance.virtual_machines import list_vms

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future
    from pathlib import Path

    from serflab.lab.progress import Progress
    from serflab.rebalance.cycles import Cycle
    from serflab.rebalance.loop_settings import Loop

HOT_NODE_ALGORITHM: Final = "cpu_focused"
"""By which the hot node is found: one that comes to rest at the usual threshold, and whose dimension is CPU."""
MOST_IN_FLIGHT: Final = 5
MOST_OUT_OF_A_NODE: Final = 2
_FINISHED: Final = frozenset({"Succeeded", "Failed"})
_POLL_SECONDS = 0.2
_QUIET_CYCLES: Final = 2
_CYCLES_OF_EACH: Final = 2
_PATIENCE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold, whether it does, and what was seen."""

    name: str
    passed: bool
    seen: str


@dataclass(slots=True)
class Report:
    """The checks of a proof in their order, and how long it took in seconds."""

    checks: list[Check] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether all of them hold."""
        return all(check.passed for check in self.checks)

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"passed": self.passed, **asdict(self)}


@dataclass(slots=True)
class Watched:
    """What was seen of the migrations and pods of a loop while it ran, in so many looks; `failed` ones saw nothing."""

    looks: int = 0
    failed: int = 0
    most: int = 0
    most_out_of_a_node: int = 0
    names: set[str] = field(default_factory=set)
    doubled: set[str] = field(default_factory=set)


class Watcher:
    """Follows migrations and pods of a loop in a thread, in a `with`; `seen` is what it saw.

    The end of the `with` raises what ended the thread before, and `SerflabError` when it never saw anything: a limit
    that nobody watched was not kept.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._stopped = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="proof watcher")
        self._end: Future[None] | None = None
        self._last_error = ""
        self._doubled: set[str] = set()
        self.seen = Watched()

    def __enter__(self) -> Self:
        """Begin."""
        self._end = self._thread.submit(lambda: asyncio.run(self._watch()))
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """End."""
        self._stopped.set()
        self._thread.shutdown()
        if kind is not None or self._end is None:
            return
        self._end.result()
        if not self.seen.looks:
            raise SerflabError(f"nothing was seen of the migrations and pods: {self._last_error or 'no look in time'}")

    async def _watch(self) -> None:
        async with api(self._loop) as client:
            while not self._stopped.is_set():
                try:
                    migrations = (await client.list(migration_path(NAMESPACE)))["items"]
                    pods = (await client.list("/api/v1/pods", params={"labelSelector": SELECTOR}))["items"]
                except SerflabError as error:
                    self.seen.failed += 1
                    self._last_error = error.message
                else:
                    self.seen.looks += 1
                    self._count(migrations)
                    self._look_for_doubles(pods, migrations)
                await asyncio.sleep(_POLL_SECONDS)

    def _count(self, migrations: list[dict[str, Any]]) -> None:
        going = [(item.get("status") or {}) for item in migrations]
        going = [status for status in going if status.get("phase", "Pending") not in {*_FINISHED, "Pending"}]
        sources = Counter((status.get("migrationState") or {}).get("sourceNode", "") for status in going)
        self.seen.most = max(self.seen.most, len(going))
        self.seen.most_out_of_a_node = max(self.seen.most_out_of_a_node, *sources.values(), 0)
        self.seen.names |= {item["metadata"]["name"] for item in migrations}

    def _look_for_doubles(self, pods: list[dict[str, Any]], migrations: list[dict[str, Any]]) -> None:
        """Note the VMs with two running pods and no migration, in two looks: the lists are of different moments."""
        moving = {
            item["spec"]["vmiName"] for item in migrations if (item.get("status") or {}).get("phase") not in _FINISHED
        }
        running = Counter(vm_of(pod) for pod in pods if is_live(pod) and phase_of(pod) == "Running")
        doubled = {name for name, count in running.items() if count > 1 and name not in moving}
        self.seen.doubled |= doubled & self._doubled
        self._doubled = doubled


class Proof:
    """The proof on one loop that is not up; `programs` are the pinned programs, `samples` the file of scenarios."""

    def __init__(self, loop: Loop, samples: Path, programs: Mapping[str, Path], progress: Progress) -> None:
        self._loop = loop
        self._samples = samples
        self._programs = programs
        self._progress = progress
        self.report = Report()

    def run(self, *, balanced_cycles: int = 30, hot_cycles: int = 12) -> Report:
        """Run everything and return the report; the loop stays up. Raises `SerflabError` when it cannot even run."""
        began = time.monotonic()
        self.balanced(balanced_cycles)
        self.hot_node(hot_cycles)
        self.every_algorithm()
        self.report.seconds = time.monotonic() - began
        return self.report

    def balanced(self, count: int) -> None:
        """Check that in `count` cycles of a balanced cluster, a second each, nothing is evicted."""
        loop = self._up("balanced", self._loop.changed(interval=1.0))
        cycles = self._await_cycles(loop, count, f"{count} cycles of a balanced cluster")
        victims = [victim.pod for cycle in cycles for victim in cycle.victims]
        self._check("balanced: nothing moves", not victims, f"{len(victims)} evictions in {len(cycles)} cycles")
        self._check_classes("balanced", cycles, loop)

    def hot_node(self, most: int) -> None:
        """Check that a hot node cools down within the limits, in `most` cycles at most."""
        loop = self._up("hot-node", self._loop.changed(algorithm=HOT_NODE_ALGORITHM))
        before = coefficient_of_variation(loop)
        wanted = {vm.id for vm in load_scenario(loop.scenario, loop.checkout / TEMPLATES).vms()}
        with Watcher(loop) as watcher:
            cycles = self._until_quiet(loop, most)
            after = coefficient_of_variation(loop)
        seen = watcher.seen
        moved = len(seen.names)
        text = f"{before:.3f} -> {after:.3f} in {len(cycles)} cycles, {moved} migrations"
        self._check("hot node: CPU's coefficient of variation halves", after <= before / 2, text)
        self._check("hot node: it comes to rest", not cycles[-1].requested, f"{len(cycles)} cycles")
        self._check(
            "hot node: migrations and pods were watched all the time",
            seen.looks >= len(cycles) and seen.looks > seen.failed,
            f"{seen.looks} looks, {seen.failed} without an answer",
        )
        self._check(
            "hot node: never more than 5 under way, 2 out of a node",
            seen.most <= MOST_IN_FLIGHT and seen.most_out_of_a_node <= MOST_OUT_OF_A_NODE,
            f"at most {seen.most}, {seen.most_out_of_a_node} out of a node",
        )
        self.report.checks.append(limits_are_reached(cycles))
        there = asyncio.run(running_vms(loop))
        lost = wanted - set(there)
        text = f"{len(lost)} lost, {len(seen.doubled)} doubled of {len(wanted)}"
        self._check("hot node: no VM is lost or runs twice", not lost and not seen.doubled, text)
        self._check_classes("hot node", cycles, loop)

    def every_algorithm(self) -> None:
        """Check that the descheduler completes two cycles by each of the algorithms, a second each, without an error.

        The loop stays with cycles of a second.
        """
        task = f"{_CYCLES_OF_EACH} cycles by each of {len(ALGORITHMS)} algorithms"
        loop = self._up("hot-node", load_loop(self._loop.directory.parent).changed(interval=1.0))
        self._progress.start(task)
        failed: list[str] = []
        disagreeing: list[str] = []
        count = 0
        for number, name in enumerate(ALGORITHMS):
            loop = runtime.switch(loop.changed(algorithm=name))
            cycles = self._wait(loop, _CYCLES_OF_EACH)
            count += len(cycles)
            failed += [f"{name}: {found}" for found in dict.fromkeys(map(failure, cycles)) if found]
            evaluations = evaluations_of(loop, cycles)
            disagreeing += [] if all(agrees(cycle, loop, evaluations) for cycle in cycles) else [name]
            self._progress.advance(task, number + 1, len(ALGORITHMS), "algorithms")
        self._progress.finish(task)
        text = f"{len(ALGORITHMS)} of {len(ALGORITHMS)}, {count} cycles"
        self._check("every algorithm: cycles complete without error or refusal", not failed, "; ".join(failed) or text)
        self._check(
            "every algorithm: percents and classes agree with serflab's",
            not disagreeing,
            ", ".join(disagreeing) or f"{text} compared, by the inputs in Prometheus",
        )

    def _up(self, scenario: str, loop: Loop) -> Loop:
        named = f"{self._samples}:{scenario}"
        plan = load_scenario(named, loop.checkout / TEMPLATES)
        nodes = nodes_for(plan, None)
        loop = loop.changed(scenario=named)
        return runtime.LoopRuntime(loop, plan, nodes, self._programs, self._progress).up()

    def _await_cycles(self, loop: Loop, count: int, task: str) -> list[Cycle]:
        self._progress.start(task)
        cycles = self._wait(loop, count)
        self._progress.finish(task)
        return cycles

    def _wait(self, loop: Loop, count: int) -> list[Cycle]:
        """Wait for `count` cycles since the policy was made and return them."""
        deadline = time.monotonic() + _PATIENCE + 2 * count * loop.interval
        while True:
            cycles = ended_cycles(loop)
            if len(cycles) >= count:
                return cycles
            if time.monotonic() > deadline:
                raise SerflabError(
                    f"the descheduler ended {len(cycles)} cycles, expected {count}",
                    hint=f"its log is {loop.descheduler_log}",
                )
            time.sleep(_POLL_SECONDS)

    def _until_quiet(self, loop: Loop, most: int) -> list[Cycle]:
        """Wait until two cycles in a row, after one that evicted, begin no eviction; `most` cycles at most."""
        task = "the loop with a hot node comes to rest"
        self._progress.start(task)
        count = 1
        while True:
            cycles = self._wait(loop, count)
            self._progress.advance(task, len(cycles), most, "cycles")
            acted = any(cycle.requested for cycle in cycles)
            quiet = all(not cycle.victims and cycle.complete for cycle in cycles[-_QUIET_CYCLES:])
            if (acted and quiet and len(cycles) > _QUIET_CYCLES) or len(cycles) >= most:
                self._progress.finish(task)
                return cycles
            count = len(cycles) + 1

    def _check(self, name: str, passed: bool, seen: str) -> None:
        self.report.checks.append(Check(name, passed, seen))

    def _check_classes(self, name: str, cycles: list[Cycle], loop: Loop) -> None:
        incomplete = [cycle for cycle in cycles if not cycle.complete]
        text = "; ".join(sorted({problem for cycle in incomplete for problem in cycle.problems}))
        self._check(f"{name}: cycles complete without error", not incomplete, text or f"{len(cycles)} of {len(cycles)}")
        compared = [cycle for cycle in cycles if cycle.classes]
        evaluations = evaluations_of(loop, compared)
        agreeing = [cycle for cycle in compared if agrees(cycle, loop, evaluations)]
        passed = bool(compared) and len(agreeing) == len(compared)
        text = f"{len(agreeing)} of {len(compared)} cycles compared, by the inputs in Prometheus"
        self._check(f"{name}: percents and classes agree with serflab's", passed, text)


def limits_are_reached(cycles: list[Cycle]) -> Check:
    """Check that some cycle took as many of a node as it may, and none more: fewer are possible without the limits."""
    requested = [Counter(victim.node for victim in cycle.requested) for cycle in cycles]
    largest = max((counts.total() for counts in requested), default=0)
    of_node = max((max(counts.values(), default=0) for counts in requested), default=0)
    return Check(
        "hot node: 2 evictions of a node in a cycle, never more, and never more than 5 in all",
        largest <= MOST_IN_FLIGHT and of_node == MOST_OUT_OF_A_NODE,
        f"at most {largest}, {of_node} of a node",
    )


def failure(cycle: Cycle) -> str:
    """Return what kept a cycle from its work, refused evictions and logged errors among it; empty when nothing did."""
    found = [*cycle.problems, *cycle.errors]
    return "; ".join(found) if found or cycle.complete else "no classes"


def coefficient_of_variation(loop: Loop) -> float:
    """Return the standard deviation of the nodes' CPU usage over its mean, from the exporter."""
    usage = np.array([figures["node_cpu_usage_ratio"] for figures in node_figures(loop).values()])
    return float(usage.std() / usage.mean())


async def running_vms(loop: Loop) -> dict[str, int]:
    """Return the VMs that have a running pod, with how many there are."""
    async with api(loop) as client:
        pods = (await client.list("/api/v1/pods", params={"labelSelector": SELECTOR}))["items"]
    return dict(Counter(vm_of(pod) for pod in pods if is_live(pod) and phase_of(pod) == "Running"))


async def under_way(loop: Loop) -> list[str]:
    """Return the VMs that have to leave their node or migrate at the moment."""
    async with api(loop) as client:
        vms = await list_vms(client, NAMESPACE)
        migrations = (await client.list(migration_path(NAMESPACE)))["items"]
    leaving = {vm["metadata"]["name"] for vm in vms if (vm.get("status") or {}).get("evacuationNodeName")}
    going = {item["spec"]["vmiName"] for item in migrations if (item.get("status") or {}).get("phase") not in _FINISHED}
    return sorted(leaving | going)
