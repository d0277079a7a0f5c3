"""Serfs that stay as long as a Python program needs them: real clusters for its tests and its measurements."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serflab.lab import state
from serflab.lab.health import Watchman
from serflab.lab.plan import LabPlan, LabSettings, plan_lab
from serflab.lab.processes import end, lab_processes
from serflab.lab.supervised_serf import SupervisedSerf
from serflab.lab.supervisor import Supervisor
from serflab.lab.tools.pinned import LAB_TOOLS
from serflab.lab.tools.toolbox import Toolbox

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True)
class BareLab:
    """A lab without Prometheus, viewer and offload manager; of its serfs runs what has been started."""

    plan: LabPlan
    supervisor: Supervisor
    serfs: tuple[SupervisedSerf, ...]


@contextmanager
def bare_lab(settings: LabSettings, names: Sequence[str]) -> Iterator[BareLab]:
    """Make those serfs of a topology ready to start, none started yet; in the end nothing of them runs.

    The pinned tools must have been built. The state directory stays, and is the caller's to remove.
    """
    state.prepare(settings.state_dir, len(names))
    toolbox = Toolbox(settings.checkout)
    plan = plan_lab(settings, {name: toolbox.path(name) for name in LAB_TOOLS}, names)
    supervisor = Supervisor(settings.state_dir)
    serfs = tuple(SupervisedSerf(serf, Watchman(supervisor)) for serf in plan.serfs)
    try:
        for serf in serfs:
            serf.prepare()
        supervisor.configure([program for serf in serfs for program in serf.programs()])
        yield BareLab(plan, supervisor, serfs)
    finally:
        supervisor.shut_down()
        end(lab_processes(settings.state_dir), patience=5)
