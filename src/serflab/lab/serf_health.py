"""How a serf's own programs are doing: API server, exporter and replay."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from serflab.errors import SerflabError
from serflab.lab.load import JOB
from serflab.lab.prometheus_query import PrometheusError, matcher
from serflab.lab.serf_settings import INTERVAL_ENV
from serflab.lab.workload import config_without_series

if TYPE_CHECKING:
    from collections.abc import Mapping

    from serflab.lab.cluster_view import ClusterView
    from serflab.lab.inventory import Serf
    from serflab.lab.observer import LabObserver
    from serflab.lab.prometheus_query import Prometheus

PLAYING, LATE, STOPPED, UNKNOWN = "playing", "late", "stopped", "unknown"
REPLAY_STATES = (PLAYING, LATE, STOPPED, UNKNOWN)

_SCRAPE_SECONDS = "scrape_duration_seconds"
_SAMPLES = "scrape_samples_scraped"
_REPLAY = {
    "up": "serflab_replay_up",
    "tick": "serflab_replay_tick",
    "time_index": "serflab_replay_time_index",
    "lag_seconds": "serflab_replay_lag_seconds",
    "patches_total": "serflab_replay_patches_total",
    "patch_failures_total": "serflab_replay_patch_failures_total",
    "skipped_ticks_total": "serflab_replay_skipped_ticks_total",
    "missing_pods": "serflab_replay_missing_pods",
}


def serf_health(observer: LabObserver, view: ClusterView) -> dict[str, Any]:
    """Return what `GET /api/node/<node>/health` answers; what Prometheus does not say is None."""
    serf = view.serf
    try:
        measures = observer.ask(lambda prometheus: _measures(prometheus, serf.name))
    except PrometheusError:
        measures = {}
    return {
        "node": serf.name,
        "api_server": {
            "state": view.state,
            "version": view.version,
            "stale_since": view.stale_since,
            "message": view.error,
        },
        "exporter": {
            "up": observer.target_up(serf.name),
            "url": serf.exporter,
            "stale_since": observer.load(serf.name).stale_since,
            "scrape_seconds": measures.get(_SCRAPE_SECONDS),
            "samples": _whole(measures.get(_SAMPLES)),
        },
        "replay": replay_health(measures, interval_seconds(serf), trace_points(serf)),
    }


async def _measures(prometheus: Prometheus, serf: str) -> dict[str, float]:
    """Return the serf's self-metrics by name."""
    names = "|".join((_SCRAPE_SECONDS, _SAMPLES, *_REPLAY.values()))
    selector = matcher(serf=serf, job=JOB).removeprefix("{")
    samples = await prometheus.instant(f'{{__name__=~"{names}",{selector}')
    return {sample.labels["__name__"]: sample.value for sample in samples}


def replay_health(measures: Mapping[str, float], interval: float | None, points: int | None) -> dict[str, Any]:
    """Return what the exporter's metrics say of the replay.

    `late`: the latest tick was complete, or the next is overdue, by more than one interval. `stopped`: the exporter
    sees no live replay. `unknown`: there is no exporter to say so.
    """
    values = {name: measures.get(metric) for name, metric in _REPLAY.items()}
    up, lag = values.pop("up"), values.pop("lag_seconds")
    if up is None:
        state = UNKNOWN
    elif not up:
        state = STOPPED
    else:
        state = LATE if interval is not None and lag is not None and lag > interval else PLAYING
    counts = {name: _whole(value) for name, value in values.items()}
    return {"state": state, "points": points, "lag_seconds": lag, "interval_seconds": interval, **counts}


def interval_seconds(serf: Serf) -> float | None:
    """Return how long the serf's replay shows a point, None where the inventory does not say."""
    try:
        seconds = float(serf.env[INTERVAL_ENV])
    except (KeyError, ValueError):
        return None
    return seconds if 0 < seconds < math.inf else None


def trace_points(serf: Serf) -> int | None:
    """Return the length of the trace that the serf plays, None where its config cannot be read."""
    try:
        pods = config_without_series(serf.config).get("pods")
    except SerflabError:
        return None
    lengths = [pod["points"] for pod in pods if isinstance(pod, dict)] if isinstance(pods, list) else []
    return max(lengths, default=None)


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
