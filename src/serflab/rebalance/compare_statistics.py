"""Figures of a comparison: means with confidence intervals, the Pareto front, and what is recommended and why."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import sqrt
from statistics import NormalDist, fmean, stdev
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

CONFIDENCE: Final = 0.95
_SMALL: Final = {1: 12.7062, 2: 4.3027, 3: 3.1824, 4: 2.7764}
"""Student's t at 97.5 % with few degrees of freedom, where the expansion below is not good enough."""
_AS_GOOD: Final = 0.9
"""An algorithm that brings so much of what the best brings is as good."""
_CHEAPER: Final = 0.5
"""One that brings so much with at most so many of the migrations is worth a word."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The mean of a figure over the draws in which it exists, and the half width of its 95 % confidence interval.

    `mean` is `None` where it exists in no draw, `margin` where it exists in less than two; `draws` counts them.
    """

    mean: float | None
    margin: float | None
    draws: int


@dataclass(frozen=True, slots=True)
class Row:
    """One algorithm's figures by name, and the high threshold with which it ran."""

    algorithm: str
    threshold: float
    figures: Mapping[str, Estimate]

    def mean(self, figure: str) -> float:
        """Return the mean of a figure; infinite where there is none."""
        value = self.figures[figure].mean
        return float("inf") if value is None else value

    @property
    def spread(self) -> float:
        """The spread at the end in points: CPU's and memory's together, as their root mean square."""
        return sqrt((self.mean("sigma_cpu") ** 2 + self.mean("sigma_memory") ** 2) / 2)

    def document(self) -> dict[str, Any]:
        """Return the row as JSON."""
        figures = {name: asdict(estimate) for name, estimate in self.figures.items()}
        return {"algorithm": self.algorithm, "threshold": self.threshold, "spread": self.spread, "figures": figures}


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The algorithm to take, or `None` if none is of use, with the reason in words."""

    algorithm: str | None
    reason: str


def t_quantile(degrees: int) -> float:
    """Return Student's t at 97.5 % (Cornish-Fisher expansion around the normal quantile; to 0.01 from 5 degrees on)."""
    if degrees in _SMALL:
        return _SMALL[degrees]
    z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    terms = (
        (z**3 + z) / (4 * degrees),
        (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2),
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * degrees**3),
    )
    return z + sum(terms)


def estimate(values: Iterable[float]) -> Estimate:
    """Return the mean of those values that are numbers, with its confidence interval.

    >>> found = estimate([1.0, 2.0, 3.0, float("nan")])
    >>> found.mean, round(found.margin, 2), found.draws
    (2.0, 2.48, 3)
    """
    known = [value for value in values if value == value]  # noqa: PLR0124 - not NaN
    if not known:
        return Estimate(None, None, 0)
    margin = t_quantile(len(known) - 1) * stdev(known) / sqrt(len(known)) if len(known) > 1 else None
    return Estimate(fmean(known), margin, len(known))


def pareto_front(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that no other beats in both migrations and spread, fewest migrations first."""
    front: list[Row] = []
    for row in sorted(rows, key=lambda row: (row.mean("migrations"), row.spread)):
        if not front or row.spread < front[-1].spread:
            front.append(row)
    return front


def recommend(rows: Sequence[Row]) -> Recommendation:
    """Recommend an algorithm: of those whose spread is as good as the best, the one with the fewest migrations.

    As good is one that brings at least nine tenths of what the best takes off the spread.
    """
    start = sqrt((rows[0].mean("sigma_cpu_start") ** 2 + rows[0].mean("sigma_memory_start") ** 2) / 2)
    acting = [row for row in rows if row.mean("inert") < 1]
    if not acting:
        return Recommendation(None, f"None of them moved a VM in any draw; the spread stays at {start:.1f} points.")
    best = min(acting, key=lambda row: row.spread)
    if best.spread >= start:
        reason = (
            f"None of them makes the spread smaller than it is at the start, {start:.1f} points: leave the VMs alone."
        )
        return Recommendation(None, reason)
    chosen = _cheapest(acting, start - _AS_GOOD * (start - best.spread))
    return Recommendation(chosen.algorithm, _reason(chosen, best, rows, start))


def _cheapest(rows: Sequence[Row], spread: float) -> Row:
    """Return the row with the fewest migrations of those that get to `spread`; there is one."""
    good = [row for row in rows if row.spread <= spread]
    return min(good, key=lambda row: (row.mean("migrations"), row.spread, row.algorithm))


def _reason(chosen: Row, best: Row, rows: Sequence[Row], start: float) -> str:
    words = (
        f"{chosen.algorithm} brings the spread from {start:.1f} to {chosen.spread:.1f} points with"
        f" {chosen.mean('migrations'):.1f} migrations"
    )
    if chosen is not best:
        words += (
            f"; {best.algorithm} gets to {best.spread:.1f} but needs {best.mean('migrations'):.1f}"
            if best.mean("migrations") > chosen.mean("migrations")
            else f", as few as {best.algorithm}, which gets to {best.spread:.1f}"
        )
    parts = [f"{words}."]
    cheap = _cheapest([row for row in rows if row.mean("inert") < 1], start - _CHEAPER * (start - best.spread))
    if cheap.mean("migrations") <= _CHEAPER * chosen.mean("migrations"):
        parts.append(f"Cheaper: {cheap.algorithm} gets to {cheap.spread:.1f} with {cheap.mean('migrations'):.1f}.")
    if (share := chosen.mean("ping_pong")) > 0.05:
        parts.append(f"{share:.0%} of its moves go back to where the VM came from.")
    if (idle := chosen.mean("inert")) > 0:
        parts.append(f"In {idle:.0%} of the draws it did nothing.")
    never = [row.algorithm for row in rows if row.mean("inert") == 1]
    if never:
        parts.append(f"Never acted at its threshold: {', '.join(never)}.")
    return " ".join(parts)
