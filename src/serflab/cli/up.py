"""`serflab up`: bring the lab up with the runtime that was asked for, or that this machine allows."""

from __future__ import annotations

import dataclasses
import os
import time
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from serflab.cli.context import checkout, state_dir
from serflab.cli.display import Display
from serflab.cli.status_table import show_status
from serflab.cli.table import print_table
from serflab.cli.values import FILE, PORT, interval_option
from serflab.errors import SerflabError
from serflab.lab.containerlab import sudo_notice
from serflab.lab.containerlab_files import load_deployment
from serflab.lab.containerlab_plan import plan_containers, published_ports
from serflab.lab.containerlab_runtime import ContainerlabRuntime, prometheus_url
from serflab.lab.inventory import Inventory, load_inventory
from serflab.lab.local import LocalRuntime
from serflab.lab.plan import PROMETHEUS_PORT, VIEWER_PORT, LabPlan, LabSettings, plan_lab, select_serfs
from serflab.lab.ports import port_base
from serflab.lab.runtimes import Choice, Runtime, choose_runtime
from serflab.lab.serf_settings import INTERVAL_ENV
from serflab.lab.status import LabStatus, lab_status, target_states
from serflab.lab.tools.pinned import LAB_TOOLS, tools_named
from serflab.lab.tools.toolbox import Toolbox

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from serflab.lab.containerlab_plan import ContainerPlan
    from serflab.lab.progress import Progress

RUNTIME_ENV = "SERFLAB_RUNTIME"
_TARGETS_SECONDS = 30.0


