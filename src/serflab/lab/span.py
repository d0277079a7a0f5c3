"""Stretches of time: the windows that the viewer offers, and ranges that a reader has chosen."""

from __future__ import annotations

from dataclasses import dataclass

# In seconds.
WINDOWS = {"5m": 300, "15m": 900, "1h": 3600, "2h": 7200}
HISTORY_WINDOWS = {"15m": 900, "1h": 3600, "6h": 21600, "24h": 86400}
# How long the lab's Prometheus keeps samples; no range is longer.
RETENTION_SECONDS = 86400
CUSTOM = "custom"


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` to `end`, in seconds since the epoch; `name` is that of its window, or `custom`."""

    name: str
    start: float
    end: float

    @classmethod
    def last(cls, name: str, seconds: float, now: float) -> Span:
        """Return the window of that name, which ends now."""
        return cls(name, now - seconds, now)
