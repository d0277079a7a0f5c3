"""One serf under a supervisor, on this machine or in a container: its files, its programs, starting them in order."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from serflab.errors import InputError, SerflabError
from serflab.lab.certificates import issue_pki, kubeconfig
from serflab.lab.components import components, write_files
from serflab.lab.health import Awaited, CancelledError, Watchman, last_lines
from serflab.lab.inventory import write_atomically
from serflab.lab.serf_plan import API_SERVICE_ADDRESS, Component, SerfPlan, Stage, Variant
from serflab.lab.supervisor import STOP_SECONDS, Program

if TYPE_CHECKING:
    from collections.abc import Iterator

# Whoever stops a container kills it after ten seconds.
_STOP_SECONDS_IN_A_CONTAINER = 3


@dataclass(frozen=True, slots=True)
class SupervisedSerf:
    """A planned serf and the supervisor's watchman that starts it.

    `started` gathers the `group:name` of each program that this object started because it did not run.
    """

    plan: SerfPlan
    watchman: Watchman
    started: list[str] = field(default_factory=list)

    def prepare(self) -> None:
        """Write certificates, kubeconfigs and configuration, as far as they are not there.

        In a container the server's certificate is issued anew, as its addresses may have changed.
        """
        plan = self.plan
        kubernetes = [f"kubernetes{rest}" for rest in ("", ".default", ".default.svc", ".default.svc.cluster.local")]
        names = dict.fromkeys(["localhost", plan.name, *kubernetes, *plan.names])
        addresses = dict.fromkeys([plan.address, API_SERVICE_ADDRESS, *plan.addresses])
        pki = issue_pki(plan.pki.directory, list(names), list(addresses), renewable=plan.contained)
        write_files(plan)
        if plan.variant is Variant.K3S:
            return
        targets = {"admin": plan.kubeconfig}
        targets |= {
            name: plan.client_kubeconfig(name) for name in ("kube-controller-manager", "kube-scheduler", "kwok")
        }
        for client, path in targets.items():
            write_atomically(path, kubeconfig(pki, client, plan.name, plan.server))

    def programs(self) -> list[Program]:
        """Return the serf's programs for the supervisor: a group of the serf's name."""
        return [
            Program(
                group=self.plan.name,
                name=part.name,
                command=part.command,
                log=self.plan.logs / f"{part.name}.log",
                directory=self.plan.directory,
                env=part.env,
                stop_signal=part.stop_signal,
                stop_seconds=_STOP_SECONDS_IN_A_CONTAINER if self.plan.contained else STOP_SECONDS,
                may_end=part.may_end,
                user="" if part.own_user else self.plan.user,
            )
            for part in components(self.plan)
        ]

    def listeners(self) -> Iterator[tuple[str, int]]:
        """Yield the component and number of each port that the serf listens on."""
        ports = self.plan.ports
        yield from (("etcd", ports.etcd), ("etcd", ports.etcd_peer), ("kube-apiserver", ports.apiserver))
        yield from (("kube-controller-manager", ports.controller_manager), ("kube-scheduler", ports.scheduler))
        yield from (("kwok", ports.kwok), ("exporter", ports.exporter))

    def start_cluster(self) -> None:
        """Start the control plane and KWOK; returns when the API server is ready."""
        self._start(Stage.API)
        self._await(Stage.API)
        self._start(Stage.CONTROLLERS)

    def create_resources(self) -> None:
        """Run create_resources.py; exporter and replay are stopped when they run with another config.

        Raises `SerflabError`, of status 2 when the program refuses its input.
        """
        plan, log = self.plan, self.plan.logs / "create.log"
        command = [str(plan.python), str(plan.annotations / "create_resources.py")]
        command += [f"--config={plan.config}", f"--kubeconfig={plan.kubeconfig}"]
        with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process:
            try:
                while process.poll() is None:
                    self.watchman.pause()
            except CancelledError:
                process.terminate()
                raise
        if process.returncode == InputError.exit_status:
            raise RefusedError(log.read_text(encoding="utf-8", errors="replace").strip())
        if process.returncode != 0:
            problem = f"{plan.name}: its resources were not created"
            raise SerflabError(problem, hint=f"its log is {log}{last_lines(log)}")

        if self._config_changed():
            for component in (*self._stage(Stage.EXPORTER), *self._stage(Stage.REPLAY)):
                self.watchman.supervisor.stop(f"{plan.name}:{component.name}")

    def start_exporter(self) -> None:
        """Start the exporter; returns when it, and all that came before it, does its work."""
        self._start(Stage.EXPORTER)
        for stage in (Stage.CONTROLLERS, Stage.EXPORTER):
            self._await(stage)

    def start_replay(self) -> bool:
        """Start the replay; return False when it ran already."""
        before = len(self.started)
        self._start(Stage.REPLAY)
        return len(self.started) > before

    def _stage(self, stage: Stage) -> list[Component]:
        return [component for component in components(self.plan) if component.stage is stage]

    def _start(self, stage: Stage) -> None:
        for component in self._stage(stage):
            name = f"{self.plan.name}:{component.name}"
            if self.watchman.supervisor.start(name):
                self.started.append(name)

    def _await(self, stage: Stage) -> None:
        authority = str(self.plan.pki.certificate("ca"))
        awaited = [
            Awaited(
                f"{self.plan.name}:{component.name}",
                component.health,
                self.plan.logs / f"{component.name}.log",
                component.asked_with,
            )
            for component in self._stage(stage)
        ]
        self.watchman.await_ready(awaited, authority)

    def _config_changed(self) -> bool:
        """Note which config the serf plays; return whether it played another one before."""
        note = self.plan.directory / "config.sha256"
        digest = hashlib.sha256(self.plan.config.read_bytes()).hexdigest()
        before = note.read_text(encoding="utf-8").strip() if note.exists() else digest
        write_atomically(note, f"{digest}\n")
        return before != digest


class RefusedError(SerflabError):
    """A serf's input was refused; the message is its program's own."""

    exit_status = 2
