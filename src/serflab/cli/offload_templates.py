"""`serflab offload templates`: the workload templates, and the curve of one of them in the terminal."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import click

from serflab.cli.context import output_option
from serflab.cli.offload_names import complete_template
from serflab.cli.offload_options import asks_viewer, viewer
from serflab.cli.table import print_table
from serflab.cli.viewer_client import path
from serflab.traces.model import METRICS

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNITS = {"cpu": "millicores", "memory": "Mi", "power": "W", "psi": "percent"}
_BARS = "▁▂▃▄▅▆▇█"
_BARS_IN_ASCII = "_.-=+*#@"
_WIDTH = 60


@click.command()
@click.argument("name", required=False, shell_complete=complete_template)
@output_option
@asks_viewer
@click.pass_context
def templates(context: click.Context, *, name: str | None, output: str) -> None:
    """List the workload templates, or show the curves of the template NAME."""
    client = viewer(context)
    if name is None:
        found = client.get("/api/workload-templates")
        _show_list(found["templates"]) if output == "table" else click.echo(json.dumps(found, indent=2))
        return
    template = client.get(path("workload-templates", name))
    _show_one(template) if output == "table" else click.echo(json.dumps(template, indent=2))


def curve(values: Sequence[float], width: int = _WIDTH, bars: str = _BARS) -> str:
    """Return values as a line of bars from 0 to their maximum; a bar is the highest of its points."""
    count = min(width, len(values))
    bounds = [index * len(values) // count for index in range(count + 1)]
    peaks = [max(values[low:high]) for low, high in pairwise(bounds)]
    top = max(peaks) or 1.0
    return "".join(bars[min(len(bars) - 1, int(peak / top * len(bars)))] for peak in peaks)


def _show_list(found: list[dict[str, Any]]) -> None:
    rows = []
    for item in found:
        summary = item["summary"]
        figures = (
            (f"{summary['cpu']['mean']:.0f}/{summary['cpu']['max']:.0f}", f"{summary['memory']['max']:.0f}")
            if summary
            else ("-", "-")
        )
        size = f"{item['image_mib']:g}"
        rows.append((item["name"], str(item["points"]), size, *figures, item["problem"] or item["description"]))
    print_table(("NAME", "POINTS", "IMAGE MiB", "CPU m (MEAN/MAX)", "MEMORY Mi (MAX)", ""), rows)


def _show_one(template: dict[str, Any]) -> None:
    click.echo(f"{template['name']}: {template['description'] or 'no description'}")
    click.echo(f"{template['points']} points, image of {template['image_mib']:g} MiB")
    bars = _BARS if _can_print(_BARS) else _BARS_IN_ASCII
    for metric in METRICS:
        values = template["series"][metric]
        click.echo(f"{metric:<6}  {curve(values, bars=bars)}  {min(values):g} to {max(values):g} {_UNITS[metric]}")


def _can_print(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
