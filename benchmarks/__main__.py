"""Measure all figures, or those named, and write their sections of docs/benchmarks.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psutil

import serflab
from benchmarks import (
    bring_up,
    container,
    containerlab,
    footprint,
    node_exporter,
    offload,
    patches,
    pods,
    rebalance_compare,
    scrape,
    viewer_api,
    viewer_graph,
    vms,
)
from benchmarks.clusters import CHECKOUT
from serflab.lab.tools.pinned import TOOLS
from serflab.lab.tools.toolbox import Toolbox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.comparison import Comparison

    Result = Comparison | tuple[Comparison, ...]

MEASURES: dict[str, Callable[..., Result]] = {
    "up": bring_up.measure,
    "pods": pods.measure,
    "patches": patches.measure,
    "scrape": scrape.measure,
    "node-exporter": node_exporter.measure,
    "viewer-api": viewer_api.measure,
    **viewer_graph.MEASURES,
    "container": container.measure,
    "offload": offload.measure,
    "offload-10000": offload.measure_most,
    "offload-manager": offload.measure_manager,
    **containerlab.MEASURES,
    "rebalance-compare": rebalance_compare.measure,
    "rebalance-vms": vms.measure,
    "footprint": footprint.measure,
}
PAGE = CHECKOUT / "docs" / "benchmarks.md"
_HEAD = """\
# Benchmarks

Made by `.venv/bin/python -m benchmarks` on an otherwise idle machine. Ours and the peer's runs take turns; a
ratio is the median of the ratios of neighbouring runs, and its spread the smallest and the largest of them.
Each section has the name by which its benchmark is run alone, as in `python -m benchmarks scrape`."""


def main() -> None:
    """Run the benchmarks; exit status 1 when an aim is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which to run: {', '.join(MEASURES)} (default: all)")
    parser.add_argument("--without", action="append", default=[], metavar="NAME", help="leave this one out")
    parser.add_argument("--runs", type=int, help="how many runs of each (default: each benchmark's own number)")
    parser.add_argument(
        "-o", "--output", choices=("page", "json"), default="page", help="docs/benchmarks.md, or stdout"
    )
    options = parser.parse_args()
    if unknown := {*options.names, *options.without} - set(MEASURES):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    results: dict[str, Result] = {}
    for name in [name for name in options.names or MEASURES if name not in options.without]:
        print(f"{name} …", file=sys.stderr, flush=True)
        results[name] = MEASURES[name](**({"runs": options.runs} if options.runs else {}))
    if options.output == "json":
        told = {name: [asdict(row) for row in _rows(result)] for name, result in results.items()}
        print(json.dumps(told, indent=2))
    else:
        PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")
    sys.exit(0 if all(row.met for result in results.values() for row in _rows(result)) else 1)


def page(old: str, results: Mapping[str, Result]) -> str:
    """Return the page with the sections of these results made anew; those of other benchmarks stay as they are."""
    parts = re.split(r"^## (.+)$", old, flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], (text.strip() for text in parts[2::2]), strict=True))
    sections |= {name: _section(result) for name, result in results.items()}
    known = [name for name in MEASURES if name in sections]
    return "\n\n".join([_HEAD, *(f"## {name}\n\n{sections[name]}" for name in known)]) + "\n"


def _rows(result: Result) -> tuple[Comparison, ...]:
    return result if isinstance(result, tuple) else (result,)


def _section(result: Result) -> str:
    toolbox = Toolbox(CHECKOUT)
    versions = ", ".join(f"{tool.name} {toolbox.pins.version(tool)}" for tool in TOOLS)
    memory = psutil.virtual_memory().total / 2**30
    rows = _rows(result)
    lines = [
        "| what | ours | peer | ratio | spread | aim | met | runs |",
        "|---|---|---|---|---|---|---|---|",
        *(_row(row) for row in rows),
        "",
        *(f"- {row.note[0].upper()}{row.note[1:]}." for row in rows if row.note),
        f"- Date: {datetime.now(UTC):%Y-%m-%d}",
        f"- Machine: {os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}, {platform.machine()}",
        f"- Versions: serflab {serflab.__version__}, Python {platform.python_version()}, {versions}",
    ]
    return "\n".join(lines)


def _row(row: Comparison) -> str:
    ours, peer = f"{row.ours:.4g} {row.unit}", f"{row.peer:.4g} {row.unit} ({row.peer_name})"
    cells = [row.name, ours, peer, f"{row.ratio:.2f}×", row.spread, row.aim]
    return f"| {' | '.join([*cells, 'yes' if row.met else 'no', str(row.runs)])} |"


if __name__ == "__main__":
    main()
