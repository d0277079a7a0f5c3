"""What a link carries and how long it takes, as its labels say it in the notation of tc and netem.

Grammar: RATE and TIME of https://man7.org/linux/man-pages/man8/tc.8.html#PARAMETERS, with a unit in any case: tc reads
a number without one as bits per second here and as microseconds there, which nobody means.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import Final

RATE_LABEL: Final = "serflab.rate"
"""Label of a link: what it carries, such as `100mbit`."""
DELAY_LABEL: Final = "serflab.delay"
"""Label of a link: how long it takes, one way, such as `10ms`."""

_VALUE: Final = re.compile(r"\s*((?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?)\s*([A-Za-z]*)\s*")
_PREFIXES: Final = {
    "": 1.0,
    **{letter: 1000.0**power for power, letter in enumerate("kmgt", start=1)},
    **{f"{letter}i": 1024.0**power for power, letter in enumerate("kmgt", start=1)},
}
_RATES: Final = {
    **{f"{prefix}bit": factor for prefix, factor in _PREFIXES.items()},
    **{f"{prefix}bps": 8 * factor for prefix, factor in _PREFIXES.items()},
}
_TIMES: Final = {
    **dict.fromkeys(("s", "sec", "secs"), 1.0),
    **dict.fromkeys(("ms", "msec", "msecs"), 1e-3),
    **dict.fromkeys(("us", "usec", "usecs"), 1e-6),
}


def parse_rate(text: str) -> float:
    """Return the bits per second of a rate such as `100mbit` or `12.5mbps` (`bps` are bytes per second, as in tc).

    Raises `ValueError`, with a text for people, for everything else and for a rate of 0.
    """
    rate = _parse(text, _RATES)
    if not rate:
        raise ValueError(f"is {text!r}; expected a rate above 0 with its unit, such as 100mbit")
    return rate


def parse_delay(text: str) -> float:
    """Return the seconds of a time such as `10ms`; a bare `0` needs no unit.

    Raises `ValueError`, with a text for people, for everything else.
    """
    delay = 0.0 if text.strip() == "0" else _parse(text, _TIMES)
    if delay is None:
        raise ValueError(f"is {text!r}; expected a time with its unit, such as 10ms")
    return delay


def _parse(text: str, units: dict[str, float]) -> float | None:
    match = _VALUE.fullmatch(text)
    factor = units.get(match[2].lower()) if match else None
    if match is None or factor is None:
        return None
    value = float(match[1]) * factor
    return value if isfinite(value) else None
