"""`serflab rebalance prove`: the proof that the closed loop works, on a loop of its own."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import click

from serflab.cli.context import checkout, output_option
from serflab.cli.display import Display
from serflab.cli.table import print_table
from serflab.cli.values import PORT, SECONDS
from serflab.lab.ports import LOOPBACK, port_base
from serflab.lab.tools.pinned import LAB_TOOLS, tools_named
from serflab.lab.tools.toolbox import Toolbox
from serflab.rebalance.algorithms import DEFAULT_ALGORITHM
from serflab.rebalance.loop import down
from serflab.rebalance.loop_settings import PORTS_ABOVE_SERFS, Loop, LoopPorts, loop_directory
from serflab.rebalance.proof import Proof, Report
from serflab.rebalance.scenario_check import SAMPLES

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
    """Prove with the real descheduler that the loop works, and print a report; exit status 1 unless all holds."""
    root = checkout()
    with (
        tempfile.TemporaryDirectory(prefix="serflab-proof-", ignore_cleanup_errors=True) as scratch,
        Display() as progress,
    ):
        state_dir = Path(scratch) / "lab"
        programs = Toolbox(root).install(tools_named([*LAB_TOOLS, "descheduler"]), progress)
        proof = Proof(_loop(root, state_dir, interval, port_base), root / SAMPLES, programs, progress)
        try:
            report = proof.run()
        finally:
            down(state_dir, progress)
    _show(report, output)
    if not report.passed:
        sys.exit(1)


def _loop(root: Path, state_dir: Path, interval: float, base: int | None) -> Loop:
    first = base if base is not None else port_base() + PORTS_ABOVE_SERFS + _ABOVE_A_LOOP
    directory = loop_directory(state_dir)
    return Loop(
        checkout=root,
        directory=directory,
        serf="",
        kubeconfig=directory / "serf" / "kubeconfig",
        scenario="",
        nodes=0,
        algorithm=DEFAULT_ALGORITHM,
        interval=interval,
        threshold=0.0,
        target_threshold=10.0,
        port_base=first,
        exporter_port=first + _EXPORTER_ABOVE,
        prometheus=f"http://{LOOPBACK}:{LoopPorts.of(first).prometheus}",
    )


def _show(report: Report, output: str) -> None:
    if output == "json":
        click.echo(json.dumps(report.document(), indent=2))
        return
    print_table(
        ("", "CHECK", "SEEN"), [("ok" if c.passed else "FAILED", c.name, c.seen[:_SEEN]) for c in report.checks]
    )
    held = sum(check.passed for check in report.checks)
    click.echo(f"\n{held} of {len(report.checks)} hold, after {report.seconds:.0f} s on {os.cpu_count()} cores")
