"""Shapes of load over one loop of a trace; all of them join up when the loop starts over.

Each returns an array of shape `(points,)` without unit, at least 0 and mostly within [0, 1].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from serflab.traces.draws import Draws, Floats


def curve(knots: Sequence[tuple[float, float]], points: int) -> Floats:
    """Return straight lines through `knots`, each `(where in the loop in [0, 1), level)`, closed around the end."""
    places, levels = zip(*knots, strict=True)
    return np.asarray(np.interp(np.arange(points) / points, places, levels, period=1.0), dtype=np.float64)


def jitter(draws: Draws, points: int, deviation: float) -> Floats:
    """Return factors around 1: half slow wandering over five points, half independent noise; never under 0.05."""
    slow = smooth(draws.normal(points), 5) * 5**0.5
    noise = 0.7 * slow + 0.7 * draws.normal(points)
    return np.maximum(0.05, 1.0 + deviation * noise)


def bursts(draws: Draws, points: int) -> Floats:
    """Return a low base with a sharp burst of two to five points about every twenty points."""
    load = np.full(points, 0.12)
    for _ in range(max(1, points // 20)):
        start, length, height = draws.integer(0, points - 1), draws.integer(2, 5), draws.one(0.5, 1.0)
        load[np.arange(start, start + length) % points] = height
    return load


def runs(draws: Draws, points: int) -> Floats:
    """Return one or two runs of a batch job at full load, each 6 to 14 % of the loop, and next to nothing between."""
    load = np.full(points, 0.02)
    for _ in range(draws.integer(1, 2)):
        start, length = draws.integer(0, points - 1), max(1, round(points * draws.one(0.06, 0.14)))
        load[np.arange(start, start + length) % points] = 1.0
    return load


def sawtooth(draws: Draws, points: int, teeth: int = 2) -> Floats:
    """Return a slow rise from 0 to 1 and a sudden fall, `teeth` times a loop: memory that leaks until the restart."""
    return np.asarray((np.arange(points) / points * teeth + draws.one()) % 1.0, dtype=np.float64)


def smooth(load: Floats, width: int = 6) -> Floats:
    """Return the mean of the last `width` points: what follows the load slowly, such as memory."""
    return np.asarray(sum((np.roll(load, k) for k in range(width)), np.zeros(len(load))) / width, dtype=np.float64)
