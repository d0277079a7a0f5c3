"""The programs of a loop for its supervisor: what is run, in which groups, and when each one is ready."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from serflab.lab.health import Awaited
from serflab.lab.ports import LOOPBACK
from serflab.lab.serf_plan import SerfPlan
from serflab.lab.supervised_serf import SupervisedSerf
from serflab.lab.supervisor import Program
from serflab.rebalance.descheduler import Descheduler
from serflab.rebalance.eviction import DEFAULT_STRATEGY
from serflab.rebalance.loop_files import prometheus_command
from serflab.rebalance.loop_settings import NAMESPACE, OWN_SERF
from serflab.rebalance.placement import LOOP_INSTANCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from serflab.lab.health import Watchman
    from serflab.rebalance.loop_settings import Loop

PROMETHEUS: Final = "prometheus"
WEBHOOK: Final = "webhook"
CONTROLLER: Final = "controller"
EXPORTER: Final = "exporter"
DESCHEDULER: Final = "descheduler"
PARTS: Final = (PROMETHEUS, WEBHOOK, CONTROLLER, EXPORTER, DESCHEDULER)
"""The programs of a loop, in the order in which they start."""
# Webhook and controller have to see VMs without a strategy of their own alike.
_EVICTIONS: Final = f"--default-strategy={DEFAULT_STRATEGY}"
# Which network of pods its own serf has: the last, for those of a lab begin at the first.
_INDEX: Final = 16383


@dataclass(frozen=True, slots=True)
class LoopPrograms:
    """The programs of a loop; `programs` maps the names of pinned programs to their files.

    `time_scale` is how many times shorter than KubeVirt's its migrations are.
    """

    loop: Loop
    programs: Mapping[str, Path]
    time_scale: float

    def parts(self) -> tuple[str, ...]:
        """Return the names of the programs, in the order in which they start; the lab's Prometheus is not one."""
        return tuple(part for part in PARTS if part != PROMETHEUS or not self.loop.central)

    def for_supervisor(self) -> list[Program]:
        """Return each program as a group of its own, so that a changed one is replaced alone."""
        loop = self.loop
        return [
            Program(part, part, self.command(part), loop.logs / f"{part}.log", loop.directory) for part in self.parts()
        ]

    def command(self, part: str) -> tuple[str, ...]:
        """Return the command line of a program."""
        loop, kubeconfig = self.loop, f"--kubeconfig={self.loop.kubeconfig}"
        if part == PROMETHEUS:
            return prometheus_command(loop, self.programs["prometheus"])
        if part == DESCHEDULER:
            return self.descheduler.command
        rebalance = (sys.executable, "-u", "-m", "serflab", "rebalance", part, kubeconfig, f"--namespace={NAMESPACE}")
        options: tuple[str, ...]
        if part == WEBHOOK:
            options = (
                f"--host={LOOPBACK}",
                f"--port={loop.ports.webhook}",
                f"--url={loop.webhook}",
                f"--certificates={loop.directory / 'webhook'}",
                _EVICTIONS,
            )
        elif part == CONTROLLER:
            # What the descheduler begins at once has to be under way at once, else it is not there at the next cycle.
            options = (
                f"--time-scale={self.time_scale:.3f}",
                f"--max-migrations={loop.max_total}",
                f"--max-outbound={loop.max_per_node}",
                f"--strategy={'create-first' if loop.create_first else 'delete-first'}",
                "--exclude-source" if loop.exclude_source else "--no-exclude-source",
                _EVICTIONS,
            )
        else:
            # Each VM is made on the node that the scenario names, which the exporter could not do. Those of another
            # scenario, which it is sent by a call, go with the loop.
            options = (
                f"--host={LOOPBACK}",
                f"--port={loop.exporter_port}",
                f"--scenario={loop.scenario}",
                f"--psi={loop.psi}",
                "--play-only",
                f"--instance={LOOP_INSTANCE}",
            )
        return (*rebalance, *options)

    @property
    def descheduler(self) -> Descheduler:
        """Return how the descheduler is run."""
        loop = self.loop
        return Descheduler(
            program=self.programs["descheduler"],
            kubeconfig=loop.kubeconfig,
            policy=loop.policy,
            interval=loop.interval,
            port=loop.ports.descheduler,
            authority=loop.pki / "ca.crt",
            certificate=loop.pki / "server.crt",
            key=loop.pki / "server.key",
        )

    def awaited(self, part: str) -> Awaited:
        """Return when a program is ready."""
        loop = self.loop
        health = {
            PROMETHEUS: f"{loop.prometheus}/-/ready",
            WEBHOOK: "",
            CONTROLLER: "",
            EXPORTER: f"{loop.exporter}/health",
            DESCHEDULER: f"{loop.descheduler}/healthz",
        }[part]
        return Awaited(full_name(part), health, loop.logs / f"{part}.log")

    def listeners(self) -> dict[str, tuple[int, str]]:
        """Return the port of each program that listens on one, and what it is called in messages."""
        ports = self.loop.ports
        found = {
            PROMETHEUS: (ports.prometheus, "the loop's Prometheus"),
            WEBHOOK: (ports.webhook, "the eviction webhook"),
            EXPORTER: (self.loop.exporter_port, "the exporter of node metrics"),
            DESCHEDULER: (ports.descheduler, "the descheduler"),
        }
        return {full_name(part): found[part] for part in self.parts() if part in found}


def full_name(part: str) -> str:
    """Return `group:name`, as the supervisor calls a program of a loop."""
    return f"{part}:{part}"


class OwnSerf(SupervisedSerf):
    """The serf that a loop starts for itself: control plane and KWOK, nothing that replays a trace."""

    def programs(self) -> list[Program]:
        """Return the programs of its control plane and KWOK."""
        return [program for program in super().programs() if program.name not in {"exporter", "replay"}]

    def listeners(self) -> Iterator[tuple[str, int]]:
        """Yield the component and number of each port that it listens on."""
        yield from ((name, port) for name, port in super().listeners() if name != "exporter")


def own_serf(loop: Loop, programs: Mapping[str, Path], watchman: Watchman) -> OwnSerf:
    """Return the serf of a loop that has one of its own."""
    plan = SerfPlan(
        name=OWN_SERF,
        index=_INDEX,
        directory=loop.directory / "serf",
        ports=loop.ports.serf,
        programs=programs,
        python=Path(sys.executable),
        annotations=loop.checkout / "annotations",
        config=loop.checkout / "annotations" / "emulation_config.json",
    )
    return OwnSerf(plan, watchman)
