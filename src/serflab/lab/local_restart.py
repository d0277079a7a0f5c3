"""Restarting one serf of the local runtime: its programs, in their order, with their data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serflab.errors import SerflabError
from serflab.lab.certificates import Pki
from serflab.lab.health import Awaited, Watchman
from serflab.lab.inventory import load_inventory
from serflab.lab.supervisor import Supervisor

if TYPE_CHECKING:
    from pathlib import Path

    from serflab.lab.progress import Progress

# What the others wait for.
_FIRST = ("etcd", "kube-apiserver")


def restart(state_dir: Path, name: str, progress: Progress) -> None:
    """Stop the programs of a serf and start them again; returns when API server and exporter do their work."""
    serf = load_inventory(state_dir).serf(name)
    supervisor = Supervisor(state_dir)
    programs = [program.partition(":")[2] for program in supervisor.states() if program.startswith(f"{name}:")]
    if not programs:
        raise SerflabError(f"the supervisor has no programs of {name}", hint="`serflab up` brings them back")
    watchman, authority = Watchman(supervisor), str(Pki(state_dir / name / "pki").certificate("ca"))
    health = {"kube-apiserver": f"{serf.server}/readyz", "exporter": f"{serf.exporter}/healthz"}
    task = f"restarting the {len(programs)} programs of {name}"
    progress.start(task)
    supervisor.stop(f"{name}:*")
    rest = [program for program in programs if program not in _FIRST]
    for group in ([program for program in _FIRST if program in programs], rest):
        for program in group:
            supervisor.start(f"{name}:{program}")
        watchman.await_ready(
            [Awaited(f"{name}:{program}", health.get(program, ""), serf.logs / f"{program}.log") for program in group],
            authority,
        )
    progress.finish(task)
