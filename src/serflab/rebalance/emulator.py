"""The closed loop offline: scores, descheduler, controller and scheduler on many draws of a scenario at once.

Time goes in ticks, one scrape apart. In each tick migrations end, at the interval's ticks the descheduler runs, and
then a sample of all nodes is taken. The descheduler sees the samples averaged over a window that ends some time ago, as
Prometheus' rules do. Same scenario, settings and seeds: the same numbers, bit for bit, however the seeds are divided.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from serflab.rebalance.emulator_cluster import Cluster, Loads
from serflab.rebalance.emulator_descheduler import evictions, sources_in_order, victims_in_order
from serflab.rebalance.emulator_measures import Measures, Outcome
from serflab.rebalance.scores import scores
from serflab.rebalance.utilization import classify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from serflab.rebalance.emulator_scheduler import Requested
    from serflab.rebalance.emulator_settings import Settings
    from serflab.rebalance.scenario import Scenario

Floats: TypeAlias = "NDArray[np.float64]"


@dataclass(frozen=True, slots=True)
class Migration:
    """A VM on its way; `end` is the tick in which it has arrived."""

    vm: int
    source: int
    target: int
    end: int


class Emulation:
    """One algorithm's run over the draws of `cluster`; `place` (seeds, vms) says where each VM is."""

    def __init__(self, cluster: Cluster, algorithm: str) -> None:
        self.cluster = cluster
        self.settings = cluster.settings
        self.algorithm = algorithm
        self.place = cluster.place.copy()
        self.migrations: list[list[Migration]] = [[] for _ in cluster.seeds]
        self.measures = Measures(self.settings, *cluster.shape)
        self.requested = [self._requested(row) for row in range(len(cluster.seeds))]
        self._loads: Loads = cluster.loads(0.0)
        self._stale = set(range(len(cluster.seeds)))
        self._nodes = np.zeros((len(cluster.seeds), len(cluster.cores), 4))
        self._refresh()
        late, window = self.settings.ticks(self.settings.delay), self.settings.ticks(self.settings.window)
        self._window = window
        self._samples = deque([self._nodes.copy()] * (late + window), maxlen=late + window)

    def run(self) -> Outcome:
        """Run all cycles."""
        settings = self.settings
        ticks = settings.ticks(settings.interval)
        for tick in range(settings.cycles * ticks):
            self._loads_of(tick)
            self._arrive(tick)
            cycle, rest = divmod(tick, ticks)
            if rest == 0:
                self._refresh()
                self.measures.cycle(cycle, self._nodes)
                self._deschedule(cycle, tick)
            self._refresh()
            self.measures.tick(self._nodes)
            self._samples.append(self._nodes.copy())
        return self.measures.outcome()

    def seen(self) -> Floats:
        """Return what the rules tell of the nodes now, (seeds, nodes, 4) in [0, 1]."""
        window = list(self._samples)[: self._window]
        total = np.zeros_like(self._nodes)
        for sample in window:
            total += np.clip(sample, 0.0, 1.0)
        return total / len(window)

    def _deschedule(self, cycle: int, tick: int) -> None:
        """Run one cycle of the descheduler in each draw, and begin the migrations that it asks for."""
        found = scores(self.algorithm, self.seen())
        failed = np.asarray(np.isnan(found).any(axis=-1))
        self.measures.failed_cycles += failed
        view = classify(np.where(failed[:, None], 0.0, found), self.settings.low, self.settings.high)
        for row in np.flatnonzero(view.evicts).tolist():
            seed = self.cluster.seeds[row]
            order = sources_in_order(view.sources[row], view.percent[row], seed, cycle)
            nodes = [(n, victims_in_order(np.flatnonzero(self.place[row] == n), seed, cycle)) for n in order]
            # Named first, moved then: the descheduler is done before the first target pod is scheduled.
            in_flight = [(migration.vm, migration.source) for migration in self.migrations[row]]
            asked = list(evictions(nodes, in_flight, self.settings, partial(self._fits_elsewhere, row)))
            self.measures.evicted[row, cycle] = len(asked)
            for vm, node in asked:
                self._migrate(row, vm, node, tick)

    def _fits_elsewhere(self, row: int, vm: int, node: int) -> bool:
        cluster = self.cluster
        cpu, memory = int(cluster.request_cpu[row, vm]), int(cluster.request_memory[row, vm])
        fits = cluster.scheduler.fits(self.requested[row], cpu, memory)
        fits[node] = False
        return bool(fits.any())

    def _migrate(self, row: int, vm: int, source: int, tick: int) -> None:
        """Begin a migration; one whose target pod finds no node fails, and the VM stays."""
        cluster, settings = self.cluster, self.settings
        cpu, memory = int(cluster.request_cpu[row, vm]), int(cluster.request_memory[row, vm])
        requested = self.requested[row]
        if not settings.create_first:
            requested.add(source, cpu, memory, -1)
        target = cluster.scheduler.place(requested, cpu, memory, source if settings.exclude_source else None)
        if target is None:
            if not settings.create_first:
                requested.add(source, cpu, memory)
            self.measures.unplaced[row] += 1
            return
        requested.add(target, cpu, memory)
        gib = float(self._loads.gib[row, vm])
        self.measures.moved(row, vm, source, target, gib)
        self._stale.add(row)
        if settings.create_first:
            end = tick + max(1, settings.ticks(gib / settings.bandwidth))
            self.migrations[row].append(Migration(vm, source, target, end))
        else:
            self.place[row, vm] = target

    def _arrive(self, tick: int) -> None:
        """End the migrations that are due: the source pod goes, and its load and requests with it."""
        for row, migrations in enumerate(self.migrations):
            for migration in [one for one in migrations if one.end <= tick]:
                migrations.remove(migration)
                cpu, memory = (
                    self.cluster.request_cpu[row, migration.vm],
                    self.cluster.request_memory[row, migration.vm],
                )
                self.requested[row].add(migration.source, int(cpu), int(memory), -1)
                self.place[row, migration.vm] = migration.target
                self._stale.add(row)

    def _loads_of(self, tick: int) -> None:
        if self.cluster.changing:
            self._loads = self.cluster.loads(tick * self.settings.scrape)
            self._stale.update(range(len(self.cluster.seeds)))

    def _refresh(self) -> None:
        """Bring the nodes' usage and pressure up to date in those draws in which something has changed."""
        if self._stale:
            rows = np.array(sorted(self._stale))
            # While a migration lasts both nodes bear the VM's load.
            extra = [(at, one.vm, one.target) for at, row in enumerate(rows) for one in self.migrations[row]]
            self._nodes[rows] = self.cluster.node_loads(rows, self._loads, self.place[rows], extra)
            self._stale.clear()

    def _requested(self, row: int) -> Requested:
        cluster = self.cluster
        return cluster.scheduler.state(cluster.place[row], cluster.request_cpu[row], cluster.request_memory[row])


def emulate(scenario: Scenario, algorithm: str, settings: Settings, seeds: Sequence[int]) -> Outcome:
    """Run `algorithm` on one draw of `scenario` for each of `seeds`.

    Raises `InputError` for an unknown algorithm and `SerflabError` for a scenario without VMs, or with one that fits
    nowhere.
    """
    return Emulation(Cluster(scenario, settings, seeds), algorithm).run()
