"""The local runtime: the serfs of a plan as plain processes of the user, on loopback, under one supervisord."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

import requests

from serflab.errors import InputError, SerflabError
from serflab.lab import state
from serflab.lab.certificates import issue_pki, kubeconfig
from serflab.lab.components import API_SERVICE_ADDRESS, Component, SerfPlan, Stage, components, write_files
from serflab.lab.inventory import STATE_ENV, Inventory, write_atomically
from serflab.lab.loopback import session
from serflab.lab.ports import check_free
from serflab.lab.processes import end, lab_processes
from serflab.lab.prometheus import PrometheusFiles
from serflab.lab.supervisor import Program, Supervisor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from serflab.lab.plan import LabPlan
    from serflab.lab.progress import Progress

SERVICES = "services"
READY_SECONDS = 120.0
_POLL_SECONDS = 0.1
_LOG_LINES_IN_ERROR = 8
_CRASHES_BEFORE_GIVING_UP = 4


class LocalRuntime:
    """Brings a planned lab up on this machine and repairs it."""

    def __init__(self, plan: LabPlan, prometheus: Path, progress: Progress) -> None:
        self._plan = plan
        self._settings = plan.settings
        self._prometheus = prometheus
        self._progress = progress
        self._supervisor = Supervisor(plan.settings.state_dir)
        self._files = PrometheusFiles(plan.settings.checkout, plan.settings.state_dir / "prometheus")
        self._cancelled = threading.Event()
        self._started: set[str] = set()

    def up(self) -> Inventory:
        """Start what is missing and return the inventory once every serf is ready and scraped.

        Raises `SerflabError` after stopping what it had started, so that nothing is left half-way.
        """
        was_running = self._supervisor.is_running()
        try:
            return self._up(was_running=was_running)
        except BaseException:
            self._cancelled.set()
            self._undo(was_running=was_running)
            raise

    def _up(self, *, was_running: bool) -> Inventory:
        state_dir, inventory = self._settings.state_dir, self._plan.inventory
        state.prepare(state_dir, len(self._plan.serfs))
        if not was_running and (orphans := list(lab_processes(state_dir))):
            self._progress.say(f"the supervisor of this lab is gone; ending {len(orphans)} processes that it left")
            end(orphans, patience=3)
        programs = [*self._service_programs(), *(program for serf in self._plan.serfs for program in _programs(serf))]
        self._check_ports(was_running=was_running)
        for serf in self._plan.serfs:
            _prepare(serf)
        new_configuration = self._files.write(self._settings.prometheus_port)
        self._files.write_targets(inventory.serfs)
        self._supervisor.configure(programs)
        if not self._start(f"{SERVICES}:prometheus") and new_configuration:
            self._reload_prometheus()
        self._bring_up_serfs()
        inventory.save(state_dir)
        self._start(f"{SERVICES}:viewer")
        self._await_services()
        return inventory

    def _undo(self, *, was_running: bool) -> None:
        if not self._supervisor.is_running():
            return
        if was_running:
            for name in self._started:
                self._supervisor.stop(name)
            return
        self._supervisor.shut_down()
        end(lab_processes(self._settings.state_dir), patience=3)

    def _start(self, name: str) -> bool:
        started = self._supervisor.start(name)
        if started:
            self._started.add(name)
        return started

    def _service_programs(self) -> list[Program]:
        settings, logs = self._settings, self._settings.state_dir / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        prometheus = self._files.command(self._prometheus, settings.prometheus_port)
        python = str(self._plan.serfs[0].python)
        app = str(settings.checkout / "flask-app" / "app.py")
        viewer = (python, app, "--host=127.0.0.1", f"--port={settings.viewer_port}")
        viewer_env = {STATE_ENV: str(settings.state_dir)}
        return [
            Program(SERVICES, "prometheus", prometheus, logs / "prometheus.log", settings.state_dir),
            Program(SERVICES, "viewer", viewer, logs / "viewer.log", settings.checkout, viewer_env),
        ]

    def _check_ports(self, *, was_running: bool) -> None:
        states = self._supervisor.states() if was_running else {}
        running = {name for name, program in states.items() if program.state in {"RUNNING", "STARTING", "STOPPING"}}
        wanted: dict[int, str] = {}
        if f"{SERVICES}:prometheus" not in running:
            wanted[self._settings.prometheus_port] = "Prometheus"
        if f"{SERVICES}:viewer" not in running:
            wanted[self._settings.viewer_port] = "the viewer"
        for serf in self._plan.serfs:
            wanted |= {
                port: f"{component} of {serf.name}"
                for component, port in _listeners(serf)
                if f"{serf.name}:{component}" not in running
            }
        check_free(wanted)

    def _bring_up_serfs(self) -> None:
        """Start the serfs side by side, a few more than there are cores, and wait for all of them."""
        serfs = self._plan.serfs
        workers = min(len(serfs), (os.cpu_count() or 1) + 1)
        task = f"starting {len(serfs)} serfs"
        self._progress.start(task)
        with ThreadPoolExecutor(workers) as pool:
            pending: set[Future[None]] = {pool.submit(self._bring_up, serf) for serf in serfs}
            failures: list[SerflabError] = []
            try:
                while pending:
                    done, pending = wait(pending, timeout=1, return_when=FIRST_COMPLETED)
                    for future in done:
                        failures += _failure_of(future)
                    if failures:
                        self._cancelled.set()
                    self._progress.advance(task, len(serfs) - len(pending), len(serfs), "serfs")
            finally:
                self._cancelled.set()
                pool.shutdown(wait=True, cancel_futures=True)
        self._cancelled.clear()
        _raise(failures)
        self._progress.finish(task)

    def _bring_up(self, serf: SerfPlan) -> None:
        began = time.monotonic()
        programs = components(serf)
        changed = self._start_stage(serf, programs, Stage.API)
        changed |= self._start_stage(serf, programs, Stage.CONTROLLERS)
        self._create_resources(serf)
        if self._config_changed(serf):
            for component in programs:
                if component.stage is Stage.EMULATION:
                    self._supervisor.stop(f"{serf.name}:{component.name}")
        changed |= self._start_stage(serf, programs, Stage.EMULATION)
        self._await(serf, programs)
        if changed:
            self._progress.say(f"{serf.name} is ready after {time.monotonic() - began:.1f} s")

    def _start_stage(self, serf: SerfPlan, programs: Sequence[Component], stage: Stage) -> bool:
        chosen = [component for component in programs if component.stage is stage]
        started = [self._start(f"{serf.name}:{component.name}") for component in chosen]
        if stage is Stage.API:
            self._await(serf, chosen)
        return any(started)

    def _await(self, serf: SerfPlan, programs: Sequence[Component]) -> None:
        authority = str(serf.pki.certificate("ca"))
        for component in programs:
            if component.health:
                log = serf.logs / f"{component.name}.log"
                self._await_health(f"{serf.name}:{component.name}", component.health, log, authority)

    def _await_health(self, name: str, url: str, log: Path, authority: str | bool = True) -> None:
        deadline, crashes, last_pid = time.monotonic() + READY_SECONDS, 0, 0
        while not self._cancelled.is_set():
            if _is_healthy(url, authority):
                return
            program = self._supervisor.state(name)
            if program.state in {"BACKOFF", "FATAL"} and program.pid != last_pid:
                crashes += 1
            last_pid = program.pid
            if crashes >= _CRASHES_BEFORE_GIVING_UP or time.monotonic() > deadline:
                reason = "keeps ending" if crashes else f"was not ready after {READY_SECONDS:.0f} s"
                raise SerflabError(f"{name.replace(':', ': ')} {reason}", hint=f"its log is {log}{_last_lines(log)}")
            self._cancelled.wait(_POLL_SECONDS)
        raise _CancelledError

    def _create_resources(self, serf: SerfPlan) -> None:
        log = serf.logs / "create.log"
        command = [str(serf.python), str(serf.annotations / "create_resources.py")]
        command += [f"--config={serf.config}", f"--kubeconfig={serf.kubeconfig}"]
        with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process:
            while process.poll() is None:
                if self._cancelled.wait(_POLL_SECONDS):
                    process.terminate()
                    raise _CancelledError
        if process.returncode == InputError.exit_status:
            raise _RefusedError(log.read_text(encoding="utf-8", errors="replace").strip())
        if process.returncode != 0:
            raise SerflabError(
                f"{serf.name}: its resources were not created", hint=f"its log is {log}{_last_lines(log)}"
            )

    def _config_changed(self, serf: SerfPlan) -> bool:
        """Note which config the serf plays; return whether it played another one before."""
        note = serf.directory / "config.sha256"
        digest = hashlib.sha256(serf.config.read_bytes()).hexdigest()
        before = note.read_text(encoding="utf-8").strip() if note.exists() else digest
        write_atomically(note, f"{digest}\n")
        return before != digest

    def _await_services(self) -> None:
        logs = self._settings.state_dir / "logs"
        inventory = self._plan.inventory
        for name, url in (
            ("prometheus", f"{inventory.prometheus}/-/ready"),
            ("viewer", f"{inventory.viewer}/api/health"),
        ):
            self._await_health(f"{SERVICES}:{name}", url, logs / f"{name}.log")

    def _reload_prometheus(self) -> None:
        url = f"{self._plan.inventory.prometheus}/-/reload"
        try:
            answer = session().post(url, timeout=10)
        except requests.RequestException as error:
            raise SerflabError(f"Prometheus did not reload its configuration: {error}") from error
        if not answer.ok:
            raise SerflabError(
                f"Prometheus refuses its configuration: {answer.text.strip()}", hint="see prometheus.yml"
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
        names = ", ".join(f"{process.pid}" for process in left)
        raise SerflabError(f"these processes of the lab do not end: {names}")
    state.remove(state_dir, keep_data=keep_data)
    return count


class _CancelledError(SerflabError):
    """Another serf failed or the user gave up; this one has nothing to say of its own."""

    def __init__(self) -> None:
        super().__init__("cancelled")


class _RefusedError(SerflabError):
    """A serf's input was refused; the message is its program's own."""

    exit_status = 2


def _failure_of(future: Future[None]) -> list[SerflabError]:
    error = future.exception() if not future.cancelled() else None
    if error is None or isinstance(error, _CancelledError):
        return []
    if isinstance(error, SerflabError):
        return [error]
    raise error


def _raise(failures: Sequence[SerflabError]) -> None:
    texts = list(dict.fromkeys(str(failure) for failure in failures))
    if len(texts) == 1:
        raise failures[0]
    if texts:
        raise SerflabError("\n".join(texts))


def _prepare(serf: SerfPlan) -> None:
    """Write certificates, kubeconfigs and configuration of a serf, as far as they are not there."""
    kubernetes = [f"kubernetes{rest}" for rest in ("", ".default", ".default.svc", ".default.svc.cluster.local")]
    pki = issue_pki(serf.pki.directory, ["localhost", serf.name, *kubernetes], [serf.address, API_SERVICE_ADDRESS])
    targets = {"admin": serf.kubeconfig}
    targets |= {name: serf.client_kubeconfig(name) for name in ("kube-controller-manager", "kube-scheduler", "kwok")}
    for client, path in targets.items():
        write_atomically(path, kubeconfig(pki, client, serf.name, serf.server))
    write_files(serf)


def _programs(serf: SerfPlan) -> list[Program]:
    return [
        Program(serf.name, part.name, part.command, serf.logs / f"{part.name}.log", serf.directory, part.env)
        for part in components(serf)
    ]


def _listeners(serf: SerfPlan) -> tuple[tuple[str, int], ...]:
    ports = serf.ports
    return (
        ("etcd", ports.etcd),
        ("etcd", ports.etcd_peer),
        ("kube-apiserver", ports.apiserver),
        ("kube-controller-manager", ports.controller_manager),
        ("kube-scheduler", ports.scheduler),
        ("kwok", ports.kwok),
        ("exporter", ports.exporter),
    )


def _is_healthy(url: str, authority: str | bool) -> bool:
    try:
        return session().get(url, timeout=2, verify=authority).ok
    except requests.RequestException:
        return False


def _last_lines(log: Path) -> str:
    if not log.exists():
        return ""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES_IN_ERROR:]
    return "; it ends with\n" + "\n".join(f"    {line}" for line in lines)
