"""The `serflab` command and its groups, each imported when it is asked for: shell completion starts it at every Tab."""

from __future__ import annotations

from importlib import import_module
from typing import Final, NoReturn

import click

import serflab
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
    "image": "image",
    "export": "export",
}


class _Commands(click.Group):
    """A group whose commands lie in modules of `serflab.cli`, each under its own name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_MODULES})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _MODULES and cmd_name not in self.commands:
            self.add_command(getattr(import_module(f"serflab.cli.{_MODULES[cmd_name]}"), cmd_name))
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def serflab_command() -> None:
    """Many emulated Kubernetes clusters ("serfs") on one machine, replaying a recorded workload."""


@serflab_command.command()
def version() -> None:
    """Print the version of serflab."""
    click.echo(serflab.__version__)


def main() -> NoReturn:
    """Run the command line; exit status as `serflab.cli.running.run` has it."""
    run(serflab_command, "serflab", "interrupted; `serflab up` goes on, `serflab down` clears away")
