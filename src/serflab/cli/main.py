"""The `serflab` command and its groups."""

from __future__ import annotations

from typing import Final, NoReturn

import click

import serflab
from serflab.cli.lazy import LazyGroup
from serflab.cli.running import run

_MODULES: Final = {
    "up": "up",
    "down": "lab",
    "restart": "lab",
    "status": "lab",
    "logs": "lab",
    "kubectl": "lab",
    "kubeconfig": "lab",
    "tools": "tools",
    "trace": "trace",
    "link": "link",
    "offload": "offload",
    "rebalance": "rebalance",
    "image": "image",
    "export": "export",
}


@click.group(
    cls=LazyGroup,
    modules=_MODULES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
def serflab_command() -> None:
    """Many emulated Kubernetes clusters ("serfs") on one machine, replaying a recorded workload."""


@serflab_command.command()
def version() -> None:
    """Print the version of serflab."""
    click.echo(serflab.__version__)


def main() -> NoReturn:
    """Run the command line; exit status as `serflab.cli.running.run` has it."""
    run(serflab_command, "serflab", "interrupted; `serflab up` goes on, `serflab down` clears away")
