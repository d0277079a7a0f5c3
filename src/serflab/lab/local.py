"""The local runtime: the serfs of a plan as plain processes of the user, on loopback, under one supervisord."""

from __future__ import annotations

import os
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from serflab.errors import SerflabError
from serflab.lab import state
from serflab.lab.health import CancelledError, Watchman
from serflab.lab.ports import check_free
from serflab.lab.processes import end, lab_processes
from serflab.lab.services import OFFLOAD, VIEWER, Services
from serflab.lab.sockets import offload_directory, offload_socket, remove_elsewhere
from serflab.lab.supervised_serf import SupervisedSerf
from serflab.lab.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from serflab.lab.inventory import Inventory
    from serflab.lab.plan import LabPlan
    from serflab.lab.progress import Progress


class LocalRuntime:
    """Brings a planned lab up on this machine and repairs it."""

    def __init__(self, plan: LabPlan, prometheus: Path, progress: Progress) -> None:
        self._plan = plan
        self._settings = plan.settings
        self._progress = progress
        self._supervisor = Supervisor(plan.settings.state_dir)
        self._watchman = Watchman(self._supervisor)
        self._serfs = [SupervisedSerf(serf, self._watchman) for serf in plan.serfs]
        self._services = Services(plan.settings, prometheus, self._watchman)

    def up(self) -> Inventory:
        """Start what is missing and return the inventory once every serf and service is ready.

        Raises `SerflabError` after stopping what it had started, so that nothing is left half-way.
        """
        was_running = self._supervisor.is_running()
        try:
            self._prepare(was_running=was_running)
            self._services.start_prometheus(self._plan.inventory)
            self._side_by_side(f"starting {len(self._serfs)} serfs with their pods", self._start_serf)
            inventory = self._plan.inventory
            inventory.save(self._settings.state_dir)
            self._services.start(OFFLOAD)
            self._services.start(VIEWER)
            self._side_by_side("starting exporters", SupervisedSerf.start_exporter)
            self._start_replays()
            self._services.await_ready(inventory)
        except BaseException:
            self._watchman.cancelled.set()
            self._undo(was_running=was_running)
            raise
        return inventory

    def _prepare(self, *, was_running: bool) -> None:
        """Check the machine, write all files, and make supervisord know all programs."""
        if not was_running and (orphans := list(lab_processes(self._settings.state_dir))):
            self._progress.say(f"the supervisor of this lab is gone; ending {len(orphans)} processes that it left")
            end(orphans, patience=3)
        self._check_ports(was_running=was_running)
        state.prepare(self._settings.state_dir, len(self._serfs))
        for serf in self._serfs:
            serf.prepare()
        programs = [program for serf in self._serfs for program in serf.programs()]
        self._supervisor.configure([*self._services.programs(), *programs])

    def _undo(self, *, was_running: bool) -> None:
        if was_running:
            for name in [*self._services.started, *(name for serf in self._serfs for name in serf.started)]:
                self._supervisor.stop(name)
            return
        self._supervisor.shut_down()
        end(lab_processes(self._settings.state_dir), patience=3)

    def _check_ports(self, *, was_running: bool) -> None:
        states = self._supervisor.states() if was_running else {}
        running = {name for name, program in states.items() if program.state in {"RUNNING", "STARTING", "STOPPING"}}
        services = self._services.ports()
        wanted = {port: purpose for name, (port, purpose) in services.items() if name not in running}
        for serf in self._serfs:
            wanted |= {
                port: f"{component} of {serf.plan.name}"
                for component, port in serf.listeners()
                if f"{serf.plan.name}:{component}" not in running
            }
        check_free(wanted)

    def _side_by_side(self, task: str, step: Callable[[SupervisedSerf], None]) -> None:
        """Do a step for all serfs, for one more at once than there are cores, and wait for all of them."""
        workers = min(len(self._serfs), (os.cpu_count() or 1) + 1)
        failures: list[SerflabError] = []
        self._progress.start(task)
        with ThreadPoolExecutor(workers) as pool:
            pending = {pool.submit(step, serf) for serf in self._serfs}
            try:
                while pending:
                    done, pending = wait(pending, timeout=1, return_when=FIRST_COMPLETED)
                    failures += [error for future in done if (error := _failure(future)) is not None]
                    if failures:
                        break
                    self._progress.advance(task, len(self._serfs) - len(pending), len(self._serfs), "serfs")
            finally:
                if pending:
                    self._watchman.cancelled.set()
                    pool.shutdown(wait=True, cancel_futures=True)
        failures += [error for future in pending if (error := _failure(future)) is not None]
        _raise(failures)
        self._progress.finish(task)

    def _start_serf(self, serf: SupervisedSerf) -> None:
        began = time.monotonic()
        serf.start_cluster()
        serf.create_resources()
        if serf.started:
            self._progress.say(f"{serf.plan.name} has its pods after {time.monotonic() - began:.1f} s")

    def _start_replays(self) -> None:
        """Start the replays one after the other within half an interval, so that their ticks are spread out.

        They come last: together they take most of the machine.
        """
        for serf in self._serfs:
            if serf.start_replay():
                self._watchman.cancelled.wait(serf.plan.interval / 2 / len(self._serfs))


def end_processes(state_dir: Path) -> int:
    """Stop all processes of the lab in that state directory; return how many ended.

    Raises `SerflabError` when a process is left even so.
    """
    count = sum(1 for _ in lab_processes(state_dir))
    Supervisor(state_dir).shut_down()
    left = end(lab_processes(state_dir), patience=5)
    if left:
        numbers = ", ".join(str(process.pid) for process in left)
        raise SerflabError(f"these processes of the lab do not end: {numbers}")
    remove_elsewhere(offload_socket(state_dir), offload_directory(state_dir))
    return count


def _failure(future: Future[None]) -> SerflabError | None:
    error = None if future.cancelled() else future.exception()
    if error is None or isinstance(error, CancelledError):
        return None
    if isinstance(error, SerflabError):
        return error
    raise error


def _raise(failures: Sequence[SerflabError]) -> None:
    """Raise all failures as one; eleven serfs that refuse the same config say so once."""
    different = list({str(failure): failure for failure in failures}.values())
    if len(different) == 1:
        raise different[0]
    if different:
        raise SerflabError("\n".join(str(failure) for failure in different))
