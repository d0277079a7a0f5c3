"""The load of all serfs over the past, on a grid that a scrubber can walk along."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serflab.lab.load import JOB
from serflab.lab.prometheus_query import LOOKBACK_SECONDS, SHORTEST_STEP, Grid, grid, matcher
from serflab.lab.span import RETENTION_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from serflab.lab.metrics import Metric
    from serflab.lab.prometheus_query import Prometheus
    from serflab.lab.span import Span

MOST_POINTS = 300
# Enough for a colour and for a number to be shown, and half the bytes.
_DECIMALS = 3
_COARSE_STEP = 300
_REMEMBERED_SECONDS = 60.0

Values = list[float | None]


@dataclass(frozen=True, slots=True)
class History:
    """By metric name and serf, one value or None (a gap) at every point of the grid, rounded to three decimals."""

    points: Grid
    loads: dict[str, dict[str, Values]]


async def read_history(prometheus: Prometheus, metrics: Iterable[Metric], span: Span) -> History:
    """Return the load of every serf over a span, at most 300 points.

    Raises `PrometheusError`.
    """
    points = grid(span.start, span.end, MOST_POINTS)
    chosen = list(metrics)
    answers = await asyncio.gather(*(prometheus.over(metric.of_serfs(), points) for metric in chosen))
    loads = {
        metric.name: {labels["serf"]: _rounded(values) for labels, values in answer if "serf" in labels}
        for metric, answer in zip(chosen, answers, strict=True)
    }
    return History(points, loads)


def _rounded(values: Values) -> Values:
    return [None if value is None else round(value, _DECIMALS) for value in values]


class EarliestSample:
    """Knows the oldest sample of the lab in Prometheus; asks at most once a minute."""

    def __init__(self) -> None:
        self._url = ""
        self._found: float | None = None
        self._asked = 0.0

    async def of(self, prometheus: Prometheus) -> float | None:
        """Return when (epoch seconds) the oldest sample of the last 24 hours was taken; None without any.

        Raises `PrometheusError`.
        """
        now = time.time()
        if self._url != prometheus.url or not 0 <= now - self._asked < _REMEMBERED_SECONDS:
            self._found = await _earliest(prometheus, now)
            self._url, self._asked = prometheus.url, now
        return self._found


async def _earliest(prometheus: Prometheus, now: float) -> float | None:
    """Look roughly over the whole retention first, and then closely before the moment that was found."""
    sampled = f"min(timestamp(up{matcher(job=JOB)}))"
    rough = await prometheus.instant(f"min_over_time({sampled}[{RETENTION_SECONDS}s:{_COARSE_STEP}s])", at=now)
    until = rough[0].value if rough else now
    seconds = _COARSE_STEP + LOOKBACK_SECONDS
    close = await prometheus.instant(f"min_over_time({sampled}[{seconds}s:{SHORTEST_STEP}s])", at=until)
    found = [sample.value for sample in (*rough, *close)]
    return min(found, default=None)
