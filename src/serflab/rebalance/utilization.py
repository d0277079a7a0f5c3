"""How descheduler v0.36 classifies nodes by their scores: LowNodeUtilization with a Prometheus query and deviations.

Arithmetic and order of operations are those of its plugin (`nodeutilization.go`, `normalizer.go`,
`usageclients.go`), so that a node on the very edge of a threshold falls on the same side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from serflab.errors import SerflabError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

CLASSES: Final = ("under", "appropriate", "over")


class UnusableScoreError(SerflabError):
    """A score for which the descheduler gives up its whole cycle, or which it reads as an undefined number."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """One cycle's view of the nodes; every array has the shape of the scores, (..., nodes), or (...) without nodes.

    `percent` are the scores in whole percent (truncated), `average` their mean, `low` and `high` the thresholds, both
    in [0, 100]. `evicts` tells whether the cycle goes on to evict: there are under- and overutilised nodes, not all
    nodes are underutilised, and the underutilised ones together have room below `high`; `sources` are the nodes that
    it would evict from.
    """

    percent: NDArray[np.int64]
    average: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    under: NDArray[np.bool_]
    over: NDArray[np.bool_]
    room: NDArray[np.int64]
    evicts: NDArray[np.bool_]
    sources: NDArray[np.bool_]

    def names(self) -> list[str]:
        """Return the class of each node, one of `CLASSES`, of a single cycle (scores of shape (nodes,))."""
        pairs = zip(self.under.tolist(), self.over.tolist(), strict=True)
        return ["under" if under else "over" if over else "appropriate" for under, over in pairs]


def classify(scores: ArrayLike, low: float, high: float, *, unschedulable: ArrayLike | None = None) -> Assessment:
    """Classify nodes by `scores` of shape (..., nodes), each in [0, 1], vectorised over the leading axes.

    `low` is the policy's `thresholds` and `high` its `targetThresholds`, in points around the average. A node that is
    `unschedulable` is never underutilised. Raises `UnusableScoreError` for a score that is no number or outside [0, 1].

    >>> classify([0.10, 0.20, 0.30, 0.61], 0, 10).names()
    ['under', 'under', 'under', 'over']
    """
    values = np.asarray(scores, dtype=np.float64)
    check_scores(values)
    whole = (values * 100).astype(np.int64)
    percent = whole / 100 * 100
    # The sum goes from the first to the last; numpy's own would group the nodes.
    average = np.cumsum(percent, axis=-1)[..., -1] / values.shape[-1]
    lower, higher = (np.clip(average + span, 0.0, 100.0) for span in (-low, high))
    under = percent <= lower[..., None]
    if unschedulable is not None:
        under &= ~np.asarray(unschedulable, dtype=np.bool_)
    over = ~under & (percent > higher[..., None])
    # Capped again to whole percent, as the quantity that the usage is compared with before each eviction.
    cap = (higher * 0.01 * 100.0).astype(np.int64)[..., None]
    room = np.where(under, cap - whole, 0).sum(axis=-1)
    evicts = under.any(axis=-1) & ~under.all(axis=-1) & over.any(axis=-1) & (room > 0)
    sources = over & (whole > cap) & evicts[..., None]
    return Assessment(whole, average, lower, higher, under, over, room, evicts, sources)


def classify_nodes(
    scores: Mapping[str, float], low: float, high: float, *, unschedulable: frozenset[str] = frozenset()
) -> tuple[dict[str, str], Assessment]:
    """Return the class of each node by name, as `CLASSES` call it, and the whole assessment in the mapping's order."""
    found = classify(list(scores.values()), low, high, unschedulable=[name in unschedulable for name in scores])
    return dict(zip(scores, found.names(), strict=True)), found


def check_scores(values: NDArray[np.float64]) -> None:
    """Raise `UnusableScoreError` if a score of shape (..., nodes) is one that the descheduler cannot work with."""
    if values.shape[-1:] in ((), (0,)):
        raise UnusableScoreError("there is no score of any node", hint="no node, or no sample in Prometheus")
    if bool(np.isnan(values).any()):
        hint = "the descheduler would read it as an undefined number; see the rule of the algorithm"
        raise UnusableScoreError(f"node {_first(np.isnan(values))} has the score NaN", hint=hint)
    outside = (values < 0) | (values > 1)
    if bool(outside.any()):
        at = _first(outside)
        value: Any = values.reshape(-1, values.shape[-1])[:, at]
        worst = next(float(number) for number in value if not 0 <= number <= 1)
        hint = "the descheduler gives up its whole cycle on one such sample"
        raise UnusableScoreError(f"node {at} has the score {worst:g}, outside of 0 to 1", hint=hint)


def _first(wrong: NDArray[np.bool_]) -> int:
    """Return the position among the nodes of the first that is wrong."""
    return int(np.argwhere(wrong)[0][-1])
