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
from benchmarks import bring_up, patches, pods, scrape, viewer_api, viewer_graph
from benchmarks.clusters import CHECKOUT
from serflab.lab.tools.pinned import TOOLS
from serflab.lab.tools.toolbox import Toolbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.comparison import Comparison

MEASURES: dict[str, Callable[..., Comparison]] = {
    "up": bring_up.measure,
    "pods": pods.measure,
    "patches": patches.measure,
    "scrape": scrape.measure,
    "viewer-api": viewer_api.measure,
    **viewer_graph.MEASURES,
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
    parser.add_argument("--runs", type=int, help="how many runs of each (default: each benchmark's own number)")
    parser.add_argument(
        "-o", "--output", choices=("page", "json"), default="page", help="docs/benchmarks.md, or stdout"
    )
    options = parser.parse_args()
    if unknown := set(options.names) - set(MEASURES):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    results = {}
    for name in options.names or MEASURES:
        print(f"{name} …", file=sys.stderr, flush=True)
        results[name] = MEASURES[name](**({"runs": options.runs} if options.runs else {}))
    if options.output == "json":
        print(json.dumps({name: asdict(result) for name, result in results.items()}, indent=2))
    else:
        PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")
    sys.exit(0 if all(result.met for result in results.values()) else 1)


def page(old: str, results: dict[str, Comparison]) -> str:
    """Return the page with the sections of these results made anew; those of other benchmarks stay as they are."""
    parts = re.split(r"^## (.+)$", old, flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], (text.strip() for text in parts[2::2]), strict=True))
    sections |= {name: _section(result) for name, result in results.items()}
    known = [name for name in MEASURES if name in sections]
    return "\n\n".join([_HEAD, *(f"## {name}\n\n{sections[name]}" for name in known)]) + "\n"


def _section(result: Comparison) -> str:
    toolbox = Toolbox(CHECKOUT)
    versions = ", ".join(f"{tool.name} {toolbox.pins.version(tool)}" for tool in TOOLS)
    memory = psutil.virtual_memory().total / 2**30
    ours, peer = f"{result.ours:.4g} {result.unit}", f"{result.peer:.4g} {result.unit} ({result.peer_name})"
    cells = [result.name, ours, peer, f"{result.ratio:.2f}×", result.spread, result.aim]
    cells += ["yes" if result.met else "no", str(result.runs)]
    lines = [
        "| what | ours | peer | ratio | spread | aim | met | runs |",
        "|---|---|---|---|---|---|---|---|",
        f"| {' | '.join(cells)} |",
        "",
        *([f"- {result.note[0].upper()}{result.note[1:]}."] if result.note else []),
        f"- Date: {datetime.now(UTC):%Y-%m-%d}",
        f"- Machine: {os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}, {platform.machine()}",
        f"- Versions: serflab {serflab.__version__}, Python {platform.python_version()}, {versions}",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
