"""Quantities as text: Kubernetes' notation for nodes, and the values of the metric annotations."""

from __future__ import annotations

import re
from decimal import Decimal
from math import isfinite
from typing import Final

# The grammar and the suffixes are those of k8s.io/apimachinery/pkg/api/resource.Quantity.
_QUANTITY: Final = re.compile(
    r"(?P<number>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?P<suffix>[KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,4})?"
)
_SUFFIXES: Final = {
    "": Decimal(1),
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("num", start=-3)},
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTPE", start=1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)},
}
_MEBI: Final = Decimal(1024) ** 2

_ANNOTATION: Final = re.compile(r"\s*((?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?)\s*([A-Za-z%]*)\s*")
_UNITS: Final = {"cpu": "m", "memory": "Mi", "power": "W", "psi": "%"}


def parse_cpu(value: str | float) -> float:
    """Return the millicores of a Kubernetes CPU quantity: `"16"`, `"500m"`, `1.5` (a number means cores).

    Raises `ValueError`, with a text for people, if `value` is no quantity or is negative.
    """
    return _finite(_quantity(value) * 1000, value)


def parse_memory(value: str | float) -> float:
    """Return the Mi of a Kubernetes memory quantity: `"60Gi"`, `"1024Ki"`, `"1G"`, `1e9` (a number means bytes).

    Raises `ValueError`, with a text for people, if `value` is no quantity or is negative.
    """
    return _finite(_quantity(value) / _MEBI, value)


def format_value(metric: str, value: float) -> str:
    """Return `value` (millicores, Mi, W or percent) as its annotation shows it: `40.0m`, `85.0Mi`, `0.15W`, `0.0%`.

    Raises `KeyError` if `metric` is none of `serflab.traces.model.METRICS`.
    """
    digits = 2 if metric == "power" else 1
    return f"{value:z.{digits}f}{_UNITS[metric]}"


def parse_value(metric: str, text: str) -> float:
    """Return the value of an annotation in millicores, Mi, W or percent; the inverse of `format_value`.

    A bare number is taken in the metric's own unit, memory also with another Kubernetes suffix (`1Gi`), since people
    write annotations by hand. Raises `ValueError`, with a text for people, for everything else and for negative
    values, and `KeyError` if `metric` is none of `serflab.traces.model.METRICS`.
    """
    unit = _UNITS[metric]
    match = _ANNOTATION.fullmatch(text)
    if match:
        number, suffix = match.groups()
        if suffix in ("", unit):
            return _finite(float(number), text)
        if metric == "memory":
            return parse_memory(number + suffix)
    raise ValueError(f"expected a number with the unit {unit}, such as {format_value(metric, 12.5)}, found {text!r}")


def _quantity(value: str | float) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"expected a quantity, found {value!r}")  # noqa: TRY004 - one kind of error for bad input
    text = str(value).strip()
    if text.startswith("-"):
        raise ValueError(f"a quantity must not be negative, found {text}")
    match = _QUANTITY.fullmatch(text)
    if not match:
        raise ValueError(f"expected a Kubernetes quantity such as 16, 500m or 60Gi, found {text!r}")
    number, suffix = match["number"], match["suffix"] or ""
    return Decimal(number) * _SUFFIXES[suffix] if suffix in _SUFFIXES else Decimal(number + suffix)


def _finite(number: Decimal | float, given: object) -> float:
    result = float(number)
    if not isfinite(result):
        raise ValueError(f"a quantity that large cannot be used: {given}")
    return result
