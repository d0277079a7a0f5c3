"""The sum of a serf's pods, split up by namespace or by pod: the biggest parts, and the rest together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serflab.lab.prometheus_query import grid, matcher
from serflab.lab.series import SeriesSet

if TYPE_CHECKING:
    from serflab.lab.metrics import Metric
    from serflab.lab.prometheus_query import Prometheus
    from serflab.lab.span import Span

MOST_PARTS = 10
# Pressures cannot be added up.
STACKED_METRICS = ("cpu", "memory", "power")
PARTS = {"namespace": ("namespace",), "pod": ("namespace", "pod")}
OTHER = "other"


async def stacked_series(
    prometheus: Prometheus, serf: str, metric: Metric, part: str, span: Span
) -> tuple[SeriesSet, list[float | None] | None]:
    """Return the biggest parts of a serf's sum and the sum of all others, None where there are no others.

    `part` is `namespace` or `pod`; a part's name is that of the namespace or `namespace/pod`. At most ten come, the
    one that used most over the whole span first. At a point at which nothing is known of the serf, all are gaps.

    Raises `PrometheusError`.
    """
    points = grid(span.start, span.end)
    labels = PARTS[part]
    by = f"sum by ({', '.join(labels)})"
    pods = f"{metric.pod}{matcher(serf=serf)}"
    # Parts are ranked by the sum over the points that are shown; one part more than is shown tells of others.
    used = f"sum_over_time(({by} ({pods}))[{points.end - points.start + points.step}s:{points.step}s])"
    ranked = await prometheus.instant(f"topk({MOST_PARTS + 1}, {used})", points.end, lookback=points.lookback)
    ranked.sort(key=lambda sample: -sample.value)
    biggest = [{label: sample.labels[label] for label in labels} for sample in ranked[:MOST_PARTS]]
    values: dict[str, list[float | None]] = {"/".join(one.values()): [None] * len(points.timestamps) for one in biggest}
    if not biggest:
        return SeriesSet(metric.pod_unit, points, values), None
    parts = " or ".join(f"{by} ({metric.pod}{matcher(serf=serf, **one)})" for one in biggest)
    for found, series in await prometheus.over(parts, points):
        values["/".join(found[label] for label in labels)] = series
    shown = SeriesSet(metric.pod_unit, points, values)
    if len(ranked) <= MOST_PARTS:
        return shown, None
    rest = await prometheus.over(f"clamp_min(sum({pods}) - (sum({parts}) or vector(0)), 0)", points)
    return shown, rest[0][1] if rest else None
