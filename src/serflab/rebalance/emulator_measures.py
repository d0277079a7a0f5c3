"""What is measured in a run of the emulator, each figure one number a draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from serflab.rebalance.emulator_settings import Settings

Floats: TypeAlias = "NDArray[np.float64]"
Integers: TypeAlias = "NDArray[np.int64]"

DIMENSIONS: Final = ("cpu", "memory", "psi")
BALANCED_CYCLES: Final = 3
"""A cluster counts as balanced from the first of so many balanced cycles in a row."""
_LAST_PART: Final = 5
"""What is measured at the end is the mean over the last fifth of the cycles."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one algorithm: `figures` by name, each of shape (seeds,), and the spread over time.

    `sigma` has the shape (seeds, cycles, dimensions) and is in points (percent of a node); the pressure of a node is
    the larger of its two, as on the page. `evicted` is how many VMs
    each cycle asked to leave, (seeds, cycles). Where a figure doesn't exist (a cluster that never was balanced has no
    time to balance) it is NaN.
    """

    figures: dict[str, Floats]
    sigma: Floats
    evicted: Integers


class Measures:
    """Collects the figures of one run over (seeds) draws, as it goes."""

    def __init__(self, settings: Settings, seeds: int, vms: int) -> None:
        self._settings = settings
        shape = seeds, settings.cycles
        self._sigma = np.zeros((*shape, 3))
        self._jain = np.zeros((*shape, 3))
        self._above = np.zeros(shape)
        self.evicted = np.zeros(shape, dtype=np.int64)
        self.failed_cycles = np.zeros(seeds)
        self.unplaced = np.zeros(seeds)
        self._overload = np.zeros(seeds)
        self._waiting = np.zeros(seeds)
        self._moves = np.zeros((seeds, vms), dtype=np.int64)
        self._returns = np.zeros(seeds)
        self._gib = np.zeros(seeds)
        self._came_from = np.full((seeds, vms), -1, dtype=np.int64)

    def moved(self, seed: int, vm: int, source: int, target: int, gib: float) -> None:
        """Count a migration that begins, of so many GiB."""
        self._moves[seed, vm] += 1
        self._gib[seed] += gib
        if target != source:
            self._returns[seed] += target == self._came_from[seed, vm]
            self._came_from[seed, vm] = source

    def tick(self, nodes: Floats) -> None:
        """Count the time from one sample to the next; `nodes` are usage and pressure, (seeds, nodes, 4)."""
        seconds = self._settings.scrape
        self._overload += seconds * ((nodes[..., 0] > 1.0) | (nodes[..., 2] > 1.0)).sum(axis=-1)
        self._waiting += seconds * (nodes[..., 1] + nodes[..., 3]).sum(axis=-1)

    def cycle(self, cycle: int, nodes: Floats) -> None:
        """Look at the nodes as they are when a cycle begins."""
        count = nodes.shape[1]
        pressure = np.maximum(nodes[..., 1], nodes[..., 3])
        for axis, values in enumerate((nodes[..., 0], nodes[..., 2], pressure)):
            total = values.sum(axis=-1)
            squares = (values * values).sum(axis=-1)
            self._sigma[:, cycle, axis] = 100.0 * values.std(axis=-1)
            self._jain[:, cycle, axis] = np.where(squares > 0, total**2 / np.maximum(count * squares, 1e-300), 1.0)
        usage = nodes[..., (0, 2)]
        self._above[:, cycle] = 100.0 * (usage - usage.mean(axis=1, keepdims=True)).max(axis=(1, 2))

    def outcome(self) -> Outcome:
        """Return what was measured."""
        settings = self._settings
        migrations = self._moves.sum(axis=-1).astype(np.float64)
        end = slice(-max(1, settings.cycles // _LAST_PART), None)
        balanced = self._balanced_from()
        figures = {
            "time_to_balance": np.where(balanced < 0, np.nan, balanced * settings.interval),
            "balanced": (balanced >= 0).astype(np.float64),
            "migrations": migrations,
            "moves_per_vm": migrations / self._moves.shape[1],
            "most_moves_of_a_vm": self._moves.max(axis=-1).astype(np.float64),
            "ping_pong": self._returns / np.maximum(migrations, 1.0),
            "overshoot": (self._sigma[..., 0] - np.minimum.accumulate(self._sigma[..., 0], axis=1)).max(axis=1),
            "overload_seconds": self._overload,
            "psi_seconds": self._waiting,
            "gib_moved": self._gib,
            "inert": (self.evicted.sum(axis=-1) == 0).astype(np.float64),
            "at_rest": (self.evicted[:, end].sum(axis=-1) == 0).astype(np.float64),
            "failed_cycles": self.failed_cycles,
            "unplaced": self.unplaced,
        }
        for axis, dimension in enumerate(DIMENSIONS):
            figures[f"sigma_{dimension}_start"] = self._sigma[:, 0, axis]
            figures[f"sigma_{dimension}"] = self._sigma[:, end, axis].mean(axis=1)
            figures[f"jain_{dimension}"] = self._jain[:, end, axis].mean(axis=1)
        return Outcome(figures, self._sigma, self.evicted)

    def _balanced_from(self) -> Integers:
        """Return the first cycle in which, and in the next ones, no node was too far above the mean; or -1."""
        near = self._above <= self._settings.balanced_within
        several = near.copy()
        for later in range(1, min(BALANCED_CYCLES, near.shape[1])):
            several[:, :-later] &= near[:, later:]
            several[:, -later:] = False
        return np.where(several.any(axis=1), several.argmax(axis=1), -1)
