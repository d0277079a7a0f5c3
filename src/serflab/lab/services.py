"""What there is once in a lab and runs on this machine in both runtimes: offload manager, viewer, maybe Prometheus."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import requests

from serflab.errors import SerflabError
from serflab.lab.health import Awaited, Watchman
from serflab.lab.inventory import STATE_ENV, Inventory
from serflab.lab.loopback import session
from serflab.lab.ports import LOOPBACK
from serflab.lab.prometheus import PrometheusFiles
from serflab.lab.sockets import offload_socket
from serflab.lab.supervisor import Program

if TYPE_CHECKING:
    from pathlib import Path

    from serflab.lab.plan import LabSettings

GROUP = "services"
PROMETHEUS, VIEWER, OFFLOAD = f"{GROUP}:prometheus", f"{GROUP}:viewer", f"{GROUP}:offload"


@dataclass(frozen=True, slots=True)
class Services:
    """The services of a lab under its supervisor; `prometheus` is the program, None where a container is Prometheus.

    `started` gathers the `group:name` of each program that this object started because it did not run.
    """

    settings: LabSettings
    prometheus: Path | None
    watchman: Watchman
    started: list[str] = field(default_factory=list)

    def programs(self) -> list[Program]:
        """Return the services for the supervisor."""
        settings, logs = self.settings, self._logs
        logs.mkdir(parents=True, exist_ok=True)
        app = str(settings.checkout / "flask-app" / "app.py")
        viewer = (sys.executable, "-u", app, f"--host={LOOPBACK}", f"--port={settings.viewer_port}")
        offload = (sys.executable, "-u", "-m", "serflab", "offload", "manager")
        lab_env = {STATE_ENV: str(settings.state_dir)}
        programs = [
            Program(GROUP, "offload", offload, logs / "offload.log", settings.checkout, lab_env),
            Program(GROUP, "viewer", viewer, logs / "viewer.log", settings.checkout, lab_env),
        ]
        if self.prometheus is not None:
            command = self._files.command(self.prometheus, settings.prometheus_port)
            programs.insert(0, Program(GROUP, "prometheus", command, logs / "prometheus.log", settings.state_dir))
        return programs

    def ports(self) -> dict[str, tuple[int, str]]:
        """Return the port of each service that listens on one, and what it is called in messages."""
        ports = {VIEWER: (self.settings.viewer_port, "the viewer")}
        if self.prometheus is not None:
            ports[PROMETHEUS] = (self.settings.prometheus_port, "Prometheus")
        return ports

    def start_prometheus(self, inventory: Inventory) -> None:
        """Start Prometheus, or make a running one read a configuration that has changed."""
        if self.prometheus is None:
            return
        changed = self._files.write(self.settings.prometheus_port)
        self._files.write_targets(inventory.serfs)
        if self.start(PROMETHEUS) or not changed:
            return
        try:
            answer = session().post(f"{inventory.prometheus}/-/reload", timeout=10)
        except requests.RequestException as error:
            raise SerflabError(f"Prometheus did not reload its configuration: {error}") from error
        if not answer.ok:
            hint = "see prometheus.yml and prometheus-rules.yml"
            raise SerflabError(f"Prometheus refuses its configuration: {answer.text.strip()}", hint=hint)

    def start(self, name: str) -> bool:
        """Start the service `group:name`; return False when it ran already."""
        started = self.watchman.supervisor.start(name)
        if started:
            self.started.append(name)
        return started

    def await_ready(self, inventory: Inventory) -> None:
        """Wait until all services do their work."""
        checks: dict[str, str | Path] = {
            VIEWER: f"{inventory.viewer}/api/health",
            OFFLOAD: offload_socket(self.settings.state_dir),
        }
        if self.prometheus is not None:
            checks[PROMETHEUS] = f"{inventory.prometheus}/-/ready"
        self.watchman.await_ready(
            [Awaited(name, health, self._logs / f"{name.partition(':')[2]}.log") for name, health in checks.items()]
        )

    @property
    def _logs(self) -> Path:
        return self.settings.state_dir / "logs"

    @property
    def _files(self) -> PrometheusFiles:
        return PrometheusFiles(self.settings.checkout, self.settings.state_dir / "prometheus")
