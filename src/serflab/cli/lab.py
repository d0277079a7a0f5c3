"""The commands that bring a lab up, show it, reach into it and take it away."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import click

from serflab.cli.context import checkout, inventory, output_option, state_dir
from serflab.cli.display import Display
from serflab.cli.table import print_table
from serflab.cli.values import FILE, PORT, SECONDS
from serflab.errors import SerflabError
from serflab.lab.inventory import load_inventory
from serflab.lab.local import LocalRuntime
from serflab.lab.local import down as take_down
from serflab.lab.plan import (
    PROMETHEUS_PORT,
    VIEWER_PORT,
    LabPlan,
    LabSettings,
    plan_lab,
    select_serfs,
)
from serflab.lab.ports import port_base
from serflab.lab.processes import lab_processes
from serflab.lab.serf_settings import DEFAULT_INTERVAL
from serflab.lab.status import LabStatus, lab_status, target_states
from serflab.lab.tools.pinned import LAB_TOOLS, tools_named
from serflab.lab.tools.toolbox import Toolbox

if TYPE_CHECKING:
    from pathlib import Path

_TARGETS_SECONDS = 30.0


@click.command()
@click.option("--topology", type=FILE, help="The topology file.  [default: topology.yaml of the checkout]")
@click.option("--serfs", "count", type=int, metavar="N", help="Only the first N serfs of the topology.")
@click.option("--only", metavar="NAME,…", help="Only these serfs, besides those that are up already.")
@click.option(
    "--interval", type=SECONDS, default=DEFAULT_INTERVAL, show_default=True, help="Seconds a point of the trace."
)
@click.option("--prometheus-port", type=PORT, default=PROMETHEUS_PORT, show_default=True, help="Prometheus' port.")
@click.option("--viewer-port", type=PORT, default=VIEWER_PORT, show_default=True, help="The page's port.")
@click.option("--dry-run", is_flag=True, help="Check the input and say what would be done.")
def up(  # noqa: PLR0913, PLR0917 - the options of the command
    topology: Path | None,
    count: int | None,
    only: str | None,
    interval: float,
    prometheus_port: int,
    viewer_port: int,
    dry_run: bool,
) -> None:
    """Bring the lab up, or repair what is missing of it."""
    began = time.monotonic()
    root = checkout()
    settings = LabSettings(
        checkout=root,
        state_dir=state_dir(),
        topology=topology or root / "topology.yaml",
        port_base=port_base(),
        prometheus_port=prometheus_port,
        viewer_port=viewer_port,
        interval=interval,
    )
    names = [name.strip() for name in only.split(",")] if only else []
    wanted = select_serfs(settings.load_topology(), count, names)
    toolbox, chosen = Toolbox(root), tools_named(LAB_TOOLS)
    expected = {tool.name: toolbox.expected_path(tool) for tool in chosen}
    plan = plan_lab(settings, expected, [*wanted, *_already_up(settings.state_dir)])
    if dry_run:
        _show_plan(plan, toolbox)
        return
    with Display() as progress:
        programs = toolbox.install(chosen, progress)
        plan = dataclasses.replace(
            plan, serfs=tuple(dataclasses.replace(serf, programs=programs) for serf in plan.serfs)
        )
        LocalRuntime(plan, programs["prometheus"], progress).up()
        progress.say("waiting for the first scrapes")
        status_now = _await_targets(plan)
    _show(status_now)
    click.echo(f"\nup after {time.monotonic() - began:.0f} s. The page: {plan.inventory.viewer}")
    if not status_now.healthy:
        raise SerflabError("the lab is not healthy", hint="`serflab status` tells more")


@click.command()
@click.option("--keep-data", is_flag=True, help="Keep the clusters' data and logs for the next `up`.")
@click.option("--dry-run", is_flag=True, help="Only say what would be stopped and removed.")
def down(*, keep_data: bool, dry_run: bool) -> None:
    """Stop everything of the lab and remove its state."""
    directory = state_dir()
    if dry_run:
        count = sum(1 for _ in lab_processes(directory))
        removed = "its data is kept" if keep_data else f"{directory} is removed"
        click.echo(f"would stop {count} processes; {removed}" if directory.exists() else "no lab is up")
        return
    if not directory.exists():
        click.echo("no lab is up")
        return
    count = take_down(directory, keep_data=keep_data)
    rest = f"the data is kept in {directory}" if keep_data else f"{directory} is removed"
    click.echo(f"{count} processes ended; {rest}")


@click.command()
@output_option
def status(output: str) -> None:
    """Show how the lab is; exit status 1 unless all of it is healthy."""
    now = lab_status(inventory(), state_dir())
    if output == "json":
        click.echo(json.dumps({**dataclasses.asdict(now), "healthy": now.healthy}, indent=2))
    else:
        _show(now)
    if not now.healthy:
        sys.exit(1)


@click.command()
@click.argument("serf")
@click.argument("component", required=False)
@click.option("-n", "--lines", type=click.IntRange(min=1), default=50, show_default=True, help="How many lines.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is added.")
def logs(serf: str, component: str | None, *, lines: int, follow: bool) -> None:
    """Show the last log lines of SERF (`services` for Prometheus and the viewer), of one COMPONENT or of each."""
    directory = state_dir() / "logs" if serf == "services" else state_dir() / serf / "logs"
    files = sorted(directory.glob("*.log"))
    if not files:
        raise SerflabError(f"there are no logs of {serf!r} in {state_dir()}", hint="`serflab status` names the serfs")
    chosen = [file for file in files if component in {None, file.stem}]
    if not chosen:
        raise SerflabError(
            f"{serf} has no component {component!r}", hint=f"its logs are: {', '.join(file.stem for file in files)}"
        )
    command = ["tail", f"--lines={lines}", *(["--follow=name"] if follow else []), *map(str, chosen)]
    sys.exit(subprocess.run(command, check=False).returncode)


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("serf")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def kubectl(serf: str, arguments: tuple[str, ...]) -> None:
    """Run kubectl on SERF: `serflab kubectl serf1 -- get pods -A`."""
    config = inventory().serf(serf).kubeconfig
    program = str(Toolbox(checkout()).path("kubectl"))
    rest = arguments[1:] if arguments[:1] == ("--",) else arguments
    os.execv(program, [program, f"--kubeconfig={config}", *rest])  # noqa: S606 - the pinned kubectl


@click.command()
@click.argument("serf")
def kubeconfig(serf: str) -> None:
    """Print the path of SERF's kubeconfig: `export KUBECONFIG=$(serflab kubeconfig serf1)`."""
    click.echo(inventory().serf(serf).kubeconfig)


