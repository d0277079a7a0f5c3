"""Whether the descheduler saw and classified the scores that follow from the inputs, without the rules' PromQL.

A cycle asks Prometheus at some moment between its begin and its end, so what it saw is an evaluation around it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from serflab.rebalance.dimensions import DIMENSIONS
from serflab.rebalance.explain import expected_classes
from serflab.rebalance.questions import node_inputs
from serflab.rebalance.scores import scores

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from serflab.rebalance.cycles import Cycle
    from serflab.rebalance.loop_settings import Loop

Evaluations = dict[float, dict[str, dict[str, float]]]
"""The inputs by time of evaluation, node and dimension."""

_BEFORE: Final = 2
"""So many evaluations before a cycle may be what it saw: the last may not have been written yet when it asked."""
_ROUNDING: Final = 1e-9
"""By how much numpy and PromQL may differ: a score that is so near to a whole percent may become either."""


def evaluations_of(loop: Loop, cycles: Sequence[Cycle]) -> Evaluations:
    """Return the evaluations that the first of the cycles to the last may have seen; raises `PrometheusError`."""
    if not cycles:
        return {}
    before = 2 * _BEFORE * loop.times.scrape
    return node_inputs(loop, cycles[0].started - before, cycles[-1].ended)


def agrees(cycle: Cycle, loop: Loop, evaluations: Evaluations) -> bool:
    """Whether percent and class of each node follow from the inputs of one evaluation that the cycle may have seen."""
    if not cycle.classes:
        return False
    if cycle.classes != expected_classes(cycle, loop.threshold, loop.target_threshold).classes:
        return False
    return any(_gives(nodes, loop.algorithm, cycle.usage) for nodes in _around(cycle, evaluations))


def _around(cycle: Cycle, evaluations: Evaluations) -> list[dict[str, dict[str, float]]]:
    before = sorted(at for at in evaluations if at <= cycle.started)[-_BEFORE:]
    within = [at for at in evaluations if cycle.started < at <= cycle.ended]
    return [evaluations[at] for at in (*before, *within)]


def _gives(nodes: Mapping[str, Mapping[str, float]], algorithm: str, usage: Mapping[str, int]) -> bool:
    """Whether these inputs, by node and dimension, make these whole percents, truncated as the descheduler does."""
    if set(nodes) != set(usage):
        return False
    names = list(usage)
    x = np.array([[nodes[name].get(each.name, np.nan) for each in DIMENSIONS] for name in names])
    found = scores(algorithm, x)
    if np.isnan(found).any():
        return False
    least, most = (np.floor(np.clip(found + by, 0, 1) * 100) for by in (-_ROUNDING, _ROUNDING))
    percent = np.array([usage[name] for name in names])
    return bool(((percent == least) | (percent == most)).all())
