"""Which point of a series is due: an absolute clock, so that a late tick never moves the ones after it."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, isfinite


@dataclass(frozen=True, slots=True)
class Clock:
    """Tick k is due at `start + k * interval` (epoch seconds) and plays point `index(k)` of `length` points.

    With `loop` the series starts over at its end; without it the last point stays. `phase` points are skipped at the
    start. Raises `ValueError` if `interval` is under a millisecond, `length` is under 1, `phase` is negative or
    `start` is not finite.
    """

    start: float
    interval: float
    length: int
    loop: bool
    phase: int = 0

    def __post_init__(self) -> None:
        if not isfinite(self.start):
            raise ValueError(f"the start of a clock must be a time, found {self.start}")
        if not (isfinite(self.interval) and self.interval >= 0.001):
            raise ValueError(f"the interval of a clock must be at least 0.001 s, found {self.interval}")
        if self.length < 1:
            raise ValueError(f"the length of a series must be at least 1, found {self.length}")
        if self.phase < 0:
            raise ValueError(f"the phase of a clock must not be negative, found {self.phase}")

    def tick_at(self, now: float) -> int:
        """Return the tick that is due at `now` (epoch s); -1 before the start, at most `length - 1` without `loop`.

        For every tick k that is not yet clamped `tick_at(due(k)) == k`, whatever floating point makes of the
        division.
        """
        tick = floor((now - self.start) / self.interval)
        if self.due(tick + 1) <= now:
            tick += 1
        elif self.due(tick) > now:
            tick -= 1
        return max(-1, tick if self.loop else min(tick, self.length - 1))

    def due(self, tick: int) -> float:
        """Return the time at which `tick` is due, in epoch seconds."""
        return self.start + tick * self.interval

    def index(self, tick: int) -> int:
        """Return the point that `tick` plays, in [0, length); before the start it is that of tick 0."""
        point = max(0, tick) + self.phase
        return point % self.length if self.loop else min(point, self.length - 1)

    def finished(self, tick: int) -> bool:
        """Tell whether `tick` plays the last point for good, so that no later tick changes anything."""
        return not self.loop and max(0, tick) + self.phase >= self.length - 1
