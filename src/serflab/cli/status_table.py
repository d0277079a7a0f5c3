"""How the status of a lab is shown to people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from serflab.cli.table import print_table

if TYPE_CHECKING:
    from serflab.lab.status import LabStatus


def show_status(now: LabStatus) -> None:
    """Print a table of the serfs and a summary."""
    rows = [
        (
            serf.name,
            serf.state,
            serf.version or "-",
            str(serf.nodes),
            f"{serf.running}/{serf.total}",
            "-" if serf.tick is None or serf.tick < 0 else str(serf.tick),
            serf.target,
            serf.problem,
        )
        for serf in now.serfs
    ]
    print_table(("SERF", "STATE", "VERSION", "NODES", "PODS", "TICK", "TARGET", ""), rows)
    ready = sum(serf.state == "Ready" for serf in now.serfs)
    running, total = sum(serf.running for serf in now.serfs), sum(serf.total for serf in now.serfs)
    scraped = sum(serf.target == "up" for serf in now.serfs)
    count = len(now.serfs)
    click.echo(
        f"\n{ready}/{count} serfs Ready, {running}/{total} pods Running, {scraped}/{count} targets up, "
        f"memory {now.memory / 2**30:.2f} GiB"
    )
    services = ", ".join(f"{name} {state}" for name, state in now.services.items())
    click.echo(f"{services or 'no services'}; page {now.viewer}, Prometheus {now.prometheus}")
    for problem in now.problems:
        click.echo(problem, err=True)
