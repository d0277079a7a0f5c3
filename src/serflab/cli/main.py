"""The `serflab` command: its groups, and what every command has in common."""

from __future__ import annotations

import logging
import signal
import sys
from typing import TYPE_CHECKING

import click

import serflab
from serflab.cli.lab import down, kubeconfig, kubectl, logs, status, up
from serflab.cli.offload import offload
from serflab.cli.tools import tools
from serflab.cli.trace import trace
from serflab.errors import SerflabError

if TYPE_CHECKING:
    from types import FrameType

INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def serflab_command() -> None:
    """Many emulated Kubernetes clusters ("serfs") on one machine, replaying a recorded workload."""


@serflab_command.command()
def version() -> None:
    """Print the version of serflab."""
    click.echo(serflab.__version__)


for command in (up, down, status, logs, kubectl, kubeconfig, tools, trace, offload):
    serflab_command.add_command(command)


def main() -> None:
    """Run the command line; exit 0 when done, 1 when something failed, 2 for bad usage or input."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stderr)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        status = serflab_command.main(prog_name="serflab", standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except SerflabError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_status)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; `serflab up` goes on, `serflab down` clears away", err=True)
        sys.exit(INTERRUPTED)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
