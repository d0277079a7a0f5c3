"""What the viewer tells of the input files: a serf's emulation config and the workload templates."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

from serflab.errors import Finding, InputError
from serflab.traces.check import read_template
from serflab.traces.model import METRICS

if TYPE_CHECKING:
    from pathlib import Path

    from serflab.traces.model import Series


def config_without_series(file: Path) -> dict[str, Any]:
    """Return an emulation config as it is written, each pod's time series replaced by its number of `points`.

    Raises `InputError` when the file cannot be read.
    """
    try:
        return _config(file, file.stat().st_mtime_ns)
    except OSError as error:
        raise InputError([Finding(str(file), "", f"cannot be read ({error.strerror})")]) from error


@functools.lru_cache(maxsize=32)
def _config(file: Path, _modified: int) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError([Finding(str(file), "", f"is not JSON: {error}")]) from error
    if not isinstance(data, dict):
        raise InputError([Finding(str(file), "$", "expected an object")])
    pods = data.get("pods")
    if isinstance(pods, list):
        data["pods"] = [_pod(pod) for pod in pods]
    measured = data.pop("node_time_series", None)
    data["node_points"] = len(measured) if isinstance(measured, list) else 0
    return data


def _pod(pod: object) -> object:
    if not isinstance(pod, dict):
        return pod
    series = pod.get("time_series")
    rest = {key: value for key, value in pod.items() if key != "time_series"}
    return {**rest, "points": len(series) if isinstance(series, list) else 0}


def templates(directory: Path) -> list[dict[str, Any]]:
    """Return name, length and summary of every template in a directory, in the order of the names.

    A template that cannot be used is listed with its problem, so that whoever wrote it sees why it is not offered.
    """
    return [_template(file) for file in sorted(directory.glob("*.json"))]


def template(file: Path) -> dict[str, Any]:
    """Return what `templates` tells of a template, and its series: one list a measure.

    Raises `InputError` when it cannot be used.
    """
    try:
        told = _checked_template(file, file.stat().st_mtime_ns)
        series = read_template(file).series
    except OSError as error:
        raise InputError([Finding(str(file), "", f"cannot be read ({error.strerror})")]) from error
    return {**told, "series": {metric: list(series.column(metric)) for metric in METRICS}}


def _template(file: Path) -> dict[str, Any]:
    try:
        return _checked_template(file, file.stat().st_mtime_ns)
    except InputError as error:
        problem = error.message
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    return {"name": file.stem, "points": 0, "description": "", "image_mib": 0.0, "summary": None, "problem": problem}


@functools.lru_cache(maxsize=256)
def _checked_template(file: Path, _modified: int) -> dict[str, Any]:
    found = read_template(file)
    return {
        "name": found.name,
        "points": found.series.length,
        "description": found.description,
        "image_mib": found.image_mib,
        "summary": {metric: _figures(found.series, metric) for metric in METRICS},
        "problem": "",
    }


def _figures(series: Series, metric: str) -> dict[str, float]:
    column = series.column(metric)
    return {"min": min(column), "mean": sum(column) / len(column), "max": max(column)}
