"""Measure all figures, or those named, and write them to docs/benchmarks.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psutil

import serflab
from benchmarks import bring_up, patches, pods, scrape
from benchmarks.clusters import CHECKOUT
from serflab.lab.tools.pinned import TOOLS
from serflab.lab.tools.toolbox import Toolbox

if TYPE_CHECKING:
    from benchmarks.comparison import Comparison

MEASURES = {"up": bring_up.measure, "pods": pods.measure, "patches": patches.measure, "scrape": scrape.measure}
PAGE = CHECKOUT / "docs" / "benchmarks.md"


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
    results = []
    for name in options.names or MEASURES:
        print(f"{name} …", file=sys.stderr, flush=True)
        results.append(MEASURES[name](**({"runs": options.runs} if options.runs else {})))
    if options.output == "json":
        print(json.dumps([asdict(result) for result in results], indent=2))
    else:
        PAGE.write_text(_page(results), encoding="utf-8")
    sys.exit(0 if all(result.met for result in results) else 1)


def _page(results: list[Comparison]) -> str:
    toolbox = Toolbox(CHECKOUT)
    versions = ", ".join(f"{tool.name} {toolbox.pins.version(tool)}" for tool in TOOLS)
    memory = psutil.virtual_memory().total / 2**30
    lines = [
        "# Benchmarks",
        "",
        "Made by `.venv/bin/python -m benchmarks` on an otherwise idle machine. Ours and the peer's runs take turns; a",
        "ratio is the median of the ratios of neighbouring runs, and its spread the smallest and the largest of them.",
        "",
        f"- Date: {datetime.now(UTC):%Y-%m-%d}",
        f"- Machine: {os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}, {platform.machine()}",
        f"- Versions: serflab {serflab.__version__}, Python {platform.python_version()}, {versions}",
        "",
        "| what | ours | peer | ratio | spread | aim | met | runs |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        ours, peer = f"{result.ours:.4g} {result.unit}", f"{result.peer:.4g} {result.unit} ({result.peer_name})"
        lines.append(
            f"| {result.name} | {ours} | {peer} | {result.ratio:.2f}× | {result.spread} | {result.aim} | "
            f"{'yes' if result.met else 'no'} | {result.runs} |"
        )
    lines += ["", *(f"- {result.name}: {result.note}." for result in results if result.note), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
