"""What a serf is told by environment variables, in a topology file or in a container."""

from __future__ import annotations

import math

CONFIG_ENV = "SERFLAB_CONFIG"
PHASE_ENV = "SERFLAB_PHASE"
INTERVAL_ENV = "SERFLAB_INTERVAL"
DEFAULT_CONFIG = "annotations/emulation_config.json"
DEFAULT_INTERVAL = 5.0


def read_phase(text: str) -> int:
    """Return a number of points of the trace; `ValueError` says what was expected."""
    if text.isdecimal():
        return int(text)
    raise ValueError(f"is {text!r}; expected a whole number of points of the trace, 0 or more")


def read_interval(text: str) -> float:
    """Return seconds a point of the trace; `ValueError` says what was expected."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise ValueError(f"is {text!r}; expected seconds a point, more than 0")
    return seconds
