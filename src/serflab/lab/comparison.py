"""How well an emulated series follows the real one."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Comparison:
    """Figures over the points at which both series are known; None where they cannot be computed.

    `mape_percent` is the mean absolute percentage error, the mean of 100 · |emulated - real| / |real| over the points
    at which the real value is not 0 (Hyndman & Koehler, Another look at measures of forecast accuracy, International
    Journal of Forecasting 22, 2006, section 2.2). `correlation` is Pearson's coefficient, from -1 to 1, which needs
    two points and two series that are not constant. `mean_difference` is the mean of emulated - real, in the unit of
    the series. `points` counts the points.
    """

    mape_percent: float | None
    correlation: float | None
    mean_difference: float | None
    points: int


def compare(emulated: Sequence[float | None], real: Sequence[float | None]) -> Comparison:
    """Compare two series of equal length, value by value."""
    pairs = [
        (ours, theirs) for ours, theirs in zip(emulated, real, strict=True) if ours is not None and theirs is not None
    ]
    errors = [100 * abs(ours - theirs) / abs(theirs) for ours, theirs in pairs if theirs]
    return Comparison(
        mape_percent=_mean(errors),
        correlation=_correlation(pairs),
        mean_difference=_mean([ours - theirs for ours, theirs in pairs]),
        points=len(pairs),
    )


def _mean(values: Sequence[float]) -> float | None:
    return _finite(sum(values) / len(values)) if values else None


def _correlation(pairs: Sequence[tuple[float, float]]) -> float | None:
    try:
        return _finite(statistics.correlation(*zip(*pairs, strict=True))) if pairs else None
    except (statistics.StatisticsError, OverflowError):
        return None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
