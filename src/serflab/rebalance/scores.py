"""The scores of all nodes by numpy: what the rules' PromQL is held against, and what the offline emulator uses.

Written from the formulas, not from the PromQL. Inputs are arrays of shape (..., nodes, 4), the last axis in the order
(u, p, m, q): CPU usage, CPU pressure, memory usage, memory pressure, each a ratio. Results have the shape (..., nodes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from serflab.rebalance.algorithms import PARETO_NODES, TIE, find_algorithm

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_W: Final = (0.15, 0.35, 0.15, 0.35)
_V: Final = (1.0, 2.0, 1.0, 2.0)


def scores(name: str, x: Floats) -> Floats:
    """Return the scores in [0, 1] by the algorithm `name`, vectorised over the leading axes.

    Inputs are clipped to [0, 1]. A node of which one of the four is NaN scores NaN and counts for no other node, as in
    the rules, where it has no score. Raises `InputError` for an unknown algorithm and `ValueError` for a wrong shape.
    """
    algorithm = find_algorithm(name)
    x = np.asarray(x, dtype=np.float64)
    if x.ndim < 2 or x.shape[-1] != 4:
        raise ValueError(f"expected an array of shape (..., nodes, 4), found {x.shape}")
    known: Mask = np.logical_not(np.isnan(x).any(axis=-1))
    filled = np.where(known[..., None], np.clip(x, 0.0, 1.0), 0.0)
    result = np.clip(_FORMULAS[algorithm.name](filled, known), 0.0, 1.0)
    return np.where(known, result, np.nan)


def _weighted(x: Floats, weights: tuple[float, ...]) -> Floats:
    """Return Σ weight·x, added in one order whatever the shape, so that a batch gives the bits of its parts."""
    first, second, third, fourth = (weight * x[..., index] for index, weight in enumerate(weights))
    return np.asarray(first + second + third + fourth)


def _norm(x: Floats) -> Floats:
    return np.sqrt(_weighted(np.square(x), (1.0, 1.0, 1.0, 1.0)))


def _mean(x: Floats, known: Mask) -> Floats:
    """Return the mean over the known nodes, with the axis of the nodes kept; 0 where no node is known."""
    count = np.maximum(known.sum(axis=-1), 1)[..., None, None]
    return np.asarray((x * known[..., None]).sum(axis=-2, keepdims=True) / count)


def _deviation(x: Floats, known: Mask) -> Floats:
    return x - _mean(x, known)


def _excess(x: Floats, known: Mask) -> Floats:
    return np.maximum(_deviation(x, known), 0.0)


def _pareto_front(x: Floats, known: Mask) -> Floats:
    """Return the share of the other nodes that a node dominates; NaN for more nodes than the rules compare."""
    nodes = known.sum(axis=-1)[..., None]
    not_below = known[..., None, :] & known[..., :, None]
    above = np.zeros_like(not_below)
    for dimension in range(4):
        mine, theirs = x[..., :, None, dimension], x[..., None, :, dimension]
        not_below &= mine >= theirs
        above |= mine > theirs
    share = (not_below & above).sum(axis=-1) / np.maximum(nodes - 1, 1)
    return np.where(nodes > PARETO_NODES, np.nan, share)


def _critical_dimension(x: Floats, known: Mask) -> Floats:
    excess = _excess(x, known)
    means = _mean(excess, known)
    critical = np.argmax(means >= means.max(axis=-1, keepdims=True) - TIE, axis=-1, keepdims=True)
    return np.take_along_axis(excess, np.broadcast_to(critical, (*excess.shape[:-1], 1)), axis=-1)[..., 0]


def _amplified(factor: float) -> Callable[[Floats, Mask], Floats]:
    return lambda x, known: np.minimum(1.0, factor * _norm(_excess(x, known)))


_FORMULAS: Final[Mapping[str, Callable[[Floats, Mask], Floats]]] = {
    "weighted_average": lambda x, _: _weighted(x, (1.0, 1.0, 1.0, 1.0)) / 4,
    "max_metric": lambda x, _: x.max(axis=-1),
    "euclidean_distance": lambda x, _: _norm(x) / 2,
    "pressure_focused": lambda x, _: (2 * (x[..., 1] + x[..., 3]) / 2 + (x[..., 0] + x[..., 2]) / 2) / 3,
    "weighted_rms_positive_deviation": lambda x, known: np.sqrt(_weighted(np.square(_excess(x, known)), _W)),
    "weighted_mean_square_positive_deviation": lambda x, known: _weighted(np.square(_excess(x, known)), _W),
    "linear_weighted_positive_deviation": lambda x, known: _weighted(_excess(x, known), _W),
    "pareto_front": _pareto_front,
    "centroid_distance": lambda x, known: _norm(_deviation(x, known)) / 2,
    "directional_centroid_distance": lambda x, known: _norm(_excess(x, known)) / 2,
    "variance_minimization": lambda x, known: np.sqrt(_weighted(np.square(_deviation(x, known)), _V)) / np.sqrt(6),
    "directional_variance_minimization": lambda x, known: _weighted(_excess(x, known), _V) / 6,
    "critical_dimension_focus": _critical_dimension,
    "ideal_point_positive_distance": _amplified(1),
    "linear_amplified_ideal_point_positive_distance:k1": _amplified(1),
    "linear_amplified_ideal_point_positive_distance:k3": _amplified(3),
    "linear_amplified_ideal_point_positive_distance:k5": _amplified(5),
    "cpu_focused": lambda x, _: 0.7 * x[..., 0] + 0.3 * x[..., 1],
    "memory_focused": lambda x, _: 0.7 * x[..., 2] + 0.3 * x[..., 3],
}
