"""The query parameters of the calls that ask for series, or the 400 that says what is allowed."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from flask import request

from serflab.lab.metrics import METRICS, Metric
from serflab.lab.series import PodName
from serflab.lab.span import CUSTOM, RETENTION_SECONDS, Span
from serflab.web.errors import bad_parameter, one_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FORMATS = ("json", "csv")
MOST_PODS = 12
# A browser's clock may be ahead of this machine's.
_CLOCK_SKEW_SECONDS = 60
_SECONDS = re.compile(r"\d{1,15}(?:\.\d{1,9})?", re.ASCII)
_EPOCH = "a number of seconds since the epoch"
_HOURS = RETENTION_SECONDS // 3600


def metric(allowed: Iterable[str] = METRICS) -> Metric:
    """Return the measure that `?metric=` names, cpu when it is left out."""
    return METRICS[choice("metric", allowed, "cpu")]


def metrics() -> list[Metric]:
    """Return the measures that `?metric=`, once or repeated, names; all of them when it is left out."""
    names = dict.fromkeys(request.args.getlist("metric")) or METRICS
    for name in names:
        if name not in METRICS:
            raise one_of("metric", name, METRICS)
    return [METRICS[name] for name in names]


def choice(parameter: str, allowed: Iterable[str], default: str) -> str:
    """Return the value of a parameter that has to be one of those that are allowed."""
    value = request.args.get(parameter, default)
    values = list(allowed)
    if value not in values:
        raise one_of(parameter, value, values)
    return value


def pods(serf: str) -> list[PodName]:
    """Return the pods that `?pod=namespace/name`, repeated, names, each once."""
    names = dict.fromkeys(request.args.getlist("pod"))
    expected = f"namespace/name, given 1 to {MOST_PODS} times"
    if not 1 <= len(names) <= MOST_PODS:
        raise bad_parameter("pod", f"{len(names)} pods were asked for", expected)
    for name in names:
        if not all(name.partition("/")):
            raise bad_parameter("pod", f"pod={name!r} is no full name of a pod", expected)
    return [PodName(serf, namespace, pod) for namespace, _, pod in (name.partition("/") for name in names)]


def span(windows: Mapping[str, int], default: str) -> Span:
    """Return the time that `?window=` or `?from=&to=` means, the default window when both are left out."""
    now = time.time()
    name = request.args.get("window")
    if "from" in request.args or "to" in request.args:
        if name not in {None, CUSTOM}:
            raise bad_parameter(
                "window", "window and from/to cannot be given together", f"left out beside from, or {CUSTOM}"
            )
        return _range(now)
    if name == CUSTOM:
        raise bad_parameter("from", f"window={CUSTOM} needs from", f"{_EPOCH}, less than `to`")
    if name is not None and name not in windows:
        raise one_of("window", name, windows)
    name = name or default
    return Span.last(name, windows[name], now)


def _range(now: float) -> Span:
    start = _moment("from", None)
    end = _moment("to", now)
    if end > now + _CLOCK_SKEW_SECONDS:
        raise bad_parameter("to", f"to={end:.0f} is in the future: it is {now:.0f}", f"{_EPOCH}, not in the future")
    end = min(end, now)
    if start >= end:
        raise bad_parameter(
            "from", f"from={start:.0f} is not before {end:.0f}", f"{_EPOCH}, less than `to` and than now"
        )
    if end - start > RETENTION_SECONDS:
        message = f"from={start:.0f} to {end:.0f} is {(end - start) / 3600:.1f} h; Prometheus keeps {_HOURS} h"
        raise bad_parameter("from", message, f"{_EPOCH}, at most {RETENTION_SECONDS} before `to`")
    return Span(CUSTOM, start, end)


def _moment(parameter: str, default: float | None) -> float:
    text = request.args.get(parameter)
    if text is None and default is not None:
        return default
    if text is None:
        raise bad_parameter(parameter, f"{parameter} is missing", f"{_EPOCH}; `to` alone can be left out")
    if not _SECONDS.fullmatch(text):
        raise bad_parameter(parameter, f"{parameter}={text[:40]!r} is no moment", f"{_EPOCH}, such as 1795334590")
    return float(text)
