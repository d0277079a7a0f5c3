"""Checking time series: lists of points such as `{"time": 1, "cpu": 40.0, "memory": 85.0, "power": 0.1, "psi": 0}`."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from math import isfinite, nan
from typing import TYPE_CHECKING, Any, Final

from serflab.traces.document import child
from serflab.traces.model import METRICS, Series

if TYPE_CHECKING:
    from collections.abc import Mapping

    from serflab.traces.report import Report


@dataclass(frozen=True, slots=True)
class _Kind:
    """The fields of a series' points: name and unit of each metric, and whether all of them are `required`."""

    fields: Mapping[str, str]
    units: Mapping[str, str]
    required: bool


_POD: Final = _Kind(
    fields={metric: metric for metric in METRICS},
    units={"cpu": "millicores", "memory": "Mi", "power": "W", "psi": "percent"},
    required=True,
)
_NODE: Final = _Kind(
    fields={"cpu": "node_cpu_load", "memory": "node_memory", "power": "node_power", "psi": "node_psi"},
    units={"cpu": "percent", "memory": "Mi", "power": "W", "psi": "percent"},
    required=False,
)


def check_pod_series(value: object, path: str, report: Report) -> Series | None:
    """Return a pod's series; findings go to `report`, and then the result is `None`."""
    points = report.items(value, path)
    if points is None:
        return None
    columns = _clean_columns(points)
    if columns is None:
        before = len(report.findings)
        columns = _checked_columns(points, path, _POD, report)
        if len(report.findings) > before:
            return None
    if max(columns["psi"]) > 100:
        report.warn(path, "psi above 100; it is the percentage of time in which something had to wait")
    return Series(**columns)


def check_node_series(value: object, path: str, report: Report) -> Series | None:
    """Return the real node's series, NaN where a field is absent; findings go to `report`, and then it is `None`."""
    points = report.items(value, path)
    if points is None:
        return None
    before = len(report.findings)
    columns = _checked_columns(points, path, _NODE, report)
    return Series(**columns) if len(report.findings) == before else None


def _clean_columns(points: list[Any]) -> dict[str, array[float]] | None:
    """Return the columns of points without any fault, fast; `None` where a closer look is needed."""
    bare = set(METRICS)
    full = bare | {"time"}
    if not all(type(point) is dict and point.keys() in (full, bare) for point in points):
        return None
    columns = {}
    for metric in (*METRICS, "time"):
        values = [point.get(metric, 0) for point in points]
        try:
            column = array("d", values)
        except (TypeError, OverflowError):
            return None
        if not set(map(type, values)) <= {int, float} or not isfinite(sum(column)) or min(column) < 0:
            return None
        columns[metric] = column
    del columns["time"]
    return columns


def _checked_columns(points: list[Any], path: str, kind: _Kind, report: Report) -> dict[str, array[float]]:
    """Return the columns of `points`, with a finding for each fault and NaN in its place."""
    columns = {metric: array("d") for metric in METRICS}
    names = tuple(kind.fields.values())
    for index, value in enumerate(points):
        where = child(path, index)
        point = report.mapping(value, where)
        if point is not None:
            required = names if kind.required else ()
            report.keys(point, where, required=required, optional=(*names, "time"))
            if "time" in point:
                report.number(point["time"], child(where, "time"))
        for metric, name in kind.fields.items():
            number = None
            if point is not None and name in point:
                number = report.number(point[name], child(where, name), kind.units[metric])
            columns[metric].append(nan if number is None else number)
    return columns