@click.command()
@click.option("--topology", type=FILE, help="The topology file.  [default: topology.yaml of the checkout]")
@click.option(
    "--runtime",
    type=click.Choice([runtime.value for runtime in Runtime]),
    default=Runtime.AUTO.value,
    envvar=RUNTIME_ENV,
    show_default=True,
    show_envvar=True,
    help="Containers with links, or plain processes; auto takes containers where they can be had.",
)
@click.option("--serfs", "count", type=int, metavar="N", help="Only the first N serfs of the topology.")
@click.option("--only", metavar="NAME,…", help="Only these serfs, besides those that are up already.")
@interval_option
@click.option("--prometheus-port", type=PORT, default=PROMETHEUS_PORT, show_default=True, help="Prometheus' port.")
@click.option("--viewer-port", type=PORT, default=VIEWER_PORT, show_default=True, help="The page's port.")
@click.option("--dry-run", is_flag=True, help="Check the input and say what would be done.")
def up(  # noqa: PLR0913, PLR0917 - the options of the command
    topology: Path | None,
    runtime: str,
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
    if (deployed := load_deployment(settings.state_dir)) is not None:
        settings = _as_before(settings, deployed.variables)
    names = [name.strip() for name in only.split(",")] if only else []
    wanted = [*select_serfs(settings.load_topology(), count, names), *_already_up(settings.state_dir)]
    choice = choose_runtime(Runtime(runtime), settings.state_dir)
    bring_up = _containers_up if choice.tools is not None else _processes_up
    inventory = bring_up(settings, wanted, choice, dry_run=dry_run)
    if inventory is None:
        return
    now = lab_status(inventory, settings.state_dir)
    show_status(now)
    click.echo(f"\nup after {time.monotonic() - began:.0f} s. The page: {inventory.viewer}")
    if not now.healthy:
        raise SerflabError("the lab is not healthy", hint="`serflab status` tells more")


def _as_before(settings: LabSettings, variables: Mapping[str, str]) -> LabSettings:
    """Keep what containers were deployed with, where nothing else is asked for: another value would replace them."""
    kept = {name: value for name, value in variables.items() if name not in os.environ}
    given = click.get_current_context().get_parameter_source("interval")
    if given is not ParameterSource.DEFAULT:
        kept.pop(INTERVAL_ENV, None)
    if kept:
        click.echo(f"as before: {', '.join(f'{name}={value}' for name, value in sorted(kept.items()))}", err=True)
    interval = float(kept.get(INTERVAL_ENV, settings.interval))
    return dataclasses.replace(settings, remembered=kept, interval=interval)


def _processes_up(settings: LabSettings, wanted: Sequence[str], choice: Choice, *, dry_run: bool) -> Inventory | None:
    toolbox, chosen = Toolbox(settings.checkout), tools_named(LAB_TOOLS)
    expected = {tool.name: toolbox.expected_path(tool) for tool in chosen}
    plan = plan_lab(settings, expected, wanted)
    click.echo(f"runtime {choice.runtime}: {choice.reason}", err=True)
    if dry_run:
        _show_plan(plan, toolbox)
        return None
    with Display() as progress:
        programs = toolbox.install(chosen, progress)
        plan = dataclasses.replace(
            plan, serfs=tuple(dataclasses.replace(serf, programs=programs) for serf in plan.serfs)
        )
        inventory = LocalRuntime(plan, programs["prometheus"], progress).up()
        _await_targets(inventory, settings.state_dir, progress)
    return inventory


def _containers_up(settings: LabSettings, wanted: Sequence[str], choice: Choice, *, dry_run: bool) -> Inventory | None:
    tools = choice.tools
    assert tools is not None  # noqa: S101 - the caller's condition
    topology = settings.load_topology()
    # containerlab removes what has a container and is not in the file that it is given.
    there = tools.engine.containers(topology.name).keys() & {serf.name for serf in topology.serfs}
    plan = plan_containers(settings, [*wanted, *sorted(there - set(wanted))])
    if plan.prometheus is not None and settings.prometheus_port != PROMETHEUS_PORT:
        published = f"the topology file publishes Prometheus at {prometheus_url(plan)}"
        click.echo(f"--prometheus-port counts for plain processes only: {published}", err=True)
    click.echo(f"runtime {choice.runtime}: {choice.reason}", err=True)
    toolbox = Toolbox(settings.checkout)
    needed = tools_named(["kubectl", *([] if plan.prometheus else ["prometheus"])])
    if dry_run:
        images = {node.image for node in plan.serfs}
        missing = sorted(image for image in images if not tools.engine.has_image(image))
        _show_container_plan(plan, missing)
        return None
    with Display() as progress:
        sudo_notice(tools.containerlab, progress.say)
        programs = toolbox.install(needed, progress)
        runtime = ContainerlabRuntime(plan, tools.containerlab, tools.engine, programs.get("prometheus"), progress)
        inventory = runtime.up()
        _await_targets(inventory, settings.state_dir, progress)
    return inventory


def _already_up(directory: Path) -> list[str]:
    try:
        return [serf.name for serf in load_inventory(directory).serfs]
    except SerflabError:
        return []


def _await_targets(inventory: Inventory, directory: Path, progress: Progress) -> LabStatus | None:
    progress.say("waiting for the first scrapes")
    deadline = time.monotonic() + _TARGETS_SECONDS
    while time.monotonic() < deadline:
        states = target_states(inventory)
        if all(states.get(serf.name) == "up" for serf in inventory.serfs):
            now = lab_status(inventory, directory)
            if now.healthy:
                return now
        time.sleep(0.5)
    return None


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


def _show_container_plan(plan: ContainerPlan, missing_images: Sequence[str]) -> None:
    settings = plan.settings
    click.echo(f"lab {plan.topology.name} from {plan.topology.file}, state in {settings.state_dir}")
    click.echo(f"images to build: {', '.join(missing_images) or 'none'}")
    rows = []
    for node in plan.nodes:
        ports = ", ".join(f"{host}:{outside}->{inside}" for inside, (host, outside) in published_ports(node).items())
        work = plan.workloads.get(node.name)
        plays = (str(work.config), str(work.phase), f"{work.interval:g}") if work else ("-", "-", "-")
        rows.append((node.name, node.image, node.mgmt_ipv4 or "-", ports or "-", *plays))
    print_table(("NODE", "IMAGE", "ADDRESS", "PORTS", "CONFIG", "PHASE", "INTERVAL"), rows)
    click.echo(f"Prometheus: {prometheus_url(plan)}, the page: http://127.0.0.1:{settings.viewer_port}")
