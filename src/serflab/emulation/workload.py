"""What a virtual pod does over time, as annotations: its series and the clock by which it is played.

They lie on the virtual pod in the source and on its ShadowPod in the destination, whose replay plays them. The series
is JSON with one list a measure, `{"cpu": [millicores], "memory": [Mi], "power": [W], "psi": [percent]}`; the clock is
JSON with `start` (epoch seconds, absent until the pod is played), `interval` (seconds), `loop` and `phase`.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import orjson

from serflab.emulation.names import CLOCK, SERIES
from serflab.traces.model import METRICS, Series
from serflab.traces.sampling import Clock

if TYPE_CHECKING:
    from collections.abc import Mapping

_SERIES_KEPT: Final = 64


@dataclass(frozen=True, slots=True)
class Workload:
    """A series and how it is played: a point each `interval` seconds since `start` (None: not yet), `phase` ahead."""

    series: Series
    interval: float
    loop: bool = True
    phase: int = 0
    start: float | None = None

    @property
    def clock(self) -> Clock | None:
        """Return the clock, None while the workload has not begun."""
        if self.start is None:
            return None
        return Clock(self.start, self.interval, self.series.length, self.loop, self.phase)

    def begun(self, now: float) -> Workload:
        """Return the workload with its start: the one that it has, else `now` (epoch seconds)."""
        return self if self.start is not None else replace(self, start=now)

    @property
    def ends(self) -> float | None:
        """Return when the last point is over (epoch seconds); None when it loops or has not begun."""
        if self.loop or self.start is None:
            return None
        return self.start + max(1, self.series.length - self.phase) * self.interval


def workload_annotations(workload: Workload) -> dict[str, str]:
    """Return the annotations that hold a workload."""
    columns = {metric: list(workload.series.column(metric)) for metric in METRICS}
    clock = {"interval": workload.interval, "loop": workload.loop, "phase": workload.phase}
    if workload.start is not None:
        clock["start"] = workload.start
    return {SERIES: orjson.dumps(columns).decode(), CLOCK: orjson.dumps(clock).decode()}


def read_workload(annotations: Mapping[str, str]) -> Workload | None:
    """Return the workload that the annotations hold; None when there is none, or one that cannot be used."""
    try:
        clock = orjson.loads(annotations[CLOCK])
        start, loop = clock.get("start"), clock["loop"]
        if not isinstance(loop, bool):
            return None
        workload = Workload(
            series=_series(annotations[SERIES]),
            interval=float(clock["interval"]),
            loop=loop,
            phase=int(clock["phase"]),
            start=None if start is None else float(start),
        )
        Clock(workload.start or 0.0, workload.interval, workload.series.length, workload.loop, workload.phase)
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError):
        return None
    return workload


@lru_cache(_SERIES_KEPT)
def _series(text: str) -> Series:
    # Kept, because many virtual pods are made from a few templates.
    columns = orjson.loads(text)
    series = Series(*(array("d", columns[metric]) for metric in METRICS))
    if any(min(series.column(metric)) < 0 for metric in METRICS):
        raise ValueError("a series has no negative values")
    return series
