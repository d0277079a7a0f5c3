"""Keep the metrics of the nodes ready for Prometheus: a scrape only hands out what was made when something changed.

There are two sources. A cluster is followed by watches. A scenario alone is computed; that is the fallback while no API
server has answered yet. Once a cluster was read, its figures are the only ones: when its watches break, nothing is
published after a while, the descheduler finds no sample, and evicts nothing.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from serflab import __version__
from serflab.emulation.exposition import header
from serflab.rebalance.node_exposition import node_lines
from serflab.rebalance.node_load import node_figures

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from serflab.rebalance.cluster_load import ClusterLoad
    from serflab.rebalance.names import PsiFormula
    from serflab.rebalance.node_load import NodeFigures, NodeSize, VMLoad
    from serflab.rebalance.scenario_load import ScenarioLoad

_LONGEST_PAUSE: Final = 1.0


@dataclass(frozen=True, slots=True)
class Picture:
    """What is published: figures of nodes, the VMs that they come from; `problem` says why there are none."""

    source: str
    problem: str
    sizes: Mapping[str, NodeSize]
    loads: tuple[VMLoad, ...]
    figures: Mapping[str, NodeFigures]


class Exporter:
    """Makes the picture anew when something has changed, at most every `update_interval` seconds."""

    def __init__(
        self, formula: PsiFormula, *, update_interval: float = 0.5, now: Callable[[], float] = time.time
    ) -> None:
        self.cluster: ClusterLoad | None = None
        self.scenario: ScenarioLoad | None = None
        self.formula: PsiFormula = formula
        self._update_interval = update_interval
        self._now = now
        self._changed = asyncio.Event()
        self._picture = Picture("none", "nothing was read yet", {}, (), {})
        self._text = b""
        self._render_seconds = 0.0
        self._renewals = 0
        self._shows: tuple[object, str] | None = None

    @property
    def picture(self) -> Picture:
        """What is published now."""
        return self._picture

    @property
    def source(self) -> ClusterLoad | ScenarioLoad | None:
        """Where the figures come from."""
        if self.cluster and (self.cluster.synced or self.scenario is None):
            return self.cluster
        return self.scenario

    def changed(self) -> None:
        """Have the picture made anew soon."""
        self._shows = None
        self._changed.set()

    async def run(self) -> None:
        """Renew the picture until cancelled."""
        while True:
            self._changed.clear()
            if self._is_due():
                self.renew()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), _LONGEST_PAUSE)
            # Changes come in bursts.
            await asyncio.sleep(self._update_interval)

    def _is_due(self) -> bool:
        """Whether what is shown may be another than what there is: after a change, or by the time that has passed."""
        source = self.source
        return source is not None and self._shows != (source, source.state(self._now()))

    def renew(self, read: tuple[dict[str, NodeSize], list[VMLoad]] | None = None) -> Picture:
        """Make the picture anew, from what was `read` past the watches if that is given, and return it."""
        started = time.perf_counter()
        source, now = self.source, self._now()
        if source is None:
            return self._picture
        problem = "" if read else source.problem(now)
        sizes, loads = read or (source.sizes(), source.loads(now))
        figures = {} if problem else node_figures(loads, sizes, self.formula)
        self._shows = None if read else (source, source.state(now))
        self._picture = Picture(source.source, problem, sizes, tuple(loads), figures)
        self._text = "".join(f"{line}\n" for line in node_lines(figures)).encode()
        self._render_seconds = time.perf_counter() - started
        self._renewals += 1
        return self._picture

    def text(self) -> bytes:
        """Return all metrics: those of the nodes, and what there is to say of the exporter now."""
        return self._text + self._own_metrics()

    def health(self) -> dict[str, Any]:
        """Return what `/health` tells."""
        picture, cluster = self._picture, self.cluster
        status = "unhealthy" if picture.problem else "healthy"
        told: dict[str, Any] = {
            "status": status,
            "source": picture.source,
            "problem": picture.problem,
            "nodes": len(picture.figures),
            "vms": len(picture.loads),
            "pod_manager_enabled": picture.source == "cluster",
            "psi": self.formula,
            "scenario": self.scenario.scenario.name if self.scenario else None,
        }
        if cluster:
            told["watches"] = dict(cluster.connected)
            told["age_seconds"] = round(cluster.age(self._now()), 3) if cluster.synced else None
        return told

    def state(self) -> dict[str, Any]:
        """Return what `GET /scenario` tells: the nodes as they are, in the form of a scenario."""
        picture = self._picture
        vms: dict[str, list[dict[str, Any]]] = {name: [] for name in picture.sizes}
        for load in picture.loads:
            if load.node in vms:
                told = {"id": load.vm, "cpu_consumption": load.cpu, "memory_consumption": load.memory}
                vms[load.node].append(told)
        nodes = [
            {"name": name, "cpu_cores": size.cores, "memory_gib": size.gib, "vms": vms[name]}
            for name, size in picture.sizes.items()
        ]
        name = self.scenario.scenario.name if self.scenario else ""
        return {"name": name, "source": picture.source, "problem": picture.problem, "nodes": nodes}

    def _own_metrics(self) -> bytes:
        lines: list[str] = []

        def say(name: str, meaning: str, value: float, kind: str = "gauge") -> None:
            lines.append(f"{header(name, meaning, kind)}\n{name} {value!r}")

        picture, cluster = self._picture, self.cluster
        say("serflab_rebalance_up", "Whether nodes are published (1) or not (0).", int(not picture.problem))
        lines.append(header("serflab_rebalance_source", "Where the figures come from: cluster or scenario."))
        lines.append(f'serflab_rebalance_source{{source="{picture.source}"}} 1')
        if cluster:
            lines.append(header("serflab_rebalance_watch_connected", "Whether the watch of a collection stands."))
            lines += [
                f'serflab_rebalance_watch_connected{{collection="{name}"}} {int(stands)}'
                for name, stands in cluster.connected.items()
            ]
            age = cluster.age(self._now())
            say("serflab_rebalance_snapshot_age_seconds", "For how long changes may have been missed.", age)
            meaning = "Pods of VMs whose annotations cannot be read; they count without load."
            say("serflab_rebalance_unreadable_pods", meaning, cluster.unreadable)
        say("serflab_rebalance_renewals_total", "How often the figures were made anew.", self._renewals, "counter")
        say("serflab_rebalance_render_seconds", "Time that the latest figures took to make.", self._render_seconds)
        lines.append(header("serflab_build_info", "Version of serflab."))
        lines.append(f'serflab_build_info{{version="{__version__}"}} 1')
        return ("\n".join(lines) + "\n").encode()
