"""The local runtime: the serfs of a plan as plain processes of the user, on loopback, under one supervisord."""

from __future__ import annotations

import os
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

import requests

from serflab.errors import SerflabError
from serflab.lab import state
from serflab.lab.health import Awaited, CancelledError, Watchman
from serflab.lab.inventory import STATE_ENV, Inventory
from serflab.lab.loopback import session
from serflab.lab.ports import LOOPBACK, check_free
from serflab.lab.processes import end, lab_processes
from serflab.lab.prometheus import PrometheusFiles
from serflab.lab.sockets import offload_directory, offload_socket, remove_elsewhere
from serflab.lab.supervised_serf import SupervisedSerf
from serflab.lab.supervisor import Program, Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from serflab.lab.plan import LabPlan
    from serflab.lab.progress import Progress

SERVICES = "services"


class LocalRuntime:
    """Brings a planned lab up on this machine and repairs it."""

    def __init__(self, plan: LabPlan, prometheus: Path, progress: Progress) -> None:
        self._plan = plan
        self._settings = plan.settings
        self._prometheus = prometheus
        self._progress = progress
        self._supervisor = Supervisor(plan.settings.state_dir)
        self._watchman = Watchman(self._supervisor)
        self._serfs = [SupervisedSerf(serf, self._watchman) for serf in plan.serfs]
        self._files = PrometheusFiles(plan.settings.checkout, plan.settings.state_dir / "prometheus")
        self._started: list[str] = []

    def up(self) -> Inventory:
        """Start what is missing and return the inventory once every serf and service is ready.

        Raises `SerflabError` after stopping what it had started, so that nothing is left half-way.
        """
        was_running = self._supervisor.is_running()
        try:
            self._prepare(was_running=was_running)
            self._start_prometheus()
            self._side_by_side(f"starting {len(self._serfs)} serfs with their pods", self._start_serf)
            inventory = self._plan.inventory
            inventory.save(self._settings.state_dir)
            self._start(f"{SERVICES}:offload")
            self._start(f"{SERVICES}:viewer")
            self._side_by_side("starting exporters", SupervisedSerf.start_exporter)
            self._start_replays()
            self._await_services(inventory)
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
        self._supervisor.configure([*self._service_programs(), *programs])

    def _undo(self, *, was_running: bool) -> None:
        if was_running:
            for name in [*self._started, *(name for serf in self._serfs for name in serf.started)]:
                self._supervisor.stop(name)
            return
        self._supervisor.shut_down()
        end(lab_processes(self._settings.state_dir), patience=3)

    def _start(self, name: str) -> bool:
        started = self._supervisor.start(name)
        if started:
            self._started.append(name)
        return started

    def _service_programs(self) -> list[Program]:
        settings, logs = self._settings, self._settings.state_dir / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        prometheus = self._files.command(self._prometheus, settings.prometheus_port)
        python = str(self._plan.serfs[0].python)
        app = str(settings.checkout / "flask-app" / "app.py")
        viewer = (python, "-u", app, f"--host={LOOPBACK}", f"--port={settings.viewer_port}")
        offload = (python, "-u", "-m", "serflab", "offload", "manager")
        lab_env = {STATE_ENV: str(settings.state_dir)}
        return [
            Program(SERVICES, "prometheus", prometheus, logs / "prometheus.log", settings.state_dir),
            Program(SERVICES, "offload", offload, logs / "offload.log", settings.checkout, lab_env),
            Program(SERVICES, "viewer", viewer, logs / "viewer.log", settings.checkout, lab_env),
        ]

    def _check_ports(self, *, was_running: bool) -> None:
        states = self._supervisor.states() if was_running else {}
        running = {name for name, program in states.items() if program.state in {"RUNNING", "STARTING", "STOPPING"}}
        wanted: dict[int, str] = {}
        if f"{SERVICES}:prometheus" not in running:
            wanted[self._settings.prometheus_port] = "Prometheus"
        if f"{SERVICES}:viewer" not in running:
            wanted[self._settings.viewer_port] = "the viewer"
        for serf in self._serfs:
            wanted |= {
                port: f"{component} of {serf.plan.name}"
                for component, port in serf.listeners()
                if f"{serf.plan.name}:{component}" not in running
            }
        check_free(wanted)

    def _start_prometheus(self) -> None:
        """Start Prometheus, or make a running one read a configuration that has changed."""
        changed = self._files.write(self._settings.prometheus_port)
        self._files.write_targets(self._plan.inventory.serfs)
        if self._start(f"{SERVICES}:prometheus") or not changed:
            return
        try:
            answer = session().post(f"{self._plan.inventory.prometheus}/-/reload", timeout=10)
        except requests.RequestException as error:
            raise SerflabError(f"Prometheus did not reload its configuration: {error}") from error
        if not answer.ok:
            hint = "see prometheus.yml and prometheus-rules.yml"
            raise SerflabError(f"Prometheus refuses its configuration: {answer.text.strip()}", hint=hint)

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

    def _await_services(self, inventory: Inventory) -> None:
        logs = self._settings.state_dir / "logs"
        checks: dict[str, str | Path] = {
            "prometheus": f"{inventory.prometheus}/-/ready",
            "viewer": f"{inventory.viewer}/api/health",
            "offload": offload_socket(self._settings.state_dir),
        }
        self._watchman.await_ready(
            [Awaited(f"{SERVICES}:{name}", health, logs / f"{name}.log") for name, health in checks.items()]
        )


def down(state_dir: Path, *, keep_data: bool) -> int:
    """Stop everything of the lab in that state directory and remove the directory; return how many processes ended.

    With `keep_data` the clusters' data, certificates and logs stay for the next `up`. Raises `SerflabError` when a
    process is left even so.
    """
    count = sum(1 for _ in lab_processes(state_dir))
    Supervisor(state_dir).shut_down()
    left = end(lab_processes(state_dir), patience=5)
    if left:
        numbers = ", ".join(str(process.pid) for process in left)
        raise SerflabError(f"these processes of the lab do not end: {numbers}")
    remove_elsewhere(offload_socket(state_dir), offload_directory(state_dir))
    state.remove(state_dir, keep_data=keep_data)
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
