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
JITTER_LABEL: Final = "serflab.jitter"
"""Label of a link: by how much its delay varies, such as `2ms`."""
LOSS_LABEL: Final = "serflab.loss"
"""Label of a link: how much of what it is given it loses, such as `1%`."""

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
_GO_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "µs": 1e-6, "us": 1e-6, "ns": 1e-9}
_GO_PART: Final = re.compile(r"([0-9.]+)(ms|µs|us|ns|h|m|s)")
_GO_DURATION: Final = re.compile(rf"(?:{_GO_PART.pattern})*")


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


def parse_loss(text: str) -> float:
    """Return the percents of a loss such as `1%` or `0.5`, from 0 to below 100.

    Raises `ValueError`, with a text for people, for everything else.
    """
    loss = _parse(text.strip().removesuffix("%"), {"": 1.0})
    if loss is None or loss >= 100:
        raise ValueError(f"is {text!r}; expected percents from 0 to below 100, such as 1%")
    return loss


def rate_text(rate: float | None) -> str:
    """Return bits per second as `parse_rate` reads them: 100e6 -> `100mbit`; empty for no limit."""
    if rate is None:
        return ""
    power = next((power for power in (4, 3, 2, 1) if rate >= 1000**power), 0)
    return f"{rate / 1000**power:.6g}{('', 'k', 'm', 'g', 't')[power]}bit"


def time_text(seconds: float) -> str:
    """Return seconds as `parse_delay` reads them: 0.02 -> `20ms`."""
    if seconds >= 1:
        return f"{seconds:.6g}s"
    return f"{seconds * 1e3:.6g}ms" if seconds >= 1e-3 or not seconds else f"{seconds * 1e6:.6g}us"


def loss_text(loss: float) -> str:
    """Return percents as `parse_loss` reads them: 0.5 -> `0.5%`."""
    return f"{loss:.6g}%"


def go_duration(text: str) -> float:
    """Return the seconds of a duration as Go prints it: `20ms`, `1m30s`, `250µs`; 0 for an empty one.

    Source: https://pkg.go.dev/time#Duration.String. Raises `ValueError` for everything else.
    """
    if not _GO_DURATION.fullmatch(text):
        raise ValueError(f"is {text!r}; expected a duration such as 1m30s")
    return sum((float(number) * _GO_UNITS[unit] for number, unit in _GO_PART.findall(text)), 0.0)


def _parse(text: str, units: dict[str, float]) -> float | None:
    match = _VALUE.fullmatch(text)
    factor = units.get(match[2].lower()) if match else None
    if match is None or factor is None:
        return None
    value = float(match[1]) * factor
    return value if isfinite(value) else None
