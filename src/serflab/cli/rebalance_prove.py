"""`serflab rebalance prove`: the proof that the closed loop works, on a loop of its own."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from serflab.cli.context import checkout, output_option
from serflab.cli.display import Display
from serflab.cli.table import print_table
from serflab.cli.values import PORT, SECONDS
from serflab.lab.ports import port_base
from serflab.lab.tools.pinned import LAB_TOOLS, tools_named
from serflab.lab.tools.toolbox import Toolbox
from serflab.rebalance.loop import down
from serflab.rebalance.loop_settings import (
    FILE_NAME,
    PORTS_ABOVE_SERFS,
    Loop,
)
from serflab.rebalance.names import SAMPLES
from serflab.rebalance.proof import Proof, Report

if TYPE_CHECKING:
    from collections.abc import Mapping

    from serflab.lab.progress import Progress

_ABOVE_A_LOOP = 100
_EXPORTER_ABOVE = 15
_SEEN = 120


@click.command()
@click.option("--interval", type=SECONDS, default=6.0, show_default=True, help="Seconds between two cycles.")
@click.option(
    "--port-base",
    type=PORT,
    help=f"The ports it takes.  [default: {PORTS_ABOVE_SERFS + _ABOVE_A_LOOP} above those of the serfs]",
)
@output_option
def prove(interval: float, port_base: int | None, output: str) -> None:
    """Prove with the real descheduler that the loop works, and print a report; exit status 1 unless all holds.

    What the programs wrote is kept when it does not hold, and the report tells where.
    """
    root = checkout()
    scratch = Path(tempfile.mkdtemp(prefix="serflab-proof-"))
    passed = False
    try:
        with Display() as progress:
            programs = Toolbox(root).install(tools_named([*LAB_TOOLS, "descheduler"]), progress)
            report = _prove(_loop(root, scratch / "lab", interval, port_base), programs, progress)
        passed = report.passed
        _show(report, output)
    finally:
        if passed or not any(scratch.iterdir()):
            shutil.rmtree(scratch, ignore_errors=True)
        else:
            click.echo(f"what its programs wrote is kept in {scratch}", err=True)
    if not passed:
        sys.exit(1)


def _prove(loop: Loop, programs: Mapping[str, Path], progress: Progress) -> Report:
    """Run the proof and take its loop away, but for logs, policy and settings, which go beside its state directory."""
    state_dir = loop.directory.parent
    try:
        return Proof(loop, loop.checkout / SAMPLES, programs, progress).run()
    finally:
        for path in (*loop.directory.rglob("*.log"), loop.policy, loop.directory / FILE_NAME):
            if path.is_file():
                kept = state_dir.parent / path.relative_to(loop.directory)
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, kept)
        down(state_dir, progress)


def _loop(root: Path, state_dir: Path, interval: float, base: int | None) -> Loop:
    first = base if base is not None else port_base() + PORTS_ABOVE_SERFS + _ABOVE_A_LOOP
    return Loop.on_its_own_serf(root, state_dir, first, interval=interval, exporter_port=first + _EXPORTER_ABOVE)


def _show(report: Report, output: str) -> None:
    if output == "json":
        click.echo(json.dumps(report.document(), indent=2))
        return
    print_table(
        ("", "CHECK", "SEEN"), [("ok" if c.passed else "FAILED", c.name, c.seen[:_SEEN]) for c in report.checks]
    )
    held = sum(check.passed for check in report.checks)
    click.echo(f"\n{held} of {len(report.checks)} hold, after {report.seconds:.0f} s on {os.cpu_count()} cores")
