"""The commands that show a lab, reach into it, restart a part of it and take it away."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import click

from serflab.cli.context import checkout, inventory, output_option, state_dir
from serflab.cli.display import Display
from serflab.cli.status_table import show_status
from serflab.errors import SerflabError
from serflab.lab import local, local_restart, state
from serflab.lab.containerlab_files import Deployment, load_deployment
from serflab.lab.inventory import CONTAINERLAB, Serf
from serflab.lab.processes import lab_processes
from serflab.lab.status import lab_status
from serflab.lab.tools.toolbox import Toolbox

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.option("--keep-data", is_flag=True, help="Keep the clusters' data and logs for the next `up`.")
@click.option("--dry-run", is_flag=True, help="Only say what would be stopped and removed.")
def down(*, keep_data: bool, dry_run: bool) -> None:
    """Stop everything of the lab and remove its state."""
    directory = state_dir()
    if not directory.exists():
        click.echo("no lab is up")
        return
    _rebalancing_down(directory, dry_run=dry_run)
    deployment = load_deployment(directory)
    rest = f"the data is kept in {directory}" if keep_data else f"{directory} is removed"
    if dry_run:
        count = sum(1 for _ in lab_processes(directory))
        containers = ""
        if deployment is not None:
            action = "stop" if keep_data else "destroy"
            containers = f", and {action} the containers of the lab {deployment.lab}"
        rest = "its data is kept" if keep_data else f"{directory} is removed"
        click.echo(f"would stop {count} processes{containers}; {rest}")
    else:
        done = f"{local.end_processes(directory)} processes ended"
        if deployment is not None:
            done += f", {_containers_down(deployment, done, keep_data=keep_data)} containers"
            done += " stopped" if keep_data else " removed"
        state.remove(directory, keep_data=keep_data)
        click.echo(f"{done}; {rest}")


def _rebalancing_down(directory: Path, *, dry_run: bool) -> None:
    """Take down a rebalancing loop that runs on a serf of the lab; one on a serf of its own goes on."""
    from serflab.rebalance.loop_settings import FILE_NAME, load_loop, loop_directory  # noqa: PLC0415

    if not (loop_directory(directory) / FILE_NAME).exists():
        return
    loop = load_loop(directory)
    if not loop.serf:
        click.echo("the rebalancing loop has a serf of its own and goes on; `serflab rebalance down` ends it")
        return
    if dry_run:
        click.echo(f"would take down the rebalancing loop on {loop.serf}")
        return
    from serflab.rebalance.loop import down as loop_down  # noqa: PLC0415

    with Display() as progress:
        loop_down(directory, progress)


def _containers_down(deployment: Deployment, done: str, *, keep_data: bool) -> int:
    # Only here, as in the commands below: who has no containers does not wait for their libraries.
    from serflab.lab.containerlab import Containerlab, find_containerlab, sudo_notice  # noqa: PLC0415
    from serflab.lab.containerlab_runtime import take_containers_down  # noqa: PLC0415
    from serflab.lab.engine import Engine  # noqa: PLC0415

    with Display() as progress:

        def find() -> Containerlab:
            found = find_containerlab()
            sudo_notice(found, progress.say)
            return found

        task = f"{'stopping' if keep_data else 'destroying'} the lab {deployment.lab}"
        progress.start(task)
        try:
            count = take_containers_down(deployment, Engine.connect(), find, keep_data=keep_data)
        except SerflabError as error:
            hint = f"remove {state_dir()} yourself if the containers are gone for good"
            raise SerflabError(
                f"{done}, but not the containers of the lab {deployment.lab}: {error.message}",
                hint="; ".join(filter(None, [error.hint, hint])),
            ) from error
        progress.finish(task)
    return count


@click.command()
@click.argument("serf")
@click.option("--dry-run", is_flag=True, help="Only say what would be restarted.")
def restart(serf: str, *, dry_run: bool) -> None:
    """Restart SERF and wait until it is ready: its data stays, and so do its links."""
    lab = inventory()
    entry = lab.serf(serf)
    if dry_run:
        what = f"the container {entry.container}" if entry.container else f"the programs of {serf}"
        click.echo(f"would restart {what}")
        return
    with Display() as progress:
        if lab.runtime == CONTAINERLAB:
            from serflab.lab.containerlab import sudo_notice  # noqa: PLC0415
            from serflab.lab.containerlab_runtime import restart as restart_container  # noqa: PLC0415
            from serflab.lab.runtimes import container_tools  # noqa: PLC0415

            tools = container_tools()
            sudo_notice(tools.containerlab, progress.say)
            restart_container(state_dir(), serf, tools.containerlab, tools.engine, progress)
        else:
            local_restart.restart(state_dir(), serf, progress)
    click.echo(f"{serf} is ready")


@click.command()
@output_option
def status(output: str) -> None:
    """Show how the lab is; exit status 1 unless all of it is healthy."""
    now = lab_status(inventory(), state_dir())
    if output == "json":
        click.echo(json.dumps({**dataclasses.asdict(now), "healthy": now.healthy}, indent=2))
    else:
        show_status(now)
    if not now.healthy:
        sys.exit(1)


@click.command()
@click.argument("serf")
@click.argument("component", required=False)
@click.option("-n", "--lines", type=click.IntRange(min=1), default=50, show_default=True, help="How many lines.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is added.")
def logs(serf: str, component: str | None, *, lines: int, follow: bool) -> None:
    """Show the last log lines of SERF (`services` for Prometheus and the viewer), of one COMPONENT or of each."""
    if serf != "services" and (entry := _in_a_container(serf)) is not None:
        _container_logs(entry, component, lines, follow=follow)
        return
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


def _in_a_container(name: str) -> Serf | None:
    try:
        found = inventory()
    except SerflabError:
        return None
    return found.serf(name) if found.runtime == CONTAINERLAB else None


def _container_logs(serf: Serf, component: str | None, lines: int, *, follow: bool) -> None:
    """Print what `tail` in the serf's container says."""
    from serflab.lab.engine import Engine  # noqa: PLC0415

    engine = Engine.connect()
    container = engine.containers(inventory().name).get(serf.name)
    if container is None:
        raise SerflabError(f"there is no container {serf.container}", hint="`serflab up` makes what is missing")
    if not container.runs:
        click.echo(engine.output(container, lines))
        raise SerflabError(f"{container.problem}; the above is what it wrote last", hint="`serflab up` starts it again")
    names = sorted(name.decode() for name in b"".join(engine.run(container, ["ls", str(serf.logs)])).split())
    found = [name.removesuffix(".log") for name in names if name.endswith(".log")]
    if component is not None and component not in found:
        raise SerflabError(f"{serf.name} has no component {component!r}", hint=f"its logs are: {', '.join(found)}")
    if not found:
        raise SerflabError(f"{serf.name} has written no logs yet", hint=f"`docker logs {container.name}` tells more")
    files = [f"{serf.logs}/{name}.log" for name in found if component in {None, name}]
    outputs = engine.follow if follow else engine.run
    for output in outputs(container, ["tail", f"--lines={lines}", *(["--follow=name"] if follow else []), *files]):
        sys.stdout.buffer.write(output)
        sys.stdout.buffer.flush()


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
