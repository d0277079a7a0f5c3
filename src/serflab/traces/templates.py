"""Workload templates: series for single pods, each with a character of its own. Same seed, same bytes.

PSI and power follow from CPU (`serflab.traces.derived`) as if the pod ran on a node of 16 cores that its neighbours,
60 vCPUs of one fifth of a core each, keep at three quarters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from serflab.traces.derived import derive
from serflab.traces.draws import Draws, Floats
from serflab.traces.generate import series_points
from serflab.traces.patterns import bursts, curve, jitter, smooth
from serflab.traces.profiles import DEFAULT_SEED

if TYPE_CHECKING:
    from collections.abc import Callable

_CORES: Final = 16.0
_NEIGHBOURS: Final = 60
_NEIGHBOUR_CORES: Final = 0.2


@dataclass(frozen=True, slots=True)
class Recipe:
    """A template's `shape` draws the CPU (millicores) and memory (Mi) of `points` points, before noise.

    `image_mib` is the size of its image in MiB: what has to be moved when a pod starts on another serf.
    """

    description: str
    points: int
    image_mib: int
    shape: Callable[[Draws, int], tuple[Floats, Floats]]


def templates(seed: int = DEFAULT_SEED) -> dict[str, dict[str, Any]]:
    """Return the workload templates (docs/traces.md) by name."""
    return {name: _document(recipe, Draws(seed, "template", name)) for name, recipe in TEMPLATES.items()}


def _document(recipe: Recipe, draws: Draws) -> dict[str, Any]:
    cpu, memory = recipe.shape(draws, recipe.points)
    cpu = cpu * jitter(draws, recipe.points, 0.04)
    memory = memory * jitter(draws, recipe.points, 0.005)
    neighbours = np.full((_NEIGHBOURS, recipe.points), _NEIGHBOUR_CORES)
    derived = derive(np.vstack([cpu / 1000.0, neighbours]), _CORES)
    points = series_points(cpu, memory, derived.pod_power[0], derived.pod_psi[0])
    return {"description": recipe.description, "image_mib": recipe.image_mib, "time_series": points}


def _web(_draws: Draws, points: int) -> tuple[Floats, Floats]:
    visitors = curve(((0.1, 0.15), (0.2, 0.12), (0.4, 0.75), (0.55, 0.65), (0.8, 1.0), (0.95, 0.35)), points)
    return 900.0 * visitors, 380.0 + 160.0 * smooth(visitors)


def _burst(draws: Draws, points: int) -> tuple[Floats, Floats]:
    load = bursts(draws, points)
    return 1600.0 * load, 200.0 + 240.0 * smooth(load, 3)


def _batch(_draws: Draws, points: int) -> tuple[Floats, Floats]:
    place = np.arange(points) / points
    running = ((place >= 0.2) & (place < 0.45)) | ((place >= 0.65) & (place < 0.85))
    load = np.where(running, 1.0, 0.01)
    return 1800.0 * load, 120.0 + 1400.0 * smooth(load, 4)


def _leak(_draws: Draws, points: int) -> tuple[Floats, Floats]:
    # Restarted by the out-of-memory killer after three quarters; collecting garbage costs more CPU the fuller it gets.
    leaked = (np.arange(points) / points / 0.75) % 1.0
    return 180.0 + 420.0 * leaked**4, 280.0 + 1768.0 * leaked


def _training(_draws: Draws, points: int) -> tuple[Floats, Floats]:
    step = np.arange(points) % 15
    load = np.select([step < 1, step < 13], [0.45, 1.0], default=0.2)
    return 3600.0 * load, np.where(step >= 13, 6900.0, 6144.0)


def _inference(_draws: Draws, points: int) -> tuple[Floats, Floats]:
    requests = curve(((0.1, 0.2), (0.25, 0.2), (0.35, 0.7), (0.5, 0.6), (0.7, 1.0), (0.85, 0.5)), points)
    return 300.0 + 2200.0 * requests, 3072.0 + 220.0 * requests


def _cron(_draws: Draws, points: int) -> tuple[Floats, Floats]:
    running = np.where(np.arange(points) % 15 < 2, 1.0, 0.0)
    return 3.0 + 700.0 * running, 24.0 + 180.0 * running


def _idle(_draws: Draws, points: int) -> tuple[Floats, Floats]:
    return np.full(points, 4.0), np.full(points, 42.0)


TEMPLATES: Final = {
    "web-diurnal": Recipe("a web service over a day: quiet at night, busiest in the evening", 96, 180, _web),
    "burst": Recipe("an image resizer: little to do, then all at once", 60, 240, _burst),
    "batch": Recipe("a batch job that runs twice at nearly two cores", 90, 420, _batch),
    "memory-leak": Recipe("memory that grows until the restart, and garbage collection with it", 120, 310, _leak),
    "ml-training": Recipe(
        "training on four cores in epochs, each ending with validation and a checkpoint", 120, 6200, _training
    ),
    "ml-inference": Recipe("a model server: memory for the model, CPU for the requests", 96, 3400, _inference),
    "cron": Recipe("a cron job: every 15 points a short run", 60, 60, _cron),
    "idle": Recipe("a sidecar that waits", 60, 25, _idle),
}
