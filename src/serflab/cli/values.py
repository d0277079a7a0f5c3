"""Kinds of values that commands take."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from serflab.lab.link_values import go_duration
from serflab.lab.serf_settings import DEFAULT_INTERVAL, INTERVAL_ENV

if TYPE_CHECKING:
    from click import Context, Parameter

FILE = click.Path(path_type=Path)
PORT = click.IntRange(1, 65535)


class _Seconds(click.FloatRange):
    """A time, more than 0, in seconds or as Go writes it: `60`, `60s`, `1m30s`; it refuses nan and inf."""

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True)

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> float:  # noqa: ANN401 - as click has it
        """Return the seconds."""
        if isinstance(value, str):
            with contextlib.suppress(ValueError):
                value = go_duration(value) if value else value
        seconds = float(super().convert(value, param, ctx))
        if not math.isfinite(seconds):
            self.fail(f"{value} is not a time", param, ctx)
        return seconds


class _Points(click.FloatRange):
    """Points of percent, 0 to 100; it refuses nan, which `FloatRange` takes for a number of any range."""

    def __init__(self) -> None:
        super().__init__(0, 100)

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> float:  # noqa: ANN401 - as click has it
        """Return the points."""
        points = float(super().convert(value, param, ctx))
        if math.isnan(points):
            self.fail(f"{value} is not a number of points", param, ctx)
        return points


SECONDS = _Seconds()
POINTS = _Points()

interval_option = click.option(
    "--interval",
    type=SECONDS,
    default=DEFAULT_INTERVAL,
    envvar=INTERVAL_ENV,
    show_default=True,
    show_envvar=True,
    help="Seconds a point of the trace.",
)
