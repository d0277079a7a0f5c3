"""The `serflab` command and its groups."""

from __future__ import annotations

from typing import NoReturn

import click

import serflab
from serflab.cli.export import export
from serflab.cli.image import image
from serflab.cli.lab import down, kubeconfig, kubectl, logs, restart, status
from serflab.cli.link import link
from serflab.cli.offload import offload
from serflab.cli.running import run
from serflab.cli.tools import tools
from serflab.cli.trace import trace
from serflab.cli.up import up


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def serflab_command() -> None:
    """Many emulated Kubernetes clusters ("serfs") on one machine, replaying a recorded workload."""


@serflab_command.command()
def version() -> None:
    """Print the version of serflab."""
    click.echo(serflab.__version__)


for command in (up, down, restart, status, logs, kubectl, kubeconfig, tools, trace, link, offload, image, export):
    serflab_command.add_command(command)


def main() -> NoReturn:
    """Run the command line; exit status as `serflab.cli.running.run` has it."""
    run(serflab_command, "serflab", "interrupted; `serflab up` goes on, `serflab down` clears away")
