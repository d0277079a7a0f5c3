"""The loop beside a lab, for those who look at it again and again: found by its file, asked when somebody asks.

What runs a loop and computes scores is imported when a loop is there: a viewer without one, such as that in a
container, has no use for it, nor the packages.
"""

from __future__ import annotations

import threading
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from serflab.rebalance.cycles import APPROPRIATE, OVER, UNDER, read_cycles
from serflab.rebalance.loop_settings import FILE_NAME, OWN_SERF, load_loop, loop_directory
from serflab.rebalance.names import POD_PREFIX

if TYPE_CHECKING:
    from pathlib import Path

    from serflab.rebalance.cycles import Cycle, Victim
    from serflab.rebalance.followed_loop import FollowedLoop, MigrationRow, VmRow
    from serflab.rebalance.loop_settings import Loop

MOST_MIGRATIONS: Final = 50
MOST_EVICTIONS: Final = 50
MOST_CYCLES: Final = 20
_FRESH_SECONDS: Final = 1.0


class LoopObserver:
    """Tells of the loop that belongs to a lab's state directory, if there is one; safe to ask from any thread.

    However many ask, the loop is looked at once a second at most; its cluster is followed by watches while they do.
    """

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._lock = threading.Lock()
        self._switching = threading.Lock()
        self._followed: FollowedLoop | None = None
        self._document: dict[str, Any] = {}
        self._looked = 0.0
        self._log: tuple[tuple[str, int, int], list[Cycle]] = (("", 0, 0), [])

    def loop(self) -> Loop | None:
        """Return the loop, None when none is up; `SerflabError` when its file cannot be read."""
        if not (loop_directory(self._state_dir) / FILE_NAME).exists():
            return None
        return load_loop(self._state_dir)

    def document(self) -> dict[str, Any] | None:
        """Return the loop as it is, a second old at most, as JSON; None when none is up."""
        with self._lock:
            loop = self.loop()
            if loop is None:
                self._forget()
                return None
            if self._looked and time.monotonic() - self._looked < _FRESH_SECONDS and self._is_of(loop):
                return self._document
            self._document = self._look(loop)
            self._looked = time.monotonic()
            return self._document

    def migrations(self) -> list[MigrationRow]:
        """Return the migrations of the loop, the latest first; none when no loop is up."""
        with self._lock:
            loop = self.loop()
            return self._follow(loop).ask()[1] if loop else []

    def switch(self, loop: Loop, algorithm: str, target_threshold: float | None) -> Loop:
        """Let a loop go on with another algorithm, and another threshold if one is given; one switch at a time."""
        from serflab.rebalance.loop import switch  # noqa: PLC0415 - see the module

        with self._switching:
            changes: dict[str, Any] = {"algorithm": algorithm}
            if target_threshold is not None:
                changes["target_threshold"] = target_threshold
            # Whoever switched just before, here or on the command line, may have changed it.
            changed = switch(load_loop(loop.directory.parent).changed(**changes))
        self._looked = 0.0
        return changed

    def stop(self) -> None:
        """Follow nothing any more."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        if self._followed is not None:
            self._followed.stop()
        self._followed, self._looked = None, 0.0

    def _is_of(self, loop: Loop) -> bool:
        return self._followed is not None and self._followed.loop == loop

    def _follow(self, loop: Loop) -> FollowedLoop:
        from serflab.rebalance.followed_loop import FollowedLoop  # noqa: PLC0415 - see the module

        followed = self._followed
        if followed is None or not followed.fits(loop):
            if followed is not None:
                followed.stop()
            followed = self._followed = FollowedLoop(loop)
        followed.loop = loop
        return followed

    def _look(self, loop: Loop) -> dict[str, Any]:
        from serflab.rebalance.nodes_now import nodes_now  # noqa: PLC0415 - see the module

        followed = self._follow(loop)
        vms, migrations = followed.ask()
        now = nodes_now(loop)
        cycles = self._cycles(loop)
        problems = [*now.problems, *([f"the API server: {followed.problem}"] if followed.problem else [])]
        return {
            "serf": loop.serf or OWN_SERF,
            "own_serf": not loop.serf,
            "at": time.time(),
            "algorithm": loop.algorithm,
            "interval": loop.interval,
            "threshold": loop.threshold,
            "target_threshold": loop.target_threshold,
            "scenario": loop.scenario.rpartition("/")[2],
            "average": now.average,
            "low": now.low,
            "high": now.high,
            "nodes": [asdict(row) for row in now.nodes],
            "vms": _vms(vms, migrations),
            "migrations": [asdict(row) for row in migrations[:MOST_MIGRATIONS]],
            "cycles": [_cycle(cycle) for cycle in cycles[: -MOST_CYCLES - 1 : -1]],
            "evictions": _evictions(cycles, migrations),
            "problems": problems,
        }

    def _cycles(self, loop: Loop) -> list[Cycle]:
        """Return the cycles that have ended, the oldest first; a log that has not changed is not read again."""
        try:
            status = loop.descheduler_log.stat()
        except OSError:
            return []
        stamp = (str(loop.descheduler_log), status.st_size, status.st_mtime_ns)
        if self._log[0] != stamp:
            self._log = (stamp, [cycle for cycle in read_cycles(loop.descheduler_log) if cycle.ended])
        return self._log[1]


def _vms(vms: list[VmRow], migrations: list[MigrationRow]) -> list[dict[str, Any]]:
    """Return the VMs, each with the phase and target of its migration while there is one under way."""
    moving = {migration.vm: migration for migration in migrations if migration.under_way}
    return [
        {
            **asdict(vm),
            "migration": moving[vm.name].phase if vm.name in moving else None,
            "target": moving[vm.name].target if vm.name in moving else "",
        }
        for vm in vms
    ]


def _cycle(cycle: Cycle) -> dict[str, Any]:
    classes = list(cycle.classes.values())
    return {
        "started": cycle.started,
        "ended": cycle.ended,
        "under": classes.count(UNDER),
        "appropriate": classes.count(APPROPRIATE),
        "over": classes.count(OVER),
        "evictions": len(cycle.requested),
        "in_flight": cycle.in_flight,
        "notes": list(cycle.notes),
        "problems": list(cycle.problems),
    }


def _evictions(cycles: list[Cycle], migrations: list[MigrationRow]) -> list[dict[str, Any]]:
    """Return the evictions that were asked for, the latest first, each with what became of it."""
    by_pod = {migration.pod: migration for migration in migrations if migration.pod}
    victims = [(cycle, victim) for cycle in reversed(cycles) for victim in reversed(cycle.victims)]
    return [_eviction(cycle, victim, by_pod.get(victim.pod)) for cycle, victim in victims[:MOST_EVICTIONS]]


def _eviction(cycle: Cycle, victim: Victim, migration: MigrationRow | None) -> dict[str, Any]:
    return {
        "at": cycle.started,
        "vm": migration.vm if migration else victim.pod.removeprefix(POD_PREFIX).rpartition("-")[0],
        "pod": victim.pod,
        "node": victim.node,
        "outcome": victim.outcome,
        "problem": victim.problem,
        "migration": migration.phase if migration else None,
        "target": migration.target if migration else "",
    }