def _already_up(directory: Path) -> list[str]:
    try:
        return [serf.name for serf in load_inventory(directory).serfs]
    except SerflabError:
        return []


def _await_targets(plan: LabPlan) -> LabStatus:
    deadline = time.monotonic() + _TARGETS_SECONDS
    wanted = {serf.name for serf in plan.serfs}
    while time.monotonic() < deadline:
        states = target_states(plan.inventory)
        if all(states.get(name) == "up" for name in wanted):
            now = lab_status(plan.inventory, plan.settings.state_dir)
            if now.healthy:
                return now
        time.sleep(0.5)
    return lab_status(plan.inventory, plan.settings.state_dir)


def _show_plan(plan: LabPlan, toolbox: Toolbox) -> None:
    missing = [tool.name for tool in tools_named(LAB_TOOLS) if toolbox.locate(tool).path is None]
    click.echo(f"lab {plan.topology.name} from {plan.topology.file}, state in {plan.settings.state_dir}")
    click.echo(f"tools to get: {', '.join(missing) or 'none'}")
    rows = [
        (serf.name, serf.server, serf.exporter, str(serf.config), str(serf.phase), f"{serf.interval:g}")
        for serf in plan.serfs
    ]
    print_table(("SERF", "API SERVER", "EXPORTER", "CONFIG", "PHASE", "INTERVAL"), rows)
    click.echo(f"Prometheus: {plan.inventory.prometheus}, the page: {plan.inventory.viewer}")


def _show(now: LabStatus) -> None:
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
