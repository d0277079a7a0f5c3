"""Kinds of values that commands take."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from serflab.lab.serf_settings import DEFAULT_INTERVAL, INTERVAL_ENV

if TYPE_CHECKING:
    from click import Context, Parameter

FILE = click.Path(path_type=Path)
PORT = click.IntRange(1, 65535)


class _Seconds(click.FloatRange):
    """A time, more than 0; unlike `FloatRange` it refuses nan and inf."""

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True)

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> float:  # noqa: ANN401 - as click has it
        """Return the seconds."""
        seconds = float(super().convert(value, param, ctx))
        if not math.isfinite(seconds):
            self.fail(f"{value} is not a time", param, ctx)
        return seconds


SECONDS = _Seconds()

interval_option = click.option(
    "--interval",
    type=SECONDS,
    default=DEFAULT_INTERVAL,
    envvar=INTERVAL_ENV,
    show_default=True,
    show_envvar=True,
    help="Seconds a point of the trace.",
)
