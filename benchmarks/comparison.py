"""A figure of ours beside a peer's, measured in turn so that a noisy machine disturbs both alike."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Comparison:
    """The medians of several runs in turn; `aim` is a text such as `≤ 1.0` and `met` whether the ratio keeps to it."""

    name: str
    unit: str
    ours: float
    peer_name: str
    peer: float
    ratio: float
    spread: str
    aim: str
    met: bool
    runs: int
    note: str = ""


@dataclass(frozen=True)
class Aim:
    """What a ratio of ours to the peer's should be: at most or at least `bound`."""

    bound: float
    at_most: bool

    def __str__(self) -> str:
        """Return the aim as a table shows it."""
        return f"{'≤' if self.at_most else '≥'} {self.bound:g}×"

    def met(self, ratio: float) -> bool:
        """Whether a ratio keeps to it."""
        return ratio <= self.bound if self.at_most else ratio >= self.bound


def compare(
    name: str,
    unit: str,
    ours: Callable[[], float],
    peer: tuple[str, Callable[[], float]],
    aim: Aim,
    *,
    runs: int,
    note: str = "",
    alternate: bool = False,
) -> Comparison:
    """Measure both `runs` times in turn; the ratio is the median of the ratios of neighbours.

    With `alternate` the peer goes first in every second turn, where a run finds what the one before has left.
    """
    peer_name, measure_peer = peer
    mine: list[float] = []
    theirs: list[float] = []
    for turn in range(runs):
        steps = [(mine, ours), (theirs, measure_peer)]
        for results, measure in reversed(steps) if alternate and turn % 2 else steps:
            results.append(measure())
        print(f"  {name}: {mine[-1]:.4g} {unit}, {peer_name}: {theirs[-1]:.4g} {unit}", flush=True)
    ratios = [a / b for a, b in zip(mine, theirs, strict=True)]
    ratio = statistics.median(ratios)
    return Comparison(
        name=name,
        unit=unit,
        ours=statistics.median(mine),
        peer_name=peer_name,
        peer=statistics.median(theirs),
        ratio=ratio,
        spread=f"{min(ratios):.2f}-{max(ratios):.2f}",
        aim=str(aim),
        met=aim.met(ratio),
        runs=runs,
        note=note,
    )
